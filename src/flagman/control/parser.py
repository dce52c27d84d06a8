"""Requests out of the bytes of a client: strict HTTP/1.1 (:rfc:`9112`), without any input or output.

What is not allowed is refused, and never guessed at: two readers of the same bytes may guess differently.
"""

from __future__ import annotations

import re

from flagman.control.answer import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.control.doors import Door

# Bytes of the first line, and of a whole head, with the ends of lines; fields of a head; bytes of a body.
_LONGEST_LINE = 8_192
_LONGEST_HEAD = 65_536
_MOST_FIELDS = 100
_LONGEST_BODY = 65_536
# Digits of a length that is worth reading.
_MOST_DIGITS = 18

# All repetitions are possessive (++, *+): whatever is sent, the time that it takes grows only with its length.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_START = re.compile(rb"(%b) ([!-~]++) HTTP/([0-9])\.([0-9])" % _TOKEN)
_FIELD = re.compile(rb"(%b):[ \t]*+([\t -~\x80-\xff]*+)" % _TOKEN)
_CHARACTERS = rb"A-Za-z0-9._~!$&'()*+,;=:@/%-"
_TARGET = re.compile(rb"(?:(?i:http)://([^/?]*+))?((?:/[%b]*+)?)(?:\?([?%b]*+))?" % (_CHARACTERS, _CHARACTERS))
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(rb"%(..)")


