"""Doors: each listening socket has one, which decides which clients and which of their requests come in."""

from __future__ import annotations

import re
from json import JSONDecoder

from flagman.control.answer import refusal
from flagman.control.hosts import is_local
from flagman.control.peers import Peers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from socket import socket
    from typing import NoReturn

_JSON = re.compile(rb'application/json(?:[ \t]*+;[ \t]*+charset="?utf-8"?)?', re.IGNORECASE)


# The port of HTTP, which is left out of the field Host.
_USUAL_PORT = 80


class Door:
    """Decides what comes in through one listening socket; in the control loop."""

    #: The most clients that are served at a time: those of one door do not take the places of another.
    places = 256
    #: Whether a client that has closed only its half of the connection, and still waits for an answer, is known from
    #: one that has gone. Over TCP both look alike.
    knows_half = True
    #: How many of its clients have a stream; there are as many places for these, so that they take no others.
    streams = 0

    def admit(self, client: socket) -> str:  # noqa: ARG002 - for those that know their clients
        """Return why a client is refused, in one line; empty if it may ask."""
        return ""

    def judge(self, method: str, path: Sequence[str], hosts: Sequence[bytes], fields: Mapping[bytes, bytes]) -> None:
        """Judge the head of a request, before its body is read.

        :param path: the decoded segments
        :param hosts: the field Host, if there is one, and the host in the first line, if there is one
        :param fields: the fields of the head, by their names in small letters
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
    ) -> None:
        """Refuse web pages: a program that passes requests of browsers on must not let them in by mistake."""
        if not all(map(is_local, hosts)):
            raise refusal(400, "the field Host must be localhost or an IP address, and there must be only one")
        if b"origin" in fields or fields.get(b"sec-fetch-site", b"none") != b"none":
            raise refusal(403, "requests of web pages are refused")


class LoopbackDoor(Door):
    """The door of a TCP socket of this machine: any user, and any web page in a browser here, can connect to it.

    So it lets in only requests that name it exactly, and no page but those that it has served itself. Which clients may
    ask is decided by :meth:`authorize`.

    :param host: the address, such as ``127.0.0.1`` or ``[::1]``
    :param port: the number of the port
    """

    places = 64
    knows_half = False

    def __init__(self, host: str, port: int) -> None:
        names = [host, "localhost"]
        if port != _USUAL_PORT:
            names = [f"{name}:{port}" for name in names]
        else:
            names += [f"{name}:{port}" for name in names]
        self._hosts = {name.encode() for name in names}

    def judge(self, method: str, path: Sequence[str], hosts: Sequence[bytes], fields: Mapping[bytes, bytes]) -> None:
        """Refuse other names, the pages of other sites, and clients that may not ask."""
        if not hosts or not all(host.lower() in self._hosts for host in hosts):
            raise refusal(400, "the field Host must be the address and the port of this server")
        origin = fields.get(b"origin")
        is_own = origin is None or (origin.startswith(b"http://") and origin[7:] in self._hosts)
        if not is_own or fields.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise refusal(403, "requests of other web pages are refused")
        self.authorize(method, path, fields)

    def authorize(self, method: str, path: Sequence[str], fields: Mapping[bytes, bytes]) -> None:
        """Refuse a client that does not show that it may ask.

        :raises RequestError: if it does not
        """
        raise NotImplementedError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = JSONDecoder(parse_constant=_refuse_constant).decode


def _from_json(body: bytes) -> object:
    try:
        return _decode(body.decode())
    except (ValueError, RecursionError):
        raise refusal(400, "the body is no JSON") from None
