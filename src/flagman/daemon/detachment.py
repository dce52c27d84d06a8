"""Two forks, and the pipes between the three processes that come of them.

::

    parent ──── watcher ──── daemon
    waits       leads the    has no terminal, and cannot get one; says
                session      when it is ready, or how it has ended

The watcher is the daemon's parent until it is ready, and so the only one that can tell how it has ended if it never is.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress

from flagman.daemon import descriptors
from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

_READY = b"ready\n"
_CHUNK = 65536
# As a shell tells a death by signal.
_SIGNALLED = 128


class Detachment:
    """The way of one process into the background."""

    def __init__(self) -> None:
        #: What the daemon has said on standard output and standard error, as far as it is known.
        self.output = ""
        self.error = ""
        #: The exit status for whoever has started the daemon; None until it is known.
        self.exitcode: int | None = None
        #: Of the daemon.
        self.pid: int | None = None
        self._watcher = 0
        self._streams: list[int] = []
        self._news = -1
        self._readiness = -1
        self._mask: set[signal.Signals | int] = set()

    def fork(self) -> bool:
        """Make the watcher and the daemon; tell whether this process is the daemon.

        :raises DaemonError: if that is impossible, or other threads run, which would not be there any more
        """
        threading = sys.modules.get("threading")
        if threading is not None and threading.active_count() > 1:
            raise DaemonError("detach: other threads run, which would not survive the fork")
        descriptors.flush()
        pipes = [descriptors.pipe() for _ in range(3)]
        # The watcher is not to miss it while it gets ready.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self._watcher = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            for end in (end for pipe in pipes for end in pipe):
                os.close(end)
            raise DaemonError(f"detach: cannot fork: {error.strerror}") from error
        if self._watcher:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            for _, writer in pipes:
                os.close(writer)
            *self._streams, self._news = (reader for reader, _ in pipes)
            return False
        try:
            self._fork_again(pipes)
        except BaseException as error:  # noqa: BLE001 - the caller's code must not run in the watcher
            os.write(descriptors.STDERR, f"detach: {error}\n".encode())
            os._exit(1)
        return True

    def _fork_again(self, pipes: list[tuple[int, int]]) -> None:
        with suppress(ValueError):  # the parent's, or not the main thread
            signal.set_wakeup_fd(-1)
        for reader, _ in pipes:
            os.close(reader)
        (_, out), (_, err), (_, news) = pipes
        for descriptor, writer in ((descriptors.STDOUT, out), (descriptors.STDERR, err)):
            os.dup2(writer, descriptor)
            os.close(writer)
        os.setsid()
        reader, self._readiness = descriptors.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(self._readiness)
            _watch(self.pid, reader, news)
        os.close(reader)
        os.close(news)
        self.pid = os.getpid()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def ready(self) -> None:
        """Say, in the daemon, that it is ready."""
        if self._readiness >= 0:
            with suppress(BrokenPipeError):  # who has started it waits no more
                os.write(self._readiness, _READY)
            os.close(self._readiness)
            self._readiness = -1

    def wait(self) -> None:
        """Wait, in the parent, until the daemon is ready or has ended, and gather what it says meanwhile."""
        said: dict[int, bytearray] = {descriptor: bytearray() for descriptor in (*self._streams, self._news)}
        try:
            self._gather(said)
        except BaseException:
            with suppress(ProcessLookupError):
                os.kill(self._watcher, signal.SIGTERM)
            self._gather(said)
            number, _, verdict = said[self._news].partition(b"\n")
            if verdict == _READY:  # at the same moment, and the watcher has gone
                os.kill(int(number), signal.SIGTERM)
            raise
        finally:
            for descriptor in said:
                os.close(descriptor)
            with suppress(ChildProcessError):  # the caller ignores SIGCHLD
                os.waitpid(self._watcher, 0)
            output, error, news = said.values()
            self.output = output.decode(errors="replace")
            self.error = error.decode(errors="replace")
            self._understand(news.decode())

    def _gather(self, said: dict[int, bytearray]) -> None:
        poll = select.poll()
        for descriptor in said:
            os.set_blocking(descriptor, False)
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                data = os.read(descriptor, _CHUNK)
                said[descriptor] += data
                if data:
                    continue
                poll.unregister(descriptor)
                if descriptor == self._news:
                    for stream in self._streams:
                        _drain(stream, said[stream])
                    return

    def _understand(self, news: str) -> None:
        """Read what the watcher has said: the daemon's number, and then what has become of it."""
        number, _, verdict = news.partition("\n")
        self.pid = int(number) if number else None
        if verdict == "ready\n":
            self.exitcode = 0
            return
        status = int(verdict) if verdict else None
        if status is None:
            self.exitcode, reason = 1, "it is not known what has become of the daemon"
        elif status < 0:
            self.exitcode, reason = (
                _SIGNALLED - status,
                f"the daemon was killed by signal {-status} before it was ready",
            )
        else:
            self.exitcode, reason = status or 1, "" if status else "the daemon ended before it was ready"
        if reason:
            self.error += f"{reason}\n"


def _drain(descriptor: int, said: bytearray) -> None:
    """Read what is there; somebody else may keep the pipe open."""
    with suppress(BlockingIOError):
        while data := os.read(descriptor, _CHUNK):
            said += data


def _watch(pid: int, readiness: int, news: int) -> NoReturn:
    """Be the watcher: tell what becomes of the daemon until it is ready, and stop it if the parent wants that."""

    def stop(_signum: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {signal.SIGTERM})
    with suppress(OSError):
        os.write(news, b"%d\n" % pid)
        if os.read(readiness, len(_READY)):
            os.write(news, _READY)
        else:
            _, status = os.waitpid(pid, 0)
            os.write(news, b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)
