"""Channels: a connection to a server, and TLS on top of one; every wait for the other side is in this module.

Each wait includes the wake-up pipe and ends at one moment, so that the whole exchange obeys a timeout, a stop and a
second TERM at every step. That is why TLS is done in memory, see :class:`ssl.SSLObject`: a socket of :mod:`ssl` would
wait by itself.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from flagman.engine.interrupt import Interrupter

    class Channel(Protocol):
        """Bytes both ways."""

        def receive(self, limit: float) -> bytes:
            """Wait for bytes; empty at the end.

            :param limit: until when, on the monotonic clock
            :raises TimeoutError: if nothing has come by then
            """

        def send(self, data: bytes, is_answered: Callable[[], bool]) -> bool:
            """Send bytes, but no more of them once the other side has answered.

            :param is_answered: asked when there is something to receive; tells whether that is the answer
            :returns: whether all has been sent
            """

        def has_news(self) -> bool:
            """Tell whether there is something to receive."""

        def receive_now(self) -> bytes:
            """Receive what is there."""


# Bytes that are received, and sent, at once.
_CHUNK = 65_536
# Seconds after which the next address of a host is tried as well, see RFC 8305.
_STAGGER = 2.0
# Seconds between two attempts at a Unix socket whose server has a full queue: nothing tells when it has room.
_PAUSE = 0.02


class Stream:
    """A connected socket.

    :param connection: the socket, which does not block
    :param interrupter: may end a wait
    :param limit: until when all has to be done, on the monotonic clock
    """

    def __init__(self, connection: socket.socket, interrupter: Interrupter, limit: float) -> None:
        self._socket = connection
        self._interrupter = interrupter
        self._limit = limit

    def receive(self, limit: float) -> bytes:
        """Wait for bytes."""
        while True:
            try:
                return self._socket.recv(_CHUNK)
            except BlockingIOError:
                self._wait(select.POLLIN, limit)

    def receive_now(self) -> bytes:
        """Receive what is there."""
        return self._socket.recv(_CHUNK)

    def send(self, data: bytes, is_answered: Callable[[], bool]) -> bool:
        """Send bytes, unless the other side answers first."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._socket.send(left[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(select.POLLIN | select.POLLOUT, self._limit)
            except OSError:
                if not self.has_news():  # it may have answered, and closed the connection without reading on
                    raise
            if left and self.has_news() and is_answered():
                return False
        return True

    def has_news(self) -> bool:
        """Tell whether there is something to receive."""
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
    :param context: what is trusted
    :param host: whose certificate is wanted
    :param limit: until when the handshake has to be done, on the monotonic clock
    :raises OSError: if there is no such certificate, or the other side speaks no TLS
    """

    def __init__(self, lower: Channel, context: ssl.SSLContext, host: str, limit: float) -> None:
        import ssl  # noqa: PLC0415 - for those who need it

        self._lower = lower
        self._wants = ssl.SSLWantReadError
        self._over = (ssl.SSLZeroReturnError, ssl.SSLEOFError)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._early = b""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._take_in(lower.receive(limit))
            except ssl.SSLError:
                self._flush()  # the other side is told why
                raise
            else:
                break
        self._flush()

    def receive(self, limit: float) -> bytes:
        """Wait for bytes."""
        early, self._early = self._early, b""
        while not early:
            try:
                return self._tls.read(_CHUNK)
            except self._wants:
                self._flush()
                self._take_in(self._lower.receive(limit))
            except self._over:  # an end without a farewell is noticed where more is expected
                return b""
        return early

    def receive_now(self) -> bytes:
        """Receive what is there."""
        early, self._early = self._early, b""
        return early

    def send(self, data: bytes, is_answered: Callable[[], bool]) -> bool:
        """Send bytes, unless the other side answers first."""
        for start in range(0, len(data), _CHUNK):
            self._tls.write(data[start : start + _CHUNK])
            if not self._flush() or (self._early and is_answered()):
                return False
        return True

    def has_news(self) -> bool:
        """Tell whether there is something to receive, which may turn out to be a matter of TLS."""
        return bool(self._early) or self._lower.has_news()

    def _flush(self) -> bool:
        return self._lower.send(self._outgoing.read(), self._look)

    def _look(self) -> bool:
        """Take in what has come while something is sent; tell whether it is more than a matter of TLS."""
        self._take_in(self._lower.receive_now())
        try:
            self._early += self._tls.read(_CHUNK)
        except self._wants:
            return False
        except self._over:
            return True
        return True

    def _take_in(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


def wait(interrupter: Interrupter, poll: select.poll, limit: float) -> list[tuple[int, int]]:
    """Wait for descriptors, or for a signal.

    :raises TimeoutError: when the time is over
    """
    left = limit - time.monotonic()
    events = interrupter.wait(poll, None if left == math.inf else max(left, 0))
    if not events and time.monotonic() >= limit:
        raise TimeoutError("timed out")
    return events


def connect_to_path(path: str, interrupter: Interrupter, limit: float) -> Stream:
    """Connect to a Unix socket.

    :raises OSError: if that is not possible
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)  # noqa: FBT003 - the only parameter there is
        while True:
            try:
                connection.connect(path)
            except BlockingIOError:
                pause = min(time.monotonic() + _PAUSE, limit)
                interrupter.wait(interrupter.wakeup.poll(), max(0, pause - time.monotonic()))
                if time.monotonic() >= limit:
                    raise TimeoutError("timed out") from None
            else:
                return Stream(connection, interrupter, limit)
    except BaseException:
        connection.close()
        raise


