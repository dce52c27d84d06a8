"""The parser: strict, the same however its bytes are cut, and with no exception but its own."""

from __future__ import annotations

import json
from string import ascii_letters, digits
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.control.doors import UnixDoor
from flagman.control.parser import Parser
from flagman.service.request_error import RequestError

HOST = b"Host: localhost\r\n"


class Told(NamedTuple):
    """What a request says."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str]
    body: object
    closes: bool


def parsed(*pieces: bytes) -> list[Told | tuple[int, str]]:
    """Return the requests in some bytes that come in pieces, and the error that ends them, if there is one."""
    parser = Parser(UnixDoor(None))
    found: list[Told | tuple[int, str]] = []
    try:
        for piece in pieces:
            parser.feed(piece)
            while (message := parser.next()) is not None:
                found.append(Told(message.method, message.path, message.query, message.body, message.closes))
    except RequestError as error:
        found.append((error.status, error.message))
    return found


def status(*pieces: bytes) -> int:
    """Return the status of the error that some bytes are; 200 for a request."""
    (found,) = parsed(*pieces)
    return 200 if isinstance(found, Told) else found[0]


def test_a_request() -> None:
    """A request has a method, a decoded path and query, and perhaps JSON."""
    data = b"POST /flags/file-%2Fetc%2Fa%20b?wait=5s&empty&eq=a=b HTTP/1.1\r\nhost:localhost\r\nContent-Length: 8\r\n"
    data += b"Content-Type: application/json; charset=utf-8\r\n\r\n" + b'{"a": 1}'
    query = {"wait": "5s", "empty": "", "eq": "a=b"}
    assert parsed(data) == [Told("POST", ("flags", "file-/etc/a b"), query, {"a": 1}, closes=False)]
    assert parsed(*[data[index : index + 1] for index in range(len(data))]) == parsed(data)
    for cut in range(len(data)):
        assert parsed(data[:cut], data[cut:]) == parsed(data)


def test_requests_that_come_together() -> None:
    """Requests may come together, and with empty lines between them."""
    one = b"GET / HTTP/1.1\r\n%b\r\n" % HOST
    assert [message.path for message in parsed(one + one + b"\r\n" + one) if isinstance(message, Told)] == [("",)] * 3


@pytest.mark.parametrize(
    ("start", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive", False),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: x, Close", True),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: x\r\nConnection: close", True),
        (b"GET / HTTP/1.0\r\nHost: localhost", True),
        (b"GET / HTTP/1.0", True),
    ],
)
def test_the_last_request(start: bytes, *, closes: bool) -> None:
    """A client says that a request is its last one; an old client always does."""
    (message,) = parsed(start + b"\r\n\r\n")
    assert isinstance(message, Told)
    assert message.closes is closes


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", ("",)),
        (b"/a//b/", ("a", "", "b", "")),
        (b"/a+b%2b", ("a+b+",)),
        (b"/../x", ("..", "x")),
        (b"/%ff%00", ("\udcff\0",)),
        (b"/%C3%A4", ("\xe4",)),
        (b"http://localhost/status", ("status",)),
        (b"HTTP://127.0.0.1:80", ("",)),
    ],
)
def test_paths(target: bytes, path: tuple[str, ...]) -> None:
    """A path is cut into segments before they are decoded, and each may be any text."""
    (message,) = parsed(b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST))
    assert isinstance(message, Told)
    assert message.path == path


def test_the_server_as_a_whole() -> None:
    """The path ``*`` is one of OPTIONS alone."""
    (message,) = parsed(b"OPTIONS * HTTP/1.1\r\n%b\r\n" % HOST)
    assert isinstance(message, Told)
    assert message.path == ()
    assert status(b"GET * HTTP/1.1\r\n%b\r\n" % HOST) == 400


BAD = {
    b"\0": 0,
    b"GET / HTTP/1.1\n": 400,
    b"GET / HTTP/1.1\r\r\n": 400,
    b"GET  / HTTP/1.1\r\n": 400,
    b"GET /\r\n": 400,
    b" GET / HTTP/1.1\r\n": 400,
    b"G\xc3\xa4T / HTTP/1.1\r\n": 400,
    b"GET / http/1.1\r\n": 400,
    b"GET / HTTP/1.10\r\n": 400,
    b"GET / HTTP/2.0\r\n": 505,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505,
    b"GET / HTTP/0.9\r\n": 505,
    b"\x16\x03\x01\x02\0\x01\n": 400,
}
BAD_TARGETS = [
    b"status",
    b"/%",
    b"/%4",
    b"/%zz",
    b"/%%41",
    b"/a#b",
    b'/"',
    b"/a\\b",
    b"/\xc3\xa4",
    b"/?a=%",
    b"/?a=1&a=2",
    b"/?a=1&%61=2",
    b"/?=1",
    b"/?a&&b",
    b"/?a&",
    b"https://localhost/",
    b"http:///",
    b"//localhost:80:80@/\0",
    b"http://evil.example/",
    b"localhost:80",
]
BAD_FIELDS = {
    b"": 200,
    b"A: b\r\n c\r\n": 400,
    b" A: b\r\n": 400,
    b"A : b\r\n": 400,
    b": b\r\n": 400,
    b"A\r\n": 400,
    b"A: b\n": 400,
    b"A: \0\r\n": 400,
    b"A: a\rb\r\n": 400,
    b"A: \x7f\r\n": 400,
    b"A: \xff\t \r\n": 200,
    b"A:" + b" " * 20_000 + b"x" * 20_000 + b"\0\r\n": 400,
    b"Host: localhost\r\n": 400,
    b"Host:\r\n": 400,
    b"Content-Length: 0\r\n": 200,
    b"Content-Length: 0\r\nContent-Length: 0\r\n": 400,
    b"Content-Length: 0, 0\r\n": 400,
    b"Content-Length: +1\r\n": 400,
    b"Content-Length: -1\r\n": 400,
    b"Content-Length: 1_0\r\n": 400,
    b"Content-Length: \xb2\r\n": 400,
    b"Content-Length:\r\n": 400,
    b"Content-Length: 2\r\n": 415,
    b"Content-Length: 2\r\nContent-Type: text/plain\r\n": 415,
    b"Content-Length: 2\r\nContent-Type: application/json; charset=latin-1\r\n": 415,
    b"Content-Length: 2\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\n": 415,
    b"Content-Length: " + b"9" * 10_000 + b"\r\n": 413,
    b"Content-Length: 65537\r\n": 413,
    b"Transfer-Encoding: chunked\r\n": 411,
    b"Transfer-Encoding: Chunked\r\n": 411,
    b"Transfer-Encoding: gzip\r\n": 501,
    b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n": 501,
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n": 400,
    b"Origin: http://localhost\r\n": 403,
    b"Origin: null\r\n": 403,
    b"Origin:\r\n": 403,
    b"Sec-Fetch-Site: none\r\n": 200,
    b"Sec-Fetch-Site: same-origin\r\n": 403,
    b"Sec-Fetch-Site: None\r\n": 403,
    b"Expect: 200-ok\r\n": 417,
    b"Expect: 100-Continue\r\n": 200,
}


@pytest.mark.parametrize("data", BAD)
def test_bad_first_lines(data: bytes) -> None:
    """A first line that is not exactly that of HTTP/1.1 is refused as soon as it is complete."""
    assert parsed(data) == [] if BAD[data] == 0 else status(data) == BAD[data]


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_bad_targets(target: bytes) -> None:
    """A target that is no path, or badly encoded, is refused."""
    assert status(b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST)) == 400


@pytest.mark.parametrize("fields", BAD_FIELDS)
def test_fields(fields: bytes) -> None:
    """Fields that are malformed, or that could be understood in two ways, are refused."""
    assert status(b"GET / HTTP/1.1\r\n%b%b\r\n" % (HOST, fields)) == BAD_FIELDS[fields]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("localhost:", True),
        ("127.0.0.1", True),
        ("127.0.0.1:80", True),
        ("[::1]", True),
        ("[::ffff:1.2.3.4]:80", True),
        ("", False),
        ("localhost.", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.1", False),
        ("999.0.0.1", False),
        ("::1", False),
        ("[::1", False),
        ("[fe80::1%25eth0]", False),
        ("localhost:x", False),
        ("localhost:123456", False),
        ("user@localhost", False),
        ("localhost, localhost", False),
        ("[]", False),
    ],
)
def test_hosts(host: str, *, is_local: bool) -> None:
    """Only names that no web page can have as its own are accepted."""
    assert status(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == (200 if is_local else 400)
    assert status(b"GET / HTTP/1.1\r\n\r\n") == 400


@pytest.mark.parametrize("body", [b"{", b"\xff", b"\xef\xbb\xbf1", b"NaN", b"1 2", b"[" * 60_000, b"1" * 60_000])
def test_bodies_that_are_no_json(body: bytes) -> None:
    """A body has to be JSON in UTF-8, and not too deep."""
    fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    assert status(b"POST / HTTP/1.1\r\n%b%b\r\n%b" % (HOST, fields, body)) == 400


def test_limits() -> None:
    """Each limit holds exactly, before all has come."""
    line = b"GET /%b HTTP/1.1\r\n"
    room = 8192 - len(line % b"")
    assert status(line % (b"a" * room) + HOST + b"\r\n") == 200
    assert status(line % (b"a" * (room + 1)) + HOST + b"\r\n") == 414
    assert status(b"a" * 8193) == 414
    start = b"GET / HTTP/1.1\r\n" + HOST
    room = 65_536 - len(start) - len(b"a:\r\n\r\n")
    assert status(start + b"a:" + b"b" * room + b"\r\n\r\n") == 200
    assert status(start + b"a:" + b"b" * (room + 1) + b"\r\n\r\n") == 431
    assert status(start, b"a:" + b"b" * 65_536) == 431
    assert status(b"\r\n" * 40_000) == 431
    assert status(start + b"a:b\r\n" * 99 + b"\r\n") == 200
    assert status(start + b"a:b\r\n" * 100) == 431
    body = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    assert status(start + body % 65_536 + b"1".rjust(65_536)) == 200
    assert status(start + body % 65_537) == 413


def test_a_client_that_waits_before_it_sends() -> None:
    """A client that expects a word before it sends the body is told once, and not if the body has come."""
    head = b"POST / HTTP/1.%d\r\n%bContent-Type: application/json\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    parser = Parser(UnixDoor(None))
    for minor, data, wants in ((1, b"", True), (1, b"1", False), (0, b"", False)):
        parser.feed(head % (minor, HOST) + data)
        assert (parser.next() is None) == (not data)
        assert parser.wants_to_go_ahead() is wants
        assert not parser.wants_to_go_ahead()
        if not data:
            parser.feed(b"1")
            assert parser.next() is not None
        assert not parser.has_begun


PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /flags/usr1?wait=5s HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.0\r\n",
        HOST,
        b"Content-Length: 2\r\n",
        b"Content-Length: 70000\r\n",
        b"Content-Type: application/json\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Origin: x\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"{}",
        b"%",
        b" ",
        b"\0",
        b"a" * 9000,
        b"a: b\r\n" * 101,
    ]
)
MESSAGES = st.builds(
    lambda start, pieces: start + b"".join(pieces),
    st.sampled_from([b"", b"GET / HTTP/1.1\r\n" + HOST, b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n" + HOST]),
    st.lists(PIECES | st.binary(max_size=5), max_size=12),
)


@given(MESSAGES | st.binary(), st.lists(st.integers(0, 300)))
def test_bytes_that_are_cut_anywhere(data: bytes, sizes: list[int]) -> None:
    """Whatever comes, and however it is cut, the requests and the error are the same, and no other exception comes."""
    pieces = []
    rest = data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assert parsed(*pieces, rest) == parsed(data)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)
PLAIN = (ascii_letters + digits + "-._~").encode()


def quoted(text: str, flags: list[bool]) -> bytes:
    """Return a text as a part of a target, in which some plain characters are encoded, too."""
    needless = (flags * 20 or [False]) * 100
    return b"".join(
        bytes([byte]) if byte in PLAIN and not needless[index] else b"%%%02x" % byte
        for index, byte in enumerate(text.encode())
    )


@given(
    st.builds(
        Told,
        st.sampled_from(["GET", "POST", "DELETE", "x-!"]),
        st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
        st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=3),
        st.none() | JSON,
        st.booleans(),
    ),
    st.lists(st.booleans(), max_size=5),
)
def test_what_a_client_means_is_what_is_understood(message: Told, flags: list[bool]) -> None:
    """A valid request is understood as it is meant."""
    target = b"/" + b"/".join(quoted(segment, flags) for segment in message.path)
    pairs = [quoted(name, flags) + b"=" + quoted(value, flags) for name, value in message.query.items()]
    target += b"?" + b"&".join(pairs) if pairs else b""
    lines = [message.method.encode() + b" " + target + b" HTTP/1.1", b"hOST: [::1]:80"]
    lines += [b"Connection: close"] if message.closes else []
    content = b"" if message.body is None else json.dumps(message.body).encode()
    lines += [b"Content-Type:application/json \t", b"content-length: %d" % len(content)] if content else []
    assert parsed(b"\r\n".join([*lines, b"", content])) == [message]
