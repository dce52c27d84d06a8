"""Spans of time as people and systemd write them: ``90``, ``250ms``, ``5m``, ``1h30m``, ``1h 30min``, ``2 days``."""

from __future__ import annotations

import re

#: The longest span, in seconds: a little more than three years, which every timer of every system can hold.
LONGEST = 10.0**8

# The units from the largest on: all of their names, and seconds; see systemd.time(7).
_UNITS = (
    (("years", "year", "y"), 31_557_600.0),
    (("months", "month"), 2_629_800.0),
    (("weeks", "week", "w"), 604_800.0),
    (("days", "day", "d"), 86_400.0),
    (("hours", "hour", "hr", "h"), 3600.0),
    (("minutes", "minute", "min", "m"), 60.0),
    (("seconds", "second", "sec", "s"), 1.0),
    (("msec", "ms"), 0.001),
    (("usec", "us", "µs", "μs"), 0.000_001),
)
# Those in which spans are written.
_WRITTEN = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

# A number, and perhaps a unit. Not compiled here: most starts read no span.
_PART = r"([0-9]+(?:\.[0-9]+)?) *([A-Za-zµμ]*) *"


def parse_span(text: str) -> float:
    """Read a span.

    :param text: a number of seconds, or numbers with units as in :manpage:`systemd.time(7)`, the larger units first;
        capitals count as small letters, except for ``M``, which means months there
    :returns: seconds
    :raises ValueError: if it is no span, or longer than :data:`LONGEST`
    """
    seconds, end, smallest = 0.0, 0, -1
    while end < len(text) or not text:
        part = re.compile(_PART).match(text, end)
        rank = None if part is None else _rank(part[2])
        if part is not None and part[2] == "M":
            number = text[: part.end(1)]
            raise ValueError(f"{text!r}: M would be months; did you mean {number}m or {number}min?")
        if part is not None and part[0] == part[1] == text:
            seconds, end = float(text), len(text)
        elif part is not None and rank is not None and rank > smallest:  # the larger unit first, and each once
            seconds += float(part[1]) * _UNITS[rank][1]
            end, smallest = part.end(), rank
        else:
            raise ValueError(f"{text!r} is not a span of time such as 90, 250ms, 5m, 1h30m or 1d")
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is too long; the longest span is {LONGEST / _WRITTEN['d']:.0f}d")
    return seconds


def _rank(name: str) -> int | None:
    """Return the place of a unit among all units; None if there is none of this name."""
    return next((rank for rank, (names, _) in enumerate(_UNITS) if name.lower() in names), None)


def format_span(seconds: float) -> str:
    """Write a span as :func:`parse_span` reads it, in the largest units: ``1h30m``, ``250ms``, ``0s``."""
    milliseconds = round(seconds * 1000, 3)
    parts = []
    for unit, size in _WRITTEN.items():
        number, milliseconds = divmod(milliseconds, size * 1000) if unit != "ms" else (milliseconds, 0.0)
        if number:
            parts.append(f"{number:.10g}{unit}")
    return "".join(parts) or "0s"


def is_span(value: object) -> bool:
    """Return whether this is a number of seconds that a timeout can have."""
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 < value <= LONGEST
