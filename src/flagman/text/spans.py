"""Spans of time as people write them: ``90``, ``250ms``, ``5m``, ``1h30m``, ``1d``."""

from __future__ import annotations

import re

#: The longest span, in seconds: a little more than three years, which every timer of every system can hold.
LONGEST = 10.0**8

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

# A number without a unit, or numbers with units, the larger unit first and each at most once.
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
# Not compiled here: most starts read no span.
_SPAN = _NUMBER + "|" + "".join(f"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _UNITS)


def parse_span(text: str) -> float:
    """Read a span.

    :param text: a number of seconds, or numbers with units: ``d``, ``h``, ``m``, ``s``, ``ms``, in this order
    :returns: seconds
    :raises ValueError: if it is no span, or longer than :data:`LONGEST`
    """
    match = re.fullmatch(_SPAN, text)
    if not match or not text:
        raise ValueError(f"{text!r} is not a span of time such as 90, 250ms, 5m, 1h30m or 1d")
    parts = {unit: number for unit, number in match.groupdict().items() if number is not None}
    seconds = sum(float(number) * _UNITS[unit] for unit, number in parts.items()) if parts else float(text)
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is too long; the longest span is {LONGEST:.0f} seconds")
    return seconds


def format_span(seconds: float) -> str:
    """Write a span as :func:`parse_span` reads it, in the largest units: ``1h30m``, ``250ms``, ``0s``."""
    milliseconds = round(seconds * 1000, 3)
    parts = []
    for unit, size in _UNITS.items():
        number, milliseconds = divmod(milliseconds, size * 1000) if unit != "ms" else (milliseconds, 0.0)
        if number:
            parts.append(f"{number:.10g}{unit}")
    return "".join(parts) or "0s"


def is_span(value: object) -> bool:
    """Return whether this is a number of seconds that a timeout can have."""
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 < value <= LONGEST
