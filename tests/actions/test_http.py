"""HTTP requests to local servers that behave well or badly."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import TYPE_CHECKING

import pytest

from flagman import ActionFailed, Engine, __version__
from flagman.actions import HttpAction
from flagman.engine.turn import Outcome
from flagman.testing import ActionDriver
from support.driven import LIB, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socketserver import TCPServer

    from support.driven import Flagman


# Complete answers.
RAW = {
    "close": b"",
    "garbage": b"no HTTP at all\r\n\r\n",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n12345",
    "escape": b"HTTP/1.1 500 bad \x1b[2J\r\n\r\n\x1b]0;evil\x07",
}


class Handler(BaseHTTPRequestHandler):
    """Answers as the path tells it to, and keeps each request."""

    seen: list[tuple[str, str, dict[str, str], bytes]]
    release: threading.Event

    def answer(self) -> None:
        """Answer as the path tells."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append((self.command, self.path, headers, body))
        word, _, rest = self.path[1:].partition("/")
        if word in RAW:
            self.wfile.write(RAW[word])
        elif word in ("drip", "endless"):
            self.begin(302 if rest else 200, rest)
            with contextlib.suppress(OSError):
                while not self.release.wait(0.01 if word == "drip" else 0):
                    self.wfile.write(b"." * (1 if word == "drip" else 65536))
                    self.wfile.flush()
        else:
            if word == "slow":
                self.release.wait(60)
            self.begin(int(word) if word.isdigit() else 200, rest)
            self.wfile.write(b"the answer\n  of the server" + b"x" * 1000)

    def begin(self, status: int, location: str) -> None:
        """Send the status and the headers."""
        self.send_response(status)
        if location:
            self.send_header("Location", f"/{location}" if "://" not in location else location)
        self.end_headers()

    do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - the names that http.server wants

    def address_string(self) -> str:
        """Return a fixed name, because a Unix socket has no address."""
        return "local"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Server:
    """A server in a thread."""

    def __init__(self, make: Callable[[type[Handler]], TCPServer]) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.release = threading.Event()
        handler = type("Bound", (Handler,), {"seen": self.seen, "release": self.release})
        self.server = make(handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def close(self) -> None:
        """End all requests and the server."""
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(name="server")
def _server() -> Iterator[Server]:
    """Serve HTTP on a local port."""
    server = Server(lambda handler: ThreadingHTTPServer(("127.0.0.1", 0), handler))
    yield server
    server.close()


def request(*arguments: str) -> None:
    """Make one request."""
    with ActionDriver(HttpAction, *arguments) as driver:
        driver.run()


def test_a_request_of_the_daemon(start: Callable[..., Flagman], server: Server) -> None:
    """A daemon sends a request with the given method, body and headers."""
    arguments = ("POST", f"{server.url}/hook?a=b", '{"up": true}', "header=Content-Type: application/json")
    daemon = start("-v", "--usr1", "http", *arguments, "header=X-Token: s:token").ready()
    daemon.signal(signal.SIGUSR1).expect_error(
        f"usr1: http POST '{server.url}/hook?a=b' '***' '***' '***': succeeded in ".replace("'***'", "***")
    )
    daemon.stop()
    ((method, path, headers, body),) = server.seen
    assert (method, path, body) == ("POST", "/hook?a=b", b'{"up": true}')
    assert (headers["content-type"], headers["x-token"]) == ("application/json", "s:token")
    assert headers["user-agent"] == f"flagman/{__version__}"


def test_a_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to a Unix socket goes through no proxy, and no redirect leads away from the socket."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    path = tmp_path / "daemon.sock"
    server = Server(lambda handler: ThreadingUnixStreamServer(str(path), handler))
    try:
        request("GET", f"unix:{path}:/containers/json?all=1")
        request("GET", f"unix:{path}:/302/here")
        with pytest.raises(ActionFailed, match="not followed, because it leads from the socket to http://example"):
            request("GET", f"unix:{path}:/302/http://example.org/")
    finally:
        server.close()
    assert [entry[1] for entry in server.seen[:3]] == ["/containers/json?all=1", "/302/here", "/here"]
    assert server.seen[0][2]["host"] == "localhost"
    with pytest.raises(ActionFailed, match="Connection refused"):
        request("GET", f"unix:{path}:/")


@pytest.mark.parametrize("status", ["400", "404", "500", "503"])
def test_bad_statuses_are_failures(server: Server, status: str) -> None:
    """A bad status is a failure that shows the beginning of the server's answer."""
    with pytest.raises(ActionFailed, match=f"^{status} .*: the answer of the server"):
        request("GET", f"{server.url}/{status}")


@pytest.mark.parametrize("status", ["200", "201", "204", "304"])
def test_good_statuses_are_no_failures(server: Server, status: str) -> None:
    """A good status is no failure, and neither is "not modified"."""
    request("GET", f"{server.url}/{status}")


@pytest.mark.parametrize(
    ("path", "message"), [("close", "closed connection without response"), ("garbage", "no HTTP at all|BadStatusLine")]
)
def test_servers_that_misbehave(server: Server, path: str, message: str) -> None:
    """A server that breaks the protocol is a failure of one line."""
    with pytest.raises(ActionFailed, match=message):
        request("GET", f"{server.url}/{path}")


def test_redirects(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A few redirects are followed, if they stay within the protocol and the method allows it."""
    caplog.set_level(logging.INFO)
    request("GET", f"{server.url}/302/307/good")
    assert [entry[:2] for entry in server.seen] == [
        ("GET", "/302/307/good"),
        ("GET", "/307/good"),
        ("GET", "/good"),
    ]
    for method, code in ("POST", 302), ("POST", 303), ("PUT", 307):
        with pytest.raises(ActionFailed, match=f"{code} .*not followed, because the method is {method}"):
            request(method, f"{server.url}/{code}/good", "body")
    for path in ("302/ftp://127.0.0.1/", "302/file:///etc/passwd", "302/unix:///x:/y"):
        with pytest.raises(ActionFailed, match=r"302 Found: not followed, because it leads from http to "):
            request("GET", f"{server.url}/{path}")
    with pytest.raises(ActionFailed, match=r"302 Found: not followed, .* has no host"):
        request("GET", f"{server.url}/302/http://:1/")
    request("GET", f"{server.url}/{'302/' * 5}good")
    with pytest.raises(ActionFailed, match="302 Found: not followed, because 5 in a row were followed already"):
        request("GET", f"{server.url}/{'302/' * 6}good")


def test_headers_do_not_follow_to_another_host(server: Server) -> None:
    """Headers do not follow a redirect to another host: they were meant for the first, and may be secrets."""
    other = Server(lambda handler: ThreadingHTTPServer(("127.0.0.1", 0), handler))
    try:
        request(
            "GET", f"{server.url}/302/{other.url}/x", "header=Authorization: s", "header=Cookie: s", "header=X-Other: o"
        )
    finally:
        other.close()
    assert server.seen[0][2].keys() >= {"authorization", "cookie", "x-other"}
    assert other.seen[0][2].keys() <= {"user-agent", "host", "accept-encoding", "connection"}


def test_the_body_of_a_redirect_is_not_read(server: Server) -> None:
    """The body of a redirect is not read, because it may have no end."""
    request("GET", f"{server.url}/endless/good")
    assert [entry[1] for entry in server.seen] == ["/endless/good", "/good"]


def test_an_answer_that_ends_early(server: Server) -> None:
    """An answer that ends too early is a failure."""
    with pytest.raises(ActionFailed, match="the answer ends 995 bytes too early"):
        request("GET", f"{server.url}/half")


def test_a_server_has_no_hold_on_the_terminal(server: Server) -> None:
    """Text from a server is shown as one line without control characters."""
    with pytest.raises(ActionFailed) as caught:
        request("GET", f"{server.url}/escape")
    assert str(caught.value) == r"500 bad \x1b[2J: \x1b]0;evil\x07"


def test_a_longer_timeout_overrides_the_own_one(server: Server) -> None:
    """The option --timeout overrides the action's own timeout, also while the server is silent."""
    patience: list[float | None] = []

    class Hasty(HttpAction):
        default_timeout = 0.05

        def _follow(self, limit: float) -> None:
            patience.append(self._patience())
            super()._follow(limit)

    with Engine(timeout=1000) as engine:
        engine.set_up("usr1", Hasty, "GET", f"{server.url}/")
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.run()
    with ActionDriver(Hasty, "GET", f"{server.url}/") as driver:
        driver.run()
    assert patience == [1000, 0.05]


@pytest.mark.parametrize("path", ["slow", "drip"])
def test_a_slow_server_is_a_failure(server: Server, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """The timeout holds for the whole request, even if the server sends a byte now and then."""
    with Engine(timeout=0.2, max_failures=1) as engine:
        engine.set_up("usr1", HttpAction, "GET", f"{server.url}/{path}")
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.FAILED
    assert "it took longer than the timeout of 0.2 s" in caplog.text
    assert HttpAction.default_timeout == 30


def test_a_refused_connection() -> None:
    """A refused connection is a failure at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ActionFailed, match="Connection refused"):
            request("GET", f"http://127.0.0.1:{port}/")


def test_an_unknown_host() -> None:
    """A host that no name server knows is a failure."""
    with pytest.raises(ActionFailed, match=r"Name or service not known|Temporary failure|No address"):
        request("GET", "http://no-such-host.invalid/")


@pytest.fixture(name="tls")
def _tls() -> Iterator[Server]:
    """Serve HTTPS on a local port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LIB / "localhost.pem")

    def make(handler: type[Handler]) -> TCPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        return server

    server = Server(make)
    yield server
    server.close()


def test_a_certificate_that_is_not_trusted(tls: Server) -> None:
    """A certificate that is not trusted is a failure, and so is a server that does not speak TLS."""
    with pytest.raises(ActionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        request("GET", tls.url.replace("http:", "https:"))
    assert not tls.seen


def test_no_way_down_from_tls(tls: Server, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect from HTTPS to HTTP is not followed, because the request was meant to be secret."""
    monkeypatch.setenv("SSL_CERT_FILE", str(LIB / "localhost.pem"))
    url = tls.url.replace("http:", "https:")
    request("GET", f"{url}/good")
    with pytest.raises(ActionFailed, match=r"302 .*not followed, because it leads from https to http:"):
        request("GET", f"{url}/302/{server.url}/good")
    assert len(tls.seen) == 2
    assert not server.seen


def test_a_server_without_tls(server: Server) -> None:
    """A request over HTTPS to a server without TLS fails, and is not repeated over plain HTTP."""
    with pytest.raises(ActionFailed, match="SSL"):
        request("GET", server.url.replace("http:", "https:"))


MISTAKES = {
    "'G T' is not a method": ("G T", "http://x/"),
    "'ftp://x/' is neither http nor https": ("GET", "ftp://x/"),
    "'file:///etc/passwd' is neither http": ("GET", "file:///etc/passwd"),
    "'x' is neither http": ("GET", "x"),
    "'http:///path' has no host": ("GET", "http:///path"),
    "Port could not be cast": ("GET", "http://x:port/"),
    "Port out of range": ("GET", "http://x:99999/"),
    "contains a character that has to be written as %XX": ("GET", "http://x/a b"),
    "would be logged; write header=Authorization": ("GET", "http://me:secret@x/"),
    "'unix:/x.sock' is not of the form": ("GET", "unix:/x.sock"),
    "'unix:x.sock:/' is not of the form": ("GET", "unix:x.sock:/"),
    "a header is not of the form header=NAME: VALUE": ("GET", "http://x/", "header=Name"),
    "is not of the form header=NAME: VALUE, or header=NAME:@FILE": ("GET", "http://x/", "header=: x"),
    "a character that no header may contain": ("GET", "http://x/", "header=A: b\nC: d"),
    "the header A contains a character that no header": ("GET", "http://x/", "header=A: \u20ac"),
    "there is more than one body": ("POST", "http://x/", "one", "two"),
    "takes at least 2 arguments": ("GET",),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes(message: str) -> None:
    """A mistake in the arguments is reported in one line, with status 2."""
    done = run("--usr1", "http", *MISTAKES[message])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("flagman: error: --usr1 http: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_connections_are_closed(server: Server) -> None:
    """Connections are closed after success and after failure."""
    before = len(list(Path("/dev/fd").iterdir()))
    with ActionDriver(HttpAction, "GET", f"{server.url}/") as driver:
        for _ in range(20):
            driver.run()
    for _ in range(20):
        with pytest.raises(ActionFailed):
            request("GET", f"{server.url}/500")
    limit = time.monotonic() + 60
    while len(list(Path("/dev/fd").iterdir())) > before:  # the server's own ends
        assert time.monotonic() < limit
        time.sleep(0.001)
