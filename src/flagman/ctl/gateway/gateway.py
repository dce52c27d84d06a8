"""The gateway as a whole: its port, its server and its loop."""

from __future__ import annotations

import signal
import socket
from _thread import get_ident

from flagman.control.router import Router
from flagman.control.server import Server
from flagman.ctl.gateway.door import HOST, GatewayDoor
from flagman.ctl.gateway.keys import Keys
from flagman.ctl.gateway.routes import Routes
from flagman.service.control_loop import ControlLoop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.gateway.daemon import Daemon

# Seconds for clients to take their last answers, and for the loop to end.
_LAST_BYTES = 1.0
_MOMENT = 1.0
_BACKLOG = 128


class Gateway:
    """Passes requests of browsers on to a daemon.

    :param daemon: the way to it
    :param port: the port to listen on; 0 for any free one
    :raises OSError: if it cannot listen there
    """

    def __init__(self, daemon: Daemon, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET)
        try:
            # What is left of connections with a former gateway does not keep the port from this one.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
            self._socket.listen(_BACKLOG)
        except BaseException:
            self._socket.close()
            raise
        port = self._socket.getsockname()[1]
        keys = Keys(port)
        #: What a browser is to open: the key in it is never sent as a part of an address.
        self.address = f"http://{HOST}:{port}/#{keys.key}"
        self._has_failed = False
        # The thread that waits for signals.
        self._waiting = get_ident()
        self._loop = ControlLoop(bool, self._fail)
        self._server = Server(self._loop, Router(Routes(self._loop, daemon, keys).table()))
        self._server.listen(self._socket, GatewayDoor(port, keys))

    def start(self) -> None:
        """Begin to serve, in a thread.

        :raises FlagmanError: if there can be no more threads
        """
        self._loop.start()

    def wait(self, signals: set[signal.Signals]) -> signal.Signals | None:
        """Wait for one of some signals, which the caller has blocked.

        :returns: the signal; None if the gateway cannot go on
        """
        signum = signal.Signals(signal.sigwait(signals))
        return None if self._has_failed else signum

    def close(self) -> None:
        """Close all connections and the port."""
        self._server.close(_LAST_BYTES)
        self._loop.stop(_MOMENT)
        self._socket.close()

    def _fail(self) -> None:
        self._has_failed = True
        signal.pthread_kill(self._waiting, signal.SIGTERM)
