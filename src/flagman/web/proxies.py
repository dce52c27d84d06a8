"""Proxies: which one the environment names for a URL, and for which hosts it wants none."""

from __future__ import annotations

import os
from socket import inet_aton
from urllib.parse import unquote, urlsplit

from flagman.web.urls import PORTS, ascii_host, host_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from urllib.parse import SplitResult

    from flagman.web.urls import Url

_SIX = 6
# Bits in front of an IPv4 address that is mapped into IPv6.
_MAPPED = 96


class Proxy:
    """A proxy.

    :param name: of the variable that names it
    :param value: of that variable: a URL, or a host with or without a port
    :raises ValueError: if this proxy cannot be used
    """

    def __init__(self, name: str, value: str) -> None:
        try:
            parts = urlsplit(value if "://" in value else f"http://{value}")
            port = _port(parts)
            if parts.scheme not in PORTS:
                raise ValueError(f"its scheme is {parts.scheme}, not http or https")  # noqa: TRY301 - as others
            if port == 0:
                raise ValueError("its port cannot be 0")  # noqa: TRY301 - as above
            self.host = host_of(parts, value.rpartition("@")[2])
        except ValueError as error:
            raise ValueError(f"the proxy that {name} names cannot be used: {error}") from None
        #: Whether the proxy speaks TLS.
        self.is_secret = parts.scheme == "https"
        self.port = port or PORTS[parts.scheme]
        #: Headers for the proxy alone: the user's name and password, if the variable has them.
        self.headers: list[tuple[str, str]] = []
        if parts.username is not None:
            from base64 import b64encode  # noqa: PLC0415 - only for a password

            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers.append(
                ("Proxy-Authorization", f"Basic {b64encode(who.encode(errors='surrogateescape')).decode()}")
            )


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:  # its text may quote a part of a password
        raise ValueError("its port is not a number up to 65535") from None


def proxy_for(url: Url) -> Proxy | None:
    """Return the proxy for a URL; None if there is none.

    :raises ValueError: if it cannot be used
    """
    name = f"{url.scheme}_proxy"
    value = _variable(name)
    if not value or _is_exempt(url.host, url.port, _variable("no_proxy")):
        return None
    return Proxy(name, value)


def _variable(name: str) -> str:
    """Read a variable in small letters, or else in capitals; in CGI, HTTP_PROXY is a header that the client sent."""
    value = os.environ.get(name)
    if value is None and not (name == "http_proxy" and "REQUEST_METHOD" in os.environ):
        value = os.environ.get(name.upper())
    return (value or "").strip()


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Return whether a host is asked directly, without a proxy.

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
            try:
                name = ascii_host(name)
            except ValueError:  # no host has this name
                return False
        return bool(name) and (host == name or host.endswith(f".{name}"))
    return _is_in(address, name)


def _is_in(address: IPv4Address | IPv6Address, name: str) -> bool:
    """Return whether a name is that of an address, or of a network that contains it."""
    from ipaddress import ip_network  # noqa: PLC0415 - only for addresses

    try:
        network = ip_network(name, strict=False)
    except ValueError:  # a name
        return False
    if network.version == _SIX and network.prefixlen < _MAPPED:
        return address in network  # it is wider than the mapped IPv4 addresses, and so not about these
    return any(each in network for each in _forms(address))


def _forms(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return an address as it is, and in the form of the other family, if there is one."""
    from ipaddress import IPv4Address, IPv6Address  # noqa: PLC0415 - as above

    if isinstance(address, IPv4Address):
        return address, IPv6Address(f"::ffff:{address}")
    return (address, address.ipv4_mapped) if address.ipv4_mapped else (address,)


def _split(entry: str) -> tuple[str, str | None]:
    """Split off the port; an IPv6 address contains colons itself, so it has its port behind a bracket."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name + rest.partition(":")[0], rest.partition(":")[2] or None
    name, _, port = entry.rpartition(":")
    if name and ":" not in name and port.isdigit():
        return name, port
    return entry, None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    if not (":" in host or host.rpartition(".")[2].strip("0123456789abcdefx") == ""):
        return None  # a name, as most are
    from ipaddress import IPv4Address, ip_address  # noqa: PLC0415 - only for addresses

    host = host.partition("%")[0].rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:  # 127.1 and 0x7f000001 are addresses for the resolver, too
        return IPv4Address(inet_aton(host))
    except OSError:
        return None
