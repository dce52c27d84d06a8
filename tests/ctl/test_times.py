"""Times and spans for people."""

from __future__ import annotations

import pytest

from flagman.ctl.times import age, ago, duration, moment


@pytest.mark.parametrize(
    ("seconds", "one", "two"),
    [
        (None, "", ""),
        (-5, "0s", "0s"),
        (0.9, "0s", "0s"),
        (59.9, "59s", "59s"),
        (60, "1m", "1m"),
        (125, "2m", "2m5s"),
        (3605, "1h", "1h"),
        (90_000, "1d", "1d1h"),
        (172_800, "2d", "2d"),
    ],
)
def test_ages(seconds: float | None, one: str, two: str) -> None:
    """An age has one unit or two, and none that is zero."""
    assert (age(seconds), age(seconds, 2)) == (one, two)
    assert ago(seconds) == ("" if seconds is None else "now" if seconds < 1 else f"{one} ago")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0001, "<1ms"), (0.25, "250ms"), (1.2345, "1.23s"), (59.96, "60s"), (90, "1m30s"), (7300, "2h1m")],
)
def test_durations(seconds: float | None, text: str) -> None:
    """A duration is told as precisely as it matters."""
    assert duration(seconds) == text


def test_moments() -> None:
    """A time is told in the time zone of the reader; what is none is empty."""
    assert len(moment("2026-11-26T21:10:30.123456Z")) == len("2026-11-26 21:10:30")
    assert moment("2026-11-26T21:10:30.123456Z", date=False).endswith(":10:30")
    assert [moment(text) for text in ("", "x", "0001-01-01T00:00:00+23:59", "2026-13-01T00:00:00Z")] == [""] * 4
