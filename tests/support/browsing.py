"""What a browser does with the gateway of flagmanctl page, and what others try with it."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from typing import NamedTuple
from urllib.parse import urlencode

from support.driven import DEADLINE

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> object:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What an error tells."""
        told = json.loads(self.body)["error"]["message"]
        assert isinstance(told, str)
        return told


class Browser:
    """Keeps one cookie.

    :param address: what the gateway has printed
    """

    def __init__(self, address: str) -> None:
        self.origin, _, self.key = address.partition("/#")
        self.host = self.origin.removeprefix("http://")
        self.port = int(self.host.partition(":")[2])
        #: What it sends as the field Cookie; empty for none.
        self.cookie = ""

    @property
    def name(self) -> str:
        """The name of the gateway's cookie."""
        return f"flagman-{self.port}"

    def ask(self, method: str, target: str, body: bytes | str = b"", **fields: str) -> Reply:
        """Make a request, on a connection of its own.

        :param fields: the fields of its head, with ``_`` for ``-``; an empty one is left out
        """
        with self.begin(method, target, body, **fields) as response:
            return Reply(response.status, dict(response.getheaders()), response.read())

    def begin(self, method: str, target: str, body: bytes | str = b"", **fields: str) -> HTTPResponse:
        """Make a request and return its answer when that has begun."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        data = body.encode() if isinstance(body, str) else body
        known = {"Host": self.host, "Cookie": self.cookie, "Connection": "close"}
        if data or method == "POST":
            known["Content-Length"] = str(len(data))
        given = {name.replace("_", "-"): value for name, value in fields.items()}
        for name, value in {**known, **given}.items():
            if value:
                connection.putheader(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # it has been answered before
            connection.endheaders(data)
        return connection.getresponse()

    def form(self, target: str, **values: str) -> Reply:
        """Send a form, as the browser does without JavaScript."""
        navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        return self.ask(
            "POST",
            target,
            urlencode(values),
            Content_Type=FORM,
            Origin=self.origin,
            Sec_Fetch_Site="same-origin",
            Accept="text/html,*/*;q=0.8",
            **navigation,
        )

    def enter(self) -> Browser:
        """Exchange the key for the cookie."""
        reply = self.form("/login", key=self.key)
        assert (reply.status, reply.fields["Location"], reply.body) == (303, "/", b"")
        self.cookie, *attributes = reply.fields["Set-Cookie"].split("; ")
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
        return self

    def show(self) -> Reply:
        """Open the page."""
        return self.ask("GET", "/", Accept="text/html,*/*;q=0.8", Sec_Fetch_Site="none", Sec_Fetch_Dest="document")

    def raw(self) -> socket.socket:
        """Return a connection on which nothing has been sent."""
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE)
