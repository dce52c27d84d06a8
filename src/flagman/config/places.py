"""Where a daemon can be asked: the usual place, paths of Unix sockets, and addresses that only this machine can reach.

Imported only for a command line or a file that has such a place.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    #: Where a daemon can be asked: True for the usual place, a path or an address.
    At = Literal[True] | str

#: The addresses, for messages.
ADDRESSES = "127.0.0.1:PORT or [::1]:PORT"

_ADDRESS = re.compile(r"(127\.0\.0\.1|\[::1\]):(0|[1-9][0-9]{0,4})")
_HOST = re.compile(r"(127\.0\.0\.1|\[::1\])(:.*)?", re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# What is meant as an address more likely than as the name of a file: with a port, or a number, or both.
_LIKE_ADDRESS = re.compile(r"[^/]*:[0-9]*|(?:\[[^/]*\]|[0-9.]+|localhost):[^/]*|\[[^/]*\]|[0-9.]*[0-9]", re.DOTALL)
_LAST_PORT = 65_535


def is_address(text: str) -> bool:
    """Return whether a text is an address, or meant as one, and not a path; ``./127.0.0.1:80`` is a path."""
    return _LIKE_ADDRESS.fullmatch(text) is not None or _URL.match(text) is not None


def address(text: str) -> tuple[str, int]:
    """Return the host of an address, as it stands in a URL, and the port.

    :raises ValueError: if it is none, or one that other machines might reach
    """
    match = _ADDRESS.fullmatch(text)
    if match is not None and int(match[2]) <= _LAST_PORT:
        return match[1], int(match[2])
    if _URL.match(text):
        raise ValueError(f"{text!r} is a URL; write only {ADDRESSES}")
    path = f"for a socket file of that name write ./{text}"
    if host := _HOST.fullmatch(text):
        raise ValueError(f"{text!r} needs a port from 0 to {_LAST_PORT}, such as {host[1]}:9000; {path}")
    raise ValueError(f"{text!r} is not {ADDRESSES}, the only addresses that flagman listens at; {path}")


def read(text: str) -> str:
    """Read a place from a word.

    :raises ValueError: if it is none
    """
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is neither a path nor an address")
    if is_address(text):
        address(text)
    return text


def load(value: object) -> tuple[At, ...]:
    """Read places as the file has them: true for the usual one, a path or an address; a list of these; or false.

    :raises ValueError: if something else is there
    """
    if value is False:
        return ()
    places: list[At] = []
    for each in value if isinstance(value, list) else [value]:
        if each is True:
            places.append(True)
        elif isinstance(each, str):
            places.append(read(each))
        elif isinstance(value, list):
            raise ValueError("has something in its list that is neither true, a path nor an address")
        else:
            raise ValueError("is neither true, false, a path, an address nor a list of these")
    return tuple(places)


def placed(place: At, absolute: Callable[[str], str]) -> At:
    """Return a place with an absolute path, if it is a path.

    :param absolute: makes a path absolute
    """
    return absolute(place) if isinstance(place, str) and not is_address(place) else place
