"""The kinds of verifiers, with real processes, sockets and files."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.verifiers import dialing
from support.driven import wait_for
from support.verifying import Life, Looped, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Starts a process with a verifier.
    Begin = Callable[..., Life]


@pytest.fixture(name="looped")
def _looped() -> Iterator[Looped]:
    """Run a control loop that has no descriptors left at the end."""
    looped = Looped()
    yield looped
    try:
        wait_for(lambda: looped.call(lambda: len(looped.loop.descriptors)) == 2)
    finally:
        looped.close()


@pytest.fixture(name="life")
def _life(looped: Looped) -> Iterator[Begin]:
    """Yield a function that starts processes; they end with the test."""
    lives: list[Life] = []

    def begin(table: object, *words: str, liveness: bool = False) -> Life:
        life = Life(looped, table, *words, liveness=liveness)
        lives.append(life)
        return life.live() if liveness else life.begin()

    yield begin
    for life in lives:
        life.end()


def test_started(life: Begin) -> None:
    """A process that has been started is ready."""
    assert life("started").verdict() == ""


def test_delay(life: Begin) -> None:
    """A process that has lived for a time is ready, and one that ends before is not."""
    assert life({"type": "delay", "for": "10ms"}).verdict() == ""
    assert life({"type": "delay", "for": "1h"}, "true").verdict() == "died"


@pytest.mark.parametrize(
    ("table", "line", "verdict"),
    [
        ({}, "exit 0", ""),
        ({"status": 3}, "exit 3", ""),
        ({}, "exit 3", "exited with status 3, and not with status 0"),
        ({"status": 3}, "exit 0", "exited with status 0, and not with status 3"),
        ({}, "kill -KILL $$", "was killed by KILL, and not with status 0"),
        ({"timeout": "50ms"}, "exec sleep 600", "exited: has not ended within 50ms"),
    ],
)
def test_exited(life: Begin, table: dict[str, object], line: str, verdict: str) -> None:
    """A process that has ended with the right status is ready."""
    assert life({"type": "exited", **table}, "sh", "-c", line).verdict() == verdict


def answer_nothing(_: socket.socket) -> None:
    """Accept a connection, and do nothing with it."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
def test_tcp(life: Begin, host: str) -> None:
    """A process that accepts connections is ready; tries go on until then."""
    port = free_port()
    begun = life({"type": "tcp", "address": f"{host}:{port}"})
    wait_for(lambda: begun.verification.tries == 3)
    assert begun.verdicts == []
    assert begun.verification.last_error == "Connection refused"
    assert begun.verification.looked_before() == ""
    server = Server(answer_nothing, ("127.0.0.1", port))
    assert begun.verdict() == ""
    server.close()


def test_tcp_that_never_answers(life: Begin) -> None:
    """If nothing listens until the time is over, the verdict says what was tried, how often, and why it failed."""
    begun = life({"type": "tcp", "address": f"127.0.0.1:{free_port()}", "timeout": "300ms"})
    verdict = begun.verdict()
    assert re.fullmatch(
        r"tcp 127\.0\.0\.1:[0-9]+: no answer within 300ms \([12] tr(y|ies)\): Connection refused", verdict
    )


def test_tcp_with_a_full_queue(life: Begin) -> None:
    """If a server's queue is full, a connection is not made, and a try ends with its time."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = []
        for _ in range(8):
            client = socket.socket()
            client.settimeout(0)
            client.connect_ex(address)
            waiting.append(client)
        begun = life({"type": "tcp", "address": f":{address[1]}", "attempt-timeout": "50ms", "timeout": "200ms"})
        assert begun.verdict().endswith("no answer within 50ms")
        for client in waiting:
            client.close()


def test_tcp_that_answered_before(life: Begin, caplog: pytest.LogCaptureFixture) -> None:
    """If a port answers before the process is started, a warning says so."""
    server = Server(answer_nothing)
    assert life({"type": "tcp", "address": f":{server.port}"}).verdict() == ""
    assert f"web: :{server.port} answers already, before web was started" in caplog.messages
    server.close()


def test_a_connection_to_itself_does_not_count() -> None:
    """If the system chooses the very port that is asked for our own side, nothing has answered."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        assert not dialing._is_connected(sock, 0)


def test_no_descriptor_left(life: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there are too many open files, a try fails, and tries go on."""
    make, server = socket.socket, Server(answer_nothing)
    begun = None

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("flagman.supervise.verifiers.dialing.socket.socket", refuse)
    begun = life({"type": "tcp", "address": f"127.0.0.1:{server.port}"})
    wait_for(lambda: begun.verification.tries == 2)
    assert begun.verification.last_error == "Too many open files"
    monkeypatch.setattr("flagman.supervise.verifiers.dialing.socket.socket", make)
    assert begun.verdict() == ""
    server.close()
