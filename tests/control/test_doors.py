"""The door of an address: what its requests have to show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.control.doors import TcpDoor
from flagman.control.parser import Message, Parser
from flagman.control.token import Token
from flagman.service.request_error import RequestError

TOKEN = b"0123456789abcdef"


def door(host: str = "127.0.0.1", port: int = 9000) -> TcpDoor:
    """Return a door with the token."""
    token = object.__new__(Token)
    token._value = TOKEN
    return TcpDoor(host, port, token)


def judged(head: bytes, of: TcpDoor | None = None) -> Message:
    """Return the request that a head makes."""
    parser = Parser(of or door())
    parser.feed(head)
    message = parser.next()
    assert message is not None
    return message


def status(head: bytes, of: TcpDoor | None = None) -> int:
    """Return the status of the answer to a head; 200 if the request comes in."""
    try:
        judged(head, of)
    except RequestError as error:
        return error.status
    return 200


def head(*fields: bytes, first: bytes = b"GET /status HTTP/1.1", host: bytes = b"Host: 127.0.0.1:9000") -> bytes:
    """Return a head with these fields."""
    return b"".join(line + b"\r\n" for line in (first, host, *fields, b""))


RIGHT = b"Authorization: Bearer " + TOKEN


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
@pytest.mark.parametrize("spaces", [b" ", b"   "])
def test_the_token(scheme: bytes, spaces: bytes) -> None:
    """The name of the scheme is in any case, and spaces follow it, see RFC 9110."""
    assert status(head(b"authorization: \t" + scheme + spaces + TOKEN + b" ")) == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"POST", b"DELETE", b"TRACE", b"PUT", b"X"])
def test_every_method_needs_the_token(method: bytes) -> None:
    """No method is free, not even one that there is not."""
    targets = [b"/", b"/status", b"/nope", b"http://127.0.0.1:9000/"] + [b"*"] * (method == b"OPTIONS")
    for target in targets:
        first = method + b" " + target + b" HTTP/1.1"
        assert status(head(first=first)) == 401
        assert status(head(RIGHT, first=first)) == 200
    assert status(head(first=b"CONNECT 127.0.0.1:9000 HTTP/1.1")) == 400


WRONG = [
    *([], [b"Authorization:"], [b"Authorization: Bearer"], [b"Authorization: Bearer "], [b"Authorization: " + TOKEN]),
    *([b"Authorization: Basic " + TOKEN], [b"Authorization: Bearer\t" + TOKEN], [b"Authorization: Bearer" + TOKEN]),
    *([RIGHT + b"x"], [RIGHT[:-1]], [RIGHT, RIGHT], [b"Authorization: x", RIGHT], [RIGHT + b", " + RIGHT[15:]]),
    *([b"Authorization: Bearer token=" + TOKEN], [RIGHT.upper()], [b"Proxy-" + RIGHT], [b"Cookie: token=" + TOKEN]),
    *([b'Authorization: Bearer "' + TOKEN + b'"'], [b"Authorization: Bearer \xff\xfe"], [RIGHT + b" x"]),
]


@pytest.mark.parametrize("fields", WRONG)
def test_all_that_is_wrong_is_told_alike(fields: list[bytes]) -> None:
    """A token that is missing, malformed or wrong has one answer."""
    answers = []
    for given_ in (fields, []):
        with pytest.raises(RequestError) as caught:
            judged(head(*given_))
        answers.append((caught.value.status, caught.value.body, caught.value.headers))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert answers[0][2] == {"WWW-Authenticate": "Bearer"}
    assert TOKEN.decode() not in str(answers)


def test_the_token_is_not_taken_from_the_target() -> None:
    """A token in the query would be in the logs of proxies."""
    assert status(head(first=b"GET /status?access_token=" + TOKEN + b" HTTP/1.1")) == 401


VALUES = st.binary(max_size=60) | st.builds(
    lambda scheme, gap, token: scheme + gap + token,
    st.sampled_from([b"Bearer", b"bearer", b"Basic", b""]),
    st.sampled_from([b" ", b"  ", b"\t", b"", b", "]),
    st.just(TOKEN) | st.binary(max_size=20),
)


@given(VALUES)
def test_any_authorization(value: bytes) -> None:
    """Whatever the field says, the request comes in with the scheme and the token, and else is refused."""
    scheme, _, given_ = value.strip(b" \t").partition(b" ")
    is_right = scheme.lower() == b"bearer" and given_.lstrip(b" ") == TOKEN
    found = status(head(b"Authorization: " + value))
    assert found == 200 if is_right else found in {400, 401}


@pytest.mark.parametrize(
    ("host", "port", "names"),
    [
        ("127.0.0.1", 9000, {b"127.0.0.1:9000", b"localhost:9000", b"LOCALHOST:9000"}),
        ("[::1]", 9000, {b"[::1]:9000", b"localhost:9000"}),
        ("127.0.0.1", 80, {b"127.0.0.1:80", b"127.0.0.1", b"localhost", b"localhost:80"}),
    ],
)
def test_the_host(host: str, port: int, names: set[bytes]) -> None:
    """Only the address itself is the host: another name, which leads here, is that of a page that means harm."""
    at = door(host, port)
    others = {b"127.0.0.1:9000", b"127.0.0.1:9001", b"127.0.0.1", b"127.0.0.2:9000", b"127.0.0.1:09000", b"[::1]:9000"}
    others |= {b"localhost", b"localhost:9000", b"localhost.:9000", b"evil.example:9000", b"", b"127.0.0.1:9000:9000"}
    others |= {b"0.0.0.0:9000", b"[0:0::1]:9000", b"x@127.0.0.1:9000", b"127.0.0.1:9000, 127.0.0.1:9000"}
    for name in names | others:
        found = status(head(RIGHT, host=b"Host: " + name), at)
        assert found == (200 if name in names else 400), name
    assert status(b"GET / HTTP/1.1\r\n" + RIGHT + b"\r\n\r\n", at) == 400
    assert status(b"GET / HTTP/1.0\r\n" + RIGHT + b"\r\n\r\n", at) == 400


def test_two_hosts() -> None:
    """The field and the first line both have to be right, and there is only one field."""
    assert status(head(RIGHT, b"Host: 127.0.0.1:9000")) == 400
    assert status(head(RIGHT, first=b"GET http://evil.example/status HTTP/1.1")) == 400
    assert status(head(RIGHT, first=b"GET http://127.0.0.1:9000/status HTTP/1.1", host=b"Host: evil.example")) == 400


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"Origin: http://127.0.0.1:9000", 200),
        (b"Origin: http://localhost:9000", 403),
        (b"Origin: https://127.0.0.1:9000", 403),
        (b"Origin: http://127.0.0.1:9001", 403),
        (b"Origin: http://evil.example", 403),
        (b"Origin: null", 403),
        (b"Origin:", 403),
        (b"Origin: 127.0.0.1:9000", 403),
        (b"Origin: http://127.0.0.1:9000, http://evil.example", 403),
        (b"Sec-Fetch-Site: none", 200),
        (b"Sec-Fetch-Site: same-origin", 200),
        (b"Sec-Fetch-Site: same-site", 403),
        (b"Sec-Fetch-Site: cross-site", 403),
    ],
)
def test_web_pages(field: bytes, expected: int) -> None:
    """Pages of other sites are refused, also with the token, and before that is looked at."""
    assert status(head(RIGHT, field)) == expected
    assert status(head(field)) == (401 if expected == 200 else expected)


def test_the_page_of_a_namesake() -> None:
    """What another user serves at the same port of the other family is http://localhost:9000, too."""
    for host, others in ((b"127.0.0.1:9000", b"localhost:9000"), (b"localhost:9000", b"127.0.0.1:9000")):
        assert status(head(RIGHT, b"Origin: http://" + host, host=b"Host: " + host)) == 200
        assert status(head(RIGHT, b"Origin: http://" + others, host=b"Host: " + host)) == 403


@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b""])
def test_a_body_is_json(kind: bytes) -> None:
    """What a form of any page can send is no body that is taken."""
    first = b"POST /flags/usr1 HTTP/1.1"
    fields = (b"Content-Type: " + kind, b"Content-Length: 2")
    assert status(head(RIGHT, *fields, first=first)) == 415
    assert status(head(*fields, first=first)) == 401
    right = head(RIGHT, b"Content-Type: application/json", b"Content-Length: 2", first=first)
    assert judged(right + b"{}").body == {}
