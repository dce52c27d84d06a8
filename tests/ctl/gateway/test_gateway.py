"""The gateway, between a browser and what stands for a daemon."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import signal
import socket
import sys
import threading
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from flagman.control import connection
from flagman.control.connection import Connection
from flagman.control.router import Router
from flagman.ctl.gateway import daemon as gateway_daemon
from flagman.ctl.gateway import exchange, routes
from flagman.ctl.gateway.daemon import Daemon
from flagman.ctl.gateway.exchange import Exchange, Passage
from flagman.ctl.gateway.gateway import Gateway
from flagman.service.request import Content, Stream
from flagman.service.request_error import RequestError
from support.browsing import FORM, JSON, Browser
from support.driven import DEADLINE, descriptors, wait_for
from support.serving import BIG, Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flagman.service.request import Request

PAGE = b'<!DOCTYPE html>\n<title>web</title><p id="said" role="status"></p><p>&lt;p id="said" role="status"&gt;'
POLICY = {"Content-Security-Policy": "default-src 'none'", "Referrer-Policy": "no-referrer", "X-Other": "1"}


class Numbers(Stream):
    """A stream that a test feeds; each piece is as long as the first one."""

    kind = "text/event-stream"

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.taken = 0
        self.is_closed = False

    def next(self) -> bytes | None:
        """Return the next piece."""
        if not self.pieces:
            return None
        self.taken += 1
        return self.pieces.pop(0)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class Between:
    """A gateway before a server that stands for a daemon, and that keeps what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str, dict[str, str], object, dict[str, str]]] = []
        self.streams: list[Numbers] = []
        self.answer: Callable[[Request], None] = lambda request: request.reply(200, {"state": "idle"})
        self.daemon: Serving | None = None
        self.start()
        self.gateway = Gateway(Daemon(str(folder / "control.sock"), os.geteuid()), 0)
        self.gateway.start()
        self.gateway._loop.call(lambda: sys.settrace(threading.gettrace()))

    def start(self) -> None:
        """Start the daemon."""
        self.daemon = Serving(self.folder)
        shown, done = [*routes._SHOWN, "/"], routes._DONE
        self.daemon.router = Router(
            {
                **{("GET", path): self._kept("GET", path) for path in shown if path != "/events"},
                **{("POST", path): self._kept("POST", path) for path in done},
                ("GET", "/events"): self._stream,
                ("DELETE", "/"): self._kept("DELETE", "/"),
            }
        )

    def stop(self) -> None:
        """Stop the daemon."""
        if self.daemon is not None:
            self.daemon.close()
            self.daemon.path.unlink()
        self.daemon = None

    def _kept(self, method: str, path: str) -> Callable[[Request], None]:
        def serve(request: Request) -> None:
            self.asked.append(
                (
                    f"{method} {path}",
                    "/".join(request.path.values()),
                    dict(request.query),
                    request.body,
                    dict(request.fields),
                )
            )
            self.answer(request)

        return serve

    def _stream(self, request: Request) -> None:
        self._kept("GET", "/events")
        self.asked.append(("GET /events", "", dict(request.query), request.body, dict(request.fields)))
        self.streams.append(Numbers())
        request.reply(200, self.streams[-1])

    def browser(self) -> Browser:
        """Return a browser that has only opened the address."""
        return Browser(self.gateway.address)

    def feed(self, *pieces: bytes, number: int = 0) -> None:
        """Add pieces to a stream, which goes on with them."""
        stream = self.streams[number]

        def go_on() -> None:
            stream.pieces += pieces
            stream.wake()

        assert self.daemon is not None
        self.daemon.loop.call(go_on)

    def is_idle(self) -> bool:
        """Whether the gateway has no connections, and waits for nothing but clients."""
        loop = self.gateway._loop
        assert loop.settle(DEADLINE)
        return not self.gateway._server._all() and len(loop._poller.attached) == 1 and loop._poller._patience() is None

    def close(self) -> None:
        """End both."""
        self.gateway.close()
        self.stop()


