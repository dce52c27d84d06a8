"""Connecting without waiting: to all addresses of a host at once, or to a Unix socket."""

from __future__ import annotations

import errno
import os
import select
import socket
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop

    #: An address as :mod:`socket` has it.
    Address = str | tuple[str, int] | tuple[str, int, int, int]
    #: The family of a socket, its type, and the address.
    Place = tuple[int, int, Address]

# Where a port without a host is.
_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
# The kinds of Unix sockets that can be connected to: only one of them fits.
_UNIX = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)
_UNDER_WAY = (errno.EINPROGRESS, errno.EINTR)


def resolved(host: str, port: int) -> tuple[Place, ...]:
    """Return the addresses of a host.

    :param host: a name or an address; empty for this machine
    :raises ValueError: if it has none
    """
    if not host:
        return tuple((int(family), int(socket.SOCK_STREAM), (address, port)) for family, address in _LOOPBACK)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"the host {host!r} cannot be resolved: {reason}") from error
    places: list[Place] = [(int(family), int(kind), address) for family, kind, _, _, address in found]  # type: ignore[misc]
    return tuple(dict.fromkeys(places))


def unix(path: str) -> tuple[Place, ...]:
    """Return the place of a Unix socket.

    :param path: its path, or ``@name`` for an abstract one
    """
    address = "\0" + path[1:] if path.startswith("@") else path
    return ((int(socket.AF_UNIX), int(socket.SOCK_STREAM), address),)


class Dial:
    """Connects to the first of several places that accepts.

    :param loop: watches the connections
    :param places: where to
    :param on_done: called once, with the connected socket, which is the callee's from then on, or with None and what is
        wrong
    """

    def __init__(
        self, loop: ControlLoop, places: Iterable[Place], on_done: Callable[[socket.socket | None, str], object]
    ) -> None:
        self._loop = loop
        self._places = places
        self._on_done = on_done
        self._running: dict[socket.socket, Attachment] = {}
        self._error = ""
        self._is_over = False

    def begin(self) -> None:
        """Begin; ``on_done`` may be called before this returns."""
        for place in self._places:
            if self._is_over:
                return
            connection, number = _begin(place)
            if connection is None or number not in _UNDER_WAY:
                self._judge(connection, number)
            else:
                self._running[connection] = self._loop.attach(
                    connection.fileno(), self._ready(connection), readable=False, writable=True
                )
        self._look_for_end()

    def _ready(self, connection: socket.socket) -> Callable[[int], None]:
        def judge(_: int) -> None:
            self._loop.release(self._running.pop(connection))
            self._judge(connection, connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            self._look_for_end()

        return judge

    def _judge(self, connection: socket.socket | None, number: int) -> None:
        if connection is None or not _is_connected(connection, number):
            self._error = self._error or os.strerror(number or errno.ECONNREFUSED)
            if connection is not None:
                connection.close()
        elif self._is_over:
            connection.close()
        else:
            self.cancel()
            self._on_done(connection, "")

    def _look_for_end(self) -> None:
        if not self._running and not self._is_over:
            self._is_over = True
            self._on_done(None, self._error or "there is no address")

    def cancel(self) -> None:
        """End it without calling anything."""
        self._is_over = True
        for connection, attachment in self._running.items():
            self._loop.release(attachment)
            connection.close()
        self._running.clear()


def _begin(place: Place) -> tuple[socket.socket | None, int]:
    """Begin to connect; return the socket, and the number of the error, which is 0 if it is connected."""
    family, kind, address = place
    number = 0
    for each in _UNIX if family == socket.AF_UNIX else (kind,):
        try:
            connection = socket.socket(family, each)
            connection.setblocking(False)  # noqa: FBT003 - the only parameter there is
        except OSError as error:  # a family that is switched off, or too many open files
            return None, error.errno or errno.EAFNOSUPPORT
        try:
            number = connection.connect_ex(address)
        except (OSError, ValueError) as error:
            connection.close()
            return None, (error.errno if isinstance(error, OSError) else 0) or errno.EINVAL
        if number != errno.EPROTOTYPE:
            return connection, number
        connection.close()
    return None, number


def _is_connected(connection: socket.socket, number: int) -> bool:
    """Return whether a connection was made, and to another socket than itself.

    A port of this machine from which nothing listens can be the very one that the system chooses for the connection's
    own side: then it is connected to itself.
    """
    if number:
        return False
    with suppress(OSError):
        return connection.family == socket.AF_UNIX or connection.getsockname() != connection.getpeername()
    return False


def answers_now(places: Iterable[Place]) -> bool:
    """Return whether one of several places accepts a connection at this moment, without any wait.

    Those on this machine do it at once. Of a place that is far away nothing is known so soon.
    """
    for place in places:
        connection, number = _begin(place)
        if connection is None:
            continue
        with connection:
            if number in _UNDER_WAY:
                poll = select.poll()
                poll.register(connection.fileno(), select.POLLOUT)
                if not poll.poll(0):
                    continue
                number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if _is_connected(connection, number):
                return True
    return False
