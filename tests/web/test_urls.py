"""URLs and proxies: which requests are possible, and through which proxy."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flagman.web.proxies import Proxy, _is_exempt, proxy_for
from flagman.web.request import Request
from flagman.web.urls import Url

GOOD = {
    "http://x": ("http", "x", 80, "/", "x"),
    "HTTPS://X.Example/Path": ("https", "x.example", 443, "/Path", "x.example"),
    "http://x?a=b": ("http", "x", 80, "/?a=b", "x"),
    "http://x:8080/a?b#c": ("http", "x", 8080, "/a?b", "x:8080"),
    "https://x:443/": ("https", "x", 443, "/", "x"),
    "https://x:80/": ("https", "x", 80, "/", "x:80"),
    "http://x:/": ("http", "x", 80, "/", "x"),
    "http://[::1]:81/": ("http", "::1", 81, "/", "[::1]:81"),
    "http://[fe80::1%25eth0]/": ("http", "fe80::1%eth0", 80, "/", "[fe80::1]"),
    "http://b\u00fccher.test/": ("http", "xn--bcher-kva.test", 80, "/", "xn--bcher-kva.test"),
    "http://b%C3%BCcher.test:81/": ("http", "xn--bcher-kva.test", 81, "/", "xn--bcher-kva.test:81"),
    "http://a_b.example./": ("http", "a_b.example.", 80, "/", "a_b.example."),
    "http://foo-.example/": ("http", "foo-.example", 80, "/", "foo-.example"),
    "http://127.0.0.1/%41": ("http", "127.0.0.1", 80, "/%41", "127.0.0.1"),
}


@pytest.mark.parametrize("text", GOOD)
def test_what_a_url_means(text: str) -> None:
    """A URL gives the scheme, the host to look up, the port, the target, and the header Host."""
    url = Url(text)
    assert (url.scheme, url.host, url.port, url.target, url.authority) == GOOD[text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://x y/", "has to be written as %XX"),
        ("http://x/\u00fc", "has to be written as %XX"),
        ("http://x/?\u00fc", "has to be written as %XX"),
        ("http://x\r\n/", "has to be written as %XX"),
        ("http://x/\x7f", "has to be written as %XX"),
        ("http://x..y/", "'x..y' is not the name of a host"),
        ("http://-x/", "'-x' is not the name of a host"),
        ("http://x%0a/", "is not the name of a host"),
        ("http://x%2fy/", "is not the name of a host"),
        ("http://x\\y/", "is not the name of a host"),
        (f"http://{'x' * 64}/", "is not the name of a host"),
        (f"http://{'x.' * 127}y/", "is not the name of a host"),
        ("http://\u00fc" + "x" * 63 + "/", "is not the name of a host"),
        ("http://[::1/", "'http://[::1/': Invalid IPv6 URL"),
        ("http://[::1]x/", "'http://[::1]x/'(?: has brackets, but no address in them|: Invalid IPv6 URL)"),
        ("http://[v1.x]/", "'"),
        ("http://[fe80::1%25]/", "'"),
        ("http://[::1%25x%0d]/", "'"),
        ("http://fa\u00df.test/", "begins with xn--"),
        ("http://x:65536/", "'http://x:65536/': Port out of range"),
        ("unix:/" + "x" * 200 + ":/", "a socket path that is too long"),
        ("unix:/a\0b:/", "a socket path that is too long"),
        ("http://[x]/", "IPv"),
        ("http://x:0/", "the port 0, which cannot be used"),
        ("http://:80/", "has no host"),
        ("http:x", "has no host"),
        ("//x/", "is neither http nor https"),
    ],
)
def test_what_cannot_be_asked(text: str, message: str) -> None:
    """A URL that cannot be requested is refused, and the advice for it leads to no invalid request."""
    with pytest.raises(ValueError, match=message.replace("\\", r"\\").replace(".", r"\.").replace("[", r"\[")):
        Url(text)


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_what_is_good_can_be_sent(text: str) -> None:
    """Any text is refused, or gives a request with one line for itself and one for each header."""
    for url in (text, f"http://{text}", f"http://x/{text}", f"http://x:{text}/", f"unix:/s:/{text}"):
        try:
            request = Request("GET", url, f"header=A: {text}")
        except ValueError:
            continue
        head = request.head(request.url, request.url.target, (), agent="flagman/1", has_body=True)
        lines = head.split(b"\r\n")
        assert lines[0].startswith(b"GET /")
        assert lines[0].count(b" ") == 2
        assert lines[-2:] == [b"", b""]
        assert len(lines) == 8
        assert not any(byte in line for line in lines for byte in (b"\r", b"\n", b"\0"))
        assert request.url.host.isascii()


def test_headers_are_sent_as_they_were_written() -> None:
    """Headers are sent in their order and case, and replace flagman's own."""
    words = (
        "header=X-Tag: one",
        "header=x-tAG:two",
        "header=user-agent: me",
        "header=HOST: other",
        "header=E:",
        "body",
    )
    request = Request("POST", "http://x/", *words)
    assert request.head(request.url, "/", [("P", "q")], agent="flagman/1", has_body=True).decode().split("\r\n") == [
        "POST / HTTP/1.1",
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 4",
        "P: q",
        "X-Tag: one",
        "x-tAG: two",
        "user-agent: me",
        "HOST: other",
        "E: ",
        "",
        "",
    ]