@pytest.fixture(name="between")
def _between(open_path: Path) -> Iterator[Between]:
    """Start a gateway and its daemon; check that nothing is left of them."""
    before = descriptors(os.getpid()).keys()
    between = Between(open_path)
    yield between
    wait_for(between.is_idle)
    between.close()
    assert descriptors(os.getpid()).keys() == before
    del between.streams[:]
    between.answer = lambda _: None
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) in {Connection, Exchange, Passage}]


@pytest.fixture(name="at_once")
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the delay zero after which a client learns that its key is wrong."""
    monkeypatch.setattr(routes, "DELAY", 0.0)


# The login.


def test_the_address(between: Between) -> None:
    """The key is in the fragment, which no browser sends."""
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/#[A-Za-z0-9_-]{43}", between.gateway.address)


def test_the_login_page(between: Between) -> None:
    """It is one form that needs no script, and its policy allows nothing but what is in it."""
    browser = between.browser()
    page = browser.show()
    assert (page.status, page.fields["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert '<form method="post" action="/login">' in page.text
    assert 'name="key" type="password"' in page.text
    assert browser.key not in page.text
    policy = page.fields["Content-Security-Policy"]
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        found = re.findall(f"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        assert len(found) == 1
        assert f"{directive} 'sha256-{b64encode(sha256(found[0].encode()).digest()).decode()}'" in policy
    assert "default-src 'none'; " in policy
    assert policy.endswith("; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
    assert {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}.items() <= page.fields.items()
    assert " style=" not in page.text
    assert " on" not in re.sub(r"<style>.*?</style>|<script>.*?</script>|<p.*?</p>", "", page.text, flags=re.DOTALL)
    assert browser.ask("HEAD", "/").status == 200
    assert between.asked == []


def test_a_login(between: Between) -> None:
    """After it the root is the daemon's page."""
    browser = between.browser().enter()
    assert browser.cookie.startswith(f"flagman-{browser.port}=")
    assert browser.key not in browser.cookie
    assert browser.ask("GET", "/").json == {"state": "idle"}
    assert browser.ask("GET", "/status").json == {"state": "idle"}


def test_a_login_of_a_program(between: Between) -> None:
    """JSON is answered with JSON."""
    browser = between.browser()
    reply = browser.ask("POST", "/login", json.dumps({"key": browser.key}), Content_Type=JSON)
    assert (reply.status, reply.json) == (200, {})
    browser.cookie = reply.fields["Set-Cookie"].partition(";")[0]
    assert browser.ask("GET", "/status").status == 200


@pytest.mark.usefixtures("at_once")
def test_the_key_is_good_for_one_browser(between: Between) -> None:
    """A second exchange gets the same words as a wrong key, and the first browser stays in."""
    first, second = between.browser(), between.browser()
    wrong = second.form("/login", key="x" * 43)
    assert (wrong.status, wrong.fields.get("Set-Cookie")) == (401, None)
    assert "WWW-Authenticate" not in wrong.fields
    assert "This is not the key, or it has been used." in wrong.text
    first.enter()
    again = second.form("/login", key=second.key)
    assert (again.status, again.body) == (401, wrong.body)
    told = second.ask("POST", "/login", json.dumps({"key": second.key}), Content_Type=JSON)
    assert (told.status, told.message) == (401, second.ask("GET", "/status").message)
    assert first.ask("GET", "/status").status == 200
    assert second.show().text.count("<form") == 1


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "body",
    [
        *("", "{}", "[]", "null", '"KEY"', '["KEY"]', '{"key": null}', '{"key": ["KEY"]}', '{"key": 1}'),
        *('{"key": {"key": "KEY"}}', '{"key": "KEY", "more": ""}', '{"Key": "KEY"}'),
        *('{"key": "\\ud800"}', '{"key": "\\u0000KEY"}'),
    ],
)
def test_what_is_no_key(between: Between, body: str) -> None:
    """It does not use the key up."""
    browser = between.browser()
    reply = browser.ask("POST", "/login", body.replace("KEY", browser.key), Content_Type=JSON)
    assert (reply.status, reply.fields.get("Set-Cookie")) == (401, None)
    browser.enter()


