"""The kernel's reports about inodes, see :manpage:`inotify(7)`, for which Python has no module of its own."""

from __future__ import annotations

import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
UNMOUNT, OVERFLOW, IGNORED = 0x2000, 0x4000, 0x8000
_DONT_FOLLOW, _MASK_ADD = 0x2000000, 0x20000000

# struct inotify_event: the watch, the events, a cookie and the length of the name.
_HEAD = struct.Struct("iIII")
_ROOM = 1 << 16
# How often the queue is read at a time: it may fill faster than it is read.
_READS = 32


class Inotify:
    """An inotify descriptor.

    :raises OSError: if the kernel, or the C library, gives none
    :raises ImportError: if this Python has no ctypes
    """

    def __init__(self) -> None:
        import ctypes  # noqa: PLC0415 - it may be missing, and takes 2 ms

        self._error = ctypes.get_errno
        library = ctypes.CDLL(None, use_errno=True)
        try:
            start = library.inotify_init1
            self._add = library.inotify_add_watch
            self._remove = library.inotify_rm_watch
        except AttributeError:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
        self._add.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        #: The descriptor.
        self.descriptor = self._checked(start(os.O_NONBLOCK | os.O_CLOEXEC))

    def __repr__(self) -> str:
        return f"<Inotify with descriptor {self.descriptor}>"

    def add(self, place: str, inode: tuple[int, int], mask: int, *, replace: bool = False) -> int:
        """Ask for events of an inode, also if it is a link.

        The place may lead to another inode at any moment, so the inode is opened first, and watched through that.

        :param place: where it stands
        :param inode: its device and its number
        :param replace: ask for these events only, and no longer for others of the same inode
        :returns: the number of the watch, the same one for the same inode
        :raises OSError: if that is not possible; with :data:`errno.ESTALE` if another inode stands there
        """
        mask |= 0 if replace else _MASK_ADD
        descriptor = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != inode:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            try:
                return self._checked(self._add(self.descriptor, b"/proc/self/fd/%d" % descriptor, mask))
            except FileNotFoundError:  # there is no /proc in this root
                return self._checked(self._add(self.descriptor, os.fsencode(place), mask | _DONT_FOLLOW))
        finally:
            os.close(descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = self._error()
            raise OSError(number, os.strerror(number))
        return result

    def remove(self, watch: int) -> None:
        """Ask for no more events of an inode; it may be gone."""
        self._remove(self.descriptor, watch)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """Yield what has been reported: the watch, the events, and the name of an entry or an empty text."""
        for _ in range(_READS):
            try:
                data = os.read(self.descriptor, _ROOM)
            except BlockingIOError:
                return
            start = 0
            while start < len(data):
                watch, mask, _, length = _HEAD.unpack_from(data, start)
                start += _HEAD.size + length
                yield watch, mask, os.fsdecode(data[start - length : start].rstrip(b"\0")) if length else ""

    def close(self) -> None:
        """Close the descriptor; the kernel forgets all watches with it."""
        os.close(self.descriptor)
