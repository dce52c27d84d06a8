"""Connecting to a server: to the address of a host that answers first, or to a Unix socket."""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from flagman.web.channels import Stream, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.engine.interrupt import Interrupter

#: Seconds after which the next address of a host is tried as well, see RFC 8305.
STAGGER = 2.0
# Seconds between two attempts at a Unix socket while the queue of its server is full: nothing tells when it has room.
_PAUSE = 0.02


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


def connect(host: str, port: int, interrupter: Interrupter, limit: float, stagger: float = STAGGER) -> Stream:
    """Connect to the address of a host that answers first.

    The addresses are tried in the order of the look-up, each some time after the one before, or at once if that one
    has failed.

    :param stagger: that time, in seconds

    :raises OSError: if none answers
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return Stream(_Race(addresses, interrupter, stagger).run(limit), interrupter, limit)


class _Race:
    """Connects to several addresses, and keeps the connection that is made first."""

    def __init__(
        self, addresses: Iterable[tuple[int, int, int, str, object]], interrupter: Interrupter, stagger: float
    ) -> None:
        self._addresses = list(addresses)
        self._interrupter = interrupter
        self._stagger = stagger
        self._poll = interrupter.wakeup.poll()
        self._runners: dict[int, socket.socket] = {}
        self._error: OSError | None = None
        # Whether an attempt has failed, so that the next address is due.
        self._has_failed = False

    def run(self, limit: float) -> socket.socket:
        """Return the first socket that is connected."""
        try:
            while True:
                winner = self._start() if self._addresses else None
                turn = min(limit, time.monotonic() + self._stagger) if self._addresses else limit
                while winner is None and self._runners and not self._has_failed and time.monotonic() < turn:
                    winner = self._look(turn)
                if winner is not None:
                    return winner
                if time.monotonic() >= limit:
                    raise TimeoutError("timed out")
                if not self._runners and not self._addresses:
                    raise self._error or OSError("the host has no address")
                self._has_failed = False
        finally:
            for runner in self._runners.values():
                runner.close()

    def _start(self) -> socket.socket | None:
        """Begin to connect to the next address; return the socket if that succeeds at once."""
        family, kind, protocol, _, address = self._addresses.pop(0)
        try:
            runner = socket.socket(family, kind, protocol)
            runner.setblocking(False)  # noqa: FBT003 - the only parameter there is
        except OSError as error:  # a family that is switched off
            self._fail(error)
            return None
        self._runners[runner.fileno()] = runner
        number = runner.connect_ex(address)  # type: ignore[arg-type]
        if number == errno.EINPROGRESS:
            self._poll.register(runner.fileno(), select.POLLOUT)
            return None
        return self._judge(runner.fileno(), number)

    def _look(self, turn: float) -> socket.socket | None:
        """Wait until an attempt succeeds or fails, or the next address is due; return the connected socket, if any."""
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
        self._fail(OSError(number, os.strerror(number)))
        return None

    def _fail(self, error: OSError) -> None:
        self._error = self._error or error
        self._has_failed = bool(self._addresses)