@pytest.mark.usefixtures("at_once")
def test_the_key_is_no_part_of_an_address(between: Between) -> None:
    """In a path or a query it does nothing: those stand in logs and histories."""
    browser = between.browser()
    for target in (f"/?key={browser.key}", f"/{browser.key}", f"/login?key={browser.key}"):
        assert browser.ask("GET", target).fields.get("Set-Cookie") is None
    assert browser.form(f"/login?key={browser.key}").status == 400
    browser.enter()


def test_a_wrong_key_takes_a_while(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered later, so not many can be tried; the right one meanwhile is answered at once."""
    monkeypatch.setattr(routes, "DELAY", 1e6)
    browser = between.browser()
    body = b'{"key":"x"}'
    head = (
        f"POST /login HTTP/1.1\r\nHost: {browser.host}\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"
    )
    guesser = browser.raw()
    guesser.sendall((head.encode() + body) * 5)
    browser.enter()
    guesser.setblocking(False)  # noqa: FBT003 - a method of Python
    with pytest.raises(BlockingIOError):
        guesser.recv(1)
    guesser.close()


def test_a_cookie_that_was_there_before(between: Between) -> None:
    """What a browser brings along never becomes its cookie ("session fixation")."""
    browser, fixed = between.browser(), "theirs"
    browser.cookie = f"{browser.name}={fixed}"
    reply = browser.form("/login", key=browser.key)
    assert fixed not in reply.fields["Set-Cookie"]
    assert browser.ask("GET", "/status").status == 401


def test_huge_cookies(between: Between) -> None:
    """They are refused, or change nothing."""
    browser = between.browser().enter()
    cookie = browser.cookie
    browser.cookie = f"a={'x' * 100_000}; {cookie}"
    assert browser.ask("GET", "/status").status == 431
    browser.cookie = "; ".join([*[f"{browser.name}={number}" for number in range(2000)], cookie])
    assert browser.ask("GET", "/status").status == 200


def test_the_cookie_of_another_gateway(between: Between, open_path: Path) -> None:
    """It has another name, and another value."""
    (open_path / "other").mkdir()
    other = Between(open_path / "other")
    try:
        first, second = between.browser().enter(), other.browser().enter()
        value = second.cookie.partition("=")[2]
        for cookie in (second.cookie, f"{first.name}={value}", f"{second.cookie}; {first.name}={value}"):
            first.cookie = cookie
            assert first.ask("GET", "/status").status == 401
    finally:
        other.close()
        del other.streams[:]


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: HERE\r\n\r\n", b"POST /login HTTP/1.1\r\nHost: HERE\r\n"]
)
def test_clients_without_the_cookie(between: Between, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any user of the machine can connect: however many do, they keep no browser out."""
    monkeypatch.setattr(connection, "STRANGER_SECONDS", 1e6)
    first, late = between.browser().enter(), between.browser()
    strangers = [first.raw() for _ in range(200)]
    try:
        for stranger in strangers:
            with suppress(ConnectionError):
                stranger.sendall(said.replace(b"HERE", first.host.encode()))
        wait_for(lambda: between.gateway._loop.settle(DEADLINE) and len(between.gateway._server._clients) == 64)
        assert first.ask("GET", "/status").status == 200
        assert late.show().status == 200
        late.cookie = first.cookie
        assert late.ask("GET", "/status").status == 200
    finally:
        for stranger in strangers:
            stranger.close()


def test_a_page_that_was_shown_before(between: Between) -> None:
    """Its script is told that it is not let in any more: it does not want the login page."""
    reply = between.browser().ask("GET", "/", Sec_Fetch_Site="same-origin", Sec_Fetch_Dest="empty", Accept="text/html")
    assert (reply.status, reply.message) == (401, "open the address that flagmanctl page has printed")


# What is passed on.


@pytest.mark.parametrize("path", routes._SHOWN)
def test_what_is_shown(between: Between, path: str) -> None:
    """Each path has its route at the daemon, which gets the values of path and query and three fields."""
    browser = between.browser().enter()
    target = path.replace("NAME", "a%2Fb%20%C3%BC%FF%25")
    with browser.begin("GET", f"{target}?n=1&x%26y=%FF+%3D", Accept="a/b", Last_Event_ID="7", X_Other="1") as response:
        assert response.status == 200
    asked, name, query, body, fields = between.asked[-1]
    assert (asked, body) == (f"GET {path}", None)
    assert name == ("a/b \xfc\udcff%" if "NAME" in path else "")
    assert query == {"n": "1", "x&y": "\udcff+="}
    assert fields == {"host": "localhost", "connection": "close", "accept": "a/b", "last-event-id": "7"}
    # No state change by GET: nothing else is asked, and HEAD asks for the same.
    assert browser.ask("HEAD", target).status == 200
    assert [each[0] for each in between.asked] == [f"GET {path}"] * 2


def test_names_in_another_locale(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a browser sends is UTF-8, also where the names of files are not."""
    browser = between.browser().enter()
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("latin-1", "surrogateescape"))
    assert browser.ask("GET", "/processes/%C3%BC%E2%82%AC%FF?n=%E2%82%AC").status == 200
    assert between.asked[-1][1:3] == ("\xfc\u20ac\udcff", {"n": "\u20ac"})


@pytest.mark.parametrize("path", routes._DONE)
def test_what_is_done(between: Between, path: str) -> None:
    """It needs a POST, and the daemon gets the JSON."""
    browser = between.browser().enter()
    between.answer = lambda request: request.reply(202, {"flags": ["usr1"]})
    target = path.replace("NAME", "usr1")
    for method in ("GET", "HEAD"):
        reply = browser.ask(method, target)
        assert (reply.status, reply.fields["Allow"]) == (405, "OPTIONS, POST")
    for method in ("PUT", "DELETE", "PATCH"):
        assert browser.ask(method, target, Origin=browser.origin).status == 405
    assert between.asked == []
    body = '{"signal": "HUP", "\\u00fc": ["\\ud800", 1.5, null]}'
    reply = browser.ask("POST", f"{target}?wait=5s", body, Content_Type=JSON, Origin=browser.origin)
    assert (reply.status, reply.json) == (202, {"flags": ["usr1"]})
    asked, name, query, said, fields = between.asked[-1]
    assert (asked, name, query) == (f"POST {path}", "usr1" if "NAME" in path else "", {"wait": "5s"})
    assert said == {"signal": "HUP", "ü": ["\ud800", 1.5, None]}
    assert not {"origin", "cookie", "sec-fetch-site", "referer"} & fields.keys()
    assert browser.ask("POST", target, Origin=browser.origin).status == 202
    assert between.asked[-1][3] is None
    for kind in ("", "text/plain", "multipart/form-data; boundary=x"):
        assert browser.ask("POST", target, "{}", Origin=browser.origin, Content_Type=kind).status == 415


def test_the_stop_is_not_passed_on(between: Between) -> None:
    """A page does not end the daemon, which nothing may start again."""
    browser = between.browser().enter()
    reply = browser.ask("DELETE", "/", Content_Type=JSON)
    assert (reply.status, reply.fields["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert browser.ask("DELETE", "/", Origin=browser.origin).status == 405
    assert between.asked == []


@pytest.mark.parametrize(
    "path", ["/nope", "//status", "/status/", "/../status", "/./status", "/flags/", "/flags/a/b", "/login"]
)
def test_other_paths(between: Between, path: str) -> None:
    """What is not known here does not reach the daemon."""
    browser = between.browser().enter()
    assert browser.ask("GET", path).status in {404, 405}
    assert between.asked == []


def test_an_error_of_the_daemon(between: Between) -> None:
    """It arrives as it is."""
    browser = between.browser().enter()

    def refuse(_: Request) -> None:
        raise RequestError(404, "no-such-flag", "there is no flag 'x'", headers={"Allow": "GET", "Retry-After": "1"})

    between.answer = refuse
    reply = browser.ask("POST", "/flags/x", Origin=browser.origin)
    assert (reply.status, reply.message) == (404, "there is no flag 'x'")
    assert {"Allow": "GET", "Retry-After": "1"}.items() <= reply.fields.items()


def test_a_long_answer(between: Between) -> None:
    """It arrives whole."""
    between.answer = lambda request: request.reply(200, BIG)
    assert between.browser().enter().ask("GET", "/history").json == BIG


def test_many_requests_on_one_connection(between: Between) -> None:
    """Each has an answer, in their order."""
    browser = between.browser().enter()
    client = browser.raw()
    head = f"HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {browser.cookie}\r\n"
    client.sendall(f"GET /status {head}\r\nGET /nope {head}\r\nGET /ready {head}Connection: close\r\n\r\n".encode())
    answers = b"".join(iter(lambda: client.recv(65536), b""))
    client.close()
    assert re.findall(rb"HTTP/1\.1 ([0-9]+)", answers) == [b"200", b"404", b"200"]


def test_a_client_that_goes(between: Between) -> None:
    """The daemon is not asked any longer."""
    browser = between.browser().enter()
    waiting: list[Request] = []
    gone: list[str] = []

    def keep(request: Request) -> None:
        request.on_gone = lambda: gone.append("gone")
        waiting.append(request)

    between.answer = keep
    client = browser.raw()
    client.sendall(f"GET /ready?wait HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {browser.cookie}\r\n\r\n".encode())
    wait_for(lambda: waiting)
    client.close()
    wait_for(lambda: gone)
    waiting.clear()


def test_a_client_that_does_not_wait(between: Between) -> None:
    """It may send its next request before it has the answer to the one before; that costs no more than a look."""
    browser = between.browser().enter()
    waiting: list[Request] = []
    between.answer = waiting.append
    client = browser.raw()
    request = f"GET /ready?wait HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {browser.cookie}\r\n\r\n".encode()
    client.sendall(request * 3)
    assert between.daemon is not None
    for _ in range(3):
        wait_for(lambda: waiting)
        between.daemon.loop.call(waiting.pop().reply, 200, {"ready": True})
        answer = client.recv(65536)
        while not answer.endswith(b"}\n"):
            answer += client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    client.close()


# The page, and its forms.


def test_the_page(between: Between) -> None:
    """Its policy is passed on; it tells from where its forms come, or its own forms would be refused."""
    browser = between.browser().enter()
    between.answer = lambda request: request.reply(200, Content("text/html; charset=utf-8", PAGE, POLICY))
    page = browser.show()
    assert (page.status, page.body, page.fields["Content-Type"]) == (200, PAGE, "text/html; charset=utf-8")
    assert page.fields["Content-Security-Policy"] == "default-src 'none'"
    assert page.fields["Referrer-Policy"] == "same-origin"
    assert "X-Other" not in page.fields
    assert between.asked[-1][4]["accept"].startswith("text/html,")


@pytest.mark.parametrize(
    ("path", "answer", "code"),
    [
        ("/flags/usr1", (202, {"flags": ["usr1"]}), "raised"),
        ("/reload", (200, {"kept": []}), "reloaded"),
        ("/processes/web/stop", (202, {"process": "web"}), "noted"),
        ("/processes/web/start", (200, {"wish": {"outcome": "reached"}}), "started"),
        ("/processes/web/stop", (200, {"wish": {"outcome": "reached"}}), "stopped"),
        ("/processes/web/restart", (200, {"wish": {"outcome": "reached"}}), "restarted"),
        ("/processes/web/restart", (200, {"wish": {"outcome": "failed"}}), "failed"),
        ("/processes/web/stop", (200, {"wish": {"outcome": "superseded by start (#8)"}}), "superseded"),
        ("/processes/web/stop", (200, {"wish": {"outcome": "<script>"}}), "noted"),
        ("/processes/web/stop", (200, {"wish": {"outcome": 7}}), "noted"),
        ("/processes/web/start", (404, {"error": {"code": "no-such-process", "message": ""}}), "no-such-process"),
        ("/processes/web/stop", (504, {"error": {"code": "not-in-time", "message": ""}}), "not-in-time"),
        ("/processes/web/start", (503, {"error": {"code": "stopping", "message": ""}}), "stopping"),
        ("/flags/usr1", (404, {"error": {"code": "no-such-flag", "message": "<b>"}}), "no-such-flag"),
        ("/flags/usr1", (409, {"error": {"code": "closed", "message": ""}}), "closed"),
        ("/reload", (409, {"error": {"code": "reload-failed", "message": ""}}), "reload-failed"),
        ("/reload", (504, {"error": {"code": "not-in-time", "message": ""}}), "not-in-time"),
        ("/reload", (503, {"error": {"code": "stopping", "message": ""}}), "stopping"),
        ("/reload", (500, {"error": {"code": "<script>", "message": ""}}), "refused"),
        ("/reload", (400, {"error": {"code": ["closed"]}}), "refused"),
        ("/reload", (400, {"error": "closed"}), "refused"),
        ("/reload", (400, ["error"]), "refused"),
        ("/reload", (400, Content("text/html", b"<p>")), "refused"),
    ],
)
def test_a_form(between: Between, path: str, answer: tuple[int, object], code: str) -> None:
    """A browser without JavaScript comes back to the page, which says what came of it in words that are known."""
    browser = between.browser().enter()
    between.answer = lambda request: request.reply(*answer)
    reply = browser.form(path)
    assert (reply.status, reply.fields["Location"], reply.body) == (303, f"/?said={code}", b"")
    asked, *_, query, body, fields = between.asked[-1]
    assert asked == f"POST {path}".replace("/usr1", "/NAME").replace("/web", "/NAME")
    assert (query, body) == ({} if path == "/flags/usr1" else {"wait": "5s"}, None)
    assert "content-type" not in fields
    between.answer = lambda request: request.reply(200, Content("text/html; charset=utf-8", PAGE, POLICY))
    page = browser.ask("GET", reply.fields["Location"], Accept="text/html")
    said = f'<p id="said" role="status">{routes._SAID[code]}</p>'.encode()
    assert page.body == PAGE.replace(b'<p id="said" role="status"></p>', said)
    assert between.asked[-1][2] == {}


def test_words_that_are_not_known(between: Between) -> None:
    """A link cannot make the page say anything else."""
    browser = between.browser().enter()
    between.answer = lambda request: request.reply(200, Content("text/html; charset=utf-8", PAGE, POLICY))
    for said in ("%3Cscript%3E", "", "RAISED", "raised%00"):
        assert browser.ask("GET", f"/?said={said}").body == PAGE
    between.answer = lambda request: request.reply(200, {"state": "idle"})
    assert browser.ask("GET", "/?said=raised").json == {"state": "idle"}


def test_a_form_with_values(between: Between) -> None:
    """They become JSON."""
    browser = between.browser().enter()
    assert browser.form("/processes/web/signal", signal="HUP").status == 303
    assert between.asked[-1][3] == {"signal": "HUP"}


def test_the_form_of_another_page(between: Between) -> None:
    """The daemon does not learn of it, though the browser sends the cookie."""
    browser = between.browser().enter()
    for origin in (f"http://127.0.0.1:{browser.port + 1}", "http://evil.example", "null", ""):
        reply = browser.ask("POST", "/flags/usr1", "", Origin=origin, Content_Type=FORM)
        assert (reply.status, reply.fields.get("Location")) == (403, None)
    for site in ("same-site", "cross-site"):
        assert browser.ask("POST", "/flags/usr1", Origin=browser.origin, Sec_Fetch_Site=site).status == 403
        assert browser.ask("GET", "/status", Sec_Fetch_Site=site).status == 403
    assert browser.ask("GET", "/status", Host="evil.example").status == 400
    assert between.asked == []


# Events.


def test_events(between: Between) -> None:
    """They arrive when they happen; the daemon knows when the reader has gone."""
    browser = between.browser().enter()
    response = browser.begin("GET", "/events?since=x-1")
    assert response.getheader("Content-Type") == "text/event-stream"
    assert response.getheader("Content-Length") is None
    for number in range(3):
        between.feed(b"data: %d\n\n" % number)
        assert response.readline() == b"data: %d\n" % number
        assert response.readline() == b"\n"
    assert between.asked[-1][2] == {"since": "x-1"}
    response.close()
    wait_for(lambda: between.streams[0].is_closed)


def test_the_end_of_events(between: Between) -> None:
    """The reader learns that the daemon has ended."""
    browser = between.browser().enter()
    response = browser.begin("GET", "/events")
    between.feed(b"data: last\n\n")
    assert response.readline() == b"data: last\n"
    between.stop()
    assert response.read() == b"\n"
    response.close()


def test_a_reader_that_stands_still(between: Between) -> None:
    """It holds the daemon's stream back, and changes nothing for others."""
    browser = between.browser().enter()
    stalled = browser.begin("GET", "/events")
    quick = browser.begin("GET", "/events")
    piece = b"data: " + b"x" * 65_536 + b"\n\n"
    count = 200
    between.feed(*[piece] * count)
    between.feed(*[piece] * count, number=1)
    for _ in range(count):
        assert quick.readline() + quick.readline() == piece
    for _ in range(10):
        assert browser.ask("GET", "/status").status == 200
    # What the buffers of the kernel hold, and one piece on each side: 13 MB do not fit.
    assert between.streams[0].taken < count
    assert sum(each.held for each in between.gateway._server._all()) < 300_000
    # Then it goes on where it stood.
    for _ in range(count):
        assert stalled.readline() + stalled.readline() == piece
    for response in (stalled, quick):
        response.close()


def test_a_reader_that_does_not_go_on(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left in the end."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    stalled = between.browser().enter().begin("GET", "/events")
    between.feed(*[b"x" * 65_536] * 200)
    wait_for(lambda: between.streams[0].is_closed)
    wait_for(between.is_idle)
    stalled.close()


# A daemon that is not there, or is none.


def test_a_daemon_that_goes_and_comes_back(between: Between) -> None:
    """Meanwhile the page says so and tries again; the cookie stays good."""
    browser = between.browser().enter()
    between.stop()
    reply = browser.ask("GET", "/status")
    assert (reply.status, reply.message) == (502, "the daemon does not answer: No such file or directory")
    assert browser.ask("GET", "/").status == 502
    asked = browser.ask("GET", "/", Accept="text/html", Sec_Fetch_Site="same-origin", Sec_Fetch_Dest="empty")
    assert (asked.status, asked.message) == (502, reply.message)
    page = browser.show()
    assert page.status == 502
    assert '<meta http-equiv="refresh" content="3; url=/">' in page.text
    assert "default-src 'none'" in page.fields["Content-Security-Policy"]
    assert browser.form("/flags/usr1").fields["Location"] == "/?said=no-answer"
    between.start()
    assert browser.ask("GET", "/status").status == 200
    between.stop()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(between.folder / "control.sock"))
    assert browser.ask("GET", "/status").message == "the daemon does not answer: Connection refused"
    dead.close()


class Strange:
    """Something that listens in the place of the daemon, and says one thing."""

    def __init__(self, between: Between, *said: bytes, closes: bool = True) -> None:
        between.stop()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(between.folder / "control.sock"))
        self._listener.listen()
        self._said = said
        self._closes = closes
        self._clients: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._listener, *self._clients):
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            client.recv(65536)
            with suppress(OSError):
                for each in self._said:
                    client.sendall(each)
                if self._closes:
                    client.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([b""], "it has closed the connection"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le"], "it has closed the connection"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"], "it has closed the connection"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 99 OK\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\nVary: a\rSet-Cookie: b\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\n\r\n{}"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\nno field\r\n\r\n"], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n"], "its answer is longer than 16 MiB"),
        ([b"x" * 1_000_000], "what it says is no answer of flagman"),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000], "what it says is no answer of flagman"),
    ],
)
def test_what_is_no_daemon(between: Between, said: list[bytes], why: str) -> None:
    """It is told, and nothing else comes of it."""
    browser = between.browser().enter()
    with Strange(between, *said):
        reply = browser.ask("GET", "/status")
        assert (reply.status, reply.message) == (502, f"the daemon does not answer: {why}")


