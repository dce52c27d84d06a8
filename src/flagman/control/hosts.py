"""The names by which a request may call its server: those that no other site can have."""

from __future__ import annotations

import re
from socket import AF_INET, AF_INET6, inet_pton

_HOST = re.compile(rb"(?:localhost|([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?", re.IGNORECASE)


def is_local(host: bytes) -> bool:
    """Return whether a host, with or without a port, is ``localhost`` or an IP address.

    A web page reaches a local server under a name of its own, if that name leads to the local machine ("DNS
    rebinding"): this is how its requests are known.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    family, address = (AF_INET, match[1]) if match[1] else (AF_INET6, match[2])
    try:
        return not address or bool(inet_pton(family, address.decode()))
    except OSError:
        return False
