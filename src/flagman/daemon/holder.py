"""The process that holds a pid file, seen from another one."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress

from flagman.actions.pidfd import open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber

# Bytes: a number and the end of the line; whatever is longer is something else.
LONGEST = 32
_LARGEST = 2**31 - 1
#: What a daemon leaves that has ended and may not remove the file.
ENDED = b"\n"
#: How to open a pid file that anybody may have put there: follow no link, wait for nobody.
READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def read_pid(path: str | os.PathLike[str]) -> int | None:
    """Tell which process holds a pid file; None if there is none, or nobody does.

    :raises OSError: if the file cannot be read
    """
    try:
        descriptor = os.open(path, READ_ONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return number_in(os.read(descriptor, LONGEST))
    finally:
        os.close(descriptor)
    return None


def is_left_behind(path: str | os.PathLike[str]) -> bool:
    """Tell whether a pid file that nobody holds is there because its daemon has died, and not ended in good order.

    :raises OSError: if it cannot be read
    """
    try:
        descriptor = os.open(path, READ_ONLY)
    except FileNotFoundError:
        return False
    try:
        return os.read(descriptor, LONGEST) != ENDED
    finally:
        os.close(descriptor)


def number_in(text: bytes) -> int | None:
    """Read the number of a process; None if it is something else."""
    line = text.strip()
    return int(line) if line.isdigit() and len(text) < LONGEST and 0 < int(line) <= _LARGEST else None


def signal_holder(path: str | os.PathLike[str], signum: SignalNumber) -> int | None:
    """Send a signal to the process that holds a pid file, and to no other that has got its number.

    :returns: the pid; None if nobody holds the file
    :raises OSError: if the file cannot be read, or the signal not be sent
    """
    with suppress(ProcessLookupError):  # it has just ended
        while (pid := read_pid(path)) is not None:
            pidfd = open_pidfd(pid)
            if pidfd < 0:  # this system has none
                os.kill(pid, signum)
                return pid
            try:
                # If the file is still held by this number, the descriptor is that of the process which holds it.
                if read_pid(path) == pid:
                    signal.pidfd_send_signal(pidfd, signum)
                    return pid
            finally:
                os.close(pidfd)
    return None
