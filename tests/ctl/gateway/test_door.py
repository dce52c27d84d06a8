"""The door of the gateway: what it lets in, and with which words it refuses the rest."""

from __future__ import annotations

import pytest

from flagman.ctl.gateway.door import GatewayDoor
from flagman.ctl.gateway.keys import Keys
from flagman.service.request_error import RequestError

HOST = b"127.0.0.1:8080"


class Doorway:
    """A door, and what it says to requests."""

    def __init__(self) -> None:
        self.keys = Keys(8080)
        self.refusals: list[RequestError] = []
        self.door = GatewayDoor(8080, self.keys)
        given = self.keys.exchange(self.keys.key)
        assert given is not None
        self.cookie = given.partition(";")[0].encode()

    def says(self, method: str, path: str, *hosts: bytes, **fields: bytes | None) -> int:
        """Return the status with which a request with the cookie is refused; 200 if it is not."""
        known = {"cookie": self.cookie, **fields}
        texts = {name.replace("_", "-").encode(): value for name, value in known.items() if value is not None}
        try:
            self.door.judge(method, path.split("/")[1:], hosts or [HOST], texts)
        except RequestError as error:
            self.refusals.append(error)
            return error.status
        return 200


@pytest.fixture(name="doorway")
def _doorway() -> Doorway:
    return Doorway()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT", "BREW"])
@pytest.mark.parametrize(
    "path", ["/", "/login", "/status", "/events", "/flags/usr1", "/reload", "//", "/login/", "/nope"]
)
def test_without_the_cookie(doorway: Doorway, method: str, path: str) -> None:
    """Only the login is there, and nothing tells which other paths are."""
    is_login = (method, path) in {("GET", "/"), ("HEAD", "/"), ("POST", "/login")}
    for cookie in (None, b"", b"flagman-8080=x", b"\xff\xfe"):
        status = doorway.says(method, path, cookie=cookie, content_type=b"application/json")
        assert status == (200 if is_login else 401)
    # Above all there is no WWW-Authenticate, after which a browser would ask for a password.
    said = {(error.message, *error.headers) for error in doorway.refusals}
    assert said <= {("open the address that flagmanctl page has printed",)}


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ((HOST,), 200),
        ((b"localhost:8080",), 200),
        ((b"LOCALHOST:8080",), 200),
        ((HOST, HOST), 200),
        ((b"",), 400),
        ((b"127.0.0.1",), 400),
        ((b"127.0.0.1:80",), 400),
        ((b"127.0.0.1:80800",), 400),
        ((b"127.0.0.1:08080",), 400),
        ((b"127.0.0.2:8080",), 400),
        ((b"[::1]:8080",), 400),
        ((b"evil.example:8080",), 400),
        ((b"127.0.0.1:8080.evil.example",), 400),
        ((b"localhost.:8080",), 400),
        ((b"127.0.0.1:8080, evil.example",), 400),
        ((HOST, b"evil.example"), 400),
        ((b"evil.example", HOST), 400),
    ],
)
def test_the_host(doorway: Doorway, hosts: tuple[bytes, ...], status: int) -> None:
    """A site of which the name leads here ("DNS rebinding") is known by that name."""
    assert doorway.says("GET", "/status", *hosts) == status


def test_no_host(doorway: Doorway) -> None:
    """HTTP/1.0 allows none, but this door does not."""
    with pytest.raises(RequestError) as caught:
        doorway.door.judge("GET", ["status"], [], {b"cookie": doorway.cookie})
    assert caught.value.status == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://127.0.0.1:8080", 200),
        (b"http://localhost:8080", 403),
        (b"null", 403),
        (b"", 403),
        (b"https://127.0.0.1:8080", 403),
        (b"http://127.0.0.1", 403),
        (b"http://127.0.0.1:8081", 403),
        (b"http://127.0.0.1:8080/", 403),
        (b"http://evil.example", 403),
        (b"http://127.0.0.1:8080.evil.example", 403),
        (b"http://127.0.0.1:8080, http://evil.example", 403),
    ],
)
def test_the_origin(doorway: Doorway, method: str, origin: bytes, status: int) -> None:
    """The pages of others get nothing, with the cookie or without it."""
    path = "/flags/usr1" if method == "POST" else "/"
    assert doorway.says(method, path, origin=origin) == status
    if status != 200:
        assert doorway.says(method, path, origin=origin, cookie=None) == status
        assert doorway.says("POST", "/login", origin=origin, cookie=None) == status


@pytest.mark.parametrize(
    ("site", "status"), [(b"none", 200), (b"same-origin", 200), (b"same-site", 403), (b"cross-site", 403), (b"x", 403)]
)
def test_the_site(doorway: Doorway, site: bytes, status: int) -> None:
    """Another port of this host is the same site, and not this page: its browser sends the cookie all the same."""
    assert doorway.says("GET", "/", sec_fetch_site=site) == status
    assert doorway.says("GET", "/status", sec_fetch_site=site) == status


@pytest.mark.parametrize("path", ["/login", "/flags/usr1", "/reload"])
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (None, 403),
        (b"application/x-www-form-urlencoded", 403),
        (b"text/plain", 403),
        (b"application/jsonp", 403),
        (b"text/plain; application/json", 403),
        (b"application/json", 200),
        (b"application/json; charset=utf-8", 200),
    ],
)
def test_a_form_without_its_origin(doorway: Doorway, path: str, kind: bytes | None, status: int) -> None:
    """A browser that does not tell from where a form comes could be one that shows the page of another."""
    assert doorway.says("POST", path, content_type=kind) == status
    assert doorway.says("POST", path, content_type=kind, sec_fetch_site=b"none") == status
    assert doorway.says("POST", path, content_type=kind, sec_fetch_site=b"same-origin") == 200
    assert doorway.says("POST", path, content_type=kind, origin=b"http://127.0.0.1:8080") == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"key=abc", {"key": "abc"}),
        (b"key=", {"key": ""}),
        (b"a=1&b=%C3%A4+%26", {"a": "1", "b": "ä &"}),
        (b"a=1&a=2", None),
        (b"a", None),
        (b"&", None),
        (b"key=\xff", None),
        (b"key=%ff", None),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"&".join(b"f%d=1" % number for number in range(21)), None),
    ],
)
@pytest.mark.parametrize(
    "kind", [b"application/x-www-form-urlencoded", b"Application/X-WWW-Form-Urlencoded;charset=UTF-8"]
)
def test_forms(doorway: Doorway, kind: bytes, body: bytes, fields: dict[str, str] | None) -> None:
    """A form becomes an object of texts; what could mean two things is refused."""
    if fields is not None:
        assert doorway.door.decoder(kind)(body) == fields
        return
    with pytest.raises(RequestError) as caught:
        doorway.door.decoder(kind)(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("kind", [b"", b"text/plain", b"multipart/form-data; boundary=x", b"application/x-www-form"])
def test_other_bodies(doorway: Doorway, kind: bytes) -> None:
    """Nothing but JSON and forms is taken."""
    with pytest.raises(RequestError) as caught:
        doorway.door.decoder(kind)
    assert caught.value.status == 415
