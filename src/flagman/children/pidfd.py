"""Descriptors of processes, see :manpage:`pidfd_open(2)`: what they name cannot be confused with another process."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.types import SignalNumber

#: No process has a larger number.
LARGEST_PID = 2**31 - 1


def open_pidfd(pid: int) -> int:
    """Open a descriptor of a process; it becomes readable when the process ends.

    :returns: the descriptor; -1 if there is none: another system, an old kernel, a filter of system calls, no room
    :raises ProcessLookupError: if there is no such process
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return -1


def send(pid: int, signum: SignalNumber, is_still_meant: Callable[[], bool]) -> bool:
    """Send a signal to a process that something has named, and to no other process that has got its number since.

    :param is_still_meant: returns whether the number is still named: if it is, the descriptor that was opened in the
        meantime is that of the process
    :returns: False if it is not
    :raises ProcessLookupError: if there is no such process
    :raises OSError: if the signal cannot be sent
    """
    pidfd = open_pidfd(pid)
    if pidfd < 0:  # this system has none
        os.kill(pid, signum)
        return True
    try:
        if not is_still_meant():
            return False
        signal.pidfd_send_signal(pidfd, signum)
        return True
    finally:
        os.close(pidfd)
