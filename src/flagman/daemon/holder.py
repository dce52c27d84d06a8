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

#: Stands for the pid of a process that exists but cannot be identified.
UNKNOWN = 0
# Bytes: enough for a number and the end of the line; a longer text is no pid.
LONGEST = 32
#: How to open a pid file that any user may have put there: follow no link, and wait for no other process.
READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def read_pid(path: str | os.PathLike[str]) -> int | None:
    """Return the pid of the process that holds a pid file; None if there is no file, or no process holds it.

    :raises FlagmanError: if that process cannot be seen from here, such as one in another container
    :raises OSError: if the file cannot be read, or is not a regular one
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
                continue  # another file has just taken its place
        finally:
            os.close(descriptor)
        if pid == UNKNOWN:
            raise FlagmanError(f"a process that is not visible from here has locked {os.fspath(path)!r}")
        return pid


def _is_there(status: os.stat_result, path: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samestat(status, os.stat(path, follow_symlinks=False))  # noqa: PTH116 - pathlib costs 5 ms
    except FileNotFoundError:
        return True


def holder_of(descriptor: int) -> int | None:
    """Return the pid, as this process sees it, of the process that holds an open pid file and is named in it.

    A process that may read a file may also lock it. So on Linux, which lists the owners of locks, only the process
    that the file names counts as the holder.

    :returns: its pid; :data:`UNKNOWN` if that is not known; None if no process, or only a stranger, holds the file
    """
    for _ in range(2):  # the lock may be released between the two looks
        try:
            # A shared lock, so that several processes can look at the same time.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            number = number_in(os.pread(descriptor, LONGEST, 0))
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return None
        try:
            pid = _named(number, os.fstat(descriptor))
        except OSError:  # not Linux
            return number or UNKNOWN
        if pid != UNKNOWN:
            return pid
    return UNKNOWN


def _named(number: int | None, status: os.stat_result) -> int | None:
    """Find the process with this number among those that the kernel lists as owners of a lock on the file.

    See :manpage:`proc_locks(5)`. For some file systems that list has another device number than stat(2) gives.

    Containers need the numbers of all namespaces: the daemon writes the number that it has inside its own, and
    ``flagmanctl`` may look from outside.

    :raises OSError: if the kernel has no such list
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
    # A process that holds the lock and is not listed is in another pid namespace.
    return None if is_stranger else UNKNOWN


def _numbers(pid: int) -> set[int]:
    """Return the numbers of a process, one for each pid namespace, see :manpage:`proc_pid_status(5)`."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as status:  # noqa: PTH123 - as above
        for line in status:
            if line.startswith(b"NSpid:"):
                return set(map(int, line.split()[1:]))
    return {pid}


def number_in(text: bytes) -> int | None:
    """Return the pid in the text of a pid file; None if the text is something else."""
    line = text[:-1]
    is_whole = text.endswith(b"\n") and len(text) < LONGEST
    return int(line) if is_whole and line.isdigit() and 0 < int(line) <= LARGEST_PID else None


def signal_holder(path: str | os.PathLike[str], signum: SignalNumber) -> int | None:
    """Send a signal to the process that holds a pid file, and never to another one that has got its number since.

    :returns: the pid; None if no process holds the file
    :raises FlagmanError: if the process that holds it cannot be seen from here
    :raises OSError: if the file cannot be read, or the signal cannot be sent
    """
    with suppress(ProcessLookupError):  # it has just ended
        while (pid := read_pid(path)) is not None:
            if send(pid, signum, partial(_is_held_by, path, pid)):
                return pid
    return None


def _is_held_by(path: str | os.PathLike[str], pid: int) -> bool:
    return read_pid(path) == pid
