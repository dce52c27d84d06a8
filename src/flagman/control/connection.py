"""One client: its requests are served in order, one at a time, and nothing that it does stops the control loop."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from functools import partial
from socket import SHUT_WR

from flagman.control.answer import GO_AHEAD, NO_CONTENT, crowded, refusal, written_safely
from flagman.control.limit import Limit
from flagman.control.outgoing import Outgoing
from flagman.control.parser import Parser
from flagman.control.peers import has_gone, uid_of
from flagman.service.request import Request, Stream
from flagman.service.request_error import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

    from flagman.control.doors import Door
    from flagman.control.parser import Message
    from flagman.control.router import Router
    from flagman.service.control_loop import ControlLoop

logger = logging.getLogger("flagman.control")

# Seconds for a request, from its first byte or from the begin of the connection; and for one of a stranger.
REQUEST_SECONDS, STRANGER_SECONDS = 10.0, 3.0
# Seconds without a request, and for a client to take an answer.
IDLE_SECONDS = 30.0
# Seconds for a client that is still sending to notice that it is refused.
LINGER_SECONDS = 1.0
# Requests that came together and are served before other clients have a turn.
_AT_ONCE = 16
_CHUNK = 65_536
_NO_HEADERS: Mapping[str, str] = {}


class Connection:
    """The connection with one client; made and used in the control loop.

    It reads only when it has served what it has read, so it never holds more than one answer and some requests.

    :param sock: connected; it belongs to the connection from now on
    :param door: judges its requests
    :param router: returns the routes that hold
    :param on_end: called when the connection has been closed
    :param on_hold: called when an answer has been made and the client does not take all of it at once
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what is around a connection
        self,
        sock: socket,
        loop: ControlLoop,
        door: Door,
        router: Callable[[], Router],
        on_end: Callable[[Connection], object],
        on_hold: Callable[[], object],
    ) -> None:
        sock.settimeout(0)
        self._socket = sock
        self._loop = loop
        self._router = router
        self._on_end = on_end
        self._on_hold = on_hold
        #: By which the client has come in.
        self.door = door
        self._parser = Parser(door)
        self._method = ""
        self._number = 0  # of the newest request
        self._request: Request | None = None  # the one that waits for its answer
        self._out = Outgoing(sock)
        # Whether a request has yet to begin, nothing comes after this answer, bytes may still come that are not read,
        # such bytes are being dropped, requests are being served further up the stack, and the socket is closed.
        self._is_idle = self._is_last = self._is_refused = self._drops = self._is_busy = self._has_ended = False
        self._attachment = loop.attach(sock.fileno(), self._read, on_failure=self.end)
        #: Whether it has yet to show that it may ask, see :attr:`Door.strangers`.
        self.is_stranger = door.strangers > 0
        self._limit = Limit(loop, self._look_at_the_time)
        self._allow_request()

    @property
    def held(self) -> int:
        """How many bytes of its answer the client has not taken yet."""
        return self._out.held

    @property
    def deadline(self) -> float:
        """When its time is over: of two clients that do not read, the one with the older answer comes first."""
        return self._limit.deadline

    def refuse(self, error: RequestError) -> None:
        """Answer that this client, or what it sends, is not served; then close the connection."""
        self._method = self._parser.method
        self._is_last = self._is_refused = True
        self._answer(error.status, error.body, error.headers)
        self._go_on()

    def finish(self) -> None:
        """Close the connection as soon as the client has taken what is answered; at once if nothing is."""
        self._is_last = True
        if self._out.ends_soon():
            self.end()

    def end(self, _: int = 0) -> None:
        """Close the connection; a request that waits for its answer is given up."""
        if self._has_ended:
            return
        self._has_ended = True
        self.door.streams -= self._out.is_stream
        self._out.drop()
        self._limit.cancel()
        self._attachment.detach()
        with suppress(OSError):  # a plugin has closed it
            self._socket.close()
        self._on_end(self)
        request, self._request = self._request, None
        if request is not None:
            try:
                request.on_gone()
            except BaseException:
                logger.exception("A request whose client has gone could not be given up")

    # What is done when the socket is ready. Only one of these is waited for at a time.

    def _read(self, _: int) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.end()
            return
        if data:
            if not self._drops:
                self._parser.feed(data)
                self._go_on()
        elif self._parser.has_begun and not self._drops:
            self.refuse(refusal(400, "the request ends too early"))
        else:
            self.end()

    def _write(self, _: int = 0) -> None:
        self._send(b"")
        self._go_on()

    def _look(self, _: int) -> None:
        """End the connection if the client has gone; a further request of it waits until it has its answer."""
        if has_gone(self._socket):
            self.end()
        else:
            self._wait(self.end, urgent=True)

    def _send(self, data: bytes) -> None:
        """Send what the client takes; keep the rest."""
        try:
            has_sent = self._out.send(data)
        except Exception as error:
            if not isinstance(error, OSError):  # such as of a client that has gone
                logger.exception("An answer cannot be continued")
            self.end()
            return
        if self._out.is_done:
            self.end()
        elif self._out.is_stream and not self._out.held:
            self._limit.allow(math.inf)
        elif self._out.is_stream and (has_sent or self._limit.deadline == math.inf):
            self._limit.allow(IDLE_SECONDS)
            self._on_hold()

    def _allow_request(self) -> None:
        self._seconds = STRANGER_SECONDS if self.is_stranger else REQUEST_SECONDS
        self._limit.allow(self._seconds)

    def _wait(
        self, code: Callable[[int], None], *, readable: bool = False, writable: bool = False, urgent: bool = False
    ) -> None:
        if self._attachment.code != code:
            self._attachment.code = code
            self._attachment.expect(readable=readable, writable=writable, urgent=urgent)

    def _go_on(self) -> None:
        """Serve what has come, as long as the client takes the answers; then wait for what is next."""
        if self._is_busy:
            return
        self._is_busy = True
        has_more = all(self._serve_next() for _ in range(_AT_ONCE))
        self._is_busy = False
        if self._has_ended:
            return
        if self._out.held or has_more:
            self._wait(self._write, writable=True)
        elif self._request is not None or self._out.is_stream:
            looks = self.door.ends_with_half  # or else a client that has closed its half still waits for the answer
            self._wait(self._look if looks else self.end, readable=looks, urgent=not looks)
        else:
            self._wait(self._read, readable=True)

    def _serve_next(self) -> bool:
        """Serve the next request that has come; return whether there may be another."""
        if self._out.is_busy or self._request is not None or self._drops or self._has_ended:
            return False
        if self._is_last:
            self._close()
            return False
        try:
            message = self._parser.next()
        except RequestError as error:
            self.refuse(error)
            return True
        if self.is_stranger and self._parser.is_known:
            self.is_stranger = False
            self._allow_request()
        if message is not None:
            self._serve(message)
            return True
        if self._parser.has_begun and self._is_idle:
            self._is_idle = False
            self._allow_request()
        if self._parser.wants_to_go_ahead():
            self._send(GO_AHEAD)
        return False

    def _close(self) -> None:
        """Close the connection, but let a client that may still be sending read the answer first.

        Many clients report a broken pipe instead of the answer if they cannot send all.
        """
        if self._is_refused:
            self._drops = True
            self._limit.allow(LINGER_SECONDS)
            with suppress(OSError):
                self._socket.shutdown(SHUT_WR)
        else:
            self.end()

    def _serve(self, message: Message) -> None:
        self._method = message.method
        self._is_last = message.closes
        self._number = number = self._number + 1
        router = self._router()
        try:
            if message.method == "OPTIONS":
                self._answer(NO_CONTENT, None, {"Allow": router.allowed(message.path)})
                return
            route, values = router.find(message.method, message.path)
        except RequestError as error:
            self._answer(error.status, error.body, error.headers)
            return
        reply = partial(self._reply, number)
        self._request = Request(values, message.query, message.body, reply, uid_of(self._socket), message.fields)
        self._limit.allow(math.inf)
        try:
            route(self._request)
        except RequestError as error:
            self._reply(number, error.status, error.body, error.headers)
        except BaseException:  # also sys.exit() of a plugin
            logger.exception("The request %s %r failed", message.method, "/" + "/".join(message.path))
            self._reply(number, 500, refusal(500, "the request failed, and the log of flagman says why").body)

    def _reply(self, number: int, status: int, content: object, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Answer a request, unless it has been answered or its client has gone."""
        if number == self._number and self._request is not None:
            self._request = None
            self._answer(status, content, headers)
            self._go_on()

    def _answer(self, status: int, content: object, headers: Mapping[str, str]) -> None:
        has_body = self._method != "HEAD"
        stream = content if isinstance(content, Stream) else None
        if stream is not None:
            self._is_last = True
            if not has_body or self.door.streams >= self.door.places:
                stream.close()
                stream = None
            if has_body and stream is None:
                error = crowded(self.door.places)
                status, content, headers = error.status, error.body, error.headers
        data = written_safely(status, content, headers, closes=self._is_last, has_body=has_body)
        self._is_idle = True
        self._limit.allow(IDLE_SECONDS)
        if stream is not None:
            self.door.streams += 1
            self._out.follow(stream, self._write)
        self._send(data)
        if self._out.held and not self._out.is_stream:
            self._on_hold()

    def _look_at_the_time(self) -> None:
        if self._is_idle or self._out.held:  # the client wants nothing, takes nothing or does not end
            self.end()
        else:
            self.refuse(refusal(408, f"the request has not come within {self._seconds:g} seconds"))
