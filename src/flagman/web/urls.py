"""URLs, as requests need them: of http and https, and ``unix:/path.sock:/request/path``."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urljoin, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from urllib.parse import SplitResult

_UNIX = "unix:"
# The host of requests to a socket, as curl calls it.
_LOCAL = "localhost"
#: The usual port of each scheme that is supported.
PORTS = {"http": 80, "https": 443}
# A part of a name that the resolver accepts; names with an underscore are in use.
_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}", re.IGNORECASE)
_LONGEST_NAME = 253
# An address, and perhaps a zone, see RFC 6874.
_BRACKETS = re.compile(r"\[([0-9a-f:.]+)(?:(?:%25|%(?!25))([a-z0-9._~-]+))?\](?::[0-9]*)?", re.IGNORECASE)
# Two standards disagree about what these become, so the request may go to another host than the user thinks.
_DISPUTED = re.compile("[\u00df\u03c2\u200c\u200d]")
# Bytes of the path of a socket, see unix(7).
_LONGEST_PATH = 107


class Url:
    """A URL that can be requested.

    :param text: the URL
    :raises ValueError: if it is not valid, or of another scheme
    """

    def __init__(self, text: str) -> None:
        #: The socket of a local daemon; empty for a host.
        self.path = ""
        url = text
        if text.startswith(_UNIX):
            self.path, request = _split_unix(text)
            url = f"http://{_LOCAL}{request}"
        text = _without_user(text)  # in messages
        if any(ord(character) <= ord(" ") or ord(character) == 127 for character in url):  # noqa: PLR2004 - DEL
            raise ValueError(f"{text!r} contains a character that has to be written as %XX")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
        if parts.scheme not in PORTS:
            raise ValueError(f"{text!r} is neither http nor https nor {_UNIX}/path.sock:/request/path")
        if not (parts.path + parts.query).isascii():
            raise ValueError(f"{text!r} contains a character that has to be written as %XX")
        #: ``http`` or ``https``.
        self.scheme = parts.scheme
        self.has_user = "@" in parts.netloc
        #: The host as it is looked up: in ASCII and without brackets; an IPv6 address may have a zone behind a %.
        self.host = host_of(parts, text)
        if port == 0:
            raise ValueError(f"{text!r} has the port 0, which cannot be used")
        self.port = port or PORTS[self.scheme]
        #: The path and the query, which the host is asked for.
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not self.target.startswith("/"):
            raise ValueError(f"{text!r} has a path that does not begin with a slash")

    @property
    def name(self) -> str:
        """The host without a zone, which has a meaning only on this machine."""
        return self.host.partition("%")[0]

    @property
    def bracketed(self) -> str:
        """The name as it is written in front of a port: an IPv6 address is in brackets."""
        return f"[{self.name}]" if ":" in self.name else self.name

    @property
    def authority(self) -> str:
        """The host, and its port unless that is the usual one, as the header Host names them."""
        return self.bracketed if self.port == PORTS[self.scheme] else f"{self.bracketed}:{self.port}"

    @property
    def absolute(self) -> str:
        """The whole URL, for a proxy."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def is_same_host(self, other: Url) -> bool:
        """Return whether another URL has the same host and port; the usual ports of the two schemes count as equal."""
        return (self.path, self.host, self.authority) == (other.path, other.host, other.authority)

    def joined(self, location: str) -> Url:
        """Return the URL to which a redirect leads.

        :param location: a URL of http or https, or one relative to this
        :raises ValueError: if it cannot be requested
        """
        new = Url(urljoin(self.absolute, location))
        if new.name == self.name:
            new.host = self.host  # keep the zone
        new.path = self.path
        return new


def _without_user(text: str) -> str:
    """Return a URL with ``***`` in the place of the user and the password, if it has any."""
    scheme, slashes, rest = text.partition("://")
    place, slash, target = rest.partition("/")
    _, at, host = place.rpartition("@")
    return f"{scheme}{slashes}***@{host}{slash}{target}" if at else text


def host_of(parts: SplitResult, text: str) -> str:
    """Check a host, and return it in ASCII.

    :param parts: of the URL
    :param text: the URL, for messages
    :raises ValueError: if it is not a host's name or address
    """
    if not parts.hostname:
        raise ValueError(f"{text!r} has no host")
    place = parts.netloc.rpartition("@")[2]
    if place.startswith("["):
        match = _BRACKETS.fullmatch(place)
        if match is None:
            raise ValueError(f"{text!r} has brackets, but no address in them")
        from ipaddress import IPv6Address  # noqa: PLC0415 - only for addresses

        IPv6Address(match[1])
        return f"{match[1]}%{match[2]}" if match[2] else match[1]
    name = unquote(parts.hostname)
    if not name.isascii():
        name = ascii_host(name)
    labels = name.removesuffix(".").split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{name!r} is not the name of a host")
    return name.lower()


def ascii_host(name: str) -> str:
    """Return the name of a host, in another script, in the form that is looked up, see :rfc:`3490`.

    :raises ValueError: if it is not the name of a host
    """
    if found := _DISPUTED.search(name):
        raise ValueError(f"{name!r} contains {found[0]!r}: write the host in its ASCII form, which begins with xn--")
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{name!r} is not the name of a host: {error.__cause__ or error}") from None


def _split_unix(url: str) -> tuple[str, str]:
    """Split ``unix:/path.sock:/request/path`` into its paths."""
    path, colon, request = url.removeprefix(_UNIX).partition(":/")
    if not path.startswith("/") or not colon:
        raise ValueError(f"{url!r} is not of the form {_UNIX}/path.sock:/request/path")
    if "\0" in path or len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"{url!r} has a socket path that is too long: at most {_LONGEST_PATH} bytes")
    return path, f"/{request}"
