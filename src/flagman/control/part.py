"""The part that serves the control interface: its sockets, its server, and the routes of all parts."""

from __future__ import annotations

import logging
from os.path import isabs

from flagman.config.naming import name_of
from flagman.control import place
from flagman.control.feed import Feed
from flagman.control.front import Front
from flagman.control.metrics import MetricsRoute
from flagman.control.router import Router
from flagman.control.routes import Routes
from flagman.control.server import Server
from flagman.control.sockets import Entrances
from flagman.service.parts import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

    from flagman.config.settings import Settings
    from flagman.control.sockets import Entrance
    from flagman.engine.ledger import Event
    from flagman.service.parts import Site
    from flagman.service.preparation import Preparation
    from flagman.service.request import Request

logger = logging.getLogger("flagman.control")

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
        """Bind the sockets, as the user of the start."""
        self._name = name_of(preparation.settings)
        entrances = Entrances(preparation)
        self._token, self._entrances = entrances.token, entrances.all

    def open(self, site: Site) -> None:
        """Begin to serve."""
        self._site = site
        self._routes = Routes(site)
        self._feed = Feed(site)
        self._metrics = MetricsRoute(site, self._name)
        self._router: Router | None = None
        self._has_begun = False
        self._server = Server(site.loop, self._routes_of_all)
        for entrance in self._entrances:
            entrance.listener.listen()
        for entrance in self._entrances:
            self._server.listen(entrance.listener.listening, entrance.door)
        logger.info("Requests are answered at %s", ", ".join(self._places()))
        site.engine.ledger.listeners.append(self._hear)

    def _routes_of_all(self) -> Router:
        """Return the routes of all parts: only now do all of them exist."""
        if self._router is None:
            self._router = Router(self._site.routes())
        return self._router

    def follow(self, settings: Settings) -> None:  # noqa: ARG002 - its options are for the start
        """Carry out the requests that came early; at a reload, read the token, and bind a socket that has vanished."""
        self._site.loop.call(self._routes.begin)
        self._rebind()
        if self._has_begun and self._token is not None:
            self._token.renew()
        self._has_begun = True

    def _hear(self, event: Event) -> None:
        """Bind them anew after a reload that has failed, too: a socket is needed to see why."""
        if event.kind == "reload-failed":
            self._rebind()

    def _rebind(self) -> None:
        for entrance in self._entrances:
            old = entrance.listener.rebind()
            if old is not None:
                self._site.loop.call(self._exchange, old, entrance)

    def _exchange(self, old: socket, entrance: Entrance) -> None:
        self._server.unlisten(old)
        old.close()
        self._server.listen(entrance.listener.listening, entrance.door)

    def stop(self, *, insists: bool) -> None:
        """Answer the requests for what does not come any more."""
        if not insists:
            self._routes.stop()

    def close(self) -> None:
        """Send the last answers, and remove the sockets."""
        self._site.loop.call(self._routes.end)
        self._site.loop.call(self._feed.go_on)
        self._site.loop.settle(_LAST_ANSWERS)
        self._server.close(_LAST_BYTES)
        for entrance in self._entrances:
            entrance.listener.close()

    def routes(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the routes that concern the whole run."""
        tables = (self._routes, self._feed, self._metrics, Front(self._site, self._feed))
        return {key: route for routes in tables for key, route in routes.table().items()}

    def snapshot(self) -> Mapping[str, object]:
        """Return the name of the daemon, and where it answers: the first Unix socket, and all places."""
        places = self._places()
        return {"name": self._name, "control": next(filter(isabs, places), None), "controls": places}

    def _places(self) -> list[str]:
        return [entrance.listener.where for entrance in self._entrances]
