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
from support.programs import signals, words
from support.programs.reports import MARK

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
    "descriptors",
    "end_all",
    "flooded",
    "hide_proc",
    "in_terminal",
    "inheriting",
    "marked",
    "run",
    "script",
    "settle",
    "wait_for",
]

#: The folder of the actions for tests.
LIB = Path(__file__).parent / "lib"
#: The folder of the programs that are files of their own.
SCRIPTS = Path(__file__).parent / "scripts"

SCRIPT = [str(Path(sysconfig.get_path("scripts")) / "flagman")]
MODULE = [sys.executable, "-m", "flagman"]


class Flagman(testing.Daemon):
    """A flagman process that finds the actions for tests.

    :param prefix: the command that starts it
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
    """Return a prefix that starts a command with some signals ignored or blocked."""
    numbers = [",".join(str(int(signum)) for signum in signums) for signums in (ignored, blocked)]
    return [sys.executable, "-IS", script("inherit"), *numbers]


def on_terminal(*prefix: str) -> list[str]:
    """Return a prefix that starts a command with a controlling terminal, and with another prefix."""
    return [sys.executable, "-IS", script("on_terminal"), *prefix]


def script(name: str) -> str:
    """Return the path of a program that is a file of its own and starts as such."""
    return str(SCRIPTS / f"{name}.py")


def in_terminal(*words: str, environment: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command in a session with a terminal, and return it with the descriptor of the terminal's other side."""
    master, terminal = pty.openpty()
    command = [sys.executable, "-IS", script("lead_session"), *words]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    return process, master


def marked(directory: Path) -> dict[str, str]:
    """Return the variables that mark processes as those of a test."""
    return {MARK: str(directory)}


def end_all(directory: Path) -> None:
    """Kill all processes that carry the mark, even if their pids were never reported."""
    mark = f"{MARK}={directory}".encode()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    limit = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


@contextmanager
def flooded(daemon: testing.Daemon, signum: int, *, pause: float = 0.0) -> Iterator[None]:
    """Make a process send a signal to a daemon as often as it can, with a pause in seconds after each hundred."""
    sender = subprocess.Popen(words(signals.flood, daemon.process.pid, signum, pause))
    try:
        yield
    finally:
        sender.kill()
        sender.wait()


def hide_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make links in /proc unreadable, as if it were not mounted."""
    real = os.readlink

    def read(path: str, *, dir_fd: int | None = None) -> str:
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", read)


def descriptors(pid: int) -> dict[str, str]:
    """Return where the descriptors of a process lead, by their numbers; it may close some meanwhile."""
    links = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links[entry.name] = os.readlink(entry)  # noqa: PTH115 - a text, not a path
    return links


def settle(pid: int) -> None:
    """Wait until a process sleeps or has ended: it may still run just after it has printed a line."""
    quiet = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended: that is rest too
        while quiet < 5:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            quiet = quiet + 1 if state in "SZ" else 0
            time.sleep(0.001)


def clean_environment() -> dict[str, str]:
    """Return the environment without the variables that make a child measure its coverage, which imports a lot."""
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


def wait_until_taken(daemon: Flagman, signum: signal.Signals) -> None:
    """Wait until a signal is no longer pending, and its handler has run."""
    bit = 1 << (signum - 1)
    while True:
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:  # noqa: PTH123
            fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        if not (int(fields["ShdPnd"], 16) | int(fields["SigPnd"], 16)) & bit:
            break
        os.sched_yield()
    settle(daemon.process.pid)
