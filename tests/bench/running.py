"""Starts one program that is measured, knows when it is ready, and ends all of it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import proc
from bench.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

# Seconds that a program may take to be ready, and to end.
READY, END = 60.0, 30.0
CPUS = sorted(os.sched_getaffinity(0))


class NotReadyError(Exception):
    """A program was not ready in time, or has ended before."""


@dataclass(frozen=True)
class Target:
    """A program that is measured.

    :param name: what the tables call it
    :param command: its words; ``{dir}`` is a fresh folder, ``{fifo}`` the pipe for records
    :param ready: how it tells that it is ready: ``notify``, ``fd:N``, ``line:TEXT``, ``file:PATH`` or ``exit``
    :param files: what its folder holds at the start; a name that ends with ``*`` is an executable
    :param environment: further variables
    :param stop: the signal that ends it
    """

    name: str
    command: Sequence[str]
    ready: str = "notify"
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: int = signal.SIGTERM


class Running:
    """A started target; a context manager that ends it and all that it has started.

    :param target: the program
    :param pinned: whether it has the last CPU for itself, and this process the first one
    :raises NotReadyError: if it is not ready in time
    """

    def __init__(self, target: Target, *, pinned: bool = False, wait: bool = True) -> None:
        self.target = target
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.records = Records(self.folder / ".fifo")
        self._log = self.folder / ".log"
        self.status: int | None = None
        self.pid = 0
        #: Whether it did not end when it was told to.
        self.was_killed = False
        self._write_files()
        try:
            self._start(pinned=pinned, wait=wait)
        except BaseException:
            self.close()
            raise

    def _filled(self, text: str) -> str:
        return text.replace("{dir}", str(self.folder)).replace("{fifo}", str(self.records.path))

    def _write_files(self) -> None:
        for name, text in self.target.files.items():
            path = self.folder / name.removesuffix("*")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._filled(text), encoding="utf-8")
            if name.endswith("*"):
                path.chmod(0o755)

    def _start(self, *, pinned: bool, wait: bool) -> None:
        words = [self._filled(word) for word in self.target.command]
        kind, _, what = self._filled(self.target.ready).partition(":")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "BENCH_FIFO": str(self.records.path),
            **{name: self._filled(value) for name, value in self.target.environment.items()},
        }
        log = os.open(self._log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        notify: socket.socket | None = None
        read = write = -1
        if kind == "notify":
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            environment["NOTIFY_SOCKET"] = str(self.folder / ".notify")
            notify.bind(environment["NOTIFY_SOCKET"])
        elif kind == "fd":
            read, write = os.pipe()
            actions.append((os.POSIX_SPAWN_DUP2, write, int(what)))
        elif kind == "line":
            read, write = os.pipe()
            actions[1:] = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)]
        before = Path.cwd()
        os.chdir(self.folder)  # posix_spawn cannot change the folder
        try:
            if pinned:
                os.sched_setaffinity(0, {CPUS[-1]})
            self.begin = time.monotonic_ns()
            self.pid = os.posix_spawn(
                shutil.which(words[0]) or words[0], words, environment, file_actions=actions, setsid=True, setsigmask=()
            )
        finally:
            os.chdir(before)
            os.sched_setaffinity(0, {CPUS[0]} if pinned else set(CPUS))
            os.close(log)
            if write >= 0:
                os.close(write)
        self.ready = 0
        try:
            if wait:
                self._wait_ready(kind, what, notify.fileno() if notify else read)
        finally:
            if notify:
                notify.close()
            if read >= 0 and kind == "line":
                # A reader until its end, because a program that cannot print is another program.
                self._reader = read
            elif read >= 0:
                os.close(read)

    _reader = -1

    def _wait_ready(self, kind: str, what: str, descriptor: int) -> None:
        end = time.monotonic() + READY
        if kind == "exit":
            _, self.status = os.waitpid(self.pid, 0)
            self.ready = time.monotonic_ns()
            return
        if kind == "file":
            self._until(end, lambda: Path(what).exists())
            return
        seen = b""
        wanted = {"notify": b"READY=1", "fd": b"\n", "line": what.encode()}[kind]
        while wanted not in seen:
            if not select.select([descriptor], [], [], 0.2)[0]:
                self._check(end)
                continue
            data = os.read(descriptor, 65536)
            self.ready = time.monotonic_ns()
            if not data:
                self._check(0)
            seen += data

    def _until(self, end: float, is_true: Callable[[], bool]) -> None:
        while not is_true():
            self._check(end)
            time.sleep(0.0005)
        self.ready = time.monotonic_ns()

    def _check(self, end: float) -> None:
        """Raise an error if the program has ended, or the time is over."""
        if self.has_ended() or time.monotonic() > end:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            raise NotReadyError(f"{self.target.name} is not ready: {' / '.join(lines) or 'it said nothing'}"[:500])

    def has_ended(self) -> bool:
        """Return whether the program has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    @property
    def start_up(self) -> float:
        """The seconds from its start until it was ready."""
        return (self.ready - self.begin) / 1e9

    def kill(self, signum: int = signal.SIGUSR1) -> None:
        """Send the program a signal."""
        os.kill(self.pid, signum)

    def stop(self) -> float:
        """End the program, and return the seconds that it took."""
        begin = time.monotonic_ns()
        if not self.has_ended():
            self.kill(self.target.stop)
            end = time.monotonic() + END
            with suppress(NotReadyError):
                while not self.has_ended():
                    if time.monotonic() > end:
                        self.was_killed = True
                        self.kill(signal.SIGKILL)
                    time.sleep(0.0005)
        return (time.monotonic_ns() - begin) / 1e9

    def close(self) -> None:
        """End the program and all that it has started, and remove its folder."""
        if self.pid:
            self.stop()
            # Also what a supervisor that was killed has left, which has another parent now.
            for pid in proc.belonging(str(self.records.path)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self._reader >= 0:
            os.close(self._reader)
        self.records.close()
        os.sched_setaffinity(0, set(CPUS))
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Running:  # noqa: PYI034 - typing.Self is the same
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the program."""
        self.close()
