"""The answer of a server: read from a channel, and understood by :mod:`http.client`."""

from __future__ import annotations

import io
import re
from http.client import HTTPException, HTTPResponse, IncompleteRead

from flagman.exceptions import ActionTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from flagman.actions.channels import Channel

# Bytes of a line, as http.client has it, and of a whole head: whatever sends more does not stop by itself.
_LONGEST_LINE = 65_536
_LONGEST_HEAD = 1_048_576
# Bytes of a body that are read at once.
_CHUNK = 65_536
# What comes before the final answer; after 101 something else than HTTP does.
_INFORMATION = re.compile(rb"HTTP/\S+ +1(?!01)[0-9][0-9](?![0-9])")
# All that http.client wants to know of a head, of which it reads no more than a hundred lines; and what we do.
_TOLD = re.compile(rb"(connection|content-length|keep-alive|location|transfer-encoding)[ \t]*:", re.IGNORECASE)


class _Raw(io.RawIOBase):
    """What comes from a channel, as a file."""

    def __init__(self, channel: Channel, limit: float) -> None:
        super().__init__()
        self._channel = channel
        self.limit = limit
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        data = self._left or self._channel.receive(self.limit)
        view = memoryview(buffer).cast("B")
        count = min(len(data), len(view))
        view[:count] = data[:count]
        self._left = data[count:]
        return count


class _Rest(io.BufferedReader):
    """A file that stands in for the socket which http.client makes its file of."""

    def makefile(self, _: str) -> _Rest:
        """Give the file."""
        return self


class _Joined(io.RawIOBase):
    """A head of our own, and then what comes from the channel."""

    def __init__(self, head: bytes, rest: io.BufferedReader[_Raw]) -> None:
        super().__init__()
        self._head = io.BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._head.read(len(view)) or self._rest.read1(len(view))
        view[: len(data)] = data
        return len(data)


class Answer:
    """An answer whose head has come.

    :param channel: where it comes from
    :param method: that of the request
    :param limit: until when it has to be there, on the monotonic clock
    :raises HTTPException: if it is none
    :raises OSError: if nothing comes
    """

    def __init__(self, channel: Channel, method: str, limit: float) -> None:
        self._raw = _Raw(channel, limit)
        reader = io.BufferedReader(self._raw)
        rest = _Rest(_Joined(_head(reader), reader))
        self._response = HTTPResponse(rest, method=method)  # type: ignore[arg-type]
        try:
            self._response.begin()
        except BaseException:
            self.close()
            raise
        self.status = self._response.status
        #: The words behind the status.
        self.reason = self._response.reason
        #: Where a redirect leads.
        self.location = self._response.getheader("Location", "")

    def close(self) -> None:
        """Close the files, and not the channel."""
        self._response.close()

    def read_to_the_end(self) -> None:
        """Read the body, and drop it: some servers work as long as somebody reads.

        :raises HTTPException: if it ends in the middle
        """
        try:
            while self._response.read(_CHUNK):
                pass
            missing = self._response.length
        except IncompleteRead as error:
            raise HTTPException("the answer ends too early") from error
        if missing:
            raise HTTPException(f"the answer ends {missing} bytes too early")

    def quote(self, most: int, limit: float) -> bytes:
        """Give the beginning of the body, or as much of it as comes until then.

        :param most: bytes
        """
        self._raw.limit = min(self._raw.limit, limit)
        said = b""
        try:
            while len(said) < most and (more := self._response.read1(most - len(said))):
                said += more
        except (OSError, HTTPException, ValueError, ActionTimedOut):
            pass  # the status is what matters
        return said


def _head(reader: io.BufferedReader[_Raw]) -> bytes:
    """Read the head of the final answer, and give what of it is wanted."""
    size = 0
    while True:
        first = reader.readline(_LONGEST_LINE + 1)
        told = [first]
        if not first.startswith(b"HTTP/"):
            return first
        while (line := reader.readline(_LONGEST_LINE + 1)).strip(b"\r\n"):
            size += len(line)
            if size > _LONGEST_HEAD or len(line) > _LONGEST_LINE:
                raise HTTPException("the head of the answer is too long")
            if _TOLD.match(line):
                told.append(line)
        if not _INFORMATION.match(first):
            return b"".join([*told, line])
