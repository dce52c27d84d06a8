"""A child process in a process group of its own: started clean, waited for, and ended together with its group."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from contextlib import suppress

from flagman.actions.output import Stream, new_tail
from flagman.actions.pidfd import open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.actions.output import Shield, Sink

logger = logging.getLogger(__name__)

#: Seconds between TERM and KILL.
GRACE = 5.0

_CATCHABLE = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
_CLOSE_FROM: int | None = getattr(os, "POSIX_SPAWN_CLOSEFROM", None)
# The former is where the latter leads on Linux.
_DESCRIPTORS = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_STANDARD = ("0", "1", "2")
# Below this number descriptors are closed also where none are listed.
_MOST_STRAYS = 4096
# Seconds between two looks where nothing tells of a change: at a dying group, and at a child without a pidfd.
_PAUSE = 0.05
# Seconds until a process that has got KILL is given up, and between two looks at it.
_PATIENCE = 1.0
_GLANCE = 0.001


class Process:
    """A running command.

    Its mask of blocked signals is empty and every signal does what it does by default, whatever flagman itself has
    inherited or handles. Its standard input is at its end, and it has no descriptor beyond the standard ones.

    :param program: a path, or a name to look for in PATH
    :param arguments: the program's name and its arguments, as the program sees them
    :param environment: all of it
    :param null: a descriptor of /dev/null
    :param sinks: take the lines of its standard output and of its standard error
    :param shield: is taken down while something is waited for that may take long
    :raises OSError: if it cannot be started
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a start takes
        self,
        program: str,
        arguments: tuple[str, ...],
        environment: Mapping[bytes, bytes],
        null: int,
        sinks: tuple[Sink, Sink],
        shield: Shield,
    ) -> None:
        pipes: list[int] = []
        try:
            for _ in sinks:
                pipes += os.pipe()
            self.pid = os.posix_spawnp(
                program,
                arguments,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, null, 0),
                    (os.POSIX_SPAWN_DUP2, pipes[1], 1),
                    (os.POSIX_SPAWN_DUP2, pipes[3], 2),
                    *_closing(),
                ],
                setpgroup=0,
                setsigmask=(),
                setsigdef=_CATCHABLE,
            )
        except BaseException:
            for descriptor in pipes:
                os.close(descriptor)
            raise
        # All that is not needed for the start comes after it.
        for writer in pipes[1::2]:
            os.close(writer)
        #: The last lines of its output.
        self.tail = new_tail()
        self._arguments = arguments
        self._shield = shield
        self._status: int | None = None
        self._is_ending = self._is_reaped = False
        self._pidfd = -1
        self._streams = [
            Stream(reader, sink, self.tail, shield) for reader, sink in zip(pipes[::2], sinks, strict=True)
        ]
        self._readable = {stream.fileno(): stream for stream in self._streams}
        self._waiting = select.poll()
        for reader in self._readable:
            self._waiting.register(reader, select.POLLIN)
        with suppress(ProcessLookupError):  # somebody ignores SIGCHLD, and it has ended
            self._pidfd = open_pidfd(self.pid)
        if self._pidfd >= 0:
            self._waiting.register(self._pidfd, select.POLLIN)

    @property
    def failure(self) -> Exception | None:
        """Why its output could not be passed on; None if it could."""
        return next((stream.failure for stream in self._streams if stream.failure), None)

    def wait(self) -> int:
        """Pass its output on until it ends.

        What it leaves behind in the background goes on, and what that writes from then on goes nowhere.

        :returns: its exit status, or the number of the signal that killed it, negative
        :raises ChildProcessError: if somebody else has taken the exit status
        """
        while not self._has_ended():
            self._shield.raise_postponed()
            self._poll(None)
        for stream in self._streams:
            stream.finish()
        return self._reap()

    def end(self) -> bool:
        """End it and all of its group: TERM, a time of grace, KILL; then forget it.

        :returns: whether it has ended: a process of another user may refuse
        """
        if self._is_reaped:
            return True
        self._is_ending = True
        # Before any log record: whoever reads those may have stopped reading.
        self._kill(signal.SIGTERM)
        logger.info("Sent TERM to the process group of `%s`", " ".join(self._arguments))
        for stream in self._streams:
            stream.hurries = True
        try:
            self._wait_for_group(GRACE)
            for stream in self._streams:
                stream.finish()
        finally:
            # Before it is reaped: as long as it is a zombie, no other group can have its number.
            self._kill(signal.SIGKILL)
            ended = self._has_ended_within(_PATIENCE)
            if ended:
                self._reap()
            self._close()
        if not ended:
            logger.error("`%s` cannot be killed, and is left behind", " ".join(self._arguments))
        return ended

    def forget(self) -> None:
        """Do no more than close the descriptors."""
        self._close()

    def _wait_for_group(self, seconds: float) -> None:
        """Pass on output while the group is alive, but not for longer than this."""
        limit = time.monotonic() + seconds
        while self._group_is_alive():
            if time.monotonic() >= limit:
                self._kill(signal.SIGKILL)
                logger.warning(
                    "`%s`, or a child of it, has not ended %g s after TERM: sent KILL",
                    " ".join(self._arguments),
                    seconds,
                )
                return
            self._poll(_PAUSE)

    def _has_ended_within(self, seconds: float) -> bool:
        """Wait for the end of a process that has been killed; that of another user may not care."""
        limit = time.monotonic() + seconds
        try:
            while not self._has_ended():
                if time.monotonic() >= limit:
                    return False
                time.sleep(_GLANCE)
        except ChildProcessError:
            self._status = 0  # somebody else has taken it
        return True

    def _poll(self, patience: float | None) -> None:
        """Pass on output; return when there was some, when the process has ended, or after so many seconds."""
        if self._pidfd < 0 and patience is None:
            patience = _PAUSE
        self._shield.shielded = self._is_ending
        try:
            events = self._waiting.poll(None if patience is None else patience * 1000)
        finally:
            self._shield.shielded = True
        for descriptor, _ in events:
            if descriptor not in self._readable or not self._readable[descriptor].read():
                self._waiting.unregister(descriptor)  # it has nothing more to tell

    def _kill(self, signum: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the latter: another user's; macOS, for a zombie
            os.killpg(self.pid, signum)

    def _has_ended(self) -> bool:
        """Tell whether it has ended, and leave it a zombie if the system can."""
        if self._status is None and not hasattr(os, "waitid"):  # macOS, before Python 3.13
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = status
        return self._status is not None or (
            hasattr(os, "waitid") and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        )

    def _group_is_alive(self) -> bool:
        """Tell whether the group has a member that is not a zombie."""
        alive = _has_members(self.pid)
        if alive is None:
            # It itself, and whoever else can be signalled; on Linux its own zombie can, too.
            try:
                os.killpg(self.pid, 0)
            except OSError:
                return False
            return True
        return alive

    def _reap(self) -> int:
        try:
            if self._status is None:
                _, self._status = os.waitpid(self.pid, 0)
            self._is_reaped = True
        finally:
            self._close()
        return os.waitstatus_to_exitcode(self._status)

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)


