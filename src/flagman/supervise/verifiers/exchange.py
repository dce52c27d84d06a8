"""One exchange over HTTP that never waits: a request is sent, and the head of the answer is judged."""

from __future__ import annotations

import time
from contextlib import suppress
from http.client import HTTPException

from flagman.exceptions import one_line, reason_of, shortened
from flagman.supervise.verifiers.dialing import Dial
from flagman.supervise.verifiers.kind import Attempt
from flagman.text.shown import printable
from flagman.web.answer import Answer as Response
from flagman.web.answer import Early

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Protocol

    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.dialing import Place
    from flagman.supervise.verifiers.kind import Answer

    class Layer(Protocol):
        """What is between a request and its socket."""

        def send(self, data: bytes) -> None:
            """Send data, as soon as that is possible."""

        def take(self, came: bytes) -> bytes:
            """Take what has come, empty at the end, and return what it means.

            :raises OSError: if it is not valid
            """

        def outgoing(self) -> bytes:
            """Return what has to be sent now."""

    #: Returns what is wrong with an answer; empty if nothing is.
    Judge = Callable[[Response], str]

# Bytes of a head, and bytes that are received at a time.
_LONGEST_HEAD = 65_536
_CHUNK = 65_536
# Bytes of a body that are read after the verdict, and seconds for that: some servers report an error when a client
# closes the connection before it has read all.
_LONGEST_REST = 1_048_576
_PATIENCE = 1.0
_BEGINNING = b"HTTP/"
# Bytes of an answer that are shown.
_SHOWN = 40


class Plain:
    """No layer."""

    def __init__(self) -> None:
        self._outgoing = b""

    def send(self, data: bytes) -> None:
        """Send data."""
        self._outgoing += data

    def take(self, came: bytes) -> bytes:
        """Return what has come."""
        return came

    def outgoing(self) -> bytes:
        """Return what has to be sent now."""
        data, self._outgoing = self._outgoing, b""
        return data


class Exchange(Attempt):
    """A request, and the answer to it.

    :param loop: watches the connection
    :param places: where the server is
    :param head: the request
    :param judge: judges the answer
    :param answer: called once
    :param layer: what is between
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with
        self,
        loop: ControlLoop,
        places: tuple[Place, ...],
        head: bytes,
        judge: Judge,
        answer: Answer,
        layer: Layer | None = None,
    ) -> None:
        self._loop = loop
        self._judge = judge
        self._answer = answer
        self._layer: Layer = layer or Plain()
        self._layer.send(head)
        self._early = Early()
        self._left = b""
        self._socket: socket.socket | None = None
        self._attachment: Attachment | None = None
        self._dial = Dial(loop, places, self._connected)
        self._dial.begin()

    def _connected(self, connection: socket.socket | None, why: str) -> None:
        if connection is None:
            self._answer(why)
            return
        self._socket = connection
        self._attachment = self._loop.attach(connection.fileno(), self._ready, writable=True)

    def _ready(self, _: int) -> None:
        """Send and receive what can be."""
        if self._socket is None or self._attachment is None:
            return
        why: str | None
        try:
            self._flush(self._socket)
            why = self._receive(self._socket)
            if self._socket is not None:
                self._flush(self._socket)
        except (OSError, HTTPException, ValueError) as error:
            why = printable(one_line(reason_of(error)))
            self._say_why()
        if why is not None:
            self._end(why)
        else:
            self._attachment.expect(readable=True, writable=bool(self._left))

    def _flush(self, connection: socket.socket) -> None:
        self._left += self._layer.outgoing()
        if self._left:
            try:
                self._left = self._left[connection.send(self._left) :]
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                self._left = b""  # it may have answered before it closed

    def _say_why(self) -> None:
        """Send what TLS has to say about its failure, if that can be sent."""
        if self._socket is not None:
            with suppress(OSError):
                self._flush(self._socket)

    def _receive(self, connection: socket.socket) -> str | None:
        """Take what has come; return the verdict, or None if it is too early for one."""
        try:
            came = connection.recv(_CHUNK)
        except BlockingIOError:
            return None
        data = self._layer.take(came)
        said = self._early.said
        is_whole = bool(data) and self._early.take(data)
        if said and not said.startswith(_BEGINNING[: len(said)]):
            return (
                f"what answers does not speak HTTP: {printable(shortened(said[:_SHOWN].decode('latin-1'), _SHOWN))!r}"
            )
        if not is_whole and not self._early.is_success and len(said) > _LONGEST_HEAD:
            return "the head of the answer is too long"
        if not came and not said:
            return "the server closed the connection without an answer"
        if came and not is_whole and not self._early.is_success:
            return None
        response = Response(_Nothing(), said, "GET", time.monotonic())
        try:
            return self._judge(response)
        finally:
            response.close()

    def _end(self, why: str) -> None:
        connection, self._socket = self._socket, None
        if self._attachment is not None:
            self._loop.release(self._attachment)
            self._attachment = None
        if connection is not None:
            Farewell(self._loop, connection)
        self._answer(why)

    def cancel(self) -> None:
        """Close the connection."""
        self._dial.cancel()
        if self._attachment is not None:
            self._loop.release(self._attachment)
            self._attachment = None
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()


class _Nothing:
    """The channel of an answer of which all has come."""

    @staticmethod
    def receive(_: float) -> bytes:
        """Return the end."""
        return b""

    @staticmethod
    def send(*_: object) -> bool:
        """Send nothing."""
        return False


class Farewell:
    """Reads the rest of an answer, within bounds, and then closes the connection; nothing else refers to it."""

    def __init__(self, loop: ControlLoop, connection: socket.socket) -> None:
        self._loop = loop
        self._connection = connection
        self._read = 0
        self._attachment = loop.attach(connection.fileno(), self._drop)
        self._call = loop.call_later(_PATIENCE, self._close)

    def _drop(self, _: int) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._read += len(data)
        if not data or self._read > _LONGEST_REST:
            self._close()

    def _close(self) -> None:
        if self._attachment.descriptor >= 0:
            self._call.cancel()
            self._loop.release(self._attachment)
            self._connection.close()
