"""Doors: each listening socket has one, which decides which clients and which of their requests come in."""

from __future__ import annotations

import re
from json import JSONDecoder
from socket import IPPROTO_TCP, TCP_NODELAY

from flagman.control.answer import refusal
from flagman.control.hosts import is_local
from flagman.control.peers import Peers
from flagman.service.request_error import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from socket import socket
    from typing import NoReturn

    from flagman.control.token import Token

_JSON = re.compile(rb'application/json(?:[ \t]*+;[ \t]*+charset="?utf-8"?)?', re.IGNORECASE)


# The port of HTTP, which is left out of the field Host.
_USUAL_PORT = 80


class Door:
    """Decides what comes in through one listening socket; in the control loop."""

    #: The most clients that are served at a time: those of one door do not take the places of another.
    places = 256
    #: How many of its clients have a stream; there are as many places for these, so that they take no others.
    streams = 0
    #: The most clients that have yet to show that they may ask. They have these places apart, a short time, and the
    #: oldest goes for a new one, so that they keep no others out. 0 if a client that is admitted is as good as any.
    strangers = 0
    #: Whether a client that sends nothing more has gone, and does not wait for an answer.
    ends_with_half = False

    def admit(self, client: socket) -> str:  # noqa: ARG002 - for those that know their clients
        """Return why a client is refused, in one line; empty if it may ask."""
        return ""

    def judge(self, method: str, path: Sequence[str], hosts: Sequence[bytes], fields: Mapping[bytes, bytes]) -> bool:
        """Judge the head of a request, before its body is read.

        :param path: the decoded segments
        :param hosts: the field Host, if there is one, and the host in the first line, if there is one
        :param fields: the fields of the head, by their names in small letters
        :returns: whether the client has shown that it may ask; one that has not yet stays a stranger, see
            :attr:`strangers`
        :raises RequestError: if it may not come in
        """
        raise NotImplementedError

    def decoder(self, kind: bytes) -> Callable[[bytes], object]:
        """Return what makes an object of the body of a request.

        :param kind: the field Content-Type; empty if there is none
        :raises RequestError: if such a body is not taken
        """
        if not _JSON.fullmatch(kind):
            raise refusal(415, "the body must be application/json, and Content-Type must say so")
        return _from_json


class UnixDoor(Door):
    """The door of a Unix socket: the kernel says which user a client is.

    :param group: the group that may come in, too; None for none
    """

    def __init__(self, group: int | None) -> None:
        self._peers = Peers(group)

    def admit(self, client: socket) -> str:
        """Return why a user is refused."""
        return self._peers.refusal(client)

    def judge(
        self,
        method: str,  # noqa: ARG002 - all are alike
        path: Sequence[str],  # noqa: ARG002 - as above
        hosts: Sequence[bytes],
        fields: Mapping[bytes, bytes],
    ) -> bool:
        """Refuse web pages: a program that passes requests of browsers on must not let them in by mistake."""
        if not all(map(is_local, hosts)):
            raise refusal(400, "the field Host must be localhost or an IP address, and there must be only one")
        if b"origin" in fields or fields.get(b"sec-fetch-site", b"none") != b"none":
            raise refusal(403, "requests of web pages are refused")
        return True


class LoopbackDoor(Door):
    """The door of a TCP socket of this machine: any user, and any web page in a browser here, can connect to it.

    So it lets in only requests that name it exactly, and no page but those that it has served itself. Which clients may
    ask is decided by :meth:`authorize`.

    :param host: the address, such as ``127.0.0.1`` or ``[::1]``
    :param port: the number of the port
    """

    places = 64
    strangers = 64
    # Nothing else tells that a client over TCP has gone, as long as nothing is sent to it.
    ends_with_half = True

    def __init__(self, host: str, port: int) -> None:
        names = [host, "localhost"]
        if port != _USUAL_PORT:
            names = [f"{name}:{port}" for name in names]
        else:
            names += [f"{name}:{port}" for name in names]
        self._hosts = {name.encode() for name in names}

    def judge(self, method: str, path: Sequence[str], hosts: Sequence[bytes], fields: Mapping[bytes, bytes]) -> bool:
        """Refuse other names, the pages of other sites, and clients that may not ask."""
        if not hosts or not all(host.lower() in self._hosts for host in hosts):
            raise refusal(400, "the field Host must be the address and the port of this server")
        origin = fields.get(b"origin")
        # No other name of this server: what another user serves at the same port of ::1 is localhost, too.
        is_own = origin is None or origin.lower() in {b"http://" + host.lower() for host in hosts}
        if not is_own or fields.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise refusal(403, "requests of other web pages are refused")
        return self.authorize(method, path, fields)

    def admit(self, client: socket) -> str:
        """Refuse clients of other machines, which the rules of a firewall may lead here."""
        try:
            client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            peer = client.getpeername()[0]
        except OSError:  # it has gone already
            return ""
        is_here = peer == "::1" or peer.startswith("127.")
        return "" if is_here else "only clients on this machine are answered"

    def authorize(self, method: str, path: Sequence[str], fields: Mapping[bytes, bytes]) -> bool:
        """Return whether a client shows that it may ask.

        :raises RequestError: if it does not, and nothing is answered to strangers here
        """
        raise NotImplementedError


class TcpDoor(LoopbackDoor):
    """The door of an address: each request has to show the token, see :rfc:`6750`.

    :param token: the one that holds
    """

    def __init__(self, host: str, port: int, token: Token) -> None:
        super().__init__(host, port)
        self._token = token

    def authorize(
        self,
        method: str,  # noqa: ARG002 - all are alike
        path: Sequence[str],  # noqa: ARG002 - as above
        fields: Mapping[bytes, bytes],
    ) -> bool:
        """Refuse a request without the token; the answer does not say what is wrong with it."""
        scheme, _, given = fields.get(b"authorization", b"").partition(b" ")
        if not self._token.is_equal(given.lstrip(b" ")) or scheme.lower() != b"bearer":
            message = "the request must show the token of this daemon: Authorization: Bearer TOKEN"
            raise RequestError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = JSONDecoder(parse_constant=_refuse_constant).decode


def _from_json(body: bytes) -> object:
    try:
        return _decode(body.decode())
    except (ValueError, RecursionError):
        raise refusal(400, "the body is no JSON") from None
