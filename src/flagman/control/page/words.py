"""Moments and spans of time as the page shows them; its script says the same, so that it can renew them."""

from __future__ import annotations

import re

from flagman.control.page.markup import NOTHING, Html, joined, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
# From two days on, hours say nothing.
_MANY_HOURS = 2 * _DAY
# What is shown with a tenth; more would be rounded up to ten.
_MOST_TENTHS = 9.95
# The moment is what is split off.
_NEXT_START = re.compile(r"(?<=, next start )(\d\d:\d\d:\d\d)")


def age(seconds: float) -> str:
    """Return how long something is ago, in one unit: ``3 min ago``."""
    return "just now" if seconds < 1 else f"{lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """Return for how long something has been going on, in one unit: ``3 min``."""
    whole = int(seconds)
    for size, unit, word in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "min"), (_MANY_HOURS, _HOUR, "h")):
        if whole < size:
            return f"{whole // unit} {word}"
    return f"{whole // _DAY:,} d"


def countdown(seconds: float) -> str:
    """Return when something is going to be, in two units: ``in 4 min 5 s``."""
    whole = int(-(-seconds // 1))
    return f"in {_two_units(whole)}" if whole > 0 else "due now"


def duration(seconds: float) -> str:
    """Return how long something took, with about two digits: ``1.4 s``."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1:
        return "< 1 ms"
    if milliseconds < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds} ms"
    if seconds < _MOST_TENTHS:
        return f"{seconds:.1f} s"
    return _two_units(round(seconds))


def _two_units(whole: int) -> str:
    if whole < _MINUTE:
        return f"{whole} s"
    for size, unit, smaller, word in ((_HOUR, "min", 1, "s"), (_MANY_HOURS, "h", _MINUTE, "min")):
        if whole < size:
            one = _MINUTE if unit == "min" else _HOUR
            rest = whole % one // smaller
            return f"{whole // one} {unit} {rest} {word}" if rest else f"{whole // one} {unit}"
    hours = whole % _DAY // _HOUR
    return f"{whole // _DAY:,} d {hours} h" if hours else f"{whole // _DAY:,} d"


def ago(moment: str | None, seconds: float | None) -> Html:
    """Return the age of a moment; nothing if it has not come."""
    return NOTHING if moment is None or seconds is None else _time(moment, age(seconds), "ago")


def running(moment: str | None, seconds: float | None) -> Html:
    """Return for how long something has been going on; nothing if it has not begun."""
    return NOTHING if moment is None or seconds is None else _time(moment, f"for {lasting(seconds)}", "for")


def due(moment: str | None, seconds: float | None) -> Html:
    """Return the countdown to a moment; nothing if none is planned."""
    return NOTHING if moment is None or seconds is None else _time(moment, countdown(seconds), "in")


def with_clocks(text: str, moments: Mapping[str, str]) -> Html:
    """Return a text, in which the script renews what is told of next starts: it has the daemon's zone.

    :param moments: by how the text tells them: ``12:00:07``
    """
    pieces = _NEXT_START.split(text)
    return joined(
        _time(moments[piece], piece, "clock") if index % 2 and piece in moments else piece
        for index, piece in enumerate(pieces)
    )


def at(moment: str) -> Html:
    """Return a moment itself, in UTC; the script shows the time of the browser's zone instead."""
    return _time(moment, f"{moment[:10]} {moment[11:19]} UTC", "at")


def _time(moment: str, words: str, kind: str) -> Html:
    # HTML knows no more than milliseconds.
    short = f"{moment[:23]}Z"
    return tag("time", words, datetime=short, data_time=kind, title=f"{moment[:10]} {moment[11:19]} UTC")


def number(value: float) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}"
