"""Verifiers of plugins, good ones and others."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flagman import Verifier
from flagman.supervise.verifiers import foreign
from flagman.supervise.verifiers.keys import Mistakes
from flagman.supervise.verifiers.reading import read
from flagman.supervise.verifiers.verifier import Process
from support.driven import LIB, clean_environment, wait_for
from support.verifying import life_fixture, looped_fixture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from support.verifying import Begin

__all__ = ["life_fixture", "looped_fixture"]


@pytest.fixture(name="checks", autouse=True)
def _checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the verifiers for tests."""
    monkeypatch.syspath_prepend(str(LIB))
    import checks  # noqa: PLC0415 - it is where it can be found only now

    checks.SEEN.clear()
    return checks


def test_a_verifier_says_yes(life: Begin, checks: ModuleType) -> None:
    """A process is ready when the verifier says so; until then the verifier is called again, and its trouble told."""
    begun = life({"type": "checks:Says", "answers": [False, "no\nanswer", "exit"]})
    assert begun.verdict() == ""
    assert begun.verification.tries == 4
    assert begun.check.text() == "checks:Says"
    process = checks.SEEN[0]
    assert (process.name, process.pid) == ("web", begun.pid)
    assert process.environment["PATH"]
    assert repr(process) == f"<Process web, {begun.pid}>"


@pytest.mark.parametrize(
    ("answer", "why"),
    [(False, "it says no"), ("no\nanswer", "LookupError: no answer"), ("exit", "SystemExit: leaving now")],
)
def test_a_verifier_says_no(life: Begin, answer: object, why: str) -> None:
    """It is told why a process is not ready."""
    begun = life({"type": "checks:Says", "answers": [answer] * 1000, "timeout": "150ms"})
    assert begun.verdict().endswith(why)
    assert begun.verification.last_error == why


def test_a_verifier_that_hangs(life: Begin, checks: ModuleType) -> None:
    """A verifier that hangs is left alone when the time is over; and after some of them, none is called any more."""
    for _ in range(foreign._MOST):
        assert life({"type": "checks:Hangs", "timeout": "10ms"}).verdict() == "checks:Hangs: no answer within 10ms"
    assert len(checks.SEEN) <= foreign._MOST
    assert not any(process.is_alive() for process in checks.SEEN)


def test_too_many_hang(life: Begin, checks: ModuleType) -> None:
    """When many calls of one verifier hang, it is not called any more."""
    begun = life({"type": "checks:Hangs", "every": "100ms", "timeout": "1ms", "failures": 1}, liveness=True)
    wait_for(lambda: begun.failures)
    assert begun.failures[0] == "checks:Hangs: no answer within 1ms"
    wait_for(lambda: len(begun.failures) > 1)
    assert begun.failures[1] == "checks:Hangs: the call before has not returned"
    assert len(checks.SEEN) == 1
    way = begun.check.way
    assert isinstance(way, foreign.Foreign)
    way._workers *= foreign._MOST
    begun.verification._around.is_busy = bool
    begun.begin()
    wait_for(lambda: begun.verification.last_error)
    assert begun.verification.last_error == "8 calls of the verifier hang, so it is not called again"


def test_a_verifier_that_asks_learns_of_the_end(life: Begin, checks: ModuleType, tmp_path: Path) -> None:
    """A verifier that asks whether the process lives learns that its answer does not count any more."""
    path = tmp_path / "end"
    os.mkfifo(path)
    begun = life({"type": "checks:Waits"}, "cat", str(path))
    path.write_text("", encoding="ascii")
    assert begun.verdict() == "died"
    wait_for(lambda: checks.SEEN)
    assert begun.verdict() == "died"


# A process that ends while a verifier hangs.
END = """
import sys, time
from flagman.service.control_loop import ControlLoop
from flagman.supervise.verifiers.kind import Gifts
from flagman.supervise.verifiers.reading import read
from flagman.supervise.verifiers.verification import Verification
import checks

class Target:
    name, pid, environment = "web", 1, {}
    def is_alive(self):
        return True

loop = ControlLoop(list, list)
loop.start()
check = read({"type": "checks:Hangs", "timeout": "50ms"}, liveness=False)
verdicts = []
loop.call(Verification(check, Target(), loop, Gifts(), verdicts.append).begin)
while not verdicts:
    time.sleep(0.01)
assert checks.SEEN
assert loop.stop(10)
print(*verdicts)
"""


