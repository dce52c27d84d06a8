"""The server, over real sockets: what clients are answered, and what is left when they have gone."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from flagman.control import connection
from flagman.control.router import Router
from flagman.control.server import Server
from flagman.service.control_loop import ControlLoop
from support.driven import DEADLINE, wait_for
from support.serving import BIG, GET, AnyUser, Client, Serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="serving")
def _serving(open_path: Path) -> Iterator[Serving]:
    """Start a server that ends with the test."""
    serving = Serving(open_path)
    yield serving
    serving.close()


def test_an_answer(serving: Serving) -> None:
    """An answer is one line of JSON, and nothing keeps it or takes it for something else."""
    answer = serving.client().ask("GET", "/status")
    assert (answer.status, answer.content) == (200, {"state": "idle"})
    date = answer.fields.pop("Date")
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [JFMASOND][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert answer.fields == {
        "Content-Type": "application/json",
        "Content-Length": "18",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def test_a_request_reaches_its_route(serving: Serving) -> None:
    """A route gets the values of path and query and the body; any text comes back."""
    answer = serving.client().ask("POST", "/flags/%ff%2F?wait=%E2%82%AC", body=b'["\\ud800"]')
    assert (answer.status, answer.content) == (202, [{"NAME": "\udcff/"}, {"wait": "\u20ac"}, ["\ud800"]])


def test_many_requests_on_one_connection(serving: Serving) -> None:
    """A connection serves one request after another, also after one that fails."""
    client = serving.client()
    for target, status in (("/status", 200), ("/nope", 404), ("/refuses", 409), ("/status", 200)):
        assert client.ask("GET", target).status == status
    assert client.ask("PUT", "/status").fields["Allow"] == "GET, HEAD, OPTIONS"
    assert client.ask("GET", "/refuses").fields["Retry-After"] == "1"
    assert client.ask("GET", "/refuses").code == "no-configuration"


def test_head_and_options(serving: Serving) -> None:
    """HEAD answers as GET does, without the body; OPTIONS says what there is."""
    client = serving.client()
    assert client.ask("HEAD", "/status").fields["Content-Length"] == "18"
    assert client.ask("HEAD", "/nope").status == 404
    answer = client.ask("OPTIONS", "/flags/x")
    assert (answer.status, answer.fields["Allow"], answer.content) == (204, "OPTIONS, POST", None)
    assert "Content-Length" not in answer.fields
    assert client.ask("OPTIONS", "*").fields["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.ask("OPTIONS", "/nope").status == 404
    client.send(b"HEAD / HTTP/1.1\r\n\r\n")
    assert client.answer(has_body=False).status == 400
    assert client.rest() == b""


@pytest.mark.parametrize("request_", [b"GET /status HTTP/1.0\r\n\r\n", GET[:-2] + b"Connection: close\r\n\r\n"])
def test_the_last_answer(serving: Serving, request_: bytes) -> None:
    """A client that wants one answer gets it, and then the end of the connection, whatever else it sends."""
    client = serving.client().send(request_ + GET)
    assert client.answer().fields["Connection"] == "close"
    assert client.rest() == b""


def test_requests_in_a_row_are_answered_in_order(serving: Serving) -> None:
    """Requests that come together are answered in order; one that waits holds the next ones up."""
    client = serving.client()
    for number in range(100):
        client.request("POST", f"/flags/{number}")
        if number == 50:
            client.request("GET", "/wait")
    for number in range(100):
        if number == 51:
            wait_for(lambda: serving.waiting)
            serving.loop.call(serving.waiting[0].reply, 200, "at last")
            assert client.answer().content == "at last"
        assert client.answer().content == [{"NAME": str(number)}, {}, None]


def test_only_the_first_answer_counts(serving: Serving) -> None:
    """A second answer to a request has no effect, and is not taken for one to the next request."""
    client = serving.client().request("GET", "/wait").request("GET", "/wait")
    wait_for(lambda: serving.waiting)
    for content in ("first", "second"):
        serving.loop.call(serving.waiting[0].reply, 200, content)
    wait_for(lambda: len(serving.waiting) == 2)
    serving.loop.call(serving.waiting[0].reply, 200, "third")
    serving.loop.call(serving.waiting[1].reply, 504, "next")
    assert client.answer().content == "first"
    assert client.answer().content == "next"
    assert serving.gone == []


@pytest.mark.parametrize("target", ["/broken", "/exits", "/nan"])
def test_a_route_that_fails(serving: Serving, target: str, caplog: pytest.LogCaptureFixture) -> None:
    """A route that fails is answered and logged once, with its traceback, and the connection goes on."""
    client = serving.client()
    assert client.ask("GET", target).code == "internal-server-error"
    assert client.ask("GET", "/status").status == 200
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("flagman.control", "ERROR")
    assert record.exc_info


def test_a_client_that_has_closed_its_half(serving: Serving) -> None:
    """A client that sends no more is answered what it has asked, also if that takes a while."""
    client = serving.client().request("GET", "/status").request("GET", "/wait").end_half()
    assert client.answer().status == 200
    wait_for(lambda: serving.waiting)
    assert serving.loop.settle(DEADLINE)
    serving.loop.call(serving.waiting[0].reply, 200, None)
    assert client.answer().status == 200
    assert client.rest() == b""
    assert serving.gone == []


def test_half_a_request(serving: Serving) -> None:
    """A request that ends too early is answered, if there is anything to answer."""
    client = serving.client().send(GET[:-1]).end_half()
    assert client.answer().code == "bad-request"
    assert client.rest() == b""
    assert serving.client().end_half().rest() == b""
    wait_for(serving.is_idle)


@pytest.mark.parametrize("half", [False, True])
def test_a_client_that_goes_while_it_waits(serving: Serving, *, half: bool) -> None:
    """A request is given up when its client goes, and its late answer has no effect."""
    client = serving.client().request("GET", "/wait").request("GET", "/status")
    wait_for(lambda: serving.waiting)
    if half:
        client.end_half()
        assert serving.loop.settle(DEADLINE)
    assert not serving.gone
    client.close()
    wait_for(lambda: serving.gone)
    assert serving.gone == serving.waiting
    serving.loop.call(serving.waiting[0].reply, 200, None)
    wait_for(serving.is_idle)


def test_a_client_that_goes_and_a_route_that_cannot_bear_it(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """What fails when a request is given up is logged, and harms nothing."""
    client = serving.client().request("GET", "/wait")
    wait_for(lambda: serving.waiting)
    serving.waiting[0].on_gone = lambda: 1 / 0
    client.close()
    wait_for(serving.is_idle)
    assert [record.message for record in caplog.records] == ["A request whose client has gone could not be given up"]


def test_a_body_that_is_asked_for(serving: Serving) -> None:
    """A client that waits before it sends the body is told to go ahead, and one that must not send it is refused."""
    client = serving.client()
    fields = ["Content-Type: application/json", "Content-Length: 1", "Expect: 100-continue"]
    client.request("POST", "/flags/x", *fields)
    assert client._file.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert client._file.readline() == b"\r\n"
    assert client.send(b"7").answer().content == [{"NAME": "x"}, {}, 7]
    fields[1] = "Content-Length: 100000"
    assert client.request("POST", "/flags/x", *fields).answer().status == 413


def test_a_client_that_is_not_admitted(serving: Serving) -> None:
    """A client that is not admitted is told why, whatever it sends, and the others do not notice."""
    friend = serving.client()
    assert friend.ask("GET", "/status").status == 200
    serving.admit = lambda sock: f"not you, {sock.family.name}"
    for data in (b"", GET, b"\0" * 3_000_000):
        client = serving.client().send(data)
        answer = client.answer()
        assert (answer.status, answer.fields["Connection"]) == (403, "close")
        assert answer.content == {"error": {"code": "forbidden", "message": "not you, AF_UNIX"}}
        assert client.rest() == b""
    for _ in range(100):
        serving.client()
    wait_for(lambda: len(serving.server._refused) == 32)
    assert friend.ask("GET", "/status").status == 200
    assert len(serving.server._clients) == 1


def test_a_judge_that_fails(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """A client that cannot be judged is not served, and those that come later are."""
    serving.admit = lambda _: str(1 / 0)
    assert serving.client().rest() == b""
    serving.admit = lambda _: ""
    assert serving.client().ask("GET", "/status").status == 200
    assert [record.message for record in caplog.records] == ["A client could not be taken in"]


def test_other_routes(serving: Serving) -> None:
    """Each request is served by the routes that hold at that time."""
    client = serving.client()
    assert client.ask("GET", "/status").status == 200
    serving.router = Router({("GET", "/other"): lambda request: request.reply(200, None)})
    assert client.ask("GET", "/status").code == "no-such-path"
    assert client.ask("GET", "/other").status == 200


def test_several_sockets(serving: Serving, open_path: Path) -> None:
    """It listens on several sockets, and leaves one when it is told; what is connected stays."""
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(open_path / "other"))
    other.listen()
    serving.loop.call(serving.server.listen, other, serving.door)
    client = Client(open_path / "other")
    assert client.ask("GET", "/status").status == 200
    serving.loop.call(serving.server.unlisten, other)
    serving.loop.call(serving.server.unlisten, other)
    assert serving.loop.settle(DEADLINE)
    other.close()
    assert client.ask("GET", "/status").status == 200
    assert serving.client().ask("GET", "/status").status == 200
    client.close()


def test_no_descriptor_is_for_children(serving: Serving) -> None:
    """No descriptor of a connection reaches a program that is started, or a forked child."""
    serving.client().ask("GET", "/status")
    (one,) = serving.server._clients
    assert not os.get_inheritable(one._socket.fileno())
    assert {one._socket.fileno(), serving.socket.fileno()} < serving.loop.descriptors


def test_the_end(serving: Serving) -> None:
    """In the end all clients get what they have been answered; one that waits for an answer learns of the end."""
    idle, half, waiting = (serving.client() for _ in range(3))
    assert idle.ask("GET", "/status").status == 200
    half.send(GET[:-1])
    waiting.request("GET", "/wait")
    slow = serving.client().request("GET", "/big")
    wait_for(lambda: serving.waiting and serving.served)
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(slow.answer().content))
    reader.start()
    serving.server.close(DEADLINE)
    reader.join()
    assert answers == [BIG]
    assert [client.rest() for client in (idle, half, waiting, slow)] == [b""] * 4
    assert serving.gone == serving.waiting
    assert serving.is_idle()
    assert serving.socket.fileno() not in serving.loop.descriptors


def test_the_end_does_not_wait_for_ever(serving: Serving) -> None:
    """A client that does not take its answer is left in the end."""
    client = serving.client().request("GET", "/big")
    wait_for(lambda: serving.served)
    serving.server.close(0.01)
    assert serving.is_idle()
    assert 0 < len(client.rest()) < len(BIG)


def test_the_end_without_a_loop(open_path: Path) -> None:
    """A server can also be closed if the loop never ran."""
    loop = ControlLoop(list, list)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(open_path / "socket"))
        sock.listen()
        server = Server(loop, Router({}))
        server.listen(sock, AnyUser())
        server.close(DEADLINE)
        assert sock.fileno() not in loop.descriptors
    assert loop.stop(0)


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curl(serving: Serving) -> None:
    """The program curl understands the answers, also those that come before it has sent all."""
    big = serving.path.with_name("big")
    big.write_bytes(b"\0" * 3_000_000)
    host = "http://localhost"
    for status, *words in (
        ("200", f"{host}/status"),
        ("200", "--head", f"{host}/status"),
        ("200200", f"{host}/status", f"{host}/status"),
        ("202", "--json", '{"a": 1}', f"{host}/flags/a%2Fb?wait=5s"),
        ("413", "--header", "Content-Type: application/json", "--data-binary", f"@{big}", f"{host}/flags/a"),
        ("413", "--header", "Expect:", "--data-binary", f"@{big}", f"{host}/flags/a"),
        ("411", "--header", "Transfer-Encoding: chunked", "--data-binary", f"@{big}", f"{host}/flags/a"),
        ("400", "http://evil.example/status"),
        ("200", "--http1.0", f"{host}/status"),
        ("200", "--http2", f"{host}/status"),
    ):
        command = ["curl", "--silent", "--unix-socket", str(serving.path), "--write-out", "%{stderr}%{http_code}"]
        done = subprocess.run([*command, *words], capture_output=True, encoding="utf-8", timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, status), words


def test_the_time_of_a_request(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has to come in time, counted from the begin of the connection or from its first byte."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.05)
    client = serving.client()
    assert client.answer().code == "request-timeout"
    assert client.rest() == b""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", DEADLINE)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 1e6)
    client = serving.client()
    assert client.ask("GET", "/status").status == 200
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.05)
    client.send(GET[:4])
    assert client.answer().status == 408
    assert client.rest() == b""
    monkeypatch.undo()


def test_the_time_without_a_request(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without a request is left after a while, one that waits for an answer is not."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.06)
    waiting = serving.client().request("GET", "/wait")
    wait_for(lambda: serving.waiting)
    for _ in range(3):
        client = serving.client()
        assert client.ask("GET", "/status").status == 200
        assert client.rest() == b""
    assert serving.loop._poller._patience() is None, "nothing limits the one that waits"
    serving.loop.call(serving.waiting[0].reply, 200, "at last")
    assert waiting.answer().content == "at last"
    assert waiting.rest() == b""
