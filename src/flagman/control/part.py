"""The part that serves the control interface."""

from __future__ import annotations

import os

from flagman.control import place
from flagman.control.activation import Activated
from flagman.control.listener import Listener
from flagman.control.peers import Peers
from flagman.service.parts import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from flagman.config.settings import Settings
    from flagman.service.parts import Site
    from flagman.service.preparation import Preparation


class ControlPart(Part):
    """Binds the control socket, and closes each connection at once: the server is still to come."""

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse options that cannot be right."""
        place.check(settings)

    def prepare(self, preparation: Preparation) -> None:
        """Bind the socket."""
        settings, identity = preparation.settings, preparation.identity
        where = place.find(settings, os.geteuid() if identity is None else identity.uid)
        self._peers = Peers(where.group)
        self._listener: Activated | Listener
        if preparation.sockets:
            self._listener = Activated(preparation.sockets, where.path if isinstance(settings.control, str) else "")
            preparation.stack.callback(self._listener.close)
        else:
            self._listener = Listener(where, identity, is_in_reach=settings.chroot is None)
            preparation.stack.callback(self._listener.close)
            self._listener.bind()

    def open(self, site: Site) -> None:
        """Begin to listen."""
        self._site = site
        self._listener.listen()
        self._attach(self._listener.listening)

    def follow(self, settings: Settings) -> None:  # noqa: ARG002 - its options are for the start
        """Bind the socket anew if it has vanished."""
        old = self._listener.rebind()
        if old is not None:
            self._site.loop.call(self._swap, old, self._listener.listening)

    def close(self) -> None:
        """Remove the socket."""
        self._site.loop.release(self._attachment)
        self._listener.close()

    def _swap(self, old: socket.socket, new: socket.socket) -> None:
        self._attachment.detach()
        old.close()
        self._attach(new)

    def _attach(self, listening: socket.socket) -> None:
        self._attachment = self._site.loop.attach(listening.fileno(), lambda _: self._accept(listening))

    def _accept(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            reason = self._peers.refusal(connection)
            if reason:
                connection.sendall(f"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n{reason}\n".encode())
