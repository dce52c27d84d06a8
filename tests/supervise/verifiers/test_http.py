"""The kinds ``http`` and ``https``: servers that answer well, badly, slowly or never."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.verifiers import exchange, tls
from flagman.supervise.verifiers.keys import Mistakes
from flagman.supervise.verifiers.reading import read
from flagman.testing import DEADLINE
from support.driven import wait_for
from support.fake_loop import FakeLoop
from support.verifying import Server, free_port, life_fixture, looped_fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flagman.supervise.verifiers.verification import Verification
    from support.verifying import Begin

    Serve = Callable[..., Server]

__all__ = ["life_fixture", "looped_fixture"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def reads(connection: socket.socket) -> bytes:
    """Read a request."""
    said = b""
    while not said.endswith(b"\r\n\r\n") and (more := connection.recv(65_536)):
        said += more
    return said


class Answers:
    """Answers each request with the next of several answers, and the last one again and again."""

    def __init__(self, *answers: bytes, closes: bool = True) -> None:
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._closes = closes

    def __call__(self, connection: socket.socket) -> None:
        """Answer."""
        request = reads(connection)
        if not request:  # something has looked whether the port answers
            return
        self.requests.append(request)
        connection.sendall(self._answers[0])
        if len(self._answers) > 1:
            del self._answers[0]
        if self._closes:
            connection.shutdown(socket.SHUT_WR)


@pytest.fixture(name="serve")
def _serve() -> Iterator[Serve]:
    """Yield a function that starts servers; they end with the test."""
    servers: list[Server] = []

    def serve(code: Callable[[socket.socket], object], place: object = ("127.0.0.1", 0)) -> Server:
        servers.append(Server(code, place))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def url(server: Server) -> str:
    """Return the URL of a server."""
    return f"http://127.0.0.1:{server.port}/health?full=1"


def last_error(verification: Verification) -> str:
    """Wait for the failure of a try."""
    wait_for(lambda: verification.last_error)
    return verification.last_error


GOOD = {
    "200": (OK, {}),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", {}),
    "an old server": (b"HTTP/1.0 200 OK\r\n\r\nhi", {}),
    "no reason": (b"HTTP/1.1 200\r\n\r\n", {}),
    "lines end with LF": (b"HTTP/1.1 200 OK\nA: b\n\nhi", {}),
    "news before the answer": (b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + OK, {}),
    "the end of the body is missing": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhi", {}),
    "a long body": (b"HTTP/1.1 200 OK\r\n\r\n" + 3_000_000 * b"x", {}),
    "a status that is expected": (b"HTTP/1.1 401 Unauthorized\r\n\r\n", {"expect": 401}),
    "one of several": (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", {"expect": [200, "3xx"]}),
}


@pytest.mark.parametrize(("answer", "more"), GOOD.values(), ids=GOOD)
def test_a_good_answer(life: Begin, serve: Serve, answer: bytes, more: dict[str, object]) -> None:
    """A process that answers with an expected status is ready."""
    server = serve(Answers(answer))
    begun = life({"type": "http", "url": url(server), **more})
    assert begun.verdict() == ""
    assert begun.check.text() == url(server)


BAD = {
    "503": (b"HTTP/1.1 503 Not\x1b[1m Yet\r\n\r\nwait", r"503 Not\x1b[1m Yet"),
    "a redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",
        "302 Found, which leads to /login; redirects are not followed",
    ),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "304 Not Modified"),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101 Switching Protocols"),
    "nothing": (b"", "the server closed the connection without an answer"),
    "another server": (
        b"220 mail.example ESMTP\r\n",
        "what answers does not speak HTTP: '220 mail.example ESMTP\\\\r\\\\n'",
    ),
    "half a head": (b"HTTP/1.1 200 OK\r\nA: b", "HTTPException: the answer ends within its head"),
    "half a line": (b"HTTP/1.", "HTTPException: the answer ends within its head"),
    "no status": (b"HTTP/1.1 abc\r\n\r\n", "BadStatusLine: HTTP/1.1 abc"),
    "a status that cannot be": (b"HTTP/1.1 99 Hm\r\n\r\n", "BadStatusLine: HTTP/1.1 99 Hm"),
    "a huge line": (b"HTTP/1.1 200 " + 200_000 * b"x", "the head of the answer is too long"),
    "a huge head": (b"HTTP/1.1 200 OK\r\n" + 20_000 * b"A: bcdef\r\n", "the head of the answer is too long"),
}


@pytest.mark.parametrize(("answer", "why"), BAD.values(), ids=BAD)
def test_a_bad_answer(life: Begin, serve: Serve, answer: bytes, why: str) -> None:
    """A bad answer is a failure that says what came; when a good one comes, the process is ready."""
    begun = life({"type": "http", "url": url(serve(Answers(answer, OK))), "attempt-timeout": "1m"})
    assert last_error(begun.verification) == why
    assert begun.verdict() == ""
    assert begun.verification.tries == 2


def drips(connection: socket.socket) -> None:
    """Answer one byte at a time, and never the whole head."""
    reads(connection)
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nA: " + 100_000 * b"b":
            connection.sendall(bytes([byte]))
            time.sleep(0.02)


def reads_nothing(_: socket.socket) -> None:
    """Do nothing with a connection."""


@pytest.mark.parametrize("serves", [drips, reads_nothing, reads])
def test_an_answer_that_does_not_end(life: Begin, serve: Serve, serves: Callable[[socket.socket], object]) -> None:
    """A try ends with its time, however much comes until then, and so does the verification."""
    begun = life({"type": "http", "url": url(serve(serves)), "attempt-timeout": "300ms", "timeout": "500ms"})
    assert begun.verdict().endswith("no answer within 500ms (2 tries): no answer within 300ms")


def test_an_answer_without_end(life: Begin, serve: Serve) -> None:
    """The head decides: a body that never ends, or a connection that is not closed, delays nothing."""
    answer = Answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", closes=False)
    assert life({"type": "http", "url": url(serve(answer)), "attempt-timeout": "1m"}).verdict() == ""


def test_a_server_that_closes_at_once(life: Begin, serve: Serve) -> None:
    """A server that resets the connection without reading it has not answered."""

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    begun = life({"type": "http", "url": url(serve(reset))})
    assert last_error(begun.verification) in (
        "Connection reset by peer",
        "the server closed the connection without an answer",
    )


def test_nothing_listens(life: Begin) -> None:
    """If nothing listens, the verdict says so."""
    begun = life({"type": "http", "url": f"http://127.0.0.1:{free_port()}", "timeout": "100ms"})
    assert begun.verdict().endswith(": Connection refused")


def test_the_request(life: Begin, serve: Serve, tmp_path: Path) -> None:
    """The request has the headers of the table, of which one may come from a file."""
    (tmp_path / "token").write_text("Bearer secret\n", encoding="ascii")
    answers = Answers(OK)
    server = serve(answers)
    headers = {"Accept": "text/plain", "Authorization": f"@{tmp_path}/token", "Host": "example.org"}
    assert life({"type": "http", "url": url(server), "headers": headers}).verdict() == ""
    lines = answers.requests[-1].decode().split("\r\n")
    assert lines[0] == "GET /health?full=1 HTTP/1.1"
    assert {"Accept: text/plain", "Authorization: Bearer secret", "Host: example.org", "Connection: close"} <= {*lines}
    (tmp_path / "token").unlink()
    begun = life({"type": "http", "url": url(server)})
    begun.end()


def test_a_unix_socket(life: Begin, serve: Serve, tmp_path: Path) -> None:
    """The server may be at a Unix socket, which can be told in two ways."""
    path = f"{tmp_path}/s"
    answers = Answers(OK)
    serve(answers, path)
    assert life({"type": "http", "url": "http://localhost/health", "unix": path}).verdict() == ""
    begun = life({"type": "http", "url": f"unix:{path}:/health"})
    assert begun.verdict() == ""
    assert begun.check.text() == f"http://localhost/health at {path}"
    assert begun.verification.looked_before() == path
    assert {request.partition(b" HTTP")[0] for request in answers.requests} == {b"GET /health"}


def test_what_answered_before(life: Begin, serve: Serve) -> None:
    """If something answers before the start, with whatever, that is told."""
    server = serve(reads_nothing)
    begun = life({"type": "http", "url": url(server)})
    assert begun.verification.looked_before() == f"127.0.0.1:{server.port}"


@pytest.fixture(name="authority", scope="module")
def _authority() -> trustme.CA:
    """Make an authority."""
    return trustme.CA()


def secured(authority: trustme.CA, *names: str) -> Callable[[socket.socket], None]:
    """Return the code of a server over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection.dup(), server_side=True) as secret:
            secret.settimeout(DEADLINE)
            said = b""
            while not said.endswith(b"\r\n\r\n"):
                said += secret.recv(65_536)
            secret.sendall(OK)

    return answer


