"""The harness of :mod:`flagman.testing`, with what only the tests of flagman itself need."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flagman import testing
from flagman.testing import DEADLINE, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pytest

__all__ = [
    "DEADLINE",
    "LIB",
    "MODULE",
    "SCRIPT",
    "Flagman",
    "Lines",
    "clean_environment",
    "end_all",
    "flooded",
    "hide_proc",
    "in_terminal",
    "inheriting",
    "marked",
    "run",
    "settle",
    "wait_for",
]

#: Where the actions for tests are.
LIB = Path(__file__).parent / "lib"

SCRIPT = [str(Path(sysconfig.get_path("scripts")) / "flagman")]
MODULE = [sys.executable, "-m", "flagman"]


class Flagman(testing.Daemon):
    """A flagman process that finds the actions for tests.

    :param prefix: what to start it with
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        command: Sequence[str] = SCRIPT,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        merged: bool = False,
    ) -> None:
        super().__init__(
            *arguments,
            directory=directory,
            command=[*prefix, *command],
            environment={"PYTHONPATH": str(LIB), **(environment or {})},
            merged=merged,
        )


def inheriting(*, ignored: Iterable[int] = (), blocked: Iterable[int] = ()) -> list[str]:
    """Give a prefix that starts a command with some signals ignored, or blocked."""
    program = (
        "import os, signal, sys\n"
        f"for signum in {list(map(int, ignored))}: signal.signal(signum, signal.SIG_IGN)\n"
        f"signal.pthread_sigmask(signal.SIG_BLOCK, {list(map(int, blocked))})\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-ISc", program]


# Makes the terminal that is its standard input that of its session, and becomes a command.
SESSION = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def in_terminal(*words: str, environment: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command in a session with a terminal; give it, and the descriptor of who sits there."""
    master, terminal = pty.openpty()
    command = [sys.executable, "-ISc", SESSION, *words]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    return process, master


# In the environment of processes that must not outlive a test, and of all that they start.
_MARK = "FLAGMAN_TESTED_IN"


def marked(directory: Path) -> dict[str, str]:
    """Give what marks processes as those of a test, in their environment."""
    return {_MARK: str(directory)}


def end_all(directory: Path) -> None:
    """Kill all processes that have been marked, also those of which nobody knows the number."""
    mark = f"{_MARK}={directory}".encode()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


# Sends one signal until its receiver has gone, perhaps with pauses that let it do other things, too.
FLOOD = """
import os, sys, time
pid, signum, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
try:
    while True:
        for _ in range(100):
            os.kill(pid, signum)
        if pause:
            time.sleep(pause)
except ProcessLookupError:
    pass
"""


@contextmanager
def flooded(daemon: testing.Daemon, signum: int, *, pause: float = 0.0) -> Iterator[None]:
    """Let a process send a signal to a daemon as often as it can, with so many seconds between each hundred."""
    words = [str(daemon.process.pid), str(int(signum)), str(pause)]
    sender = subprocess.Popen([sys.executable, "-c", FLOOD, *words])
    try:
        yield
    finally:
        sender.kill()
        sender.wait()


def hide_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the links in /proc be none, as where it is not mounted."""
    real = os.readlink

    def read(path: str, *, dir_fd: int | None = None) -> str:
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", read)


def settle(pid: int) -> None:
    """Wait until a process sleeps; one that has just printed a line may not have come to rest yet; or has ended."""
    quiet = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended: that is rest too
        while quiet < 5:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            quiet = quiet + 1 if state in "SZ" else 0
            time.sleep(0.001)


def clean_environment() -> dict[str, str]:
    """Give the environment without what makes a child measure its coverage, which imports a lot."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def run(
    *arguments: str, command: Sequence[str] = SCRIPT, directory: str = ".", **options: str
) -> subprocess.CompletedProcess[str]:
    """Run flagman, or another command, to its end."""
    return subprocess.run(
        [*command, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(LIB), **options},
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