def test_an_answer_in_pieces(between: Between) -> None:
    """However it is cut, it arrives; what follows it does not."""
    browser = between.browser().enter()
    answer = b'HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\nSet-Cookie: a=b\r\nLocation: /x\r\n\r\n{"a": 1}rest'
    with Strange(between, *[answer[number : number + 1] for number in range(len(answer))]):
        reply = browser.ask("GET", "/status")
        assert (reply.status, reply.json) == (202, {"a": 1})
        assert not {"Set-Cookie", "Location"} & reply.fields.keys()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]
)
def test_a_daemon_that_hangs(between: Between, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """It is not waited for without an end; others are answered meanwhile."""
    monkeypatch.setattr(exchange, "SECONDS", 0.2)
    monkeypatch.setattr(routes, "SECONDS", 0.2)
    browser = between.browser().enter()
    with Strange(between, said, closes=False):
        reply = browser.ask("GET", "/status")
        assert (reply.status, reply.message) == (502, "the daemon does not answer: it has not answered in time")


def test_a_wait_for_a_daemon_that_hangs(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait for a span is answered after it, and so is a form; only a wait without an end has no limit."""
    monkeypatch.setattr(routes, "SECONDS", 0.2)
    monkeypatch.setattr(routes, "_FOR_FORMS", {"/reload": {"wait": "100ms"}})
    browser = between.browser().enter()
    with Strange(between, b"", closes=False):
        reply = browser.ask("GET", "/ready?wait=100ms")
        assert (reply.status, reply.message) == (502, "the daemon does not answer: it has not answered in time")
        assert browser.form("/reload").fields["Location"] == "/?said=no-answer"
        assert browser.ask("GET", "/ready?wait=x").status == 400


def test_another_user_in_its_place(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another user can listen while the daemon is down, what that user says is not shown."""
    browser = between.browser().enter()
    monkeypatch.setattr(gateway_daemon, "uid_of", lambda _: 12345)
    reply = browser.ask("GET", "/status")
    assert (reply.status, reply.message) == (502, "the daemon does not answer: the user 12345 listens in its place")
    for user in (0, os.geteuid(), None):
        monkeypatch.setattr(gateway_daemon, "uid_of", lambda _, user=user: user)
        assert browser.ask("GET", "/status").status == 200


def test_a_daemon_that_takes_in_no_clients(between: Between) -> None:
    """A full queue is told at once."""
    browser = between.browser().enter()
    between.stop()
    full = socket.socket(socket.AF_UNIX)
    full.bind(str(between.folder / "control.sock"))
    full.listen(0)
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for each in waiting:
        each.setblocking(False)  # noqa: FBT003 - a method of Python
        with suppress(BlockingIOError):
            each.connect(str(between.folder / "control.sock"))
    assert browser.ask("GET", "/status").message == "the daemon does not answer: it takes in no clients"
    for each in (*waiting, full):
        each.close()


def test_no_room_for_a_connection(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files are told as any other reason why there is no answer, and not as a defect."""
    browser = between.browser().enter()

    def fail(_: int) -> socket.socket:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(gateway_daemon, "socket", SimpleNamespace(socket=fail, AF_UNIX=socket.AF_UNIX))
        reply = browser.ask("GET", "/status")
        why = "flagmanctl page has no room for a connection (Too many open files)"
        assert (reply.status, reply.message) == (502, f"the daemon does not answer: {why}")
    assert browser.ask("GET", "/status").status == 200


def test_a_defect_of_the_gateway(
    between: Between, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A browser does not wait for good for an answer that cannot be understood."""
    browser = between.browser().enter()
    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "_take_head", None)
        reply = browser.ask("GET", "/status")
    assert (reply.status, reply.message) == (502, "the daemon does not answer: what it says cannot be passed on")
    assert "TypeError" in caplog.text
    caplog.clear()  # its tracebacks keep what the end of each test looks for


# The gateway itself.


def test_a_port_that_is_taken(between: Between) -> None:
    """It is an error, and leaves nothing behind."""
    before = descriptors(os.getpid()).keys()
    with pytest.raises(OSError, match="Address already in use"):
        Gateway(Daemon("/nowhere", 0), between.browser().port)
    assert descriptors(os.getpid()).keys() == before


def test_a_loop_that_cannot_go_on(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends."""
    gateway = Gateway(Daemon(str(open_path / "x"), 0), 0)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        gateway.start()

        def fail(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(gateway._loop._poller.__class__, "wait", fail)
        gateway._loop.wake()
        assert gateway.wait({signal.SIGTERM}) is None
    finally:
        gateway.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
