"""The answer of a server: read from a channel, and understood by :mod:`http.client`."""

from __future__ import annotations

import io
import re
from http.client import HTTPException, HTTPResponse, IncompleteRead

from flagman.exceptions import ActionTimedOut
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from flagman.web.channels import Channel

# Bytes of a line, as in http.client, and of a whole head: a server that sends more may never stop.
_LONGEST_LINE = 65_536
_LONGEST_HEAD = 1_048_576
_WITHOUT_BODY = (204, 304)
# Bytes that are kept while the request is still being sent.
_LONGEST_EARLY = 16_777_216
# Bytes of a body that are read at once.
_CHUNK = 65_536
# Answers that come before the final one; not 101, after which another protocol follows.
_INFORMATION = re.compile(rb"HTTP/\S+[ \t]+1(?!01)[0-9][0-9](?![0-9])")
_SUCCESS = re.compile(rb"HTTP/\S+[ \t]+[12][0-9][0-9](?![0-9])")
_ERROR = re.compile(rb"HTTP/\S+[ \t]+[45][0-9][0-9](?![0-9])")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
# The only headers that are passed on, because http.client reads no more than a hundred lines of a head.
_TOLD = re.compile(rb"(content-length|location|transfer-encoding):", re.IGNORECASE)


class Early:
    """What a server sends while the request is still being sent."""

    def __init__(self) -> None:
        #: All that has come.
        self.said = bytearray()
        # Where the final answer begins, behind the ones that come before it.
        self._start = 0
        #: Whether the whole head of a success has come.
        self.is_success = False

    def take(self, data: bytes) -> bool:
        """Take data in; return whether the server has said why it does not want the rest of the request.

        It says so with the whole head of an answer that is no success. A success may begin before it has read all.
        """
        seen = max(self._start, len(self.said) - len(b"\r\n\r"))
        self.said += data
        if self.is_success or len(self.said) > _LONGEST_HEAD:
            return len(self.said) > _LONGEST_EARLY
        while (head := _END_OF_HEAD.search(self.said, seen)) is not None:
            if not _INFORMATION.match(self.said, self._start):
                self.is_success = _SUCCESS.match(self.said, self._start) is not None
                return not self.is_success
            self._start = seen = head.end()
        return False


class _Raw(io.RawIOBase):
    """What comes from a channel, as a file.

    :param early: what has come before
    :param limit: the monotonic time until which to wait for more
    """

    def __init__(self, channel: Channel, early: bytearray, limit: float) -> None:
        super().__init__()
        self._channel = channel
        self.limit = limit
        self._left = bytes(early)

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
    """A file in the place of the socket from which http.client would make a file."""

    def makefile(self, _: str) -> _Rest:
        """Return the file."""
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
    """An answer, of which the head has been read.

    :param channel: where it comes from
    :param early: the part that has come already
    :param method: that of the request
    :param limit: the monotonic time by which it has to be complete
    :raises HTTPException: if it is not a valid answer
    :raises OSError: if nothing comes
    """

    def __init__(self, channel: Channel, early: bytearray, method: str, limit: float) -> None:
        self._raw = _Raw(channel, early, limit)
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
        self.location: str = self._response.headers.get("Location", "")

    def close(self) -> None:
        """Close the files, and not the channel."""
        self._response.close()

    def read_to_the_end(self) -> None:
        """Read the body, and drop it, because some servers stop their work when the client stops reading.

        :raises HTTPException: if it ends in the middle
        """
        if self.status in _WITHOUT_BODY:  # even if its head announces one
            return
        # If the length of a chunk is nonsense, read() takes all that ever comes into memory.
        read = self._response.read1 if self._response.chunked else self._response.read
        try:
            while read(_CHUNK):
                pass
            missing = self._response.length
        except IncompleteRead as error:
            raise HTTPException("the answer ends too early") from error
        if missing:
            raise HTTPException(f"the answer ends {counted(missing, 'byte')} too early")

    def quote(self, most: int, limit: float) -> bytes:
        """Return the beginning of the body, or as much of it as comes in time.

        :param most: the number of bytes that are wanted
        :param limit: the monotonic time until which to wait
        """
        self._raw.limit = min(self._raw.limit, limit)
        most = min(most, most if self._response.length is None else self._response.length)
        said = b""
        try:
            while len(said) < most and (more := self._response.read1(most - len(said))):
                said += more
        except (OSError, HTTPException, ValueError, ActionTimedOut):
            pass  # the status is what matters
        return said


def _head(reader: io.BufferedReader[_Raw]) -> bytes:
    """Read the head of the final answer; return it with the headers that are needed, the first of each name."""
    size = 0
    while True:
        first = reader.readline(_LONGEST_LINE + 1)
        if not first.startswith(b"HTTP/"):
            return first
        told: dict[bytes, bytes] = {}
        name = b""
        while (line := reader.readline(_LONGEST_LINE + 1)).strip(b"\r\n"):
            size += len(line)
            if size > _LONGEST_HEAD or len(line) > _LONGEST_LINE:
                raise HTTPException("the head of the answer is too long")
            if line[:1] not in b" \t":
                match = _TOLD.match(line)
                name = match[1].lower() if match and match[1].lower() not in told else b""
                if name:
                    told[name] = line
            elif name:  # a header goes on
                told[name] = told[name].rstrip(b"\r\n") + b" " + line.lstrip(b" \t")
        if _INFORMATION.match(first):
            continue
        if not line and not _ERROR.match(first):
            raise HTTPException("the answer ends within its head")
        return b"".join([first, *map(_plain, told.values()), line])


def _plain(header: bytes) -> bytes:
    """Return a header as http.client accepts it: the last of several codings, and a repeated length only once."""
    name, _, value = header.partition(b":")
    words = [word.strip() for word in value.lower().split(b",")]
    if name.lower() == b"transfer-encoding" or (name.lower() == b"content-length" and len(set(words)) == 1):
        return name + b": " + words[-1] + b"\r\n"
    return header
