"""The init in front of the daemon, in pid namespaces of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flagman.supervise import init
from flagman.testing import DEADLINE, Lines
from support.driven import clean_environment, in_terminal
from support.programs import inits, words

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(
    subprocess.run(["unshare", "-fp", "true"], check=False, capture_output=True).returncode != 0,
    reason="no pid namespaces here",
)

# Signals that kill nothing by default.
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}


def output_of(program: Callable[[], None], *, is_measured: bool = True, **environment: str) -> str:
    """Run a program, and return what it prints; one that forks often is not measured, which would take minutes."""
    done = subprocess.run(
        words(program),
        env={**(os.environ if is_measured else clean_environment()), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_exit_status_is_passed_on() -> None:
    """The init ends with the status of the daemon, whatever it is."""
    assert json.loads(output_of(inits.statuses, is_measured=False)) == list(range(256))


def test_a_death_by_any_signal_is_passed_on() -> None:
    """The init ends with 128 and the number of the signal that has killed the daemon, as a shell says it."""
    found = json.loads(output_of(inits.deaths, is_measured=False))
    assert {int(signum) for signum, status in found.items() if status == 0} == HARMLESS
    assert {128 + int(signum) == status for signum, status in found.items() if status} == {True}
    assert len(found) == len(signal.valid_signals()) - 4


def test_an_end_before_all_is_armed_is_passed_on() -> None:
    """The init does not wait for a daemon that ends before its handlers are armed."""
    assert output_of(inits.early_deaths) == "5\n"


def test_every_signal_is_forwarded() -> None:
    """Each signal to process 1 reaches the daemon, and one that is early as soon as its handlers are armed."""
    assert output_of(inits.forwarding) == "done\n"


@pytest.mark.parametrize("number", ["1", "7"])
def test_variables_for_process_1_are_for_the_daemon(number: str) -> None:
    """What the manager meant for process 1 is the daemon's, what it meant for others is not; the mask is as before."""
    pid, watchdog, listen, mask = json.loads(output_of(inits.numbers, WATCHDOG_PID=number, LISTEN_PID=number))
    assert pid != 1
    assert [watchdog, listen] == ([str(pid)] * 2 if number == "1" else [number] * 2)
    assert mask == [signal.SIGURG]


def test_the_terminal_interrupts_the_daemon_once() -> None:
    """Ctrl-C in a terminal, which sends INT to both processes, reaches the daemon once."""
    process, terminal = in_terminal(*words(inits.in_terminal, 50), environment=dict(os.environ))
    try:
        lines = Lines(terminal)
        for _ in range(50):
            while lines.next().strip("\r^C") != "ready":
                pass
            os.write(terminal, b"\x03")
            assert lines.next().strip("\r^C") == f"{int(signal.SIGINT)} {int(signal.SIGUSR1)}"
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_without_processes_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no process can be forked, one line says so, and the status is 1."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    try:
        with pytest.raises(SystemExit) as caught:
            init.stand_in_front()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert caught.value.code == "flagman: error: cannot start behind an init: Resource temporarily unavailable"


def test_trouble_is_reported_in_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """The init says what it could not do, in characters that any terminal has, if anything takes it."""
    init.report("cannot \udcff")
    assert capfd.readouterr().err == "flagman: cannot \\udcff\n"
    code = "import os; from flagman.supervise.init import report; os.close(2); report('x')"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