def test_the_zone_of_an_address_is_a_matter_of_this_host() -> None:
    """The zone of an address stays in redirects on the same host, is part of the host's name, and is never sent."""
    url = Url("http://[fe80::1%25eth0]:81/a")
    assert url.absolute == "http://[fe80::1]:81/a"
    assert url.joined("b").host == "fe80::1%eth0"
    assert url.joined("http://[fe80::2]/").host == "fe80::2"
    assert url.is_same_host(url.joined("/c"))
    assert not url.is_same_host(Url("http://[fe80::1%25eth1]:81/a"))
    assert Url("http://x/").is_same_host(Url("https://X/"))
    assert not Url("http://x:80/").is_same_host(Url("https://x:80/"))


PROXIES = {
    "http://p": ("p", 80, False, None),
    "p:3128": ("p", 3128, False, None),
    "https://p": ("p", 443, True, None),
    "HTTP://me:s%40cret@p:1/": ("p", 1, False, "Basic bWU6c0BjcmV0"),
    "http://[::1]:8": ("::1", 8, False, None),
}


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@host:port/",
        "http://user:hunter2@/",
        "http://user:hunter2@host:0/?a=b",
        "ftp://user:hunter2@host/",
        "http://user:hunter2@host/ ",
        "http://us@er:hunter2@[::1/x@y",
    ],
)
def test_no_message_shows_a_password(text: str) -> None:
    """Whatever is wrong with a URL, its message has no password in it."""
    with pytest.raises(ValueError, match=r".") as info:
        Url(text)
    assert "hunter2" not in str(info.value)
    assert "***@" in str(info.value) or "brackets" in str(info.value)


@pytest.mark.parametrize("value", PROXIES)
def test_what_a_proxy_is(value: str) -> None:
    """A proxy is a URL, or a host with a port."""
    proxy = Proxy("http_proxy", value)
    headers = dict(proxy.headers)
    assert (proxy.host, proxy.port, proxy.is_secret, headers.get("Proxy-Authorization")) == PROXIES[value]


