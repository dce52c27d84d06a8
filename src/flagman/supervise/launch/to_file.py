"""Output that goes to a file: appended as it comes, without waiting, and to the new file after a rotation."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time

from flagman.daemon.descriptors import APPENDING, above_standard
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("flagman.process")

# The owner may write, and its group may read.
_MODE = 0o640
# Seconds between two looks at the path, and between two tries to write to what takes nothing.
_PAUSE = 1.0
# Bytes of a line that has been written in part, of which the rest is kept.
_LONGEST = 65_536


class ToFile:
    """Writes to a file, a FIFO or a device, and counts the lines that it does not take.

    :param name: of the process, for messages
    :param path: absolute
    """

    def __init__(self, name: str, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._subject = f"{name}: the output to {shown(path)!r}"
        self._path = path
        self._clock = clock
        self._file = -1
        self._next_look = 0.0
        # The moment until which nothing is written, because that has just failed.
        self._rests_until = 0.0
        self._trouble = ""
        self._cannot_follow = False
        self._dropped = 0
        # The rest of a line that was written in part.
        self._owed = b""
        # Whether the last byte in the file is not the end of a line; whether the beginning of the current line is lost.
        self._is_within = self._skips = False

    def begin(self) -> None:
        """Get ready for a life of the process: what cannot be opened is told now."""
        self._next_look = 0.0
        self._look()

    def take(self, data: bytes, begun: bytearray) -> None:
        """Take output.

        :param begun: becomes something if the last line has no end yet
        """
        begun[:] = b"" if data.endswith(b"\n") else b"..."
        self._look()
        if self._skips:
            start = data.find(b"\n") + 1
            if not start:
                return
            self._skips = False
            data = data[start:]
        if self._file < 0 or self._clock() < self._rests_until:
            self._refuse(self._owed + data)
        else:
            self._write(self._owed + data)

    def end_line(self, begun: bytearray) -> None:
        """End the line that has no end, because none will come."""
        if begun:
            self.take(b"\n", begun)

    def _write(self, left: bytes) -> None:
        try:
            while left:
                count = os.write(self._file, left)
                self._is_within = left[count - 1 : count] != b"\n"
                left = left[count:]
        except OSError as error:
            self._fail(error)
            self._refuse(left)
        else:
            self._owed = b""
            self._succeed()

    def _refuse(self, data: bytes) -> None:
        """Drop what was not written, except for the rest of a line that has begun in the file."""
        end = data.find(b"\n") + 1
        self._owed = (data[:end] if end else data) if self._is_within else b""
        rest = data[len(self._owed) :]
        self._dropped += rest.count(b"\n")
        self._skips = bool(rest) and not rest.endswith(b"\n")
        self._dropped += self._skips
        if len(self._owed) > _LONGEST:
            self._owed = self._owed[: _LONGEST - 1] + b"\n"
            self._skips = self._skips or not end

    def _fail(self, error: OSError) -> None:
        if error.errno in {errno.EAGAIN, errno.ENXIO, errno.EPIPE}:
            reason = "it is not read"
        else:
            reason = error.strerror or str(error)
        if error.errno != errno.EAGAIN:
            self._rests_until = self._clock() + _PAUSE
        if error.errno == errno.EPIPE:
            self._close_file()  # another reader may come, and begins with a whole line
            self._is_within = False
        if not self._trouble:
            logger.warning("%s is dropped: %s", self._subject, reason)
        self._trouble = reason

    def _succeed(self) -> None:
        if self._trouble:
            dropped, self._dropped = self._dropped, 0
            lines = "1 line was" if dropped == 1 else f"{dropped:,} lines were"
            logger.warning("%s is written again; %s dropped", self._subject, lines)
            self._trouble = ""

    def _look(self) -> None:
        """Open the file if it is not open, or if another one is at its path by now; at most once a second."""
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + _PAUSE
        if self._file >= 0 and self._is_current():
            self._cannot_follow = False
            return
        try:
            new = above_standard(_open(self._path))
        except OSError as error:
            if self._file < 0:
                self._fail(error)
            elif not self._cannot_follow:
                self._cannot_follow = True
                what = "%s goes on to the old file: the new one cannot be opened: %s"
                logger.warning(what, self._subject, error.strerror)
            return
        self._close_file()
        self._file = new
        self._rests_until = 0.0
        self._cannot_follow = False

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))  # noqa: PTH116 - pathlib costs 5 ms
        except FileNotFoundError:
            return False
        except OSError:
            return True  # it cannot be known now

    def _close_file(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def close(self) -> None:
        """Close the file, and log what there is to be told."""
        if self._dropped:
            lines = "1 line was" if self._dropped == 1 else f"{self._dropped:,} lines were"
            logger.warning("%s: %s dropped: %s", self._subject, lines, self._trouble or "it is closed")
            self._dropped = 0
        self._close_file()


def _open(path: str) -> int:
    """Open a file for appending, without waiting; follow a link there only if root or this user has made it.

    The process may own the directory, and lead a link to a file that only this process may write to.

    :raises OSError: if it cannot be opened
    """
    flags = APPENDING | os.O_NONBLOCK
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return os.open(path, flags | os.O_NOFOLLOW, _MODE)
    if not stat.S_ISLNK(status.st_mode):
        return os.open(path, flags | os.O_NOFOLLOW, _MODE)
    if status.st_uid not in {0, os.geteuid()}:
        raise OSError(errno.ELOOP, "it is a symbolic link of another user", path)
    return os.open(path, flags, _MODE)
