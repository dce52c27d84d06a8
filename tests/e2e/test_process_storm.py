"""A storm over the processes of a real flagman: deaths by the hundred while the system is short of everything."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import descriptors, wait_for
from support.guards import state
from support.processes import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    Keep = Callable[..., Kept]

#: The number of deaths; more of them take longer.
DEATHS = int(os.environ.get("TESTS_PROCESS_DEATHS", "120"))
COUNT = 50
# One start a second at most, also after many deaths: otherwise a thousand deaths would take an hour.
TABLE = {"command": ["sleep", "1000"], "restart-max-delay": "1s"}
NAMES = [f"p{number}" for number in range(COUNT)]


class Storm:
    """Kills processes of a daemon, and counts."""

    def __init__(self, daemon: Kept, seed: int) -> None:
        self.daemon = daemon
        self.random = random.Random(seed)
        #: The numbers of those that were killed.
        self.killed: set[int] = set()

    def leaders(self) -> list[int]:
        """Return those that run by now."""
        return [each["pid"] for each in self.daemon.all().values() if each["pid"] and each["state"] == "ready"]

    def kill(self, count: int) -> None:
        """Kill some of those that run, each a process that was not killed before."""
        left = count
        while left:
            victims = [pid for pid in self.leaders() if pid not in self.killed and state(pid)]
            for pid in self.random.sample(victims, min(left, len(victims), self.random.randint(1, COUNT))):
                os.kill(pid, signal.SIGKILL)
                self.killed.add(pid)
                left -= 1
            if not victims:
                time.sleep(0.02)

    def settle(self) -> dict[str, dict[str, object]]:
        """Wait until all are ready again, and none of those that were killed is among them; return all."""

        def is_calm() -> bool:
            self.shown = self.daemon.all()
            return all(each["ready"] and each["pid"] not in self.killed for each in self.shown.values())

        self.shown: dict[str, dict[str, object]] = {}
        wait_for(is_calm)
        return self.shown

    def check(self) -> None:
        """The books balance: starts are deaths and the living, each process runs once, and none is an orphan."""
        shown = self.settle()
        pids = [each["pid"] for each in shown.values()]
        assert len(set(pids)) == COUNT
        starts = sum(int(str(each["instance"])) for each in shown.values())
        deaths = sum(sum(each["deaths"].values()) for each in shown.values())  # type: ignore[attr-defined]
        assert starts == deaths + COUNT
        signals = sum(each["deaths"]["signal"] for each in shown.values())  # type: ignore[index]
        assert signals == len(self.killed)
        assert all(each["restarts"] == sum(each["deaths"].values()) for each in shown.values())  # type: ignore[attr-defined]
        running = {
            pid for pid in self.daemon.left() if Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "sleep\n"
        }
        assert running == set(pids)


def memory(pid: int) -> int:
    """Return the anonymous memory of a process, in KiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("\nRssAnon:")[2].split()[0])


def start(keep: Keep, *words: str) -> Kept:
    """Start a flagman with fifty processes; its log goes to a file, so that nothing waits for a reader."""
    return keep({name: TABLE for name in NAMES}, *words, prefix=["sh", "-c", 'exec "$@" 2>log', "sh"]).ready()


def log_of(daemon: Kept) -> str:
    """Return its log."""
    return (daemon.directory / "log").read_text(encoding="utf-8")


def test_a_storm(keep: Keep) -> None:
    """Random deaths, while flagman is stopped now and then: all come back, nothing is lost, and nothing grows."""
    daemon = start(keep)
    storm = Storm(daemon, seed=DEATHS)
    storm.kill(DEATHS // 4)
    storm.check()
    files, size = len(descriptors(daemon.process.pid)), memory(daemon.process.pid)
    while len(storm.killed) < DEATHS:
        if storm.random.random() < 0.5:  # noqa: PLR2004 - each second time
            victims = [pid for pid in storm.leaders() if pid not in storm.killed]
            daemon.signal(signal.SIGSTOP)
            wait_for(lambda: state(daemon.process.pid) == "T")
            chosen = storm.random.sample(victims, min(len(victims), 10, DEATHS - len(storm.killed)))
            for pid in chosen:
                if state(pid):
                    os.kill(pid, signal.SIGKILL)
                    storm.killed.add(pid)
            daemon.signal(signal.SIGCONT)
        else:
            storm.kill(min(10, DEATHS - len(storm.killed)))
    storm.check()
    assert len(descriptors(daemon.process.pid)) <= files
    print(f"{len(storm.killed)} deaths, {files} descriptors, {size} KiB before, {memory(daemon.process.pid)} KiB after")
    assert memory(daemon.process.pid) < size + 2048
    daemon.signal(signal.SIGTERM).expect("")
    assert (daemon.status(), daemon.left()) == (0, [])
    assert "Traceback" not in log_of(daemon)


@pytest.mark.parametrize(
    ("limit", "value", "text", "words"),
    [
        (resource.RLIMIT_NOFILE, 5, "Too many open files", ()),
        (resource.RLIMIT_NPROC, 1, "Resource temporarily unavailable", ("--user", "nobody")),
    ],
    ids=["EMFILE", "EAGAIN"],
)
def test_a_shortage(keep: Keep, limit: int, value: int, text: str, words: tuple[str, ...]) -> None:
    """A start that fails for want of something is a failed start; all come back when there is enough again."""
    if words and os.geteuid() != 0:
        pytest.skip("only root may become another user")
    daemon = start(keep, *words)
    storm = Storm(daemon, seed=1)
    pid = daemon.process.pid
    files = len(descriptors(pid))
    before = resource.prlimit(pid, limit)
    victims = storm.random.sample(storm.leaders(), 10)
    resource.prlimit(pid, limit, (value, before[1]))
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
        storm.killed.add(victim)
    wait_for(lambda: text in log_of(daemon))
    resource.prlimit(pid, limit, before)
    storm.check()
    assert len(descriptors(pid)) <= files
    daemon.signal(signal.SIGTERM).expect("")
    assert (daemon.status(), daemon.left()) == (0, [])
    assert "Traceback" not in log_of(daemon)
