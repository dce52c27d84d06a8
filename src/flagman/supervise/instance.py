"""One life of a process that flagman keeps: its start, its signals, and the end of it and of its group.

The process that is started is the *leader*: its process group has its number. It is reaped last, because as long as it
is a zombie that number cannot mean another group.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress

from flagman.children.pidfd import open_pidfd
from flagman.children.reaping import Child, members
from flagman.children.registry import CHILDREN
from flagman.children.spawning import closing, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flagman.engine.calls import Call
    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop
    from flagman.types import SignalNumber

logger = logging.getLogger("flagman.supervise")

# Seconds between two looks where nothing tells of an end.
_PAUSE = 0.05
# The most processes of a group that are watched at a time: each takes a descriptor.
_MOST = 64


class Instance:
    """A running process with its group; everything but the constructor is called in the control loop.

    :param words: the program, a path or a name to look for in PATH, and its arguments
    :param environment: all of it
    :param program: the path of the program, if it is not the first word
    :param streams: the descriptors that its own lead to, by the numbers of its own; no number may be on both sides
    :param inherits: whether it has the other descriptors that this process has been given; otherwise it has only its
        standard streams besides
    :param ignored: signals that it ignores
    :param blocked: signals that it begins with blocked
    :param loop: watches it
    :param on_end: called when the leader, or others of the group, may have ended
    :param has_terminal: it stays in this session, in a group of its own that can get the terminal; otherwise it leads a
        session of its own, so that no terminal stops it
    :raises OSError: if it cannot be started
    """

    def __init__(  # noqa: PLR0913 - what a start takes
        self,
        words: tuple[str, ...],
        environment: Mapping[bytes, bytes],
        *,
        program: str | None = None,
        streams: Mapping[int, int],
        inherits: bool = True,
        ignored: Collection[SignalNumber] = (),
        blocked: Collection[SignalNumber] = (),
        loop: ControlLoop,
        on_end: Callable[[], object],
        has_terminal: bool = False,
    ) -> None:
        def start() -> int:
            actions = [(os.POSIX_SPAWN_DUP2, source, number) for number, source in streams.items()]
            return spawn(
                program or words[0],
                words,
                environment,
                actions if inherits else [*actions, *closing(streams)],
                ignored=ignored,
                blocked=blocked,
                has_session=not has_terminal,
            )

        self._loop = loop
        self._on_end = on_end
        #: The number of the leader and of the group.
        self.pid = CHILDREN.start(start, self)
        self._child = Child(self.pid)
        self._watched: dict[int, Attachment] = {}
        # The next look at it, if that is planned.
        self._look: Call | None = None
        self._pidfd = -1
        with suppress(ProcessLookupError):
            self._pidfd = self._watch(self.pid)

    def _watch(self, pid: int) -> int:
        """Report the end of a process; return its descriptor, or -1 if it has none.

        :raises ProcessLookupError: if it is gone
        """
        pidfd = open_pidfd(pid)
        if pidfd >= 0:
            self._watched[pid] = self._loop.attach(pidfd, lambda _: self._ended(pid, pidfd))
        else:
            self._plan(_PAUSE)
        return pidfd

    def _ended(self, pid: int, pidfd: int) -> None:
        self._loop.release(self._watched[pid])  # it stays readable
        if pid != self.pid:
            del self._watched[pid]
            os.close(pidfd)
        self._plan(0)  # many may end at once, and each look takes time

    def _plan(self, pause: float) -> None:
        if self._look is None or self._look.code is None:
            self._look = self._loop.call_later(pause, self._on_end)

    def has_ended(self) -> bool:
        """Return whether the leader has ended, or nothing can be known of it any more."""
        try:
            has_ended = self._child.has_ended()
        except ChildProcessError:
            return True
        if not has_ended and self._pidfd < 0:
            with suppress(ProcessLookupError):  # there may have been too many open files before
                self._pidfd = self._watch(self.pid)
        return has_ended

    def has_rest(self, find: Callable[[int], list[int] | None] = members) -> bool:
        """Return whether there is a process of the group left, after the leader's end; watch those that there are.

        :param find: returns the members of a group, as :func:`flagman.children.reaping.members` does
        """
        try:
            rest = find(self.pid)
        except OSError:  # too many open files; the grace bounds this
            self._plan(_PAUSE)
            return True
        if rest is None:
            if self._child.group_is_alive():
                self._plan(_PAUSE)
                return True
            return False
        for pid in rest[:_MOST]:
            if pid not in self._watched:
                with suppress(ProcessLookupError):
                    self._watch(pid)
        return bool(rest)

    @property
    def has_dumped_core(self) -> bool:
        """Whether the leader has left a core dump; after :meth:`reap`."""
        return self._child.has_dumped_core

    def send(self, signum: SignalNumber) -> None:
        """Send a signal to the leader."""
        with suppress(ProcessLookupError, PermissionError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signum)
            else:
                os.kill(self.pid, signum)

    def send_to_group(self, signum: SignalNumber) -> None:
        """Send a signal to all processes of the group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)

    def reap(self) -> int | None:
        """Take the exit status of the leader, and forget it.

        :returns: the status, or the number of the signal that killed it, negative; None if other code has taken it
        """
        try:
            return self._child.reap()
        except ChildProcessError:
            return None
        finally:
            self.forget()

    def forget(self) -> None:
        """Close what belongs to it; it may still run."""
        CHILDREN.release(self.pid, self)
        if self._look is not None:
            self._look.cancel()
        for attachment in self._watched.values():
            descriptor = attachment.descriptor
            if descriptor >= 0:
                self._loop.release(attachment)
                if descriptor != self._pidfd:
                    os.close(descriptor)
        self._watched.clear()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)
