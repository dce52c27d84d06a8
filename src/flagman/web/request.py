"""A request: the words that the user types, and the bytes that are sent to a server."""

from __future__ import annotations

import os
import re
import stat

from flagman.text.shown import shown
from flagman.web.urls import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# A token, see RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER = "header="
_FILE = "@"
# Headers that are often set; a body does not begin with their names.
_HEADER_ALIKE = re.compile(
    "(?:accept|authorization|cache-control|content-encoding|content-type|cookie|host|if-none-match|origin|priority"
    "|referer|user-agent|x-[a-z0-9-]+):",
    re.IGNORECASE,
)
_LAST_LATIN_1 = "\xff"
# Methods for which an empty body means something, so that its length is sent.
_WITH_BODY = ("POST", "PUT", "PATCH")
# Headers that follow from the body, and cannot be chosen.
# Methods are case-sensitive, see RFC 9110, section 9.1, and these are all in capitals.
_USUAL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OURS = ("content-length", "transfer-encoding")
# Bytes that no header can contain, see RFC 9110, section 5.5.
_CONTROL = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")
# The header that is sent to a proxy, and to no other server.
_FOR_PROXY = "proxy-authorization"
# Bytes of a file that holds a header: a longer file is something else.
_LONGEST = 65_536


class Header:
    """A header.

    :param name: as it was written
    :param value: its value
    :param file: a file that holds the value instead; empty if there is none
    """

    def __init__(self, name: str, value: str, file: str = "") -> None:
        self.name = name
        self._value = value
        self._file = file

    def read(self) -> str:
        """Return the value; that of a file is read each time, because it may change.

        :raises OSError: if the file cannot be read
        :raises ValueError: if no header can have this value
        """
        if not self._file:
            return self._value
        # O_NONBLOCK, because a FIFO without a writer would hold up everything.
        descriptor = os.open(self._file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # others may be empty, or readable only once
                raise ValueError(f"{shown(self._file)}, for the header {self.name}, is not a regular file")
            data = os.read(descriptor, _LONGEST + 1)
        finally:
            os.close(descriptor)
        value = data.strip(b" \t\r\n")
        if not value or len(data) > _LONGEST or _CONTROL.search(value):
            raise ValueError(f"the content of {shown(self._file)} cannot be used as the header {self.name}")
        return value.decode("latin-1")


class Request:
    """What to ask a server for.

    :param method: such as GET
    :param url: what the method is for
    :param words: a body, and any number of headers
    :raises ValueError: if one of these is not valid
    """

    def __init__(self, method: str, url: str, *words: str) -> None:
        if not _TOKEN.fullmatch(method):
            raise ValueError(f"{method!r} is not a method such as GET or POST")
        self.method = method.upper() if method.upper() in _USUAL else method
        self.url = Url(url)
        if self.url.has_user:
            raise ValueError("a URL with a password in it would be logged; write header=Authorization: ...")
        self.headers: list[Header] = []
        self.body: bytes | None = None
        for word in words:
            if word.startswith(_HEADER):
                self.headers.append(_parse_header(word))
            elif _HEADER_ALIKE.match(word):
                raise ValueError(
                    f"{word.partition(':')[0]!r} looks like a header; write {_HEADER}{word.partition(':')[0]}: ..."
                )
            elif self.body is None:
                self.body = word.encode(errors="surrogateescape")
            else:
                raise ValueError(f"there is more than one body; headers begin with {_HEADER}")

    def head(self, url: Url, target: str, extra: Iterable[tuple[str, str]], *, agent: str, has_body: bool) -> bytes:
        """Return the lines of the request, up to the empty one.

        :param url: where it goes; after a redirect that is not the URL of this request
        :param target: the path, or the URL, in the first line
        :param extra: more headers
        :param agent: the name of this program, for User-Agent
        :param has_body: whether the body follows
        :raises OSError: if the file of a header cannot be read
        :raises ValueError: if what it holds cannot be a header
        """
        own = self._own(url, for_proxy=False)
        given = {name.lower() for name, _ in own}
        headers = [
            ("Host", url.authority),
            ("User-Agent", agent),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        if has_body and self.body is not None:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        headers = [(name, value) for name, value in headers if name.lower() not in given]
        if has_body and (self.body is not None or self.method in _WITH_BODY):
            headers.append(("Content-Length", str(len(self.body or b""))))
        return as_head(f"{self.method} {target} HTTP/1.1", [*headers, *extra, *own])

    def for_proxy(self) -> list[tuple[str, str]]:
        """Return those of our own headers that are meant for a proxy.

        :raises OSError: if the file of a header cannot be read
        :raises ValueError: if what it holds cannot be a header
        """
        return self._own(self.url, for_proxy=True)

    def _own(self, url: Url, *, for_proxy: bool) -> list[tuple[str, str]]:
        """Return our own headers; none for another host, because any of them may be a secret."""
        if not url.is_same_host(self.url):
            return []
        return [
            (header.name, header.read()) for header in self.headers if (header.name.lower() == _FOR_PROXY) is for_proxy
        ]


def as_head(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the bytes of a request's head."""
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


def _parse_header(word: str) -> Header:
    name, colon, value = word.removeprefix(_HEADER).partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise ValueError(f"a header is not of the form {_HEADER}NAME: VALUE, or {_HEADER}NAME:@FILE")
    if name.lower() in _OURS:
        raise ValueError(f"the header {name} follows from the body, and cannot be set")
    if value.startswith(_FILE):  # only right behind the colon, because a value may begin with @, too
        if value == _FILE or "\0" in value:
            raise ValueError(f"{word!r} names no file")
        return Header(name, "", file=value.removeprefix(_FILE))
    if not _is_value(value):
        raise ValueError(f"the header {name} contains a character that no header may contain")
    return Header(name, value.strip())


def _is_value(text: str) -> bool:
    return (text.replace("\t", " ").isprintable() or not text) and max(text, default="") <= _LAST_LATIN_1
