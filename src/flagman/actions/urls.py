"""URLs, as requests need them: of http and https, and ``unix:/path.sock:/request/path``."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_UNIX = "unix:"
# The host of requests to a socket, as curl calls it.
_LOCAL = "localhost"
_PORTS = {"http": 80, "https": 443}
# What the resolver takes; names with an underscore are in use.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_LONGEST_NAME = 253


class Url:
    """A URL that can be asked.

    :param text: the URL
    :raises ValueError: if it cannot
    """

    def __init__(self, text: str) -> None:
        #: The socket of a local daemon; empty for a host.
        self.path = ""
        if text.startswith(_UNIX):
            self.path, request = _split_unix(text)
            url = f"http://{_LOCAL}{request}"
        else:
            url = text
        if any(ord(character) <= ord(" ") or ord(character) == 127 for character in url):  # noqa: PLR2004 - DEL
            raise ValueError(f"{text!r} contains a character that has to be written as %XX")
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise ValueError(f"{text!r} is neither http nor https nor {_UNIX}/path.sock:/request/path")
        if not (parts.path + parts.query).isascii():
            raise ValueError(f"{text!r} contains a character that has to be written as %XX")
        #: In small letters.
        self.scheme = parts.scheme
        self.has_user = "@" in parts.netloc
        if not parts.hostname:
            raise ValueError(f"{text!r} has no host")
        #: As it is looked up: in ASCII, and without brackets.
        self.host = _host(parts.hostname)
        port = parts.port  # raises ValueError, too
        if port == 0:
            raise ValueError(f"{text!r} has a port that no server can have")
        self.port = port or _PORTS[self.scheme]
        #: What is asked for at the host.
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not self.target.startswith("/"):
            raise ValueError(f"{text!r} has a path that does not begin with a slash")

    @property
    def authority(self) -> str:
        """The host, and its port unless that is the usual one, as the header Host names them."""
        host = self.host.partition("%")[0]  # the zone of an address is nobody else's business
        host = f"[{host}]" if ":" in host else host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def absolute(self) -> str:
        """All of it, for a proxy."""
        return f"{self.scheme}://{self.authority}{self.target}"


def ascii_host(name: str) -> str:
    """Write a name of a host in another script as it is looked up, see :rfc:`5891`.

    :raises ValueError: if it is no name
    """
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{name!r} is not the name of a host: {error.__cause__ or error}") from None


def _host(name: str) -> str:
    """Check a host, and give it in ASCII."""
    if ":" in name:  # urlsplit has looked into the brackets
        from ipaddress import IPv6Address  # noqa: PLC0415 - for addresses alone

        address, percent, zone = name.partition("%")
        IPv6Address(address)
        return f"{address}%{unquote(zone.removeprefix('25'))}" if percent else address  # see RFC 6874
    name = unquote(name)
    if not name.isascii():
        name = ascii_host(name)
    labels = name.removesuffix(".").split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{name!r} is not the name of a host")
    return name.lower()


def _split_unix(url: str) -> tuple[str, str]:
    """Split ``unix:/path.sock:/request/path`` into its paths."""
    path, colon, request = url.removeprefix(_UNIX).partition(":/")
    if not path.startswith("/") or not colon:
        raise ValueError(f"{url!r} is not of the form {_UNIX}/path.sock:/request/path")
    return path, f"/{request}"
