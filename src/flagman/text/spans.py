"""Spans of time as people and systemd write them: ``90``, ``250ms``, ``5m``, ``1h30m``, ``1h 30min``, ``2 days``."""

from __future__ import annotations

import re

#: The longest span, in seconds: a little more than three years, which every timer of every system can hold.
LONGEST = 10.0**8

# The units from the largest on, in seconds, with all of their names; see systemd.time(7).
_UNITS = (
    (31_557_600.0, "years|year|y"),
    (2_629_800.0, "months|month"),
    (604_800.0, "weeks|week|w"),
    (86_400.0, "days|day|d"),
    (3600.0, "hours|hour|hr|h"),
    (60.0, "minutes|minute|min|m"),
    (1.0, "seconds|second|sec|s"),
    (0.001, "msec|ms"),
    (0.000_001, "usec|us|µs|μs"),
)
# Those in which spans are written.
_WRITTEN = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
# A number without a unit, or numbers with units, the larger unit first and each at most once.
# Not compiled here: most starts read no span.
_SPAN = f"{_NUMBER}|" + "".join(rf"(?:({_NUMBER}) *(?:{names})(?![a-zµμ]) *)?" for _, names in _UNITS)


def parse_span(text: str) -> float:
    """Read a span.

    :param text: a number of seconds, or numbers with units as in :manpage:`systemd.time(7)`, the larger units first;
        capitals count as small letters, except for ``M``, which means months there
    :returns: seconds
    :raises ValueError: if it is no span, or longer than :data:`LONGEST`
    """
    if wrong := re.search(r"([0-9]) *M(?![A-Za-z])", text):
        minutes = f"{text[: wrong.end(1)]}m or {text[: wrong.end(1)]}min"
        raise ValueError(f"{text!r}: M would be months; did you mean {minutes}?")
    match = re.fullmatch(_SPAN, text, re.IGNORECASE | re.ASCII)
    if not match or not text:
        raise ValueError(f"{text!r} is not a span of time such as 90, 250ms, 5m, 1h30m or 1d")
    parts = [(number, size) for number, (size, _) in zip(match.groups(), _UNITS, strict=True) if number is not None]
    seconds = sum(float(number) * size for number, size in parts) if parts else float(text)
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is too long; the longest span is {LONGEST / _WRITTEN['d']:.0f}d")
    return seconds


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