def connect(host: str, port: int, interrupter: Interrupter, limit: float) -> Stream:
    """Connect to the address of a host that answers first.

    They are tried in the order of the look-up, each two seconds after the one before, or at once if that has failed.

    :raises OSError: if none answers
    """
    return Stream(
        _Race(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), interrupter).run(limit), interrupter, limit
    )


class _Race:
    """Several connections that are being made, of which one is wanted."""

    def __init__(self, addresses: Iterable[tuple[int, int, int, str, object]], interrupter: Interrupter) -> None:
        self._addresses = list(addresses)
        self._interrupter = interrupter
        self._poll = interrupter.wakeup.poll()
        self._runners: dict[int, socket.socket] = {}
        self._error: OSError | None = None

    def run(self, limit: float) -> socket.socket:
        """Give the first that is connected."""
        try:
            while True:
                winner = self._start() if self._addresses else None
                turn = min(limit, time.monotonic() + _STAGGER) if self._addresses else limit
                while winner is None and self._runners and time.monotonic() < turn:
                    winner = self._look(turn)
                if winner is not None:
                    return winner
                if time.monotonic() >= limit:
                    raise TimeoutError("timed out")
                if not self._runners and not self._addresses:
                    raise self._error or OSError("the host has no address")
        finally:
            for runner in self._runners.values():
                runner.close()

    def _start(self) -> socket.socket | None:
        """Begin with the next address; give its connection if that is made at once."""
        family, kind, protocol, _, address = self._addresses.pop(0)
        try:
            runner = socket.socket(family, kind, protocol)
            runner.setblocking(False)  # noqa: FBT003 - the only parameter there is
        except OSError as error:  # a family that is switched off
            self._error = self._error or error
            return None
        self._runners[runner.fileno()] = runner
        number = runner.connect_ex(address)  # type: ignore[arg-type]
        if number == errno.EINPROGRESS:
            self._poll.register(runner.fileno(), select.POLLOUT)
            return None
        return self._judge(runner.fileno(), number)

    def _look(self, turn: float) -> socket.socket | None:
        """Wait for one to be connected, or for all to have failed, or for the next one's turn."""
        try:
            events = wait(self._interrupter, self._poll, turn)
        except TimeoutError:
            return None
        for descriptor, _ in events:
            self._poll.unregister(descriptor)
            number = self._runners[descriptor].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            winner = self._judge(descriptor, number)
            if winner is not None:
                return winner
        return None

    def _judge(self, descriptor: int, number: int) -> socket.socket | None:
        runner = self._runners.pop(descriptor)
        if not number:
            return runner
        runner.close()
        self._error = self._error or OSError(number, os.strerror(number))
        return None
