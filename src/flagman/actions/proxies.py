"""Proxies: which one the environment names for a URL, and for which hosts it wants none."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from flagman.actions.urls import Url

_PORTS = {"http": 80, "https": 443}


class Proxy:
    """A proxy.

    :param name: of the variable that names it
    :param value: of that variable: a URL, or a host with or without a port
    :raises ValueError: if it is no proxy that can be used
    """

    def __init__(self, name: str, value: str) -> None:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(f"the proxy of {name}: {error}") from None
        if parts.scheme not in _PORTS:
            raise ValueError(f"the proxy of {name} is one for {parts.scheme}, not for http or https")
        if not parts.hostname:
            raise ValueError(f"the proxy of {name} has no host")
        #: It is to be asked with TLS.
        self.is_secret = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or _PORTS[parts.scheme]
        #: What it is told about who asks.
        self.headers: list[tuple[str, str]] = []
        if parts.username is not None:
            from base64 import b64encode  # noqa: PLC0415 - for those who have a password

            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers.append(("Proxy-Authorization", f"Basic {b64encode(who.encode()).decode()}"))


def proxy_for(url: Url) -> Proxy | None:
    """Give the proxy for a URL.

    :raises ValueError: if it cannot be used
    """
    name = f"{url.scheme}_proxy"
    value = _variable(name)
    if not value or _is_exempt(url.host, url.port, _variable("no_proxy")):
        return None
    return Proxy(name, value)


def _variable(name: str) -> str:
    """Read a variable in small letters, or else in capitals; a CGI script's HTTP_PROXY is a header of a request."""
    value = os.environ.get(name)
    if value is None and not (name == "http_proxy" and "REQUEST_METHOD" in os.environ):
        value = os.environ.get(name.upper())
    return (value or "").strip()


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether a host is to be asked directly.

    :param no_proxy: names, domains, addresses and networks, each perhaps with a port, or an asterisk
    """
    entries = no_proxy.replace(",", " ").lower().split()
    if not entries:
        return False
    address = _address(host)
    return any(_matches(entry, host.lower().rstrip("."), port, address) for entry in entries)


def _matches(entry: str, host: str, port: int, address: IPv4Address | IPv6Address | None) -> bool:
    if entry == "*":
        return True
    name, wanted = _split(entry)
    if wanted is not None and wanted != str(port):
        return False
    if address is None:
        name = name.removeprefix("*").strip(".")
        if not name.isascii():
            from flagman.actions.urls import ascii_host  # noqa: PLC0415 - for names in other scripts

            try:
                name = ascii_host(name)
            except ValueError:  # it is the name of nobody
                return False
        return bool(name) and (host == name or host.endswith(f".{name}"))
    from ipaddress import ip_network  # noqa: PLC0415 - for addresses alone

    try:
        network = ip_network(name, strict=False)
    except ValueError:  # a name
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address in network or (mapped is not None and mapped in network)


def _split(entry: str) -> tuple[str, str | None]:
    """Split a port off; an address of IPv6 is full of colons, and has its port behind a bracket."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name + rest.partition(":")[0], rest.partition(":")[2] or None
    name, _, port = entry.rpartition(":")
    if name and ":" not in name and port.isdigit():
        return name, port
    return entry, None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    if not (":" in host or host[-1:].isdigit()):
        return None  # a name, as most are
    from ipaddress import ip_address  # noqa: PLC0415 - for addresses alone

    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
