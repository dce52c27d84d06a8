"""Clients that mean harm: each is bounded, others are served meanwhile, and nothing is left of it."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from flagman.control import connection, server
from support.driven import DEADLINE, wait_for
from support.serving import BIG, GET, Serving, checked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="serving")
def _serving(open_path: Path) -> Iterator[Serving]:
    """Start a server that is checked in the end."""
    with checked(lambda: Serving(open_path)) as serving:
        yield serving


@pytest.fixture(name="many_files")
def _many_files() -> Iterator[None]:
    """Allow this process as many descriptors as it can have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_slow_head(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that comes byte by byte is refused when its time is over."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)
    client = serving.client()
    client.socket.settimeout(0.005)
    received = b""
    while not received:
        client.send(b"x")
        with suppress(TimeoutError):
            received = client.socket.recv(1000)
    assert received.startswith(b"HTTP/1.1 408 ")
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("attack", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 1_000_000, 431),
        (b"GET /" + b"b" * 1_000_000, 414),
        (b"\r\n" * 100_000, 431),
        (b"\n" * 1_000_000, 400),
        (os.urandom(8000).replace(b"\n", b"") + b"\n", 400),
        (b"POST /flags/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 411),
        (b"POST /flags/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    ],
)
def test_nonsense(serving: Serving, attack: bytes, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no request, or a monstrous one, is refused once and at once, and what follows is dropped."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 1e6)
    client = serving.client().send(attack)
    assert client.answer().status == status
    assert client.rest() == b""
    client.send(b"x" * 1_000_000)
    (one,) = serving.server._clients
    assert len(one._parser._data) <= 2 * 65_536


def test_a_client_that_never_stops(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes on sending after it was refused is left after a moment."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 1e6)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.05)
    client = serving.client().send(b"\n")
    assert client.answer().status == 400

    def is_left() -> bool:
        try:
            client.socket.sendall(b"x" * 10_000)
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    wait_for(is_left)


def test_thousands_of_requests_at_once(serving: Serving) -> None:
    """A client that sends without an end is served in turns with others, and its answers do not pile up."""
    greedy = serving.client()
    greedy.socket.setblocking(False)  # noqa: FBT003
    requests = b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET * 20_000
    with pytest.raises(BlockingIOError):
        while True:
            requests = requests[greedy.socket.send(requests) :] or GET * 20_000
    wait_for(lambda: serving.waiting)
    assert serving.client().ask("GET", "/status").status == 200
    (busy, _) = serving.server._clients
    assert len(busy._parser._data) <= 65_536
    serving.loop.call(serving.waiting[0].reply, 200, None)
    assert serving.client().ask("GET", "/status").status == 200
    assert len(busy._parser._data) <= 2 * 65_536
    greedy.close()


def test_requests_at_once_are_served_in_turns(serving: Serving) -> None:
    """The loop looks at everything else after each few of the requests that came together."""
    client = serving.client()
    assert client.ask("GET", "/status").status == 200
    before = serving.wakes
    client.send(GET * 500)
    for _ in range(500):
        assert client.answer().status == 200
    assert serving.wakes - before >= 500 / 16 - 1


def test_a_client_that_does_not_read(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than one answer is held for a client that does not read, and not for ever."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    client = serving.client().send(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    wait_for(lambda: serving.served)
    assert serving.client().ask("GET", "/status").status == 200
    wait_for(serving.is_idle)
    assert serving.served == ["big"]
    assert 0 < len(client.rest()) < len(BIG)


def test_many_clients_that_do_not_read(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """All clients that do not read cannot make it hold more than a bounded number of bytes; the newest is spared."""
    monkeypatch.setattr(server, "MOST_HELD", 2 * len(BIG))
    clients = []
    for _ in range(6):
        before = len(serving.served)
        clients.append(serving.client().request("GET", "/big"))
        wait_for(lambda: len(serving.served) > before)  # noqa: B023 - called at once
    assert serving.loop.settle(DEADLINE)
    held = [one.held for one in serving.server._clients]
    assert 0 < sum(held) <= 2 * len(BIG)
    assert 0 < len(clients[0].rest()) < len(BIG)
    assert clients[-1].answer().content == BIG
    assert serving.client().ask("GET", "/status").status == 200


def test_what_a_client_leaves_unread_goes_with_it(serving: Serving) -> None:
    """The answer of a client that has gone is not kept until the garbage collector comes by."""
    clients = [serving.client().request("GET", "/big"), serving.client().request("GET", "/wait")]
    wait_for(lambda: serving.served and serving.waiting)
    ones = list(serving.server._clients)
    clients[0].close()
    clients[1].socket.shutdown(socket.SHUT_RD)
    serving.loop.call(serving.waiting[0].reply, 200, BIG)
    clients[1].close()
    wait_for(serving.is_idle)
    assert [one.held for one in ones] == [0, 0]


def test_a_client_that_reads_slowly(serving: Serving) -> None:
    """A long answer comes whole to a client that reads it in small pieces."""
    client = serving.client().request("GET", "/big").request("GET", "/status")
    assert client.answer().content == BIG
    assert client.answer().status == 200


def test_clients_that_break_off(serving: Serving) -> None:
    """A client may go at any time, with unread answers or half a request."""
    for data in (GET, GET * 100, GET[:10], b"\n", b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2):
        for _ in range(5):
            serving.client().send(data).close()
    wait_for(serving.is_idle)


def test_a_thousand_idle_clients(serving: Serving, many_files: None) -> None:  # noqa: ARG001
    """There are places for 256; the others are told so, and each place that becomes free is taken anew."""
    first = serving.client()
    assert first.ask("GET", "/status").status == 200
    clients = [serving.client() for _ in range(1000)]
    assert clients[255].answer().code == "too-many-connections"
    refused = [client for client in clients[256:] if client.rest()]
    assert refused
    assert len(serving.server._clients) == 256
    assert first.ask("GET", "/status").status == 200, "the ones that are connected are served"
    assert clients[254].ask("GET", "/status").status == 200
    clients[0].close()
    wait_for(lambda: len(serving.server._clients) == 255)
    assert serving.client().ask("GET", "/status").status == 200
    for client in clients:
        client.close()
    wait_for(lambda: len(serving.server._clients) <= 2)


def test_no_descriptor_left(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a free descriptor clients wait, the loop sleeps, and they are served as soon as there is one."""
    monkeypatch.setattr(server, "_PAUSE", 1e6)
    served = serving.client()
    late = socket.socket(socket.AF_UNIX)
    late.settimeout(DEADLINE)
    free = os.dup(0)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert served.ask("GET", "/status").status == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        late.connect(str(serving.path))
        wait_for(lambda: caplog.records)
        assert serving.loop.settle(DEADLINE)
        before = serving.wakes
        for _ in range(10):
            assert served.ask("GET", "/status").status == 200
        assert serving.wakes - before <= 20, "it spins"
        monkeypatch.setattr(server, "_PAUSE", 0.001)
        serving.loop.call(serving.server._resume)
        late.sendall(GET)
        for _ in range(10):
            assert served.ask("GET", "/status").status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert late.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    late.close()
    assert [record.getMessage() for record in caplog.records] == [
        "Clients of the control socket have to wait: Too many open files"
    ]
    assert serving.server._has_room, "the next time is told again"
    calls = serving.loop._poller._calls
    assert calls is not None
    for _, _, planned in calls._heap:  # one of them is due in a million seconds
        planned.cancel()


def test_urgent_bytes(serving: Serving) -> None:
    """Urgent bytes, which poll(2) reports apart from others, do not make the loop spin."""
    client = serving.client().request("GET", "/wait")
    wait_for(lambda: serving.waiting)
    try:
        client.socket.send(b"!", socket.MSG_OOB)
    except OSError:
        pytest.skip("there are no urgent bytes here")
    wait_for(lambda: serving.gone)
    assert client.rest() == b""


def test_a_socket_that_is_closed_under_the_loop(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """A listening socket that fails is left, and the clients stay."""
    client = serving.client()
    assert client.ask("GET", "/status").status == 200
    broken = socket.socket(socket.AF_UNIX)
    serving.loop.call(serving.server.listen, broken, serving.door)
    wait_for(lambda: caplog.records)
    assert client.ask("GET", "/status").status == 200
    assert broken not in serving.server._listening
    broken.close()


def test_a_connection_that_is_closed_under_the_loop(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """If a plugin closes the descriptor of a client, its place becomes free and its request is given up."""
    serving.client().request("GET", "/wait")
    wait_for(lambda: serving.waiting)
    (one,) = serving.server._clients
    number = one._socket.fileno()
    serving.loop.call(os.close, number)
    wait_for(lambda: serving.gone)
    assert not serving.server._clients
    assert [record.getMessage() for record in caplog.records] == [f"Descriptor {number} was closed and not detached"]
