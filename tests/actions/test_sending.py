"""Sending signals to other processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from flagman import ActionFailed, Engine
from flagman.actions import SignalAction
from flagman.exceptions import SetUpError
from flagman.testing import ActionDriver
from support.driven import Lines, run
from support.programs import signals, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman

# For signals that are sent again as soon as the effect of the first one shows.
RERUN = ("--overlap", "rerun")


class Target:
    """A process that prints the signals it gets."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(words(signals.receive), stdout=subprocess.PIPE)
        assert self.process.stdout
        self.out = Lines(self.process.stdout.fileno())
        assert self.out.next() == "ready"

    def end(self) -> None:
        """Kill the process and reap it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(name="target")
def _target() -> Iterator[Target]:
    """Start a target, and end it after the test."""
    target = Target()
    yield target
    target.end()
    assert target.process.stdout
    target.process.stdout.close()


def test_to_a_pid(start: Callable[..., Flagman], target: Target) -> None:
    """A signal is sent to a pid; once that process is gone, the run fails and the daemon lives."""
    daemon = start("--usr1", "signal", "USR2", str(target.process.pid), "--usr2", "print", "alive", *RERUN)
    daemon.ready().expect("init").signal(signal.SIGUSR1)
    assert target.out.next() == "SIGUSR2"
    target.end()
    daemon.signal(signal.SIGUSR1)
    daemon.expect_error(f"cannot send USR2 to {target.process.pid}: No such process")
    daemon.signal(signal.SIGUSR2).expect("alive").stop("cleanup")


def test_to_the_very_process_that_had_the_pid(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal goes through a pidfd to the process found at set_up, not to a later one with the same pid."""
    pid = target.process.pid

    def kill(*_: object) -> None:
        raise AssertionError("a number was used")

    with ActionDriver(SignalAction, "HUP", str(pid)) as driver:
        monkeypatch.setattr(os, "kill", kill)
        driver.run()
        assert target.out.next() == "SIGHUP"


def test_to_the_process_of_a_pid_file(start: Callable[..., Flagman], target: Target, tmp_path: Path) -> None:
    """A signal goes to the process that the pid file names when the action runs."""
    path = tmp_path / "pid"
    daemon = start("--usr1", "signal", "sighup", f"pidfile:{path}", *RERUN).ready().signal(signal.SIGUSR1)
    daemon.expect_error("No such file or directory")
    path.write_text(f"{target.process.pid}\n", encoding="ascii")
    daemon.signal(signal.SIGUSR1)
    assert target.out.next() == "SIGHUP"
    other = Target()
    path.write_text(f" {other.process.pid} \nmore\n", encoding="ascii")
    daemon.signal(signal.SIGUSR1)
    assert other.out.next() == "SIGHUP"
    other.end()
    assert other.process.stdout
    other.process.stdout.close()
    daemon.signal(signal.SIGUSR1)
    daemon.expect_error("No such process")
    daemon.stop()


def test_a_pid_file_that_is_no_regular_file(tmp_path: Path) -> None:
    """A pid file that is not a regular file is a failure, and a FIFO is not waited for."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        driver = ActionDriver(SignalAction, "TERM", f"pidfile:{path}")
        with driver, pytest.raises(ActionFailed, match="it is not a regular file"):
            driver.run()


def test_a_kernel_without_pidfds(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """If the kernel answers that pidfd_open is not implemented, kill(2) is used."""

    def refuse(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with ActionDriver(SignalAction, "HUP", str(target.process.pid)) as driver:
        driver.run()
    assert target.out.next() == "SIGHUP"


@pytest.mark.parametrize(
    "content", ["0" * 20 + "1", "\n", "0\n", "-1\n", "-5", "12x\n", "9" * 30, "1e3", "\xff\n", "x" * 10_000]
)
def test_odd_pid_files(content: str, tmp_path: Path) -> None:
    """A pid file that does not hold exactly one pid is refused, above all one that names a process group."""
    path = tmp_path / "pid"
    path.write_bytes(content.encode("latin-1"))
    driver = ActionDriver(SignalAction, "TERM", f"pidfile:{path}")
    with driver, pytest.raises(ActionFailed, match="is not a pid"):
        driver.run()


def test_a_pid_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """If the pid file changes while it is used, its former process gets no signal."""
    path = tmp_path / "pid"
    path.write_text(f"{target.process.pid}\n", encoding="ascii")
    real = os.pidfd_open

    def change(pid: int) -> int:
        path.write_text("1\n", encoding="ascii")
        return real(pid)

    monkeypatch.setattr(os, "pidfd_open", change)
    before = sorted(os.listdir("/dev/fd"))  # noqa: PTH208 - names, not paths
    driver = ActionDriver(SignalAction, "KILL", f"pidfile:{path}")
    with driver, pytest.raises(ActionFailed, match="the file has changed since"):
        driver.run()
    assert target.process.poll() is None
    assert sorted(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_without_pidfds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """Where Python has no pidfd_open, as on macOS, kill(2) is used."""
    monkeypatch.delattr(os, "pidfd_open")
    path = tmp_path / "pid"
    path.write_text(f"{target.process.pid}\n", encoding="ascii")
    for place in (str(target.process.pid), f"pidfile:{path}"):
        with ActionDriver(SignalAction, "HUP", place) as driver:
            driver.run()
        assert target.out.next() == "SIGHUP"


def test_a_pid_that_no_process_has(target: Target) -> None:
    """A pid that no process has makes set_up fail."""
    target.end()
    with Engine() as engine, pytest.raises(SetUpError, match=r"No such process: the process \d+ cannot be found"):
        engine.set_up("usr1", SignalAction, "HUP", str(target.process.pid))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("BOGUS", "1"), "'BOGUS' is not a signal"),
        (("HUP", "0"), "'0' is neither a pid nor pidfile:PATH nor process:NAME"),
        (("HUP", "-1"), "'-1' is neither a pid nor pidfile:PATH nor process:NAME"),
        (("HUP", "nginx"), "'nginx' is neither a pid nor pidfile:PATH nor process:NAME"),
        (("HUP", "pidfile:"), "'pidfile:' is neither a pid nor pidfile:PATH nor process:NAME"),
        (("HUP", "process:"), "'process:' is neither a pid nor pidfile:PATH nor process:NAME"),
        (("HUP", "99999999999"), "'99999999999' is neither a pid nor pidfile:PATH nor process:NAME"),
        (("HUP", "²"), "'²' is neither a pid nor pidfile:PATH nor process:NAME"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    """A mistake in the arguments is reported in one line, and no signal is sent."""
    done = run("--usr1", "signal", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"flagman: error: --usr1 signal: {message}{done.stderr.partition(message)[2]}"
    assert done.stderr.count("\n") == 1
