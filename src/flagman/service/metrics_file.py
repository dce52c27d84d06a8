"""The part that keeps metrics in a file, for the textfile collector of node_exporter.

It has a thread of its own: a file system that hangs must stop neither the actions nor the answers of the control loop.
The thread sleeps until something has happened.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections import deque
from contextlib import suppress

from flagman.config.naming import name_of
from flagman.daemon.descriptors import above_standard
from flagman.engine import loggers
from flagman.engine.threads import start_deaf_thread
from flagman.exceptions import FlagmanError, UsageError, reason_of
from flagman.service.metrics import Metrics
from flagman.service.parts import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.config.settings import Settings
    from flagman.service.parts import Site

logger = loggers.get("flagman.service")

# The collector reads no others.
_SUFFIX = ".prom"
# node_exporter has a user of its own.
_MODE = 0o644
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Seconds between two writes at least; and to the next try while the file cannot be written.
_PAUSE = 1.0
_RETRY = 60.0
# Seconds that the last write has in the end.
_LAST = 2.0


class MetricsFilePart(Part):
    """Writes the file when something has happened, once a second at most; and at the start and at the end."""

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse a file that node_exporter would not read."""
        if not settings.metrics_file.endswith(_SUFFIX):
            raise UsageError(
                f"--metrics-file {settings.metrics_file!r}: node_exporter reads only files with the suffix {_SUFFIX}"
            )
        name_of(settings)

    def open(self, site: Site) -> None:
        """Write the file for the first time; all other parts are open."""
        self._path = site.settings.metrics_file
        self._engine = site.engine
        self._metrics = Metrics(site, name_of(site.settings))
        # Why the last write has failed, empty if it has not; and what only the main thread may log.
        self._problem = ""
        self._untold: deque[tuple[int, str]] = deque()
        self._pen = Pen(self._write, _PAUSE, _RETRY)
        self._pen.ask()
        site.engine.ledger.listeners.append(self._hear)
        site.engine.ledger.followers.add(self)
        site.changes.listen(self._hear)

    def _hear(self, _: object) -> None:
        self._pen.ask()

    def _write(self) -> bool:
        """Write the file, in the thread of the pen; return whether that was possible."""
        try:
            replace(self._path, self._metrics.text(is_named=True).encode())
            problem = ""
        except Exception as error:  # noqa: BLE001 - a defect must not end the thread, and is told
            problem = reason_of(error)
        if bool(problem) != bool(self._problem):
            self._untold.append(
                (loggers.WARNING, f"cannot be written: {problem}; what it says is old")
                if problem
                else (loggers.INFO, "can be written again")
            )
            self._engine.call_later(0, self._tell)  # a log that is not read must not stop this thread either
        self._problem = problem
        return not problem

    def _tell(self) -> None:
        while self._untold:
            level, what = self._untold.popleft()
            logger.log(level, "--metrics-file %r: %s", self._path, what)

    def close(self) -> None:
        """Write the file for the last time: it says that the daemon is not ready any more."""
        if not self._pen.close(_LAST):
            self._untold.append((loggers.WARNING, "was not written in the end: its file system hangs"))
        self._tell()


class Pen:
    """A thread that writes when it is asked to; what is asked for meanwhile is done together.

    :param write: writes, and returns whether that was possible; it must not raise anything
    :param pause: seconds after each write before the next one
    :param retry: seconds after a write that has failed until the next try
    :raises FlagmanError: if there can be no more threads
    """

    def __init__(self, write: Callable[[], bool], pause: float, retry: float) -> None:
        self._write = write
        self._pause = pause
        self._retry = retry
        self._is_asked = False
        # Each is free when it says something: the next write is asked for, the end has come, the last one is done.
        self._bell, self._end, self._done = allocate_lock(), allocate_lock(), allocate_lock()
        for lock in (self._bell, self._end, self._done):
            lock.acquire()
        try:
            start_deaf_thread(self._run, ())
        except RuntimeError as error:
            raise FlagmanError(f"--metrics-file: the thread that writes it cannot be started: {error}") from error

    def ask(self) -> None:
        """Ask for a write; safe in any thread."""
        if not self._is_asked:
            self._is_asked = True
            self._ring()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # another thread has rung
            self._bell.release()

    def _run(self) -> None:
        is_written = True
        while True:
            self._bell.acquire(timeout=-1 if is_written else self._retry)
            if self._end.acquire(blocking=False):
                break
            self._is_asked = False  # before it writes: what changes from now on is written next time
            is_written = self._write()
            if self._end.acquire(timeout=self._pause):
                break
        self._write()
        self._done.release()

    def close(self, seconds: float) -> bool:
        """Write once more, and end the thread.

        :param seconds: the most seconds to wait for that
        :returns: whether it has ended
        """
        self._end.release()
        self._ring()
        return self._done.acquire(timeout=seconds)


def replace(path: str, data: bytes) -> None:
    """Write a file so that a reader finds the old or the new content, and never a part of one.

    A link in its place is replaced, and not followed. All users may read it, whatever the umask is.

    :raises OSError: if that is not possible; then the old content stays
    """
    folder, name = os.path.split(path)
    # With the pid: of two daemons that have the same file by mistake, none may rename what the other has not finished.
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")  # noqa: PTH118 - pathlib costs 5 ms
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # noqa: PTH108 - as above; left by a daemon that was killed, and had this pid
    descriptor = above_standard(os.open(temporary, _NEW, _MODE))
    try:
        try:
            os.fchmod(descriptor, _MODE)
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105 - as above
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - as above
        raise
