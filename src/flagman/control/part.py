"""The part that serves the control interface: its socket, its server, and the routes of all parts."""

from __future__ import annotations

import os

from flagman.config.naming import name_of
from flagman.control import place
from flagman.control.activation import Activated
from flagman.control.doors import UnixDoor
from flagman.control.feed import Feed
from flagman.control.front import Front
from flagman.control.listener import Listener
from flagman.control.metrics import MetricsRoute
from flagman.control.router import Router
from flagman.control.routes import Routes
from flagman.control.server import Server
from flagman.service.parts import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

    from flagman.config.settings import Settings
    from flagman.engine.ledger import Event
    from flagman.service.parts import Site
    from flagman.service.preparation import Preparation
    from flagman.service.request import Request

# Seconds that the routes have for their last answers, and the clients to take them.
_LAST_ANSWERS = 1.0
_LAST_BYTES = 2.0


class ControlPart(Part):
    """Serves the control interface."""

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse options that cannot be right."""
        place.check(settings)

    def prepare(self, preparation: Preparation) -> None:
        """Bind the socket, as the user of the start."""
        settings, identity = preparation.settings, preparation.identity
        self._name = name_of(settings)
        where = place.find(settings, os.geteuid() if identity is None else identity.uid)
        self._door = UnixDoor(where.group)
        self._listener: Activated | Listener
        if preparation.sockets:
            self._listener = Activated(preparation.sockets, where.path if isinstance(settings.control, str) else "")
            preparation.stack.callback(self._listener.close)
        else:
            self._listener = Listener(where, identity, is_in_reach=settings.chroot is None)
            preparation.stack.callback(self._listener.close)
            self._listener.bind()

    def open(self, site: Site) -> None:
        """Begin to serve."""
        self._site = site
        self._routes = Routes(site)
        self._feed = Feed(site)
        self._metrics = MetricsRoute(site, self._name)
        self._router: Router | None = None
        self._server = Server(site.loop, self._routes_of_all)
        self._listener.listen()
        self._server.listen(self._listener.listening, self._door)
        site.engine.ledger.listeners.append(self._hear)

    def _routes_of_all(self) -> Router:
        """Return the routes of all parts: only now do all of them exist."""
        if self._router is None:
            self._router = Router(self._site.routes())
        return self._router

    def follow(self, settings: Settings) -> None:  # noqa: ARG002 - its options are for the start
        """Carry out the requests that came early; bind the socket anew if it has vanished."""
        self._site.loop.call(self._routes.begin)
        self._rebind()

    def _hear(self, event: Event) -> None:
        """Bind it anew after a reload that has failed, too: the socket is needed to see why."""
        if event.kind == "reload-failed":
            self._rebind()

    def _rebind(self) -> None:
        old = self._listener.rebind()
        if old is not None:
            self._site.loop.call(self._exchange, old, self._listener.listening)

    def _exchange(self, old: socket, new: socket) -> None:
        self._server.unlisten(old)
        old.close()
        self._server.listen(new, self._door)

    def stop(self, *, insists: bool) -> None:
        """Answer the requests for what does not come any more."""
        if not insists:
            self._routes.stop()

    def close(self) -> None:
        """Send the last answers, and remove the socket."""
        self._site.loop.call(self._routes.end)
        self._site.loop.settle(_LAST_ANSWERS)
        self._server.close(_LAST_BYTES)
        self._listener.close()

    def routes(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the routes that concern the whole run."""
        tables = (self._routes, self._feed, self._metrics, Front(self._site, self._feed))
        return {key: route for routes in tables for key, route in routes.table().items()}

    def snapshot(self) -> Mapping[str, object]:
        """Return the name of the daemon, and where its socket is."""
        return {"name": self._name, "control": self._listener.path}
