"""A real flagman process, spoken with in lockstep: every wait ends with what was waited for, or fails at a deadline."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Seconds; a loaded machine may be very slow, and nothing ever waits as long on a healthy one.
DEADLINE = 60.0

#: Where the actions for tests are.
LIB = Path(__file__).parent / "lib"

SCRIPT = [str(Path(sysconfig.get_path("scripts")) / "flagman")]
MODULE = [sys.executable, "-m", "flagman"]


class Lines:
    """The lines that come out of a pipe, each under the deadline."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""

    def next(self) -> str:
        """Wait for a line; an empty string is the end of the output."""
        limit = time.monotonic() + DEADLINE
        while b"\n" not in self._buffer:
            readable, _, _ = select.select([self._descriptor], [], [], max(0, limit - time.monotonic()))
            assert readable, f"no line within {DEADLINE} s; so far: {self._buffer!r}"
            data = os.read(self._descriptor, 65536)
            if not data:
                break
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def rest(self) -> list[str]:
        """Wait for the end of the output and give all lines that are left."""
        return list(iter(self.next, ""))


class Daemon:
    """A flagman process with its pipes and its notification socket.

    :param arguments: the command line after the program's name
    :param command: how to start flagman
    :param prefix: what to start it with
    :param environment: variables to add, or to remove where the value is None
    :param merged: let stderr go where stdout goes, as in a terminal
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        command: Sequence[str] = SCRIPT,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        merged: bool = False,
        before_exec: Callable[[], None] | None = None,
    ) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = directory / f"notify.{time.monotonic_ns()}"
        self._socket.bind(str(address))
        self._socket.settimeout(DEADLINE)
        changed: dict[str, str | None] = {
            "NOTIFY_SOCKET": str(address),
            "PYTHONPATH": str(LIB),
            "PYTHONUNBUFFERED": None,  # it would hide what the daemon has to do about buffers
            **(environment or {}),
        }
        self.process = subprocess.Popen(
            [*prefix, *command, *arguments],
            cwd=directory,
            env={name: value for name, value in {**os.environ, **changed}.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            preexec_fn=before_exec,  # noqa: PLW1509 - the tests have no threads
        )
        assert self.process.stdout
        self.out = Lines(self.process.stdout.fileno())
        self.err = Lines(self.process.stderr.fileno()) if self.process.stderr else self.out

    def notified(self) -> str:
        """Wait for a message to the service manager."""
        return self._socket.recv(65536).decode()

    def ready(self) -> Self:
        """Wait until the daemon says that it is ready."""
        while "READY=1" not in self.notified().splitlines():
            pass
        return self

    def expect(self, *lines: str) -> Self:
        """Wait for exactly these lines on stdout."""
        for line in lines:
            assert self.out.next() == line
        return self

    def expect_error(self, part: str) -> str:
        """Wait for a line on stderr that has a part; lines before it are passed over."""
        while part not in (line := self.err.next()):
            assert line, f"no line with {part!r}"
        return line

    def signal(self, *signums: signal.Signals) -> Self:
        """Send signals."""
        for signum in signums:
            self.process.send_signal(signum)
        return self

    def status(self) -> int:
        """Wait for the end of the process."""
        return self.process.wait(DEADLINE)

    def stop(self, *lines: str) -> None:
        """Send TERM; exactly these lines and status 0 must follow."""
        self.signal(signal.SIGTERM)
        self.expect(*lines, "")
        assert self.status() == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr, self._socket):
            if pipe:
                pipe.close()


def settle(pid: int) -> None:
    """Wait until a process sleeps; one that has just printed a line may not have come to rest yet."""
    quiet = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended: that is rest too
        while quiet < 5:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            quiet = quiet + 1 if state == "S" else 0
            time.sleep(0.001)


def clean_environment() -> dict[str, str]:
    """Give the environment without what makes a child measure its coverage, which imports a lot."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def run(*arguments: str, command: Sequence[str] = SCRIPT, **options: str) -> subprocess.CompletedProcess[str]:
    """Run flagman to its end."""
    environment = {**os.environ, "PYTHONPATH": str(LIB), **options}
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, encoding="utf-8", timeout=DEADLINE, check=False
    )
