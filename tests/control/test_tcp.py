"""Clients over TCP: each must show the token, and those without it keep no others out, whatever they do."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from flagman.control import connection
from flagman.control.doors import TcpDoor
from flagman.control.tcp import TcpListener
from flagman.control.token import Token
from flagman.exceptions import FlagmanError
from support.driven import DEADLINE, wait_for
from support.over_tcp import HOSTS, TOKEN, OverTcp, has_ipv6
from support.serving import BIG, checked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="host", params=HOSTS)
def _host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="serving")
def _serving(tmp_path: Path, host: str) -> Iterator[OverTcp]:
    """Start a server that is checked in the end."""
    with checked(lambda: OverTcp(tmp_path, host)) as serving:
        yield serving


def test_an_answer(serving: OverTcp) -> None:
    """Requests with the token are answered as on a Unix socket, one after another, and each of them shows it."""
    client = serving.client()
    assert client.ask("GET", "/status").content == {"state": "idle"}
    assert client.ask("HEAD", "/status").fields["Content-Length"] == "18"
    assert client.ask("OPTIONS", "/flags/x").fields["Allow"] == "OPTIONS, POST"
    assert client.ask("TRACE", "/status").status == 405
    assert client.ask("POST", "/flags/x", body=b"[1]").content == [{"NAME": "x"}, {}, [1]]
    assert client.ask("GET", "/big").content == BIG
    (one,) = serving.server._clients
    assert one._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not os.get_inheritable(one._socket.fileno())
    client._fields.pop()
    assert client.ask("GET", "/status").status == 401
    assert client.rest() == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE"])
def test_without_the_token(serving: OverTcp, method: str) -> None:
    """Nothing is answered, whether the path exists or not; the connection ends."""
    for token in ("", "x" * 16, TOKEN[:-1], f"{TOKEN}x"):
        for target in ("/status", "/nope", "/flags/x"):
            client = serving.client(token)
            answer = client.ask(method, target)
            assert (answer.status, answer.fields["WWW-Authenticate"]) == (401, "Bearer")
            assert method == "HEAD" or answer.code == "unauthorized"
            assert client.rest() == b""
    assert not serving.served


def test_the_body_of_a_stranger_is_not_read(serving: OverTcp) -> None:
    """A request without the token is refused before it is told to go on, and what follows it is no request."""
    client = serving.client("")
    client.send(
        f"POST /flags/x HTTP/1.1\r\nHost: {serving.listener.where}\r\nContent-Length: 60000\r\n".encode()
        + b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"
    )
    assert client.answer().status == 401
    smuggled = f"GET /big HTTP/1.1\r\nHost: {serving.listener.where}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    client.send(smuggled.encode())
    assert client.rest() == b""
    assert not serving.served


@pytest.mark.parametrize(
    "fields",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Transfer-Encoding: chunked",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: +4",),
        ("X: y\nContent-Length: 4",),
        (" folded: x",),
    ],
)
def test_no_request_hides_in_another(serving: OverTcp, fields: tuple[str, ...]) -> None:
    """Where two readers might see the end of a request at two places, the connection ends after one refusal."""
    client = serving.client()
    inner = f"0\r\n\r\nGET /big HTTP/1.1\r\nHost: {serving.listener.where}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    client.request("POST", "/flags/x", "Content-Type: application/json", *fields).send(inner.encode())
    assert client.answer().status in {400, 411}
    assert client.rest() == b""
    assert not serving.served


def test_silent_strangers(serving: OverTcp) -> None:
    """Any number of clients that say nothing keep no other client out: the oldest of them goes for a new one."""
    first = serving.client()
    assert first.ask("GET", "/status").status == 200
    strangers = [serving.client("") for _ in range(200)]
    wait_for(lambda: serving.loop.settle(DEADLINE) and strangers[100].rest() == b"")
    assert serving.client().ask("GET", "/status").status == 200
    assert first.ask("GET", "/status").status == 200
    ones = list(serving.server._clients)
    assert sum(each.is_stranger for each in ones) <= 64
    assert sum(not each.is_stranger for each in ones) == 2
    assert strangers[-1].ask("GET", "/status").status == 401


def test_slow_strangers(serving: OverTcp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger has less time for its head than others for a request, and is told so."""
    monkeypatch.setattr(connection, "STRANGER_SECONDS", 0.05)
    for begin in (b"GET / HT", b"GET / HTTP/1.1\r\nX: ", b""):
        client = serving.client().send(begin)
        assert client.answer().status == 408
        assert client.rest() == b""
    monkeypatch.undo()


