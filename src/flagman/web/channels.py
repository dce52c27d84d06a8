"""Channels: a connection to a server, and TLS on top of one; every wait for the other side is in this module.

Each wait includes the wake-up pipe and ends at one moment, so that the whole exchange obeys a timeout, a stop and a
second TERM at every step. That is why TLS is done in memory, see :class:`ssl.SSLObject`: a socket of :mod:`ssl` would
wait by itself.
"""

from __future__ import annotations

import math
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from typing import Protocol

    from flagman.engine.interrupt import Interrupter

    class Channel(Protocol):
        """Bytes both ways."""

        def receive(self, limit: float) -> bytes:
            """Wait for bytes; empty at the end.

            :param limit: the monotonic time until which to wait
            :raises TimeoutError: if nothing has come by then
            """

        def send(self, data: bytes, take: Take) -> bool:
            """Send bytes, and take in what comes meanwhile.

            :returns: whether all has been sent: not if ``take`` has returned True, or the other side has closed
            """

    #: Takes what comes during a send, and empty bytes at the end; True means that the rest need not be sent.
    Take = Callable[[bytes], bool]


# Bytes that are received, and sent, at once.
_CHUNK = 65_536


class Stream:
    """A connected socket.

    :param connection: the socket, which does not block
    :param interrupter: may end a wait
    :param limit: the monotonic time by which all has to be done
    """

    def __init__(self, connection: socket.socket, interrupter: Interrupter, limit: float) -> None:
        self._socket = connection
        self._interrupter = interrupter
        self._limit = limit
        # Whether something has come during a send.
        self._has_taken = False

    def receive(self, limit: float) -> bytes:
        """Wait for bytes."""
        while True:
            try:
                return self._socket.recv(_CHUNK)
            except BlockingIOError:
                self._wait(select.POLLIN, limit)

    def send(self, data: bytes, take: Take) -> bool:
        """Send bytes, and take in what comes meanwhile."""
        left = memoryview(data)
        is_over = False
        failure: OSError | None = None
        while left and failure is None:
            try:
                left = left[self._socket.send(left[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(select.POLLOUT if is_over else select.POLLIN | select.POLLOUT, self._limit)
            except OSError as error:
                failure = error
            while left and not is_over:
                try:
                    came = self._socket.recv(_CHUNK)
                except BlockingIOError:
                    break  # nothing comes
                except OSError as error:
                    failure = failure or error
                    break
                self._has_taken = self._has_taken or bool(came)
                is_over = not came
                if take(came):
                    return False
        if (
            failure is not None and not self._has_taken
        ):  # else it has answered, and closed the connection without reading on
            raise failure
        return not left

    def has_news(self) -> bool:
        """Return whether there is something to receive."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _wait(self, events: int, limit: float) -> None:
        poll = self._interrupter.wakeup.poll()
        poll.register(self._socket.fileno(), events)
        wait(self._interrupter, poll, min(limit, self._limit))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Tls:
    """TLS over another channel.

    :param lower: that channel
    :param context: the certificates to trust
    :param host: the name that the server's certificate has to have
    :param limit: the monotonic time by which all has to be done
    :raises OSError: if the server has no such certificate, or speaks no TLS
    """

    def __init__(self, lower: Channel, context: ssl.SSLContext, host: str, limit: float) -> None:
        import ssl  # noqa: PLC0415 - only for https

        self._lower = lower
        self._limit = limit
        self._wants = ssl.SSLWantReadError
        self._over = (ssl.SSLZeroReturnError, ssl.SSLEOFError)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._go_on(limit)
            except ssl.SSLError:
                self._lower.send(self._outgoing.read(), self._feed)  # tells the other side why
                raise
            else:
                break
        self._lower.send(self._outgoing.read(), self._feed)

    def receive(self, limit: float) -> bytes:
        """Wait for bytes."""
        while True:
            try:
                return self._tls.read(_CHUNK)
            except self._wants:
                self._go_on(limit)
            except self._over:  # if the end comes unannounced, the reader that expects more notices
                return b""

    def send(self, data: bytes, take: Take) -> bool:
        """Send bytes, and take in what comes meanwhile."""
        for start in range(0, len(data), _CHUNK):
            while True:
                try:
                    self._tls.write(data[start : start + _CHUNK])
                except self._wants:  # the other side wants to negotiate again
                    self._go_on(self._limit)
                except self._over:  # the other side has closed
                    return False
                else:
                    break
            if not self._lower.send(self._outgoing.read(), lambda came: self._look(came, take)):
                return False
        return True

    def _look(self, came: bytes, take: Take) -> bool:
        """Pass what has come during a send to ``take``, and return whether that wants to stop the send."""
        self._feed(came)
        try:
            while not take(self._tls.read(_CHUNK)):
                pass  # one record each
        except self._wants:
            return False  # it was for TLS itself
        except self._over:
            return take(b"")
        return True

    def _go_on(self, limit: float) -> None:
        """Send what TLS has to send, and wait for what it needs to receive."""
        pending = self._incoming.pending
        self._lower.send(self._outgoing.read(), self._feed)
        if self._incoming.pending == pending:
            self._feed(self._lower.receive(limit))

    def _feed(self, data: bytes) -> bool:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return False


def wait(interrupter: Interrupter, poll: select.poll, limit: float) -> list[tuple[int, int]]:
    """Wait for descriptors, or for a signal.

    :param limit: the monotonic time until which to wait
    :raises TimeoutError: if nothing has come by then
    """
    left = limit - time.monotonic()
    events = interrupter.wait(poll, None if left == math.inf else max(left, 0))
    if not events and time.monotonic() >= limit:
        raise TimeoutError("timed out")
    return events
