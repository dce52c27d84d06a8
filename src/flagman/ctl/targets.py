"""The paths and queries of requests."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quoted(word: str) -> str:
    """Return a word of the command line as it may stand in a path or a query, see :rfc:`3986`."""
    return quoted_bytes(os.fsencode(word))


def quoted_bytes(word: bytes) -> str:
    """Return bytes as they may stand in a path or a query, see :rfc:`3986`."""
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in word)


def query(fields: Mapping[str, str]) -> str:
    """Return the end of a path that has these fields; empty if there are none."""
    return "?" * bool(fields) + "&".join(f"{name}={quoted(value)}" for name, value in fields.items())


def waits(wait: float | None) -> dict[str, str]:
    """Return the field of a query that lets the daemon wait.

    :param wait: seconds; infinite for no limit; None to let it not wait, which is no field
    """
    if wait is None:
        return {}
    return {"wait": "" if wait == float("inf") else f"{wait:f}".rstrip("0").rstrip(".")}


def waiting(wait: float | None) -> str:
    """Return the end of a path that lets the daemon wait, see :func:`waits`."""
    return query(waits(wait))
