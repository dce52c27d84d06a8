"""A control socket that answers what a test wants: whole answers of HTTP, or anything else."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    #: What is answered: bytes, or what a function returns.
    Answer = bytes | Callable[[], bytes]
    Answers = dict[str, Answer]


def http(status: int, answer: object) -> bytes:
    """Return an answer of HTTP with this JSON."""
    return plain(json.dumps(answer).encode() + b"\n", status, kind="application/json")


def plain(body: bytes, status: int = 200, *, kind: str = "text/plain") -> bytes:
    """Return an answer of HTTP with this body."""
    head = f"HTTP/1.1 {status} Reason\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def mistake(status: int, code: str, message: str, **more: object) -> bytes:
    """Return an answer that tells an error."""
    return http(status, {"error": {"code": code, "message": message, **more}})


class FakeControl:
    """A daemon's control socket, served by a thread.

    :param path: where it listens
    :param answers: by the method and the target of a request; after no bytes the connection is closed
    :param closes_after: the begin of the method and the target of a request after which the connection is closed
    """

    def __init__(self, path: Path, answers: Mapping[str, Answer], *, closes_after: str = "") -> None:
        self.path = path
        self.answers = answers
        self.closes_after = closes_after
        #: The first lines of the requests, without the version.
        self.asked: list[str] = []
        #: The bodies of the requests that had one.
        self.bodies: list[object] = []
        self._listener = socket.socket(socket.AF_UNIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._listener.bind(str(path))
        self._listener.listen()
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._clients):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._clients):
            each.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                thread = threading.Thread(target=self._answer, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _answer(self, client: socket.socket) -> None:
        received = b""
        with suppress(OSError):
            while True:
                while b"\r\n\r\n" not in received:
                    more = client.recv(1 << 16)
                    if not more:
                        return
                    received += more
                head, _, received = received.partition(b"\r\n\r\n")
                first, host, *fields = head.decode().split("\r\n")
                assert host == "Host: localhost"
                received = self._without_body(client, fields, received)
                target, _, version = first.rpartition(" ")
                assert version == "HTTP/1.1"
                self.asked.append(target)
                answer = self.answers.get(target, mistake(404, "no-such-path", "there is no such path"))
                answer = answer if isinstance(answer, bytes) else answer()
                client.sendall(answer)
                if not answer or (self.closes_after and target.startswith(self.closes_after)):
                    client.shutdown(socket.SHUT_RDWR)
                    return

    def _without_body(self, client: socket.socket, fields: list[str], received: bytes) -> bytes:
        """Keep the body that follows a head with these fields, and return what follows the body."""
        if not fields:
            return received
        kind, length = fields
        assert kind == "Content-Type: application/json"
        size = int(length.removeprefix("Content-Length: "))
        while len(received) < size:
            received += client.recv(1 << 16)
        self.bodies.append(json.loads(received[:size]))
        return received[size:]
