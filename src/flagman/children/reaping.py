"""The end of a child: whether it has come, how, and whether the rest of its process group is still there.

This module uses :manpage:`waitid(2)`, which can leave the child a zombie: only then its number, and with it that of
its group, cannot mean another process. ``os.waitpid`` would do for the rest, but gevent replaces it by one that
competes with a handler of SIGCHLD for the exit status.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress


class Child:
    """A child process that nothing has waited for yet.

    :param pid: its number
    """

    __slots__ = ("_status", "has_dumped_core", "is_reaped", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None
        #: Whether it has left a core dump, after :meth:`reap`.
        self.has_dumped_core = False
        #: Whether it has been reaped: its number may mean another process by now.
        self.is_reaped = False

    def has_ended(self) -> bool:
        """Return whether it has ended, and leave it a zombie if the system can.

        :raises ChildProcessError: if something else has taken its exit status
        """
        if self._status is not None:
            return True
        if hasattr(os, "waitid"):
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        pid, status = os.waitpid(self.pid, os.WNOHANG)  # macOS, before Python 3.13
        if pid:
            self._status = os.waitstatus_to_exitcode(status)
            self.is_reaped = True
        return pid != 0

    def reap(self) -> int:
        """Wait for its end.

        :returns: its exit status, or the number of the signal that killed it, negative
        :raises ChildProcessError: as above
        """
        if self._status is None:
            if hasattr(os, "waitid") and (seen := os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)) is not None:
                self.has_dumped_core = seen.si_code == os.CLD_DUMPED
            self._status = wait_for(self.pid)
            self.is_reaped = True
        return self._status

    def group_is_alive(self) -> bool:
        """Return whether the process group that it leads has a member that is not a zombie."""
        if _proc_is_ours():
            return has_members(self.pid)
        with suppress(ChildProcessError):
            if not self.has_ended():
                return True
            # A zombie would answer for its group. While that has other members, no new process can get its number.
            self.reap()
        try:
            os.killpg(self.pid, 0)
        except OSError:
            return False
        return True


def wait_for(pid: int) -> int:
    """Wait for the end of a child, and reap it; return its exit status as :meth:`Child.reap` does."""
    if not hasattr(os, "waitid"):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    result = os.waitid(os.P_PID, pid, os.WEXITED)
    if result is None:  # it never is without WNOHANG
        raise ChildProcessError(f"the state of the child {pid} is unknown")
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _proc_is_ours() -> bool:
    """Return whether /proc shows the processes of this one's own namespace, see :manpage:`pid_namespaces(7)`."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115 - pathlib costs 5 ms
    except OSError:
        return False


def has_members(group: int) -> bool:
    """Return whether /proc shows a member of a process group that is not a zombie, or cannot be read now."""
    try:
        return any(_is_member(name, group) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    except OSError:  # too many open files; callers ask again for a while
        return True


def members(group: int) -> list[int] | None:
    """Return the members of a process group that are not zombies; None if /proc cannot show them.

    :raises OSError: if it cannot be read now, because there are too many open files
    """
    if not _proc_is_ours():
        return None
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _is_member(name, group)]  # noqa: PTH208


def groups() -> dict[int, list[int]] | None:
    """Return the members of all process groups that are not zombies, by group; None if /proc cannot show them.

    :raises OSError: if it cannot be read now, because there are too many open files
    """
    if not _proc_is_ours():
        return None
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs 5 ms
        if name.isdigit() and (group := _group_of(name)):
            found.setdefault(group, []).append(int(name))
    return found


def _is_member(process: str, group: int) -> bool:
    try:
        if os.getpgid(int(process)) != group:  # in a twentieth of the time that /proc takes
            return False
    except ProcessLookupError:
        return False
    except OSError:  # a security module hides it
        pass
    return _group_of(process) == group


def _group_of(process: str) -> int:
    """Return the group of a process; 0 if it is a zombie, or is not known."""
    try:
        with open(f"/proc/{process}/stat", "rb", buffering=0) as file:  # noqa: PTH123
            # The name of the program, in brackets, may contain anything; see proc_pid_stat(5).
            state, _parent, its_group, *_ = file.read().rpartition(b")")[2].split(None, 3)
    except (OSError, ValueError) as error:  # it has gone, or is not known
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return 0
    return 0 if state in (b"Z", b"X") else int(its_group)
