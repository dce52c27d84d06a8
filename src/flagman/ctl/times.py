"""Times and spans as people read them: short, in the units that matter."""

from __future__ import annotations

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_SHORT, _MILLISECOND = 60.0, 0.001


def age(seconds: float | None, parts: int = 1) -> str:
    """Return a span in its largest units: ``5m``, or with two parts ``5m12s``.

    :param seconds: the span; None for none, which is empty
    """
    if seconds is None:
        return ""
    left = max(int(seconds), 0)
    text = ""
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number or (unit == "s" and not text):
            text += f"{number}{unit}"
            parts -= 1
        elif text:
            break  # 1h0m5s is 1h
        if not parts:
            break
    return text


def ago(seconds: float | None, parts: int = 1) -> str:
    """Return how long something has been over: ``5m ago``; empty for None."""
    if seconds is None:
        return ""
    return f"{age(seconds, parts)} ago" if seconds >= 1 else "now"


def duration(seconds: float | None) -> str:
    """Return how long something took: ``12ms``, ``1.25s``, ``2m5s``; empty for None."""
    if seconds is None:
        return ""
    if seconds >= _SHORT:
        return age(seconds, 2)
    if seconds >= 1:
        return f"{seconds:.3g}s"
    return f"{seconds * 1000:.0f}ms" if seconds >= _MILLISECOND else "<1ms"


def moment(text: str, *, date: bool = True) -> str:
    """Return the time of a record in the time zone of the reader; empty if it is none.

    :param text: as :rfc:`3339` has it
    :param date: whether the day is told, too
    """
    from datetime import datetime  # noqa: PLC0415 - not for all verbs

    try:
        local = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        return ""
    return local.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def is_today(text: str) -> bool:
    """Return whether the time of a record is on the day of the reader."""
    from time import strftime  # noqa: PLC0415 - as above

    return moment(text)[:10] == strftime("%Y-%m-%d")