@pytest.mark.parametrize(
    "value",
    [
        "socks5://p:1",
        "ftp://p",
        "http://",
        "http://p:port",
        "http://p:99999",
        "http://p:0",
        "a b",
        "a..b:1",
        "h%00",
        "[::1",
    ],
)
def test_what_no_proxy_is(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong proxy is refused before the start, and only for its own scheme."""
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", value)
    for text in (value, f"http://me:secret@{value.rpartition('/')[2]}"):
        monkeypatch.setenv("https_proxy", text if value.startswith("http") or text == value else value)
        with pytest.raises(ValueError, match="the proxy that https_proxy names cannot be used: ") as caught:
            proxy_for(Url("https://x/"))
        assert "secret" not in str(caught.value)
    assert proxy_for(Url("http://x/")) is None


def test_which_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lower-case variable counts first, even if empty; in a CGI script the upper-case one is a request's header."""
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "http_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "capitals:1")
    url = Url("http://x/")
    found = proxy_for(url)
    assert found
    assert found.host == "capitals"
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert proxy_for(url) is None
    monkeypatch.setenv("http_proxy", "small:1")
    found = proxy_for(url)
    assert found
    assert found.host == "small"
    monkeypatch.setenv("NO_PROXY", "x")
    assert proxy_for(url) is None
    monkeypatch.setenv("no_proxy", "")
    assert proxy_for(url)
    monkeypatch.setenv("http_proxy", "")
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "exempt"),
    [
        ("x.example", 80, "*", True),
        ("x.example", 80, "", False),
        ("x.example", 80, "x.example", True),
        ("x.example", 80, "y, X.EXAMPLE", True),
        ("x.example.", 80, "x.example", True),
        ("x.example", 80, "example", True),
        ("x.example", 80, ".example.", True),
        ("x.example", 80, "*.example", True),
        ("xexample", 80, "example", False),
        ("x.example", 80, "x.example:81", False),
        ("x.example", 81, "x.example:81", True),
        ("x.example", 80, ".", False),
        ("xn--bcher-kva.test", 80, "b\u00fccher.test", True),
        ("127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1", 80, "127.0.0.1:80", True),
        ("127.0.0.1", 80, "127.0.0.1:81", False),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8", False),
        ("10.1.2.3", 80, "10.1.2.4/30", False),
        ("10.1.2.3", 80, "0.1.2.3", False),
        ("127.0.0.1", 80, "0.1", False),
        ("::1", 80, "::1", True),
        ("::1", 80, "[::1]", True),
        ("::1", 80, "0:0:0:0:0:0:0:1", True),
        ("::1", 80, "[0:0::1]:80", True),
        ("::1", 80, "[::1]:81", False),
        ("2001:db8::5", 80, "2001:DB8::/32", True),
        ("fe80::1%eth0", 80, "fe80::/10", True),
        ("::ffff:10.1.2.3", 80, "10.0.0.0/8", True),
        ("::1", 80, "localhost", False),
        ("127.1", 80, "127.0.0.0/8", True),
        ("0x7f000001", 80, "127.0.0.1", True),
        ("127.0.0.1.", 80, "127.0.0.1", True),
        ("127.0.0.1", 80, "::ffff:127.0.0.1", True),
        ("1x", 80, "1x", True),
        ("10.1.2.3", 80, "::/0", False),
        ("2001:db8::5", 80, "::/0", True),
        ("face.x", 80, "x", True),
        ("localhost", 80, "127.0.0.1,::1", False),
    ],
)
def test_hosts_without_a_proxy(host: str, port: int, no_proxy: str, *, exempt: bool) -> None:
    """Exceptions may be names, domains, addresses in any spelling, and networks, all with or without a port."""
    assert _is_exempt(host, port, no_proxy) is exempt


@given(st.ip_addresses(), st.integers(0, 128))
def test_every_spelling_of_an_address_is_the_address(address: ipaddress.IPv4Address, prefix: int) -> None:
    """Each spelling of an address, and each network around it, matches the address."""
    assume(prefix <= address.max_prefixlen)
    network = ipaddress.ip_network((address, prefix), strict=False)
    for spelling in (
        address.compressed,
        address.exploded,
        address.exploded.upper(),
        str(network),
        f"{address}/{prefix}",
    ):
        assert _is_exempt(str(address), 80, f"other,{spelling}")


@given(st.text(max_size=30), st.sampled_from(["x.example", "127.0.0.1", "::1"]))
def test_nothing_in_the_variable_is_an_error(no_proxy: str, host: str) -> None:
    """No text in the variable is an error: what has no meaning matches nothing."""
    assert _is_exempt(host, 80, no_proxy) in (True, False)
