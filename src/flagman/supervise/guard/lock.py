"""The lock of a name: held by a daemon and its guardian, and so by the guardian alone when the daemon was killed.

The file of the lock says what holds it. It is empty, or not there, when nothing has been left behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

from flagman.daemon.descriptors import above_standard
from flagman.supervise.guard.guardian import notes
from flagman.supervise.guard.seen import is_alive

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_PRIVATE, _OF_ALL = 0o600, 0o755
# Bytes: more than the notes ever have.
_LONGEST = 512


class Holder:
    """What the file says about the daemon that holds the lock, or has held it.

    :param text: of the file, see :func:`flagman.supervise.guard.guardian.notes`
    :raises ValueError: if it is something else
    """

    def __init__(self, text: bytes) -> None:
        daemon, start, guardian, latest, self.random = text.split()
        self.daemon, self.start, self.guardian = int(daemon), int(start), int(guardian)
        #: The monotonic time at which the guardian will have ended; 0 while the daemon lives.
        self.latest = float(latest)

    def lives(self) -> bool:
        """Return whether the daemon itself is alive."""
        return self.daemon != 0 and is_alive(self.daemon, self.start)


class Lock:
    """A lock that processes can be handed.

    :param directory: of the file; it is created, if only it is missing
    :param name: of the daemon
    """

    def __init__(self, directory: str, name: str) -> None:
        self.path = f"{directory}/{name}.guard"
        self._directory = directory
        #: The open file; -1 while the lock is not held.
        self.descriptor = -1

    def take(self) -> Holder | None:
        """Take the lock, if it is free: then :attr:`descriptor` is set.

        :returns: what the file says about what holds it, or has held it without ending in order; None for nothing
        :raises OSError: if there can be no such file, or it is another user's
        """
        with suppress(FileExistsError):
            os.mkdir(self._directory, _OF_ALL)  # noqa: PTH102 - pathlib costs 5 ms
        while True:
            descriptor = above_standard(os.open(self.path, _FLAGS, _PRIVATE))
            try:
                status = _status(descriptor)
                is_free = _try(descriptor)
                if is_free and not self._is_in_place(status):
                    os.close(descriptor)  # its holder has just removed it
                    continue
                holder = _read(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if is_free:
                self.descriptor = descriptor
            else:
                os.close(descriptor)
            return holder

    def note(self, daemon: int, start: int, guardian: int, random: bytes) -> None:
        """Write into the file what holds it."""
        with suppress(OSError):  # a full disk
            os.pwrite(self.descriptor, notes(daemon, start, guardian, 0, random), 0)

    def release(self) -> None:
        """Remove the file, and release the lock, whichever processes have been handed it."""
        if self.descriptor >= 0:
            self.clear()
            with suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108 - as above
            self.leave()

    def clear(self) -> None:
        """Empty the file, which means that nothing is left."""
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)

    def hand_over(self) -> None:
        """Forget the lock, which is held by a process that has been handed it until that ends."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def leave(self) -> None:
        """Release the lock, and leave the file as it is."""
        descriptor, self.descriptor = self.descriptor, -1
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def _is_in_place(self, status: os.stat_result) -> bool:
        try:
            return os.path.samestat(status, os.stat(self.path, follow_symlinks=False))  # noqa: PTH116 - as above
        except FileNotFoundError:
            return False


def _status(descriptor: int) -> os.stat_result:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user")
    return status


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder | None:
    try:
        return Holder(os.pread(descriptor, _LONGEST, 0))
    except (OSError, ValueError):
        return None
