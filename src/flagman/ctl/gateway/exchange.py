"""One question to the daemon and its answer, without ever waiting: in the control loop."""

from __future__ import annotations

import re
from contextlib import suppress

from flagman.control.limit import Limit
from flagman.service.request import Content, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

    from flagman.service.control_loop import ControlLoop

    #: Takes the status of HTTP, and a Content or a Stream.
    OnAnswer = Callable[[int, Content | Stream], object]

# Bytes of a head and of an answer at most: a history of the largest daemon has a few millions.
_MOST_OF_HEAD = 64 * 1024
_MOST = 16 * 2**20
_CHUNK = 65_536
#: Seconds that the daemon has for the head of an answer, and for the rest of it.
SECONDS = 10.0
_EVENTS = "text/event-stream"
_FIRST = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})(?: [\t -~]*+)?")
_FIELD = re.compile(rb"([A-Za-z0-9-]++):[ \t]*+([\t -~]*+)")
# The fields of an answer that are passed on, in small letters.
_PASSED = {
    "allow",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "retry-after",
    "vary",
}


class Exchange:
    """Asks the daemon one question.

    :param sock: connected with the daemon, and it does not wait; it belongs to the exchange from now on
    :param question: the bytes of the request
    :param on_answer: called with the answer
    :param on_failure: called with why there is none, in one line
    :param seconds: that the daemon has until its answer begins; infinite for no limit
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a question, and what becomes of it
        self,
        loop: ControlLoop,
        sock: socket,
        question: bytes,
        on_answer: OnAnswer,
        on_failure: Callable[[str], object],
        seconds: float = SECONDS,
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._out = memoryview(question)
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._received = bytearray()
        self._status = 0  # until the head is known
        self._fields: dict[str, str] = {}
        self._length = 0
        self._limit = Limit(loop, lambda: self._fail("it has not answered in time"))
        self._limit.allow(seconds)
        self._attachment = loop.attach(
            sock.fileno(),
            self._send,
            readable=False,
            writable=True,
            on_failure=lambda: self._fail("what it says cannot be passed on"),
        )

    def close(self) -> None:
        """Ask no more, and answer nothing."""
        self._limit.cancel()
        self._attachment.detach()
        self._socket.close()

    def _fail(self, why: str) -> None:
        self.close()
        self._on_failure(why)

    def _send(self, _: int) -> None:
        try:
            self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            return
        except OSError:
            self._out = memoryview(b"")  # it may have answered before it has read
        if not self._out:
            self._attachment.code = self._receive
            self._attachment.expect()

    def _receive(self, _: int) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._fail("it has closed the connection")
            return
        self._received += data
        if not self._status and not self._take_head():
            return
        if self._is_endless():
            self._pass_on()
        elif len(self._received) >= self._length:
            self.close()
            kind = self._fields.get("content-type", "application/json")
            self._on_answer(self._status, Content(kind, bytes(self._received[: self._length]), self._headers()))

    def _take_head(self) -> bool:
        """Understand the head, if it is whole; return whether an answer may follow."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0 and len(self._received) <= _MOST_OF_HEAD:
            return False
        first, *lines = bytes(self._received[: max(end, 0)]).split(b"\r\n")
        del self._received[: end + 4]
        match, fields = _FIRST.fullmatch(first), [_FIELD.fullmatch(line) for line in lines]
        self._fields = {each[1].decode().lower(): each[2].decode() for each in fields if each}
        has_no_length = self._is_endless() or (match is not None and match[1] == b"204")
        length = self._fields.get("content-length", "0" if has_no_length else "")
        if match is None or not all(fields) or not length.isdecimal() or len(length) > len(str(_MOST)):
            self._fail("what it says is no answer of flagman")
            return False
        self._status, self._length = int(match[1]), int(length)
        if self._length > _MOST:
            self._fail(f"its answer is longer than {_MOST >> 20} MiB")
            return False
        self._limit.allow(SECONDS)
        return True

    def _is_endless(self) -> bool:
        return self._fields.get("content-type") == _EVENTS and "content-length" not in self._fields

    def _pass_on(self) -> None:
        """Make a stream of the rest, which the client takes as it comes."""
        self._limit.cancel()
        self._attachment.detach()
        passage = Passage(self._loop, self._socket, bytes(self._received), _EVENTS, self._headers())
        self._on_answer(self._status, passage)

    def _headers(self) -> dict[str, str]:
        headers = {name.title(): value for name, value in self._fields.items() if name in _PASSED}
        if self._fields.get("content-type", "").startswith("text/html"):
            # With no-referrer a browser would not say from where it sends a form: its Origin would be null.
            headers["Referrer-Policy"] = "same-origin"
        return headers


class Passage(Stream):
    """The rest of an answer that goes on: it is read from the daemon only when the client has taken what was there.

    :param sock: connected with the daemon; it belongs to the passage from now on
    :param rest: what has been read of it
    """

    def __init__(self, loop: ControlLoop, sock: socket, rest: bytes, kind: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.kind = kind
        self.headers = headers
        self._socket = sock
        self._rest = rest
        self._is_waiting = False
        self._attachment = loop.attach(sock.fileno(), self._go_on, readable=False, on_failure=self._end)

    def next(self) -> bytes | None:
        """Return what has come; wait for more if nothing has."""
        rest, self._rest = self._rest, b""
        if rest or self.is_over:
            return rest or None
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            self._expect(readable=True)
            return None
        except OSError:
            data = b""
        self.is_over = not data
        return data or None

    def close(self) -> None:
        """Leave the daemon."""
        self._attachment.detach()
        with suppress(OSError):
            self._socket.close()

    def _expect(self, *, readable: bool) -> None:
        if readable != self._is_waiting:
            self._is_waiting = readable
            self._attachment.expect(readable=readable)

    def _go_on(self, _: int) -> None:
        self._expect(readable=False)
        self.wake()

    def _end(self) -> None:
        self.is_over = True
        self.wake()
