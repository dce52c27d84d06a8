"""A child process in a session of its own: started clean, waited for, and ended together with its group."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from flagman.children.output import Stream, new_tail
from flagman.children.pidfd import open_pidfd
from flagman.children.reaping import Child
from flagman.children.registry import CHILDREN
from flagman.children.spawning import closing, spawn
from flagman.engine import loggers
from flagman.engine.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.children.output import Sink
    from flagman.engine.interrupt import Interrupter

logger = loggers.get("flagman.actions.process")

#: Seconds between TERM and KILL.
GRACE = 5.0

# Seconds between two looks where nothing tells of a change: at a dying group, and at a child without a pidfd.
_PAUSE = 0.05
# Seconds until a process that has got KILL is given up, and between two looks at it.
_PATIENCE = 1.0
_GLANCE = 0.001


class Process:
    """A running command.

    Its mask of blocked signals is empty and every signal does what it does by default, no matter what flagman itself
    has inherited or handles. Its standard input is at its end, and it has no descriptor beyond the standard ones.

    It leads a session of its own, and with it a process group of the same number. So it has no terminal: that would
    stop it in the background when it asks a question there or changes a mode, and nothing would let it go on.

    :param program: a path, or a name to look for in PATH
    :param arguments: the program's name and its arguments, as the program sees them
    :param environment: all of it
    :param null: a descriptor of /dev/null
    :param sinks: take the lines of its standard output and of its standard error; a single one takes those of both
    :param interrupter: may end the waits
    :param shown: what to call it in the log
    :raises OSError: if it cannot be started
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a start takes
        self,
        program: str,
        arguments: tuple[str, ...],
        environment: Mapping[bytes, bytes],
        null: int,
        sinks: tuple[Sink, ...],
        interrupter: Interrupter,
        shown: str,
    ) -> None:
        pipes: list[int] = []
        try:
            for _ in sinks:
                pipes += os.pipe()
            actions = [
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, pipes[1], 1),
                (os.POSIX_SPAWN_DUP2, pipes[-1], 2),
                *closing(),
            ]
            self.pid = CHILDREN.start(lambda: spawn(program, arguments, environment, actions), self)
        except BaseException:
            for descriptor in pipes:
                os.close(descriptor)
            raise
        # What the start does not need comes after it.
        for writer in pipes[1::2]:
            os.close(writer)
        #: The last lines of its output.
        self.tail = new_tail()
        self._shown = shown
        self._interrupter = interrupter
        self._child = Child(self.pid)
        self._is_ending = False
        self._pidfd = -1
        self._streams = [
            Stream(reader, sink, self.tail, interrupter) for reader, sink in zip(pipes[::2], sinks, strict=True)
        ]
        self._readable = {stream.fileno(): stream for stream in self._streams}
        self._waiting = interrupter.wakeup.poll()
        for reader in self._readable:
            self._waiting.register(reader, select.POLLIN)
        with suppress(ProcessLookupError):  # SIGCHLD is ignored, and the process has ended
            self._pidfd = open_pidfd(self.pid)
        # Whether a descriptor reports its end.
        self._is_watched = self._pidfd >= 0
        if self._is_watched:
            self._waiting.register(self._pidfd, select.POLLIN)

    @property
    def failure(self) -> Exception | None:
        """Why its output could not be passed on; None if it could."""
        return next((stream.failure for stream in self._streams if stream.failure), None)

    def has_ended(self) -> bool:
        """Return whether it has ended, or that cannot be known any more; also in a signal handler."""
        try:
            return self._child.has_ended()
        except ChildProcessError:
            return True

    def wait(self) -> int:
        """Pass its output on until it ends.

        Processes that it leaves in the background go on, and what they write from then on goes nowhere.

        :returns: its exit status, or the number of the signal that killed it, negative
        :raises ChildProcessError: if something else has taken the exit status
        """
        while not self._child.has_ended():
            self._poll(None)
        for stream in self._streams:
            stream.finish()
        return self._reap()

    def end(self, grace: float = GRACE) -> bool:
        """End it and all of its group: TERM, a time of grace, KILL; then forget it.

        :param grace: the seconds between the two
        :returns: whether it has ended: a process of another user may refuse
        """
        if self._child.is_reaped:
            self.forget()
            return True
        self._is_ending = True
        # Before any log record: the reader of the log may have stopped reading.
        self._kill(signal.SIGTERM)
        self._kill(signal.SIGCONT)  # a stopped process would not see TERM
        for stream in self._streams:
            stream.hurries = True
        try:
            self._wait_for_group(grace)
            for stream in self._streams:
                stream.finish()
        finally:
            ended = self._kill_rest()
            self._close()
        if not ended:
            logger.error("`%s` cannot be killed, and goes on", self._shown)
        return ended

    def forget(self) -> None:
        """Only close the descriptors: something else has taken its exit status."""
        CHILDREN.release(self.pid, self)
        self._close()

    def _wait_for_group(self, seconds: float) -> None:
        """Pass on output while the group is alive, but not for longer than this."""
        window = Window(None, seconds)
        logger.info("Sent TERM to the process group of `%s`", self._shown)
        while self._child.group_is_alive():
            late = time.monotonic() - window.timeout_due
            if late >= 0:
                grant = window.excuse(late, seconds, None)
                window.timeout_due += late + grant
                if not grant:
                    self._kill(signal.SIGKILL)
                    what = "`%s`, or a child of it, has not ended %g s after TERM: sent KILL"
                    logger.warning(what, self._shown, seconds)
                    return
            self._poll(_PAUSE)

    def _kill_rest(self) -> bool:
        """Kill what is left of it, and reap it last; return whether it has ended.

        While it is a zombie, or others of its group are there, no other group can have its number.
        """
        if not self._child.is_reaped or self._child.group_is_alive():
            self._kill(signal.SIGKILL)
        limit = time.monotonic() + _PATIENCE
        while not self.has_ended():
            if time.monotonic() >= limit:
                return False
            time.sleep(_GLANCE)
        self._reap_quietly()
        return True

    def _reap_quietly(self) -> None:
        """Take the exit status, unless something else has taken it."""
        with suppress(ChildProcessError):
            self._child.reap()
        CHILDREN.release(self.pid, self)

    def _poll(self, patience: float | None) -> None:
        """Pass on output; return when there was some, when the process has ended, or after ``patience`` seconds."""
        if not self._is_watched and patience is None:
            patience = _PAUSE
        wait = self._interrupter.wakeup.wait if self._is_ending else self._interrupter.wait
        for descriptor, _ in wait(self._waiting, patience):
            if descriptor not in self._readable or not self._readable[descriptor].read():
                self._waiting.unregister(descriptor)  # nothing more will come
            if descriptor == self._pidfd:  # a debugger may still hold the exit status back
                self._is_watched = False

    def _kill(self, signum: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # gone; or another user's, or on macOS a zombie
            os.killpg(self.pid, signum)

    def is_reaped(self) -> bool:
        """Take the exit status of a process that could not be killed, if it has ended by now."""
        if self.has_ended():
            self._reap_quietly()
            return True
        return False

    def _reap(self) -> int:
        try:
            return self._child.reap()
        finally:
            CHILDREN.release(self.pid, self)
            self._close()

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)
