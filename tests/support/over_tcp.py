"""A server of the control interface at an address, in the test's own process."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from flagman.control.doors import TcpDoor
from flagman.control.tcp import TcpListener
from flagman.control.token import Token
from support.serving import Client, Serving

if TYPE_CHECKING:
    from pathlib import Path

    from flagman.control.doors import Door

TOKEN = "0123456789abcdef"


def has_ipv6() -> bool:
    """Return whether this machine has the address ::1."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = ["127.0.0.1", pytest.param("[::1]", marks=pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6"))]


class OverTcp(Serving):
    """A server with a few routes, at an address."""

    def __init__(self, folder: Path, host: str) -> None:
        (folder / "token").write_text(TOKEN, encoding="ascii")
        (folder / "token").chmod(0o600)
        self.token = Token(str(folder / "token"))
        self.listener = TcpListener(f"{host}:0")
        super().__init__(folder)

    def _listen(self) -> tuple[socket.socket, Door]:
        self.listener.bind()
        self.listener.listen()
        return self.listener.listening, TcpDoor(self.listener.host, self.listener.port, self.token)

    def client(self, token: str = TOKEN) -> Client:
        """Connect a client, which ends with the test."""
        self._clients.append(Client(self.listener.where, token))
        return self._clients[-1]
