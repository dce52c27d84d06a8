"""A TCP socket that only this machine can reach."""

from __future__ import annotations

import errno
import socket

from flagman.config.places import address
from flagman.control.listener import BACKLOG
from flagman.exceptions import FlagmanError


class TcpListener:
    """A listening TCP socket; it has the same methods as a :class:`~flagman.control.listener.Listener`.

    :param text: an address, as :func:`flagman.config.places.address` takes it; with the port 0, the kernel chooses one
    """

    def __init__(self, text: str) -> None:
        #: The host as it stands in a URL, and the port, which is known after :meth:`bind`.
        self.host, self.port = address(text)
        family = socket.AF_INET6 if self.host.startswith("[") else socket.AF_INET
        try:
            #: The socket; it does not wait.
            self.listening = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise self._error(error) from error

    @property
    def where(self) -> str:
        """The address."""
        return f"{self.host}:{self.port}"

    def bind(self) -> None:
        """Bind the socket; no process can connect before :meth:`listen`.

        :raises FlagmanError: if it cannot be bound, for example because the address is in use
        """
        sock = self.listening
        try:
            sock.settimeout(0)
            # Connections of a daemon that ran before, which the kernel still remembers, do not matter.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((self.host.strip("[]"), self.port))
            self.port = sock.getsockname()[1]
        except OSError as error:
            raise self._error(error) from error

    def listen(self) -> None:
        """Accept connections from now on.

        :raises FlagmanError: if another process listens there since a moment ago
        """
        try:
            self.listening.listen(BACKLOG)
        except OSError as error:
            raise self._error(error) from error

    @staticmethod
    def rebind() -> None:
        """Return None: an address does not vanish."""

    def close(self) -> None:
        """Close the socket; once more has no effect."""
        self.listening.close()

    def _error(self, error: OSError) -> FlagmanError:
        in_use = "is in use by another process; give another port"
        reason = in_use if error.errno == errno.EADDRINUSE else error.strerror
        return FlagmanError(f"control address {self.where}: {reason}")
