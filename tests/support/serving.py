"""A server of the control interface in the test's own process, and clients that speak with it in lockstep."""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from flagman.control.connection import Connection
from flagman.control.doors import UnixDoor
from flagman.control.router import Router
from flagman.control.server import Server
from flagman.service.control_loop import ControlLoop
from flagman.service.request_error import RequestError
from support.driven import DEADLINE, descriptors, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flagman.control.doors import Door
    from flagman.service.request import Request

GET = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
BIG = "x" * 4_000_000


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    fields: dict[str, str]
    content: object

    @property
    def code(self) -> object:
        """The word for programs that an error has."""
        assert isinstance(self.content, dict)
        return self.content["error"]["code"]


class Client:
    """A client that sends any bytes.

    :param place: the path of a Unix socket, or an address, with the port
    :param token: what it shows there
    """

    def __init__(self, place: Path | str, token: str = "") -> None:
        if isinstance(place, str):
            host, _, port = place.rpartition(":")
            self._fields = [f"Host: {place}", *([f"Authorization: Bearer {token}"] if token else [])]
            self.socket = socket.create_connection((host.strip("[]"), int(port)), DEADLINE)
        else:
            self._fields = ["Host: localhost"]
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(DEADLINE)
            self.socket.connect(str(place))
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> Client:
        """Send bytes; the server may refuse the rest of them."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def ask(self, method: str, target: str, *fields: str, body: bytes = b"") -> Answer:
        """Send a request and return its answer."""
        return self.request(method, target, *fields, body=body).answer(has_body=method != "HEAD")

    def request(self, method: str, target: str, *fields: str, body: bytes = b"") -> Client:
        """Send a request."""
        more = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
        lines = [f"{method} {target} HTTP/1.1", *self._fields, *more, *fields, "\r\n"]
        return self.send("\r\n".join(lines).encode() + body)

    def answer(self, *, has_body: bool = True) -> Answer:
        """Read an answer."""
        first = self._file.readline().decode()
        match = re.fullmatch(r"HTTP/1\.1 ([0-9]{3}) [A-Za-z ]*\r\n", first)
        assert match, f"no answer: {first!r}"
        lines = iter(lambda: self._file.readline().decode().removesuffix("\r\n"), "")
        fields = dict(line.split(": ", 1) for line in lines)
        body = self._file.read(int(fields.get("Content-Length", "0"))) if has_body else b""
        assert body.endswith(b"\n") or not body
        return Answer(int(match[1]), fields, json.loads(body) if body else None)

    def rest(self) -> bytes:
        """Return all that comes until the server closes the connection."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    def end_half(self) -> Client:
        """Announce that nothing more is sent."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        """Go away."""
        self._file.close()
        self.socket.close()


class AnyUser(UnixDoor):
    """The door of a Unix socket that asks a function which clients it admits."""

    def __init__(self, admit: Callable[[socket.socket], str] = lambda _: "") -> None:
        super().__init__(None)
        self._admit = admit

    def admit(self, client: socket.socket) -> str:
        """Ask."""
        return self._admit(client)


class Serving:
    """A server with a few routes; ``admit`` may be replaced."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "control.sock"
        self.wakes = 0
        self.waiting: list[Request] = []
        self.gone: list[Request] = []
        self.served: list[str] = []
        self.admit: Callable[[socket.socket], str] = lambda _: ""
        self._clients: list[Client] = []
        self.loop = ControlLoop(self._count, list)
        self.router = Router(
            {
                ("GET", "/status"): lambda request: request.reply(200, {"state": "idle"}),
                ("GET", "/big"): self._serve_big,
                ("GET", "/wait"): self._keep,
                ("GET", "/broken"): self._fail,
                ("GET", "/exits"): self._exit,
                ("GET", "/refuses"): self._refuse,
                ("GET", "/nan"): lambda request: request.reply(200, float("nan")),
                ("POST", "/flags/NAME"): self._echo,
            }
        )
        self.server = Server(self.loop, lambda: self.router)
        self.socket, self.door = self._listen()
        self.server.listen(self.socket, self.door)
        self.loop.start()
        # Coverage follows only threads that the module threading has started.
        self.loop.call(lambda: sys.settrace(threading.gettrace()))

    def _listen(self) -> tuple[socket.socket, Door]:
        """Return the listening socket and its door."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(self.path))
        sock.listen(2000)
        return sock, AnyUser(self._judge)

    def _judge(self, sock: socket.socket) -> str:
        return self.admit(sock)

    def _count(self) -> None:
        self.wakes += 1

    def _serve_big(self, request: Request) -> None:
        self.served.append("big")
        request.reply(200, BIG)

    def _keep(self, request: Request) -> None:
        request.on_gone = lambda: self.gone.append(request)
        self.waiting.append(request)

    def _fail(self, _: Request) -> None:
        raise ZeroDivisionError

    def _exit(self, _: Request) -> None:
        raise SystemExit(3)

    def _refuse(self, _: Request) -> None:
        raise RequestError(409, "no-configuration", "there is no file", headers={"Retry-After": "1"})

    def _echo(self, request: Request) -> None:
        request.reply(202, [request.path, request.query, request.body])

    def client(self) -> Client:
        """Connect a client, which ends with the test."""
        self._clients.append(Client(self.path))
        return self._clients[-1]

    def is_idle(self) -> bool:
        """Whether it has no connections and nothing that it waits for, apart from further clients."""
        assert self.loop.settle(DEADLINE)
        return not self.server._all() and self.loop._poller._patience() is None

    def close(self) -> None:
        """Close everything."""
        for client in self._clients:
            client.close()
        self.server.close(DEADLINE)
        assert not self.server._all()
        assert self.loop.stop(DEADLINE)
        self.socket.close()


S = TypeVar("S", bound=Serving)


@contextmanager
def checked(make: Callable[[], S]) -> Iterator[S]:
    """Make a server; check that another client is served in the end, and that nothing is left of the others."""
    before = descriptors(os.getpid()).keys()
    serving = make()
    yield serving
    assert serving.client().ask("GET", "/status").status == 200
    for client in serving._clients:
        client.close()
    wait_for(serving.is_idle)
    serving.close()
    assert descriptors(os.getpid()).keys() == before
    serving.waiting.clear()
    serving.gone.clear()
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Connection]
