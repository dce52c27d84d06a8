"""Moments as programs and people read them."""

from __future__ import annotations

import time


def rfc3339(at: float) -> str:
    """Return a moment in UTC with microseconds, see :rfc:`3339`: ``2026-11-26T21:10:30.123456Z``.

    :param at: in seconds since the epoch
    """
    microseconds = round(at * 1_000_000)
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:06}Z"
