"""The process that holds a pid file, seen from another one."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from functools import partial

from flagman.children.pidfd import LARGEST_PID, send
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber

#: Stands for a process that there is, and whose number cannot be told.
UNKNOWN = 0
# Bytes: a number and the end of the line; whatever is longer is something else.
LONGEST = 32
#: How to open a pid file that anybody may have put there: follow no link, wait for nobody.
READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def read_pid(path: str | os.PathLike[str]) -> int | None:
    """Tell which process holds a pid file; None if there is none, or nobody does.

    :raises FlagmanError: if somebody does who cannot be seen from here, such as one in another container
    :raises OSError: if the file cannot be read, or is none
    """
    while True:
        try:
            descriptor = os.open(path, READ_ONLY)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            pid = holder_of(descriptor)
            if pid is None and not _is_there(status, path):
                continue  # another one has just taken its place
        finally:
            os.close(descriptor)
        if pid == UNKNOWN:
            raise FlagmanError(f"a process that cannot be seen from here holds {os.fspath(path)!r}")
        return pid


def _is_there(status: os.stat_result, path: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samestat(status, os.stat(path, follow_symlinks=False))  # noqa: PTH116 - pathlib costs 5 ms
    except FileNotFoundError:
        return True


def holder_of(descriptor: int) -> int | None:
    """Tell which process holds an open pid file: the one whose number is in it, as this process sees it.

    Everybody who may read a file may lock it. So on Linux, which tells whose a lock is, nobody counts but the process
    that the file names.

    :returns: its pid; :data:`UNKNOWN` if that cannot be told, and None if nobody holds the file, or a stranger
    """
    for _ in range(2):  # it may let go between the two looks
        try:
            # Shared: not in the way of anybody else who looks.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            number = number_in(os.pread(descriptor, LONGEST, 0))
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return None
        try:
            pid = _named(number, os.fstat(descriptor))
        except OSError:  # another system
            return number or UNKNOWN
        if pid != UNKNOWN:
            return pid
    return UNKNOWN


def _named(number: int | None, status: os.stat_result) -> int | None:
    """Find the process with this number among those that the kernel knows to have locked a file.

    See :manpage:`proc_locks(5)`. There are file systems that have another device number in there.

    Containers need the numbers of all namespaces: the daemon writes the number that it has inside of its own, and
    ``flagmanctl`` may look from outside.

    :raises OSError: if the kernel does not tell
    """
    is_ours = os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115 - pathlib costs 5 ms at a start
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}".encode()
    is_stranger = False
    with open("/proc/locks", "rb") as locks:  # noqa: PTH123 - as above
        for line in locks:
            _, kind, _, access, owner, place, *_ = line.split()
            where, _, inode = place.rpartition(b":")
            if (kind, access, inode) == (b"FLOCK", b"WRITE", b"%d" % status.st_ino):
                if number in _numbers(int(owner)):
                    return int(owner) if is_ours else number
                is_stranger = is_stranger or where == device
    # Whoever is not listed is in another pid namespace.
    return None if is_stranger else UNKNOWN


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
    return int(line) if is_whole and line.isdigit() and 0 < int(line) <= LARGEST_PID else None


def signal_holder(path: str | os.PathLike[str], signum: SignalNumber) -> int | None:
    """Send a signal to the process that holds a pid file, and to no other that has got its number.

    :returns: the pid; None if nobody holds the file
    :raises FlagmanError: if somebody does who cannot be seen from here
    :raises OSError: if the file cannot be read, or the signal not be sent
    """
    with suppress(ProcessLookupError):  # it has just ended
        while (pid := read_pid(path)) is not None:
            if send(pid, signum, partial(_is_held_by, path, pid)):
                return pid
    return None


def _is_held_by(path: str | os.PathLike[str], pid: int) -> bool:
    return read_pid(path) == pid