class Message:
    """A whole request.

    :param path: the decoded segments of the path; none for the path ``*``
    :param query: the decoded values that follow the path, by name
    :param fields: the fields of its head, by their names in small letters
    :param closes: whether the client wants no other answer on this connection
    """

    __slots__ = ("body", "closes", "fields", "method", "path", "query")

    def __init__(
        self, method: str, path: tuple[str, ...], query: dict[str, str], fields: dict[str, str], *, closes: bool
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.fields = fields
        self.closes = closes
        #: What its JSON says; None if it has no body.
        self.body: object = None


class Parser:
    """Takes the bytes of one client, however they are cut, and returns its requests.

    After an error there is nothing that could be understood: the connection is to be closed.

    :param door: judges the head of each request
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        #: Whether the client has shown in a head that it may ask.
        self.is_known = False
        self._data = bytearray()
        self._searched = 0  # how many bytes of a line have been searched for its end
        self._reset()

    def _reset(self) -> None:
        #: The method of the request that is being read; empty before it is known.
        self.method = ""
        self._target = b""
        self._minor = 1
        self._size = 0
        self._count = 0
        self._fields: dict[bytes, bytes] = {}
        self._message: Message | None = None  # None until its head is complete
        self._length = 0  # of its body
        self._decode: Callable[[bytes], object] = bytes
        self._expects = False

    @property
    def has_begun(self) -> bool:
        """Whether a part of a further request is there."""
        return bool(self._data or self.method)

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        self._data += data

    def next(self) -> Message | None:
        """Return the next request; None if it is not complete.

        :raises RequestError: if the bytes are no request, or one that is not served
        """
        while self._message is None:
            line = self._next_line()
            if line is None:
                return None
            self._take(line)
        message, length = self._message, self._length
        if len(self._data) < length:
            return None
        if length:
            message.body = self._decode(bytes(self._data[:length]))
            del self._data[:length]
        self._reset()
        return message

    def wants_to_go_ahead(self) -> bool:
        """Return, once, whether the client waits for a word before it sends the body."""
        expects, self._expects = self._expects, False
        return expects

    def _next_line(self) -> bytes | None:
        """Take the next whole line of a head, without its end; None if it is not complete."""
        end = self._data.find(b"\n", self._searched)
        size = len(self._data) if end < 0 else end + 1
        if not self.method and size > _LONGEST_LINE:
            raise refusal(414, f"the first line is longer than {_LONGEST_LINE} bytes")
        if self._size + size > _LONGEST_HEAD:
            raise refusal(431, f"the head is longer than {_LONGEST_HEAD} bytes")
        if end < 0:
            self._searched = size
            return None
        line = bytes(self._data[:end])
        del self._data[:size]
        self._searched = 0
        self._size += size
        if line[-1:] != b"\r":
            raise refusal(400, "a line of the head does not end with CR and LF")
        return line[:-1]

    def _take(self, line: bytes) -> None:
        """Understand a line of a head."""
        if not self.method:
            if line:  # empty lines before a request are no mistake
                self._take_start(line)
        elif line:
            self._take_field(line)
        else:
            self._end_head()

    def _take_start(self, line: bytes) -> None:
        match = _START.fullmatch(line)
        if match is None:
            raise refusal(400, "the first line is no request of HTTP/1.1")
        if match[3] != b"1":
            raise refusal(505, "only HTTP/1.1 is spoken here")
        self.method = match[1].decode()
        self._target = match[2]
        self._minor = int(match[4])

    def _take_field(self, line: bytes) -> None:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise refusal(400, "a line of the head is no header field")
        self._count += 1
        if self._count > _MOST_FIELDS:
            raise refusal(431, f"the head has more than {_MOST_FIELDS} fields")
        name, value = match[1].lower(), match[2].rstrip(b" \t")
        # A second field of a name makes a list of it, and no field that matters here may be one.
        self._fields[name] = self._fields[name] + b", " + value if name in self._fields else value

    def _end_head(self) -> None:
        """Judge the whole head."""
        fields, is_old = self._fields, self._minor == 0
        authority, path, query = _parts(self._target, self.method)
        host = fields.get(b"host")
        if host is None and not is_old:
            raise refusal(400, "the field Host is missing")
        hosts = [name for name in (host, authority) if name is not None]
        self._length = _length(fields)
        self.is_known |= self._door.judge(self.method, path, hosts, fields)
        if self._length:
            self._decode = self._door.decoder(fields.get(b"content-type", b""))
        if b"expect" in fields and not is_old:
            if fields[b"expect"].lower() != b"100-continue":
                raise refusal(417, "the only expectation that is met is 100-continue")
            self._expects = self._length > 0
        wishes = [wish.strip(b" \t").lower() for wish in fields.get(b"connection", b"").split(b",")]
        texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields.items()}
        self._message = Message(self.method, path, query, texts, closes=is_old or b"close" in wishes)


def _parts(target: bytes, method: str) -> tuple[bytes | None, tuple[str, ...], dict[str, str]]:
    """Return the authority, if there is one, the path and the query of a target."""
    if target == b"*" and method == "OPTIONS":
        return None, (), {}
    match = _TARGET.fullmatch(target)
    if match is None or (match[1] is None and not match[2]) or _BAD_ESCAPE.search(target):
        raise refusal(400, "the target of the request is no path, or not encoded as it must be")
    path = tuple(_decoded(segment) for segment in match[2][1:].split(b"/"))
    query: dict[str, str] = {}
    for pair in match[3].split(b"&") if match[3] else ():
        name, _, value = map(_decoded, pair.partition(b"="))
        if not name or name in query:
            raise refusal(400, "a value of the query has no name" if not name else "the query has a name twice")
        query[name] = value
    return match[1], path, query


def _decoded(text: bytes) -> str:
    """Return a part of a target as text; bytes that are not UTF-8 become what :func:`os.fsdecode` makes of them."""
    if b"%" in text:
        text = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), text)
    return text.decode(errors="surrogateescape")


def _length(fields: dict[bytes, bytes]) -> int:
    """Return the number of bytes of the body."""
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise refusal(400, "there are both Content-Length and Transfer-Encoding")
        if coding.lower() == b"chunked":
            raise refusal(411, "a body in chunks is not served: send it with Content-Length")
        raise refusal(501, "a coded body is not served: send it plain, with Content-Length")
    if length is None:
        return 0
    if not length.isdigit():
        raise refusal(400, "Content-Length is no number")
    if len(length) > _MOST_DIGITS or int(length) > _LONGEST_BODY:
        raise refusal(413, f"the body is longer than {_LONGEST_BODY} bytes")
    return int(length)
