"""What a client has yet to take: the rest of an answer, and a stream that follows it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from flagman.service.request import Stream

# Bytes that are put together for one system call.
_AT_ONCE = 65_536


class Outgoing:
    """Sends to one client as much as it takes.

    :param sock: connected, and it does not wait
    """

    def __init__(self, sock: socket) -> None:
        self._socket = sock
        self._rest = memoryview(b"")
        self._stream: Stream | None = None
        self._is_closing = False

    @property
    def held(self) -> int:
        """How many bytes the client has not taken yet, of those that have been made."""
        return len(self._rest)

    @property
    def is_stream(self) -> bool:
        """Whether a stream is being sent."""
        return self._stream is not None

    @property
    def is_busy(self) -> bool:
        """Whether no other answer can follow yet."""
        return self.is_stream or bool(self._rest)

    @property
    def is_done(self) -> bool:
        """Whether the client has taken all of a stream that is over."""
        stream = self._stream
        return stream is not None and not self._rest and (stream.is_over or self._is_closing)

    def follow(self, stream: Stream, on_more: Callable[[], object]) -> None:
        """Send a stream after the answer that is sent next.

        :param on_more: called when the stream has more, so that :meth:`send` is to be called
        """
        self._stream = stream
        stream.wake = on_more

    def send(self, data: bytes = b"") -> bool:
        """Send what the client takes; keep the rest.

        :param data: an answer; empty to go on
        :returns: whether the client has taken something
        :raises OSError: if the client has gone
        """
        has_sent = False
        rest = memoryview(data) if data else self._rest
        while rest or (rest := memoryview(self._pieces())):
            try:
                sent = self._socket.send(rest)
            except BlockingIOError:
                break
            rest = rest[sent:]
            has_sent = True
        self._rest = rest
        return has_sent

    def _pieces(self) -> bytes:
        """Return the next pieces of the stream."""
        pieces: list[bytes] = []
        size = 0
        while self._stream is not None and size < _AT_ONCE and (piece := self._stream.next()) is not None:
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def ends_soon(self) -> bool:
        """Send what a stream still has, and then nothing more of it; return whether the client has taken all."""
        if self._stream is not None:
            self._is_closing = True
            try:
                self.send()
            except Exception:  # noqa: BLE001 - it ends anyway
                return True
        return not self._rest

    def drop(self) -> None:
        """Forget what is left, now and not when the garbage collector comes by."""
        self._rest = memoryview(b"")
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