@pytest.mark.parametrize("kind", ["http", "https"])
def test_tls(life: Begin, serve: Serve, authority: trustme.CA, tmp_path: Path, kind: str) -> None:
    """Over TLS the certificate has to be signed by a known authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    server = serve(secured(authority, "127.0.0.1"))
    table = {"type": kind, "url": f"https://127.0.0.1:{server.port}/", "attempt-timeout": "1m"}
    assert life({**table, "ca": f"{tmp_path}/ca"}).verdict() == ""
    assert life({**table, "verify": False}).verdict() == ""
    begun = life(table)
    assert "certificate verify failed" in last_error(begun.verification)
    assert begun.verdicts == []


def test_a_certificate_for_another_host(life: Begin, serve: Serve, authority: trustme.CA, tmp_path: Path) -> None:
    """The certificate has to name the host."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    server = serve(secured(authority, "example.org"))
    table = {"type": "https", "url": f"https://127.0.0.1:{server.port}/", "attempt-timeout": "1m"}
    assert "mismatch" in last_error(life({**table, "ca": f"{tmp_path}/ca"}).verification)


@pytest.mark.parametrize(
    ("serves", "why"),
    [
        (reads_nothing, "no answer within 300ms"),
        (lambda connection: connection.sendall(OK), "SSL"),
        (lambda connection: connection.shutdown(socket.SHUT_RDWR), "EOF"),
    ],
)
def test_a_server_without_tls(life: Begin, serve: Serve, serves: Callable[[socket.socket], object], why: str) -> None:
    """A server that does not speak TLS has not answered."""
    table = {"type": "https", "url": f"https://127.0.0.1:{serve(serves).port}/", "attempt-timeout": "300ms"}
    assert why in last_error(life(table).verification)