def _closing() -> list[tuple[int, int]]:
    """Give the file actions that close what a child would inherit by accident.

    Python's own descriptors are never inherited (:pep:`446`); these come from whoever started flagman, or from a
    library.
    """
    if _CLOSE_FROM is not None:  # Python 3.13, with a recent C library
        return [(_CLOSE_FROM, 3)]
    try:
        names = os.listdir(_DESCRIPTORS)  # noqa: PTH208 - pathlib costs 5 ms
    except OSError:  # a bare chroot
        names = list(map(str, range(min(os.sysconf("SC_OPEN_MAX"), _MOST_STRAYS))))
    return [(os.POSIX_SPAWN_CLOSE, int(n)) for n in names if n not in _STANDARD and _is_inheritable(int(n))]


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # it has been closed: that of listdir itself
        return False


def _has_members(group: int) -> bool | None:
    """Tell whether a process group has a member that is not a zombie; None where there is no /proc."""
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        processes = []
    return any(_is_member(process, group) for process in processes) if processes else None


def _is_member(process: str, group: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123
            # The name of the program, in brackets, may contain anything; see proc_pid_stat(5).
            state, _parent, its_group, *_ = file.read().rpartition(b")")[2].split()
    except (OSError, ValueError):  # it has gone
        return False
    return int(its_group) == group and state not in (b"Z", b"X")
