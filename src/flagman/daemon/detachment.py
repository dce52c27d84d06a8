"""Two forks, and the pipes between the three processes that result.

::

    parent ──── watcher ──── daemon
    waits       leads the    has no terminal, and cannot get one; says
                session      when it is ready, or how it has ended

The watcher is the daemon's parent until the daemon is ready. If the daemon ends before, only the watcher can learn how.
If the watcher's own parent no longer waits, for any reason, the watcher stops the daemon.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress

from flagman.children.reaping import Child
from flagman.daemon import descriptors, exits
from flagman.daemon.watcher import NAMED, READY, watch
from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65536
# Milliseconds between two looks for a signal, because one that comes right before poll(2) does not end it.
_PAUSE = 200
# Plus the number of a signal: the exit status that a shell gives for a death by that signal.
_SIGNALLED = 128


class Detachment:
    """Takes one process into the background.

    :param prefix: begins the messages of this class among the daemon's errors
    :param last: what the daemon calls last at its exit, if its parent keeps the exit functions that were registered
        before; None if the daemon takes them over, and its parent is to call none of them
    """

    def __init__(self, prefix: str = "", last: Callable[[], None] | None = None) -> None:
        #: What the daemon has written to standard output and standard error, as far as it has been read.
        self.output = ""
        self.error = ""
        #: Why the daemon did not become ready, if it has not said so itself.
        self.reason = ""
        #: The exit status for the process that started the daemon; None until it is known.
        self.exitcode: int | None = None
        #: The pid of the daemon.
        self.pid: int | None = None
        self._prefix = prefix
        self._last = last
        # The pid of the process that forked; 0 before that.
        self._caller = 0
        self._watcher = 0
        self._is_over = False
        self._streams: list[int] = []
        # What has been read, by descriptor.
        self._said: dict[int, bytearray] = {}
        self._news = -1
        # The parent's end of a pipe: when it is closed, the watcher knows that the parent no longer waits.
        self._interest = -1
        self._readiness = -1
        self._mask: set[signal.Signals | int] = set()

    def fork(self) -> bool:
        """Fork the watcher and the daemon; return whether this process is the daemon.

        In the parent all signals are blocked from here to :meth:`close`, because between this and :meth:`wait` nothing
        would stop the daemon if a handler raised.

        :raises DaemonError: if the fork fails, or other threads run, which would not survive it
        """
        if _count_threads() > 1:
            raise DaemonError("detach: other threads run, which would not survive the fork")
        descriptors.flush()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pipes: list[tuple[int, int]] = []
        try:
            while len(pipes) < 4:  # noqa: PLR2004 - one for interest, three for reports
                pipes.append(descriptors.pipe())
            self._caller = os.getpid()
            self._watcher = os.fork()
        except BaseException as error:
            for end in (end for pipe in pipes for end in pipe):
                os.close(end)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            if isinstance(error, OSError):
                raise DaemonError(f"detach: {error.strerror}") from error
            raise
        if self._watcher:
            (interest, self._interest), *reports = pipes
            os.close(interest)
            for _, writer in reports:
                os.close(writer)
            *self._streams, self._news = (reader for reader, _ in reports)
            return False
        try:
            self._fork_again(pipes)
        except BaseException as error:  # noqa: BLE001 - the caller's code must not run in the watcher
            reason = error.strerror if isinstance(error, OSError) else error
            descriptors.say(descriptors.STDERR, f"{self._prefix}detach: {reason}\n")
            os._exit(1)
        return True

    def _fork_again(self, pipes: list[tuple[int, int]]) -> None:
        if self._last is not None:
            exits.forget(self._last)  # before the second fork, at which hooks may register something again
        with suppress(ValueError):  # it is the parent's; no error outside of the main thread
            signal.set_wakeup_fd(-1)
        (interest, interest_writer), *reports = pipes
        os.close(interest_writer)
        for reader, _ in reports:
            os.close(reader)
        (_, out), (_, err), (_, news) = reports
        for descriptor, writer in ((descriptors.STDOUT, out), (descriptors.STDERR, err)):
            os.dup2(writer, descriptor)
            os.close(writer)
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it is ignored, the exit status of a child is lost
        reader, self._readiness = descriptors.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(self._readiness)
            watch(self.pid, reader, interest, news)
        for descriptor in (reader, interest, news):
            os.close(descriptor)
        self.pid = os.getpid()
        # A child of the daemon must not keep the pipe open, or the watcher would not see that the daemon has ended.
        os.register_at_fork(after_in_child=self._hush)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    @property
    def is_elsewhere(self) -> bool:
        """Whether this process is the daemon or a child of it, and not the one that forked."""
        return self._caller not in (0, os.getpid())

    def tell(self, path: str) -> None:
        """Send the watcher, from the daemon, the path of a pid file to remove if this start fails.

        The watcher accepts only the first path, so this must come before the daemon becomes a user that is not trusted.

        :param path: empty if there is none
        """
        if self._readiness >= 0:
            with suppress(BrokenPipeError):
                os.write(self._readiness, NAMED + os.fsencode(path) + READY)

    def ready(self) -> None:
        """Report, in the daemon, that it is ready.

        :raises DaemonError: if the watcher has gone, so that the starting process has been told of a failure
        """
        if self._readiness >= 0:
            try:
                os.write(self._readiness, READY)
            except BrokenPipeError as error:
                raise DaemonError("detach: no process waits for this daemon any more") from error
            finally:
                self._hush()

    def _hush(self) -> None:
        if self._readiness >= 0:
            os.close(self._readiness)
            self._readiness = -1

    def wait(self) -> None:
        """Wait, in the parent, until the daemon is ready or has ended, and collect its output meanwhile.

        Signals arrive here. If one of their handlers raises, the daemon is stopped, and this waits for its end.
        """
        try:
            self._gather()
            self._poll(select.poll(), 0)  # for a signal that has come meanwhile
        except BaseException:
            self.stop()
            raise
        self._understand()

    def stop(self) -> None:
        """Stop the daemon, in the parent; unless it is ready this waits for its end."""
        if self._interest >= 0:
            os.close(self._interest)
            self._interest = -1
            self._gather()
            self._understand()
            if self.exitcode == 0 and self.pid is not None:  # it was ready before, and the watcher has gone
                self.exitcode = 1
                with suppress(ProcessLookupError):
                    for signum in (signal.SIGTERM, signal.SIGCONT):  # it may be stopped
                        os.kill(self.pid, signum)

    def close(self) -> None:
        """Close the pipes, reap the watcher if it has ended, and unblock signals, in the parent."""
        for descriptor in (*self._streams, self._news, self._interest):
            if descriptor >= 0:
                os.close(descriptor)
        self._streams = []
        self._news = self._interest = -1
        with suppress(ChildProcessError):  # the caller ignores SIGCHLD
            watcher = Child(self._watcher)
            if self._is_over or watcher.has_ended():
                watcher.reap()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _gather(self) -> None:
        if self._is_over:
            return
        said = self._said
        if not said:
            said |= {descriptor: bytearray() for descriptor in (*self._streams, self._news)}
        poll = select.poll()
        for descriptor in said:
            os.set_blocking(descriptor, False)
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in self._poll(poll, _PAUSE):
                data = os.read(descriptor, _CHUNK)
                said[descriptor] += data
                if data:
                    continue
                poll.unregister(descriptor)
                if descriptor == self._news:
                    self._is_over = True
                    for stream in self._streams:
                        _drain(stream, said[stream])
                    return

    def _poll(self, poll: select.poll, timeout: int | None = None) -> list[tuple[int, int]]:
        """Wait; signals arrive only meanwhile, so that an exception of a handler loses nothing that has been read."""
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            return poll.poll(timeout)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def _understand(self) -> None:
        """Evaluate what the daemon has said, and the watcher's news: the daemon's pid, then what has become of it."""
        output, error, news = map(bytes, self._said.values())
        self.output = output.decode(errors="replace")
        self.error = error.decode(errors="replace")
        number, _, verdict = news.partition(b"\n")
        if not number and self.error:  # there is no daemon, and the error says why
            self.exitcode = 1
            return
        self.pid = int(number) if number else None
        if verdict == READY:
            self.exitcode = 0
            return
        status = int(verdict) if verdict else None
        if status is None:
            self.exitcode, reason = 1, "the state of the daemon is unknown"
        elif status < 0:
            self.exitcode = _SIGNALLED - status
            reason = f"the daemon was killed by signal {-status} before it was ready"
        else:
            self.exitcode, reason = status or 1, "" if status else "the daemon ended before it was ready"
        if reason:
            self.reason = f"{self._prefix}{reason}\n"


def _count_threads() -> int:
    """Return the number of threads of this process, including those that Python does not know."""
    with suppress(OSError):
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - pathlib costs 5 ms at a start
    threading = sys.modules.get("threading")
    return 1 if threading is None else threading.active_count()


def _drain(descriptor: int, said: bytearray) -> None:
    """Read what is there, and do not wait for the end: another process may keep the pipe open."""
    with suppress(BlockingIOError):
        while data := os.read(descriptor, _CHUNK):
            said += data
