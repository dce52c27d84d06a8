"""The lock beside a control socket: the process that holds it owns the socket's path, as long as it lives.

A lock decides whether a socket is that of a living daemon, and not an attempt to connect: a daemon that is stuck
answers no better than a dead one. The file names its owner, for messages alone.
"""

from __future__ import annotations

import fcntl
import os
import stat
import weakref

from flagman.daemon.directory import is_in_place
from flagman.daemon.holder import LONGEST, READ_ONLY, number_in
from flagman.exceptions import FlagmanError

_PRIVATE = 0o600
_STRANGER = "%r in the same directory is not the lock of such a socket"
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class InUseError(FlagmanError):
    """Another process holds the lock."""


class SocketLock:
    """A lock that is held until :meth:`release`, and by this process alone: its forked children let go of it.

    :param name: of the file
    :param directory: a descriptor of its directory
    :raises InUseError: if another process holds it
    :raises FlagmanError: if the file is not such a lock
    :raises OSError: if it cannot be created or opened
    """

    def __init__(self, name: str, directory: int) -> None:
        self._name = name
        self._descriptor = -1
        while self._descriptor < 0:  # once more if its owner has removed it since
            self._descriptor = self._take(directory)
        #: Whether a daemon has held it before, and so has probably made the socket.
        self.is_known = _text(self._descriptor) != b""
        try:
            self._sign(directory)
        except BaseException:
            self.release(directory)
            raise
        _HELD.add(self)

    def is_held(self, directory: int) -> bool:
        """Return whether this is the lock that another process would find."""
        return self._descriptor >= 0 and is_in_place(self._descriptor, self._name, directory)

    def release(self, directory: int | None) -> None:
        """Release the lock, and remove its file, if it is still there.

        :param directory: as above; None to leave the file alone
        """
        try:
            if directory is not None and self.is_held(directory):
                os.unlink(self._name, dir_fd=directory)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file, as in a forked child; another process may then lock it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        _HELD.discard(self)

    def _take(self, directory: int) -> int:
        """Open and lock the file; return its descriptor, or a negative number if it was removed meanwhile."""
        try:
            descriptor = os.open(self._name, READ_ONLY | os.O_CREAT | os.O_EXCL, _PRIVATE, dir_fd=directory)
        except FileExistsError:
            try:
                descriptor = os.open(self._name, READ_ONLY, dir_fd=directory)
            except FileNotFoundError:
                return -1
        try:
            self._check(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = number_in(_text(descriptor))
                raise InUseError(f"pid {pid}" if pid else "another process") from None
            if is_in_place(descriptor, self._name, directory):
                self._check_text(descriptor)
                os.fchmod(descriptor, _PRIVATE)  # regardless of the umask
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return -1

    def _check(self, descriptor: int) -> None:
        """Refuse a file that no daemon can have put there: it might be precious, or another user's."""
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_uid not in (0, os.geteuid()):
            raise FlagmanError(_STRANGER % self._name)

    def _check_text(self, descriptor: int) -> None:
        """Refuse a file with another text; once it is locked, because its owner may be about to write."""
        text = _text(descriptor)
        if text and number_in(text) is None:
            raise FlagmanError(_STRANGER % self._name)

    def _sign(self, directory: int) -> None:
        # By another descriptor: once it is closed, a daemon that has become another user cannot change the file.
        writer = os.open(self._name, _WRITE | os.O_TRUNC, dir_fd=directory)
        try:
            os.write(writer, b"%d\n" % os.getpid())
        finally:
            os.close(writer)


def _text(descriptor: int) -> bytes:
    return os.pread(descriptor, LONGEST, 0)


# Those that this process holds.
_HELD: weakref.WeakSet[SocketLock] = weakref.WeakSet()


def _abandon() -> None:
    """Close the locks of the parent in a forked child, which would hold them when the parent is dead."""
    for lock in tuple(_HELD):
        lock.abandon()


os.register_at_fork(after_in_child=_abandon)
