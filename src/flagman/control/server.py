"""The server: takes clients in, as many as it has places for, and closes all in the end."""

from __future__ import annotations

import errno
import logging
from _thread import allocate_lock

from flagman.control.answer import crowded, refusal
from flagman.control.connection import Connection
from flagman.control.router import Router

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from flagman.control.doors import Door
    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop
    from flagman.service.request_error import RequestError

logger = logging.getLogger("flagman.control")

#: The most bytes of answers that are held for all clients that do not read them; but one answer is always held whole.
MOST_HELD = 16 * 2**20
# Clients that are being told that they are not served: they have places of their own.
_MOST_REFUSED = 32
# Clients that are taken in before the control loop does something else.
_AT_ONCE = 16
# Seconds after which clients are taken in again, when there was no room for the descriptor of one.
_PAUSE = 1.0
# Seconds for closing what is left after the time for that is over.
_MOMENT = 1.0
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_GONE_ALREADY = {errno.ECONNABORTED, errno.EPROTO}


class Server:
    """Answers requests on sockets in the control loop.

    :param router: the routes; or what returns those that hold, for each request
    """

    def __init__(self, loop: ControlLoop, router: Callable[[], Router] | Router) -> None:
        self._loop = loop
        self._router = (lambda: router) if isinstance(router, Router) else router
        self._listening: dict[socket, Attachment] = {}
        # In the order in which they came.
        self._clients: dict[Connection, None] = {}
        self._refused: dict[Connection, None] = {}
        self._has_room = True
        self._is_closing = False
        self._closed = allocate_lock()
        self._closed.acquire()

    def listen(self, sock: socket, door: Door) -> None:
        """Take in the clients of a listening socket, which the caller still has to close.

        In the control loop, or before that runs.

        :param door: decides which clients, and which of their requests, come in
        """
        sock.settimeout(0)
        self._listening[sock] = self._loop.attach(
            sock.fileno(), lambda _: self._accept(sock, door), on_failure=lambda: self._listening.pop(sock, None)
        )

    def unlisten(self, sock: socket) -> None:
        """Take in no more clients of a socket, so that it can be closed; it need not be one that is listened on.

        In the control loop, or in the main thread at the end.
        """
        attachment = self._listening.pop(sock, None)
        if attachment is not None:
            self._loop.release(attachment)

    def close(self, seconds: float) -> None:
        """Take in no more clients, and close all connections; in the main thread.

        :param seconds: the most seconds that clients have to take what they have been answered
        """
        if self._loop.thread and not self._loop.has_ended:
            self._loop.call(self._finish)
            if self._closed.acquire(timeout=max(0.0, seconds)):
                return
            self._loop.call(self._end)
            self._loop.settle(_MOMENT)
        else:
            self._end()

    def _stop_listening(self) -> None:
        for sock in tuple(self._listening):
            self.unlisten(sock)

    def _finish(self) -> None:
        self._stop_listening()
        self._is_closing = True
        for connection in self._all():
            connection.finish()
        self._look_for_the_end()

    def _end(self) -> None:
        self._stop_listening()
        for connection in self._all():
            connection.end()

    def _all(self) -> tuple[Connection, ...]:
        return (*self._clients, *self._refused)

    def _look_for_the_end(self) -> None:
        if self._is_closing and not self._all() and self._closed.locked():
            self._closed.release()

    def _forget(self, connection: Connection) -> None:
        self._clients.pop(connection, None)
        self._refused.pop(connection, None)
        self._look_for_the_end()

    def _accept(self, sock: socket, door: Door) -> None:
        """Take in the clients that wait."""
        for _ in range(_AT_ONCE):
            try:
                client, _address = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _GONE_ALREADY:
                    continue
                if error.errno not in _NO_ROOM:
                    raise
                self._pause(error)
                return
            self._has_room = True
            try:
                self._take(client, door)
            except Exception:
                logger.exception("A client could not be taken in")
                client.close()

    def _take(self, client: socket, door: Door) -> None:
        reason = door.admit(client)
        known = [each for each in self._clients if each.door is door]
        if door.strangers:
            strangers = [each for each in known if each.is_stranger]
            known = [each for each in known if not each.is_stranger]
            if len(strangers) >= door.strangers:
                strangers[0].end()
        if reason:
            self._refuse(client, door, refusal(403, reason))
        elif len(known) - door.streams >= door.places:
            self._refuse(client, door, crowded(door.places))
        else:
            self._clients[self._connection(client, door)] = None

    def _connection(self, client: socket, door: Door) -> Connection:
        return Connection(client, self._loop, door, self._router, self._forget, self._bound)

    def _bound(self) -> None:
        """Leave clients that do not read if too much is held for them; not the newest answer, which may be long."""
        holding = sorted((each for each in self._all() if each.held), key=lambda each: each.deadline, reverse=True)
        total = sum(each.held for each in holding)
        while total > MOST_HELD and len(holding) > 1:
            oldest = holding.pop()
            total -= oldest.held
            oldest.end()

    def _refuse(self, client: socket, door: Door, error: RequestError) -> None:
        while len(self._refused) >= _MOST_REFUSED:
            next(iter(self._refused)).end()
        connection = self._connection(client, door)
        self._refused[connection] = None
        connection.refuse(error)

    def _pause(self, error: OSError) -> None:
        """Take in no clients for a moment: the loop would spin, because those that wait stay there."""
        if self._has_room:
            logger.warning("Clients of the control socket have to wait: %s", error.strerror)
        self._has_room = False
        for attachment in self._listening.values():
            attachment.expect(readable=False)
        self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        for attachment in self._listening.values():
            attachment.expect()
