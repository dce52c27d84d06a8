"""The process that holds a pid file, seen from another one."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from contextlib import suppress

from flagman.actions.pidfd import open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber

# Bytes: a number and the end of the line; whatever is longer is something else.
LONGEST = 32
_LARGEST = 2**31 - 1
#: How to open a pid file that anybody may have put there: follow no link, wait for nobody.
READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def read_pid(path: str | os.PathLike[str]) -> int | None:
    """Tell which process holds a pid file; None if there is none, or nobody does.

    :raises OSError: if the file cannot be read, or is none
    """
    try:
        descriptor = os.open(path, READ_ONLY)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return holder_of(descriptor) or None
    finally:
        os.close(descriptor)


def holder_of(descriptor: int) -> int | None:
    """Tell which process holds an open pid file: the one whose number is in it, as this process sees it.

    Everybody who may read a file may lock it. So a lock alone tells nothing if the kernel says whose it is, and that is
    not the process that the file names. Linux says so, but not of processes that this one cannot see.

    :returns: its pid; 0 if that cannot be told, and None if nobody holds the file
    """
    try:
        # Shared: not in the way of anybody else who looks.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        number = number_in(os.pread(descriptor, LONGEST, 0))
        owners = _owners(os.fstat(descriptor).st_ino)
        if not owners:
            return number or 0
        return next((owner for owner in owners if number in _numbers(owner)), None)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return None


def _owners(inode: int) -> set[int]:
    """Tell which processes the kernel knows to have a lock on a file, see :manpage:`proc_locks(5)`.

    By the number of the file alone, since there are file systems that have another device number in there.
    """
    owners = set()
    with suppress(OSError), open("/proc/locks", "rb") as locks:  # noqa: PTH123 - pathlib costs 5 ms at a start
        for line in locks:
            words = line.split()
            if words[1] == b"FLOCK" and words[3] == b"WRITE" and words[5].rpartition(b":")[2] == b"%d" % inode:
                owners.add(int(words[4]))
    return owners


def _numbers(pid: int) -> set[int]:
    """Give the numbers of a process, one for each pid namespace, see :manpage:`proc_pid_status(5)`."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as status:  # noqa: PTH123 - as above
        for line in status:
            if line.startswith(b"NSpid:"):
                return set(map(int, line.split()[1:]))
    return {pid}


def number_in(text: bytes) -> int | None:
    """Read the number of a process; None if it is something else."""
    line = text[:-1]
    is_whole = text.endswith(b"\n") and len(text) < LONGEST
    return int(line) if is_whole and line.isdigit() and 0 < int(line) <= _LARGEST else None


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
