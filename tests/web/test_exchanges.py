"""Complete exchanges with servers that answer byte by byte as a test wants, with TLS, with proxies, and with nginx."""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from flagman import ActionFailed, Engine
from flagman.actions import HttpAction
from flagman.engine.turn import Outcome
from flagman.testing import ActionDriver
from flagman.web import channels, connecting
from support import nginx
from support.background import status_of
from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.driven import Flagman

    Start = Callable[..., Flagman]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEADERS = b"".join(b"X-%d: y\r\n" % number for number in range(2000))


class Raw:
    """A server that handles each connection with a function.

    :param answer: gets the connection, and the head of the request
    :param context: for TLS
    """

    def __init__(
        self,
        answer: Callable[[socket.socket, bytes], object],
        *,
        path: Path | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.heads: list[bytes] = []
        self.over = threading.Event()
        self._answer = answer
        self._context = context
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._socket.bind(str(path) if path else ("127.0.0.1", 0))
        self._socket.listen(50)
        self.port: int = 0 if path else self._socket.getsockname()[1]
        self.url = f"http{'s' if context else ''}://localhost:{self.port}"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._socket.accept()
            if self.over.is_set():
                peer.close()
                return
            self._threads.append(threading.Thread(target=self._one, args=(peer,)))
            self._threads[-1].start()

    def _one(self, peer: socket.socket) -> None:
        with suppress(OSError), ExitStack() as stack:
            stack.enter_context(peer)
            if self.port:  # else unsent data is lost when the connection is closed with a body unread
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                peer = stack.enter_context(self._context.wrap_socket(peer, server_side=True))
            head = b""
            while b"\r\n\r\n" not in head and (more := peer.recv(1)):
                head += more
            self.heads.append(head)
            self._answer(peer, head)

    def close(self) -> None:
        """End all requests and the server."""
        self.over.set()
        with socket.socket(self._socket.family) as last:
            last.connect(self._socket.getsockname())
        for thread in self._threads:
            thread.join()
        self._socket.close()


@pytest.fixture(name="serve")
def _serve() -> Iterator[Callable[..., Raw]]:
    """Yield a function that starts servers; they end with the test."""
    servers: list[Raw] = []

    def start(answer: bytes | Callable[[socket.socket, bytes], object], **options: object) -> Raw:
        code = (lambda peer, _: peer.sendall(answer)) if isinstance(answer, bytes) else answer
        servers.append(Raw(code, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def request(*arguments: str, kind: type[HttpAction] = HttpAction) -> str:
    """Make one request; return what the action says about it."""
    with ActionDriver(kind, *arguments) as driver:
        driver.run()
        return driver.engine.turn.remark


def bounded(*arguments: str, timeout: float = 0.3) -> Outcome:
    """Make one request within this many seconds."""
    with Engine(timeout=timeout, max_failures=1) as engine:
        engine.set_up("usr1", HttpAction, *arguments)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        return engine.run()


def descriptors() -> list[str]:
    """List the open descriptors."""
    return sorted(os.listdir("/dev/fd"))  # noqa: PTH208 - names, not paths


def hang(peer: socket.socket, over: threading.Event, said: bytes, again: bytes = b"") -> None:
    """Send some bytes, and then nothing, or the same bytes again and again."""
    peer.sendall(said)
    while not over.wait(0.02):
        peer.sendall(again)


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\nContent-Length: 10\r\n\r\n" * 3,
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199\r\nX: y\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n" + HEADERS + b"\r\n",
    ],
    ids=["100", "102", "three of 103", "several kinds", "a long one"],
)
def test_what_comes_before_the_answer_is_not_the_answer(
    serve: Callable[..., Raw], before: bytes, tmp_path: Path
) -> None:
    """Informational answers before the real one are skipped, from a host and from a socket."""
    assert request("GET", serve(before + OK).url) == "200 OK"
    serve(before + OK, path=tmp_path / "socket")
    assert request("GET", f"unix:{tmp_path}/socket:/") == "200 OK"
    with pytest.raises(ActionFailed, match=r"500 Oh: no$"):
        request("GET", serve(before + b"HTTP/1.1 500 Oh\r\n\r\nno").url)


def test_another_protocol_is_an_answer(serve: Callable[..., Raw]) -> None:
    """Switching to another protocol is a failure, because HTTP does not follow."""
    with pytest.raises(ActionFailed, match=r"101 Switching Protocols$"):
        request("GET", serve(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 500 no\r\n\r\n").url)


@pytest.mark.parametrize("status", [200, 500])
def test_a_head_of_many_lines(serve: Callable[..., Raw], status: int) -> None:
    """A head of many lines is no failure, and the important headers in it are found."""
    head = b"HTTP/1.1 %d Well\r\n%sContent-Length: 3\r\n\r\nyes" % (status, HEADERS)

    def answer(peer: socket.socket, _: bytes) -> None:
        hang(peer, server.over, head)

    server = serve(answer)
    if status == 200:
        request("GET", server.url)
    else:
        with pytest.raises(ActionFailed, match=r"500 Well: yes$"):
            request("GET", server.url)


@pytest.mark.parametrize("line", [b"X: " + b"y" * 70_000 + b"\r\n", b"X: y\r\n" * 300_000])
def test_a_head_without_an_end(serve: Callable[..., Raw], line: bytes) -> None:
    """A head without an end is given up."""
    with pytest.raises(ActionFailed, match="the head of the answer is too long"):
        request("GET", serve(b"HTTP/1.1 200 OK\r\n" + line).url)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "where", ["/next", "next", "//localhost:{port}/next", "http://me:secret@LOCALHOST:{port}/next"]
)
def test_a_redirect_keeps_the_method(serve: Callable[..., Raw], method: str, status: int, where: str) -> None:
    """A redirect keeps the method wherever it leads, and a user in its URL is not taken for the host."""

    def answer(peer: socket.socket, head: bytes) -> None:
        location = where.format(port=server.port)
        peer.sendall(OK if b" /next " in head else f"HTTP/1.1 {status} x\r\nLocation: {location}\r\n\r\n".encode())

    server = serve(answer)
    request(method, f"{server.url}/", "header=X-Own: yes")
    assert [head.split()[:2] for head in server.heads] == [[method.encode(), b"/"], [method.encode(), b"/next"]]
    assert all(b"X-Own: yes" in head for head in server.heads)
    assert b"secret" not in server.heads[1]


def test_five_redirects_to_the_same_url(serve: Callable[..., Raw]) -> None:
    """A server may redirect to the same URL five times, but no more."""
    left = [5]

    def answer(peer: socket.socket, _: bytes) -> None:
        again = left[0] > 0
        left[0] -= 1
        peer.sendall(b"HTTP/1.1 302 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" if again else OK)

    server = serve(answer)
    request("GET", server.url)
    assert len(server.heads) == 6
    left[0] = 6
    with pytest.raises(ActionFailed, match="302 Again: not followed, because 5 in a row were followed already"):
        request("GET", server.url)


def test_odd_redirects(serve: Callable[..., Raw]) -> None:
    """A redirect without a location is a failure, and characters that should be escaped in it are understood."""
    for status in (300, 302, 304, 305):
        server = serve(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
        with suppress(ActionFailed) if status != 304 else ExitStack():
            request("GET", server.url)
            assert status == 304

    def answer(peer: socket.socket, head: bytes) -> None:
        peer.sendall("HTTP/1.1 302 x\r\nLocation: /b\u00fc cher\r\n\r\n".encode() if b" / " in head else OK)

    server = serve(answer)
    request("GET", server.url)
    assert server.heads[1].startswith(b"GET /b%C3%BC%20cher HTTP/1.1\r\n")


ERRORS = {
    "never ends": lambda peer, over: (peer.sendall(b"\r\nout of disk"), over.wait(DEADLINE)),
    "trickles": lambda peer, over: hang(peer, over, b"\r\nout of disk", b"."),
    "is shorter than announced": lambda peer, _: peer.sendall(b"Content-Length: 1000\r\n\r\nout of disk"),
    "is announced and does not come": lambda peer, over: (
        peer.sendall(b"Content-Length: 9\r\n\r\n"),
        over.wait(DEADLINE),
    ),
    "is chunked without an end": lambda peer, over: (
        peer.sendall(b"Transfer-Encoding: chunked\r\n\r\nb\r\nout of disk\r\n"),
        over.wait(DEADLINE),
    ),
    "is badly chunked": lambda peer, _: peer.sendall(b"Transfer-Encoding: chunked\r\n\r\nout of disk"),
    "is compressed": lambda peer, _: peer.sendall(b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08"),
    "is reset": lambda peer, _: peer.sendall(b"Content-Length: 1000\r\n\r\n"),
}


@pytest.mark.parametrize("timeout", [0.2, 60])
@pytest.mark.parametrize("body", ERRORS)
@pytest.mark.parametrize("status", [404, 503])
def test_an_error_is_told_with_any_body(
    serve: Callable[..., Raw], status: int, body: str, timeout: float, caplog: pytest.LogCaptureFixture
) -> None:
    """An error status is reported even if the body is incomplete or has no end."""

    def answer(peer: socket.socket, _: bytes) -> None:
        peer.sendall(b"HTTP/1.1 %d Bad\r\n" % status)
        ERRORS[body](peer, server.over)  # type: ignore[no-untyped-call]

    server = serve(answer)
    assert bounded("GET", server.url, timeout=timeout) is Outcome.FAILED
    assert f"GET {server.url}: failed after " in caplog.text
    assert f" s: {status} Bad" in caplog.text
    if body in ("never ends", "trickles", "is shorter than announced", "is chunked without an end"):
        assert "Bad: out of disk" in caplog.text


@pytest.fixture(name="authority", scope="session")
def _authority() -> trustme.CA:
    """Return a certificate authority."""
    return trustme.CA()


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return the context of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(name="trusted")
def _trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Trust this authority, and no other."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return authority


@pytest.mark.parametrize("secret", [False, True])
def test_an_early_answer_is_the_answer(serve: Callable[..., Raw], trusted: trustme.CA, *, secret: bool) -> None:
    """An answer before the body was read counts, even in pieces, and even if the server then closes the connection."""
    early = (b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 413 Content Too Large\r\nConnection: close\r\n", b"\r\nno more than 1 MB")

    def answer(peer: socket.socket, _: bytes) -> None:
        for part in early:
            peer.sendall(part)

    context = context_of(trusted.issue_cert("localhost")) if secret else None
    server = serve(answer, context=context)
    with pytest.raises(ActionFailed, match=r"413 Content Too Large: no more than 1 MB$"):
        request("POST", server.url, "x" * 30_000_000)


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize(
    "early", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 2, b"HTT"]
)
def test_what_is_no_answer_does_not_stop_a_body(
    serve: Callable[..., Raw], trusted: trustme.CA, early: bytes, *, secret: bool
) -> None:
    """An informational answer does not stop the body, however early it comes."""
    read = bytearray()

    def answer(peer: socket.socket, _: bytes) -> None:
        peer.sendall(early)
        while len(read) < 8_000_000:
            read.extend(peer.recv(100_000))
        peer.sendall(OK.removeprefix(early))

    context = context_of(trusted.issue_cert("localhost")) if secret else None
    request("POST", serve(answer, context=context).url, "x" * 8_000_000)
    assert len(read) == 8_000_000


@pytest.mark.parametrize("is_read", [True, False])
def test_an_early_success(serve: Callable[..., Raw], *, is_read: bool) -> None:
    """An early success counts only if the server then reads the whole body."""
    read = bytearray()

    def answer(peer: socket.socket, _: bytes) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while is_read and len(read) < 8_000_000:
            read.extend(peer.recv(100_000))
            peer.sendall(b"x" * 1000)

    server = serve(answer)
    if is_read:
        request("POST", server.url, "x" * 8_000_000)
    else:
        with pytest.raises(ActionFailed, match=r"200 OK, but the server has not read the whole body|reset"):
            request("POST", server.url, "x" * 8_000_000)


def test_no_body_follows_a_redirect(serve: Callable[..., Raw]) -> None:
    """No body follows a redirect, because it may be secret, and GET needs none."""
    other = serve(OK)
    server = serve(f"HTTP/1.1 302 x\r\nLocation: {other.url}/\r\n\r\n".encode())
    request("GET", server.url, "token=secret", "header=Content-Type: x")
    assert server.heads[0].count(b"Content-") == 2
    assert b"Content-" not in other.heads[0]


@pytest.mark.parametrize(
    "head",
    [
        b"Location: /next\r\nLocation: /other\r\n",
        b"Location:\r\n /next\r\n",
        b"X: y\r\n Location: /other\r\nlocation: /next\r\n",
        b"Location: /next\r\n" * 200,
        b"Location : /other\r\nLocation: /next\r\n",
    ],
    ids=["twice", "folded", "folded into another", "two hundred", "with a space"],
)
def test_odd_heads_of_a_redirect(serve: Callable[..., Raw], head: bytes) -> None:
    """The first header of a name counts in a redirect, even if it is folded into the next line."""
    server = serve(
        lambda peer, asked: peer.sendall(OK if b" / " not in asked else b"HTTP/1.1 302 x\r\n" + head + b"\r\n")
    )
    request("GET", server.url)
    assert server.heads[1].startswith(b"GET /next ")


def test_a_length_that_is_folded(serve: Callable[..., Raw]) -> None:
    """If Content-Length is folded, the answer still ends there, not when the server closes the connection."""

    def answer(peer: socket.socket, _: bytes) -> None:
        hang(peer, server.over, b"HTTP/1.1\t200 OK\r\nContent-Length:\r\n\t2\r\n\r\nok")

    server = serve(answer)
    request("GET", server.url)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(serve: Callable[..., Raw], status: int) -> None:
    """If the status of an answer allows no body, the answer ends with its head, even if that announces one."""

    def answer(peer: socket.socket, _: bytes) -> None:
        hang(peer, server.over, b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n" % status)

    server = serve(answer)
    request("GET", server.url)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunk"]
)
def test_a_head_that_is_cut_off(serve: Callable[..., Raw], head: bytes) -> None:
    """A head that is cut off is a failure, but an error status in it is still reported."""
    with pytest.raises(ActionFailed, match="the answer ends within its head"):
        request("GET", serve(head).url)
    with pytest.raises(ActionFailed, match="503"):
        request("GET", serve(head.replace(b"200", b"503")).url)


@pytest.mark.parametrize(
    "head", [b"Content-Length: 2, 2\r\n\r\nok", b"Transfer-Encoding: gzip, CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n"]
)
def test_lengths_in_other_words(serve: Callable[..., Raw], head: bytes) -> None:
    """The length of an answer is found in other spellings too."""

    def answer(peer: socket.socket, _: bytes) -> None:
        hang(peer, server.over, b"HTTP/1.1 200 OK\r\n" + head)

    server = serve(answer)
    request("GET", server.url)


def test_a_chunk_of_no_length(start: Start, serve: Callable[..., Raw]) -> None:
    """A chunk with a bad length is not read into memory."""

    def answer(peer: socket.socket, _: bytes) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
        while not server.over.is_set():
            peer.sendall(b"x" * 1_000_000)

    server = serve(answer)
    # Coverage must not be interrupted in the middle of a flood.
    unmeasured = {name: None for name in os.environ if name.startswith("COVERAGE")}
    daemon = start("--timeout", "500ms", "--usr1", "http", "GET", server.url, environment=unmeasured).ready()
    daemon.signal(signal.SIGUSR1).expect_error("took longer than the timeout")
    assert int(status_of(daemon.process.pid)["VmHWM"].split()[0]) < 100_000
    daemon.stop()


def test_messages_about_redirects(serve: Callable[..., Raw]) -> None:
    """A message about a redirect is short, has no password, and shows what the server says."""
    for location, message in (
        ("ftp://me:secret@x/" + "a" * 60_000, r"302 x: not followed, because it leads from http to ftp://x/aaa"),
        ("http://[bad", r"302 x: not followed, .*Invalid IPv6 URL"),
    ):
        server = serve(f"HTTP/1.1 302 x\r\nLocation: {location}\r\n\r\nover there".encode())
        with pytest.raises(ActionFailed, match=message) as caught:
            request("GET", server.url)
        assert str(caught.value).endswith(": over there")
        assert "secret" not in str(caught.value)
        assert len(str(caught.value)) < 1000


def test_no_way_from_a_socket_to_tls(serve: Callable[..., Raw], tmp_path: Path) -> None:
    """A redirect from a socket to HTTPS is not followed, because a socket has no port."""
    serve(b"HTTP/1.1 302 x\r\nLocation: https://localhost/\r\n\r\n", path=tmp_path / "socket")
    with pytest.raises(ActionFailed, match="it leads from the socket to https://localhost/"):
        request("GET", f"unix:{tmp_path}/socket:/")


@pytest.mark.parametrize("secret", [False, True])
def test_a_large_body_arrives(serve: Callable[..., Raw], trusted: trustme.CA, *, secret: bool) -> None:
    """A large body arrives completely, even if the server reads slowly."""
    body = "".join(f"{number:07}\n" for number in range(400_000))
    read = bytearray()

    def answer(peer: socket.socket, _: bytes) -> None:
        while len(read) < len(body):
            read.extend(peer.recv(100_000))
        peer.sendall(OK)

    context = context_of(trusted.issue_cert("localhost")) if secret else None
    request("PUT", serve(answer, context=context).url, body)
    assert read == body.encode()


def test_certificates(serve: Callable[..., Raw], trusted: trustme.CA, caplog: pytest.LogCaptureFixture) -> None:
    """A good certificate is accepted; one that is not trusted, expired or of another host is not."""
    caplog.set_level(logging.INFO)
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert request("GET", serve(OK, context=context_of(trusted.issue_cert("localhost"))).url) == "200 OK"
    for certificate, reason in (
        (trustme.CA().issue_cert("localhost"), "unable to get local issuer certificate"),
        (trusted.issue_cert("localhost", not_before=past, not_after=past), "certificate has expired"),
        (trusted.issue_cert("other.example"), "Hostname mismatch"),
    ):
        server = serve(OK, context=context_of(certificate))
        with pytest.raises(ActionFailed, match=f"CERTIFICATE_VERIFY_FAILED.*{reason}"):
            request("GET", server.url)
        assert not server.heads


def relay(peer: socket.socket, head: bytes) -> None:
    """Relay a connection as a proxy does for CONNECT."""
    port = int(head.split()[1].rpartition(b":")[2])
    with socket.create_connection(("127.0.0.1", port)) as other:
        peer.sendall(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")

        def back() -> None:
            with suppress(OSError, ValueError):
                while data := other.recv(65536):
                    peer.sendall(data)
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=back)
        thread.start()
        with suppress(OSError):
            while data := peer.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        thread.join()


@pytest.mark.parametrize("secret", [False, True])
def test_a_proxy(
    serve: Callable[..., Raw],
    trusted: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    secret: bool,
) -> None:
    """A proxy gets the whole URL of HTTP, and opens a tunnel for HTTPS, also if it speaks TLS itself."""
    caplog.set_level(logging.INFO)
    context = context_of(trusted.issue_cert("localhost")) if secret else None
    proxy = serve(lambda peer, head: relay(peer, head) if b"CONNECT" in head else peer.sendall(OK), context=context)
    read = bytearray()

    def answer(peer: socket.socket, _: bytes) -> None:
        while len(read) < 3_000_000:
            read.extend(peer.recv(100_000))
        peer.sendall(OK)

    server = serve(answer, context=context_of(trusted.issue_cert("localhost")))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy.url.replace("://", "://me:pw@"))
    assert request("GET", "http://no-such-host.invalid:81/a?b") == "200 OK"
    assert proxy.heads[0].startswith(
        b"GET http://no-such-host.invalid:81/a?b HTTP/1.1\r\nHost: no-such-host.invalid:81\r\n"
    )
    assert request("POST", f"{server.url}/a?b", "header=X-Own: yes", "x" * 3_000_000) == "200 OK"
    assert proxy.heads[1].startswith(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n" % ((server.port,) * 2))
    assert all(b"Proxy-Authorization: Basic bWU6cHc=\r\n" in head for head in proxy.heads)
    assert b"X-Own" not in proxy.heads[1]
    assert server.heads[0].startswith(b"POST /a?b HTTP/1.1\r\nHost: localhost:%d\r\n" % server.port)
    assert b"Proxy-" not in server.heads[0]
    mine = "header=proxy-AUTHORIZATION: mine"
    for url in (server.url, "http://no-such-host.invalid/"):
        request("GET", url, mine)
        assert b"proxy-AUTHORIZATION: mine" in proxy.heads[-1]
        assert b"Basic" not in proxy.heads[-1]
    monkeypatch.setenv("no_proxy", f"localhost:{server.port}")
    request("GET", server.url, mine)
    assert len(proxy.heads) == 4
    assert not [head for head in server.heads if b"mine" in head]


def test_a_proxy_that_refuses(serve: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of a proxy that refuses is reported."""
    monkeypatch.setenv("https_proxy", serve(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").url)
    with pytest.raises(ActionFailed, match="the proxy refuses to connect: 407 Proxy Authentication Required"):
        request("GET", "https://localhost:1/")


def test_a_host_in_another_script(serve: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch) -> None:
    """A host in another script is looked up and named in ASCII."""
    server = serve(OK)
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: object, **options: object) -> object:
        looked_up.append(host)
        return real("127.0.0.1", *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for host in ("b\u00fccher.test", "b%C3%BCcher.test"):
        request("GET", f"http://{host}:{server.port}/")
    assert looked_up == ["xn--bcher-kva.test"] * 2
    assert all(f"Host: xn--bcher-kva.test:{server.port}\r\n".encode() in head for head in server.heads)


@pytest.fixture(name="silent")
def _silent() -> Iterator[int]:
    """Yield a port that neither accepts nor refuses a connection, because its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - the only parameter there is
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def leading_to(*ports: int) -> Callable[..., list[object]]:
    """Return a look-up that finds several addresses."""

    def look_up(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]

    return look_up


class Soon(HttpAction):
    """Tries the next address of a host very soon."""

    stagger = 0.1


class Late(HttpAction):
    """Tries the next address of a host late, unless one has failed."""

    stagger = 1000.0


class Bounded(HttpAction):
    """Has a short timeout of its own, with which its waits end."""

    default_timeout = 0.2
    slack = 0.0


def test_the_first_address_is_silent(serve: Callable[..., Raw], silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an address does not answer, the next one is tried after a while, and the first that answers is taken."""
    server = serve(OK)
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(silent, silent, server.port, silent))
    before = descriptors()
    request("GET", "http://many.example/", kind=Soon)
    assert len(server.heads) == 1
    # One that fails makes room for the next at once, even while others are silent.
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(silent, 1, 1, server.port))
    waited: list[str] = []
    real = channels.wait

    def wait(*arguments: object) -> object:
        try:
            return real(*arguments)  # type: ignore[arg-type]
        except TimeoutError:
            waited.append("in vain")
            raise

    monkeypatch.setattr(connecting, "wait", wait)
    request("GET", "http://many.example/", kind=Soon)
    assert waited == ["in vain"]
    server.close()
    server.close = lambda: None  # type: ignore[method-assign]
    assert len(descriptors()) < len(before)


def test_an_address_that_refuses_costs_no_time(serve: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that refuses is followed by the next at once, and if all refuse, that is the failure."""
    server = serve(OK)
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(1, 1, server.port))
    request("GET", "http://many.example/", kind=Late)
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(1, 1))
    with pytest.raises(ActionFailed, match="Connection refused"):
        request("GET", "http://many.example/", kind=Late)
    monkeypatch.setattr(socket, "getaddrinfo", leading_to())
    with pytest.raises(ActionFailed, match="the host has no address"):
        request("GET", "http://many.example/", kind=Late)


STEPS = ["connect", "socket", "TLS", "proxy", "head", "line by line", "body", "trickle", "chunks", "sending"]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_timeout_ends_every_step(  # noqa: PLR0917 - what servers need
    serve: Callable[..., Raw],
    silent: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
    *,
    alone: bool,
) -> None:
    """A timeout ends each step of a request, with an engine's alarm and without an engine."""
    said = {
        "head": (b"", b""),
        "line by line": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        "body": (b"HTTP/1.1 200 OK\r\n\r\nx", b""),
        "trickle": (b"HTTP/1.1 200 OK\r\n\r\nx", b"x"),
        "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    }.get(step, (b"", b""))

    def answer(peer: socket.socket, _: bytes) -> None:
        hang(peer, server.over, *said)

    server = serve(answer)
    words = ["GET", server.url]
    full, first = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    if step == "connect":
        words = ["GET", f"http://127.0.0.1:{silent}/"]
    elif step == "socket":
        full.bind(str(tmp_path / "socket"))
        full.listen(0)
        first.connect(str(tmp_path / "socket"))
        words = ["GET", f"unix:{tmp_path}/socket:/"]
    elif step == "TLS":
        words = ["GET", server.url.replace("http:", "https:")]
    elif step == "proxy":
        monkeypatch.setenv("https_proxy", server.url)
        words = ["GET", "https://x.example/"]
    elif step == "sending":
        words = ["POST", server.url, "x" * 30_000_000]
    before = descriptors()
    if alone:
        action = Bounded(*words)
        with pytest.raises(ActionFailed, match="timed out"):
            action.run()
        action._close()
    else:
        assert bounded(*words, timeout=0.2) is Outcome.FAILED
        assert "it took longer than the timeout of 0.2 s" in caplog.text
    full.close()
    first.close()
    server.close()
    server.close = lambda: None  # type: ignore[method-assign]
    assert len(descriptors()) < len(before)


def test_an_answer_that_came_in_time_is_not_late(start: Start, serve: Callable[..., Raw]) -> None:
    """An answer in time counts even if the daemon alone was stopped meanwhile."""
    go_on = threading.Event()
    server = serve(lambda peer, _: (go_on.wait(DEADLINE), peer.sendall(OK)))
    daemon = start("-v", "--timeout", "2s", "--usr1", "http", "GET", server.url).ready().signal(signal.SIGUSR1)
    while not server.heads:
        time.sleep(0.001)
    daemon.signal(signal.SIGSTOP)
    go_on.set()
    pending = 1 << signal.SIGALRM - 1
    status = Path(f"/proc/{daemon.process.pid}/status")
    while not int(status.read_text(encoding="utf-8").partition("ShdPnd:")[2].split()[0], 16) & pending:
        time.sleep(0.001)
    daemon.signal(signal.SIGCONT).expect_error("200 OK")
    daemon.stop()


def test_a_header_from_a_file(serve: Callable[..., Raw], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A header from a file is read for each request, because secrets change, and is in no command line and no log."""
    path = tmp_path / "token"
    path.write_text("Bearer one\n", encoding="ascii")
    server = serve(OK)
    with ActionDriver(HttpAction, "GET", server.url, f"header=Authorization:@{path}", "header=X: @me") as driver:
        driver.run()
        path.write_text("Bearer two", encoding="ascii")
        driver.run()
        path.write_bytes(b"Bearer \xc3\xa0 \t\r\n")
        driver.run()
        for wrong in ("a\nb", "x" * 70_000, "\x1b", "", "\n"):
            path.write_text(wrong, encoding="ascii")
            with pytest.raises(ActionFailed, match="cannot be used as the header Authorization"):
                driver.run()
        path.unlink()
        with pytest.raises(ActionFailed, match="No such file"):
            driver.run()
    assert [head.partition(b"Bearer ")[2][:3] for head in server.heads] == [b"one", b"two", b"\xc3\xa0\r"]
    assert all(b"\r\nX: @me\r\n" in head for head in server.heads)
    assert "Bearer" not in caplog.text
    with Engine() as engine, pytest.raises(Exception, match="No such file"):
        engine.set_up("usr1", HttpAction, "GET", server.url, f"header=Authorization:@{path}")
    for odd in (tmp_path, "/dev/null", "/dev/stdin"):
        with Engine() as engine, pytest.raises(Exception, match=r"for the header A, is not a regular file"):
            engine.set_up("usr1", HttpAction, "GET", server.url, f"header=A:@{odd}")
    for word in ("header=A:@", "header=A:@\0", "header=Content-Length: 3", "header=Transfer-Encoding: chunked"):
        with pytest.raises(ValueError, match="header"):
            HttpAction.check_arguments("GET", server.url, word)


@pytest.fixture(name="urls")
def _urls(open_path: Path, trusted: trustme.CA) -> Iterator[tuple[str, str]]:
    """Start nginx, and yield its URLs for HTTP and HTTPS."""
    nginx.program()
    certificate = trusted.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(open_path / "server.pem"))
    ports = nginx.unused_ports()
    (open_path / "root" / "folder").mkdir(parents=True)
    (open_path / "root" / "folder" / "index.html").write_text("x" * 300_000, encoding="ascii")
    (open_path / "root").chmod(0o755)
    server = f"""
        listen 127.0.0.1:{ports[0]}; listen 127.0.0.1:{ports[1]} ssl; root {open_path}/root;
        ssl_certificate {open_path}/server.pem; ssl_certificate_key {open_path}/server.pem;
        location /busy {{ return 503 "come back later"; }}
        location /none {{ return 204; }}
    """
    with nginx.serving(open_path, ports[1], server):
        yield f"http://localhost:{ports[0]}", f"https://localhost:{ports[1]}"


def test_nginx(urls: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Requests to nginx work with and without TLS: a file, a redirect, errors, and an early answer."""
    caplog.set_level(logging.INFO)
    for url in urls:
        for method in ("GET", "HEAD"):
            assert request(method, f"{url}/folder") == "200 OK"
        request("GET", f"{url}/none")
        for path, reason in (("nothing", "404 Not Found: <html>"), ("busy", "503 Service .*: come back later$")):
            with pytest.raises(ActionFailed, match=reason):
                request("GET", f"{url}/{path}")
        with pytest.raises(ActionFailed, match="413 Request Entity Too Large"):
            request("POST", f"{url}/folder", "x" * 10_000_000)
        with pytest.raises(ActionFailed, match="405 Not Allowed"):
            request("POST", f"{url}/folder/index.html", "x")
    with pytest.raises(ActionFailed, match="400 Bad Request"):
        request("GET", urls[1].replace("https", "http"))