def test_a_verifier_that_hangs_does_not_keep_the_process() -> None:
    """The process ends although a verifier hangs for ever."""
    done = subprocess.run(
        [sys.executable, "-c", END],
        env={**clean_environment(), "PYTHONPATH": str(LIB)},
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("checks:Hangs: no answer within 50ms\n", "")


ABSENT = "AttributeError: module 'checks' has no attribute 'Sings'"
NOTHING = "run() is a coroutine or a generator, so calling it does nothing"
BAD: Mapping[str, tuple[dict[str, object], list[str]]] = {
    "a missing key": ({"type": "checks:Says"}, ["key 'answers': is missing"]),
    "an unknown key": (
        {"type": "checks:Says", "answer": [], "after-no": ""},
        ["key 'answer': unknown; did you mean 'answers'?", "key 'answers': is missing"],
    ),
    "what the constructor refuses": (
        {"type": "checks:Says", "answers": [], "after-no": "x"},
        ["key 'type': 'checks:Says': 'x' is not understood"],
    ),
    "no such class": (
        {"type": "checks:Sings"},
        [f"key 'type': the verifier 'checks:Sings' is broken: {ABSENT}"],
    ),
    "no such module": (
        {"type": "chequers:Says"},
        ["key 'type': the verifier 'chequers:Says' is broken: ModuleNotFoundError: No module named 'chequers'"],
    ),
    "not a verifier": (
        {"type": "checks:time"},
        ["key 'type': the verifier 'checks:time' is broken: it is not a subclass of flagman.Verifier"],
    ),
    "abstract": (
        {"type": "checks:Abstract"},
        ["key 'type': the verifier 'checks:Abstract' is broken: it does not define run()"],
    ),
    "asynchronous": (
        {"type": "checks:Asynchronous"},
        [f"key 'type': the verifier 'checks:Asynchronous' is broken: {NOTHING}"],
    ),
}


@pytest.mark.parametrize(("table", "messages"), BAD.values(), ids=BAD)
def test_bad_tables(table: dict[str, object], messages: list[str]) -> None:
    """All mistakes are found when the file is read."""
    with pytest.raises(Mistakes) as caught:
        read(table, liveness=False)
    assert caught.value.messages == messages


def test_tables_are_compared() -> None:
    """Two tables that say the same are equal, and others are not."""
    check = read({"type": "checks:Says", "answers": [1]}, liveness=False)
    assert check == read({"type": "checks:Says", "answers": [1]}, liveness=False)
    assert check != read({"type": "checks:Says", "answers": [2]}, liveness=False)
    assert check != read("checks:Hangs", liveness=False)


def test_verifiers_of_distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier is found by the name of its entry point, with that of its distribution if several offer it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("acme-one", "acme-two"):
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        points = f"[flagman.verifier]\nstill = checks:Hangs\n{name} = checks:Waits [extra]\nbad = checks\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
    assert read("acme-one", liveness=True).kind == "acme-one"
    assert read("acme-two:still", liveness=False).text() == "acme-two:still"
    for name, message in {
        "still": "several distributions offer a verifier 'still': choose acme-one:still or acme-two:still",
        "acme-one:bad": "the verifier 'acme-one:bad' of the distribution 'acme-one' is broken: 'checks' is not of the"
        " form module:Class",
        "acme-on": "'acme-on' is unknown; did you mean 'acme-one'?",
    }.items():
        with pytest.raises(Mistakes) as caught:
            read(name, liveness=False)
        assert caught.value.messages == [f"key 'type': {message}"]


def test_the_public_class() -> None:
    """The class is abstract, and its instances can be shown."""

    class Mine(Verifier):
        def run(self, process: Process) -> bool:
            return process.is_alive()

    assert repr(Mine()) == "<Mine>"
    assert Mine().run(Process("web", 1, {}, lambda: True))


@pytest.mark.parametrize("names_it", ["line", "file"])
def test_a_verifier_is_looked_for_where_actions_are(names_it: str, tmp_path: Path) -> None:
    """The directory of ``pythonpath`` counts, from the command line and from the file."""
    modules = tmp_path / "modules"
    modules.mkdir()
    code = "from flagman import Verifier\nclass Mine(Verifier):\n    def run(self, process):\n        return True\n"
    (modules / "mine.py").write_text(code, encoding="utf-8")
    config = tmp_path / "flagman.toml"
    head = f"[flagman]\npythonpath = '{modules}'\n" * (names_it == "file")
    table = '[process.web]\ncommand = ["sleep", "9"]\nready = { type = "mine:Mine" }\n'
    config.write_text(head + table, encoding="utf-8")
    words = ["--pythonpath", str(modules)] if names_it == "line" else []
    done = subprocess.run(
        [sys.executable, "-m", "flagman", *words, "--check", "--config", str(config)],
        capture_output=True,
        env=clean_environment(),
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "good: keeps 1 process\n", "")