def test_old_certificates_are_read_again(
    life: Begin, serve: Serve, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the certificates are old, they are read again, and the next try has the new ones."""
    monkeypatch.setattr(tls, "_OLD", 0.0)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca"))
    server = serve(secured(authority, "127.0.0.1"))
    begun = life({"type": "https", "url": f"https://127.0.0.1:{server.port}/", "ca": f"{tmp_path}/ca"})
    assert "certificate verify failed" in last_error(begun.verification)
    (tmp_path / "ca").unlink()
    tries = begun.verification.tries
    wait_for(lambda: begun.verification.tries > tries + 1)
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    assert begun.verdict() == ""


MISTAKES = {
    "no URL": ({}, ["key 'url': is missing; it is a string, such as \"http://127.0.0.1:8000/health\""]),
    "not a URL": (
        {"url": "ftp://a"},
        ["key 'url': 'ftp://a' is neither http nor https nor unix:/path.sock:/request/path"],
    ),
    "a password": (
        {"url": "http://a:b@[::1]"},
        ["key 'url': a URL with a password in it would be logged; write headers"],
    ),
    "https for http": ({"type": "https", "url": "http://[::1]"}, ["key 'url': 'http://[::1]' is not of https"]),
    "no such host": ({"url": "http://a.invalid"}, ["key 'url': the host 'a.invalid' cannot be resolved: "]),
    "headers": (
        {"url": "http://[::1]", "headers": {"A b": "c"}},
        ["key 'headers': 'A b' cannot be the name of a header"],
    ),
    "a header's value": (
        {"url": "http://[::1]", "headers": {"A": "b\nc"}},
        ["key 'headers': the header A contains a character that no header may contain"],
    ),
    "a header's file": (
        {"url": "http://[::1]", "headers": {"A": "@/no/such/file"}},
        ["key 'headers': No such file or directory: '/no/such/file'"],
    ),
    "a header that is a number": (
        {"url": "http://[::1]", "headers": {"A": 3}},
        ["key 'headers': is not a table of strings, such as"],
    ),
    "expect": ({"url": "http://[::1]", "expect": "2xy"}, ["key 'expect': is neither a status, such as 200"]),
    "ca": ({"url": "https://[::1]", "ca": "/no/such"}, ["key 'ca': '/no/such' cannot be used: No such file"]),
    "ca without TLS": ({"url": "http://[::1]", "ca": "/no/such"}, ["key 'ca': unknown"]),
    "a long path": ({"url": "http://[::1]", "unix": f"/{200 * 'x'}"}, ["key 'unix': the path of a socket has at most"]),
}


@pytest.mark.parametrize(("table", "messages"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(table: dict[str, object], messages: list[str]) -> None:
    """Each mistake names its key."""
    with pytest.raises(Mistakes) as caught:
        read({"type": "http", **table}, liveness=False)
    assert [found[: len(told)] for found, told in zip(caught.value.messages, messages, strict=True)] == messages


def test_tables_are_compared() -> None:
    """Two tables that say the same are equal, and others are not."""
    table = {"type": "https", "url": "https://[::1]/", "headers": {"A": "b"}, "expect": 200, "verify": False}
    check = read(table, liveness=False)
    assert check == read(dict(table), liveness=False)
    for key, value in {"url": "https://[::1]/a", "headers": {"A": "c"}, "expect": 201, "verify": True}.items():
        assert check != read({**table, key: value}, liveness=False)


class Joined:
    """Connects to what the test has joined, at once."""

    ours: socket.socket

    def __init__(self, *arguments: object) -> None:
        self._on_done = arguments[-1]

    def begin(self) -> None:
        """Report that it is connected."""
        assert callable(self._on_done)
        self._on_done(self.ours, "")

    def cancel(self) -> None:
        """Do nothing."""


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *[b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/", b"100", b"200", b"302", b"503", b" OK", b"\r\n", b"\n", b"\r"],
                *[b"Content-Length: 5", b"Content-Length: -1", b"Transfer-Encoding: chunked", b"Location: /a\x1b"],
                *[b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 103 A\r\n\r\n", b"A: b\r\n", b" ", b":", 70_000 * b"x"],
            ]
        ),
        st.binary(max_size=20),
    ),
    max_size=12,
)


@given(PIECES)
def test_any_answer(pieces: list[bytes]) -> None:
    """Any bytes lead to one answer at the latest when the server closes, to none that has control characters."""
    loop = FakeLoop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - the only parameter there is
    theirs.setblocking(False)  # noqa: FBT003 - as above
    answers: list[str] = []
    with pytest.MonkeyPatch.context() as patch, theirs:
        patch.setattr(Joined, "ours", ours, raising=False)
        patch.setattr(exchange, "Dial", Joined)
        made = exchange.Exchange(
            loop, (), b"GET / HTTP/1.1\r\n\r\n", lambda response: f"status {response.status}", answers.append
        )
        for piece in pieces:
            with suppress(OSError):
                theirs.send(piece)
            loop.ready()
        with suppress(OSError):
            theirs.shutdown(socket.SHUT_WR)
        for _ in range(40):
            loop.ready()
        assert len(answers) == 1
        assert answers[0].isprintable()
        made.cancel()
    loop.ready()
    loop.advance(1)
    assert ours.fileno() == -1
