"""A request: what is typed after the method and the URL, and the bytes that a server is sent."""

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
_LAST_LATIN_1 = "\xff"
# Methods that mean something with a body of no length.
_WITH_BODY = ("POST", "PUT", "PATCH")
# They follow from the body.
_OURS = ("content-length", "transfer-encoding")
# What no header can have, see RFC 9110, section 5.5.
_CONTROL = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")
# That of a proxy.
_FOR_PROXY = "proxy-authorization"
# Bytes of a file that holds a header: whatever is longer is something else.
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
        """Give the value, which may change where it is in a file.

        :raises OSError: if it cannot be read
        :raises ValueError: if no header can have it
        """
        if not self._file:
            return self._value
        # O_NONBLOCK: a FIFO that nobody writes to would hold up everything.
        descriptor = os.open(self._file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # others can be read once, and empty
                raise ValueError(f"{shown(self._file)}, for the header {self.name}, is not a regular file")
            data = os.read(descriptor, _LONGEST + 1)
        finally:
            os.close(descriptor)
        value = data.strip(b" \t\r\n")
        if not value or len(data) > _LONGEST or _CONTROL.search(value):
            raise ValueError(f"what {shown(self._file)} holds cannot be the header {self.name}")
        return value.decode("latin-1")


class Request:
    """What is asked for.

    :param method: such as GET
    :param url: where
    :param words: a body, and any number of headers
    :raises ValueError: if it is no request
    """

    def __init__(self, method: str, url: str, *words: str) -> None:
        if not _TOKEN.fullmatch(method):
            raise ValueError(f"{method!r} is not a method such as GET or POST")
        self.method = method
        self.url = Url(url)
        if self.url.has_user:
            raise ValueError("a URL with a password in it would be logged; write header=Authorization: ...")
        self.headers: list[Header] = []
        self.body: bytes | None = None
        for word in words:
            if word.startswith(_HEADER):
                self.headers.append(_parse_header(word))
            elif self.body is None:
                self.body = word.encode(errors="surrogateescape")
            else:
                raise ValueError(f"there is a body already; {word!r} is a second one (headers begin with {_HEADER})")

    def head(self, url: Url, target: str, extra: Iterable[tuple[str, str]], *, agent: str, has_body: bool) -> bytes:
        """Give the lines of the request, up to the empty one.

        :param url: where it goes: a redirect may have led away from what was asked for
        :param target: what is asked for there
        :param extra: more headers
        :param agent: how this program calls itself
        :param has_body: the body follows
        :raises OSError: if a header cannot be read
        :raises ValueError: likewise
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
        """Give those headers of ours that are meant for a proxy.

        :raises OSError: if a header cannot be read
        :raises ValueError: likewise
        """
        return self._own(self.url, for_proxy=True)

    def _own(self, url: Url, *, for_proxy: bool) -> list[tuple[str, str]]:
        """Give our own headers, which no other host may see: any of them may be a secret."""
        if not url.is_same_host(self.url):
            return []
        return [
            (header.name, header.read()) for header in self.headers if (header.name.lower() == _FOR_PROXY) is for_proxy
        ]


def as_head(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Give the bytes of a request's head."""
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


def _parse_header(word: str) -> Header:
    name, colon, value = word.removeprefix(_HEADER).partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise ValueError(f"{word!r} is not of the form {_HEADER}Name: value, or {_HEADER}Name:@FILE")
    if name.lower() in _OURS:
        raise ValueError(f"the header {name} follows from the body, and cannot be chosen")
    if value.startswith(_FILE):  # right behind the colon: people are called @somebody, too
        if value == _FILE or "\0" in value:
            raise ValueError(f"{word!r} names no file")
        return Header(name, "", file=value.removeprefix(_FILE))
    if not _is_value(value):
        raise ValueError(f"{word!r} contains a character that no header can have")
    return Header(name, value.strip())


def _is_value(text: str) -> bool:
    return (text.replace("\t", " ").isprintable() or not text) and max(text, default="") <= _LAST_LATIN_1