def test_a_slow_body(serving: OverTcp, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its head a client is no stranger any more, and has as much time for the rest as others."""
    monkeypatch.setattr(connection, "STRANGER_SECONDS", 1e6)
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 1e6)
    client = serving.client().request(
        "POST", "/flags/x", "Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue"
    )
    assert client._file.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert client._file.readline() == b"\r\n"
    (one,) = serving.server._clients
    assert not one.is_stranger
    assert client.send(b"{}").answer().status == 202


def test_all_places_are_taken(serving: OverTcp) -> None:
    """64 clients with the token are served at a time; one more is told so, and gets the place that becomes free."""
    clients = [serving.client() for _ in range(64)]
    for client in clients:
        assert client.ask("GET", "/status").status == 200
    answer = serving.client().ask("GET", "/status")
    assert (answer.status, answer.code) == (503, "too-many-connections")
    clients[0].close()
    wait_for(lambda: len(serving.server._clients) == 63)
    assert serving.client().ask("GET", "/status").status == 200
    for client in clients:
        client.close()
    wait_for(lambda: len(serving.server._clients) <= 2)


@pytest.mark.parametrize("half", [False, True])
def test_a_client_that_goes(serving: OverTcp, *, half: bool) -> None:
    """A client that goes while it waits gives its place back at once, also if it ends only its half."""
    client = serving.client().request("GET", "/wait")
    wait_for(lambda: serving.waiting)
    if half:
        client.end_half()
    else:
        client.close()
    wait_for(lambda: serving.gone)
    wait_for(serving.is_idle)


def test_a_client_that_asks_more_while_it_waits(serving: OverTcp) -> None:
    """A request that comes during another one waits for its turn, and the loop does not spin meanwhile."""
    client = serving.client().request("GET", "/wait").request("GET", "/status")
    wait_for(lambda: serving.waiting)
    other = serving.client()
    assert other.ask("GET", "/status").status == 200
    before = serving.wakes
    for _ in range(10):
        assert other.ask("GET", "/status").status == 200
    assert serving.wakes - before <= 25, "it spins"
    serving.loop.call(serving.waiting[0].reply, 200, "done")
    assert [client.answer().content for _ in range(2)] == ["done", {"state": "idle"}]


def test_another_token(serving: OverTcp, tmp_path: Path) -> None:
    """A new token holds for the next request of each connection."""
    client = serving.client()
    assert client.ask("GET", "/status").status == 200
    (tmp_path / "token").write_text("b" * 16, encoding="ascii")
    serving.token.renew()
    assert client.ask("GET", "/status").status == 401
    assert serving.client("b" * 16).ask("GET", "/status").status == 200
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    serving.token.renew()


def test_a_client_that_has_gone_at_once(serving: OverTcp, caplog: pytest.LogCaptureFixture) -> None:
    """A client that resets its connection at once, before it is taken in, is no news."""
    for _ in range(50):
        client = serving.client()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    wait_for(serving.is_idle)
    assert not caplog.records


@pytest.mark.parametrize(
    ("peer", "is_here"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False)]
)
def test_a_client_of_another_machine(tmp_path: Path, peer: str, *, is_here: bool) -> None:
    """A client that a firewall has led here from elsewhere is refused."""

    class Peer:
        def setsockopt(self, *_: int) -> None:
            pass

        def getpeername(self) -> tuple[str, int]:
            return peer, 1

    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    (tmp_path / "token").chmod(0o600)
    door = TcpDoor("127.0.0.1", 1, Token(str(tmp_path / "token")))
    assert (door.admit(Peer()) == "") == is_here  # type: ignore[arg-type]


def test_the_listener(host: str) -> None:
    """It listens at one address alone, says which, and is not inherited; another one there is refused in one line."""
    one = TcpListener(f"{host}:0")
    one.bind()
    one.listen()
    assert one.where == f"{host}:{one.port}"
    assert one.port > 0
    assert one.listening.getsockname()[:2] == (host.strip("[]"), one.port)
    assert not one.listening.get_inheritable()
    assert one.rebind() is None
    two = TcpListener(one.where)
    with pytest.raises(FlagmanError, match=r"^control address .*: is in use by another process; give another port$"):
        two.bind()
    two.close()
    client = socket.create_connection(one.listening.getsockname()[:2], DEADLINE)
    one.listening.settimeout(DEADLINE)
    accepted, _ = one.listening.accept()
    accepted.close()  # now this end remembers the connection
    one.close()
    one.close()
    client.close()
    again = TcpListener(two.where)
    again.bind()
    again.listen()
    again.close()


def test_both_families_at_one_port() -> None:
    """A port of IPv6 says nothing about the same port of IPv4."""
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    one = TcpListener("127.0.0.1:0")
    one.bind()
    two = TcpListener(f"[::1]:{one.port}")
    assert two.listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) in {0, 1}
    two.bind()
    assert two.listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    two.close()
    one.close()


def test_two_that_start_at_once() -> None:
    """Of two that have bound the same address, the one that listens first has it."""
    one = TcpListener("127.0.0.1:0")
    one.bind()
    two = TcpListener(one.where)
    two.bind()
    one.listen()
    with pytest.raises(FlagmanError, match="is in use by another process"):
        two.listen()
    one.close()
    two.close()
