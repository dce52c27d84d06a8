"""Spans of time as the page shows them."""

from __future__ import annotations

import pytest

from flagman.control.page import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "just now"),
        (0.99, "just now"),
        (1.0, "1 s ago"),
        (59.9, "59 s ago"),
        (60.0, "1 min ago"),
        (3599.0, "59 min ago"),
        (3600.0, "1 h ago"),
        (172799.0, "47 h ago"),
        (172800.0, "2 d ago"),
        (1e9, "11,574 d ago"),
    ],
)
def test_an_age(seconds: float, text: str) -> None:
    """An age is in one unit, rounded down."""
    assert words.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "due now"),
        (0.0, "due now"),
        (0.1, "in 1 s"),
        (59.5, "in 1 min"),
        (61.0, "in 1 min 1 s"),
        (3600.0, "in 1 h"),
        (3660.0, "in 1 h 1 min"),
        (172800.0, "in 2 d"),
        (180000.0, "in 2 d 2 h"),
    ],
)
def test_a_countdown(seconds: float, text: str) -> None:
    """A countdown is in two units, rounded up, so that it ends when it says so."""
    assert words.countdown(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "< 1 ms"),
        (0.0004, "< 1 ms"),
        (0.0006, "1 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (340.0, "5 min 40 s"),
    ],
)
def test_a_duration(seconds: float, text: str) -> None:
    """A duration has the digits that matter."""
    assert words.duration(seconds) == text


def test_a_moment_for_programs() -> None:
    """A moment has no more digits than HTML knows, and the daemon's zone in words."""
    html = words.at("2026-11-27T07:49:57.123456Z")
    assert 'datetime="2026-11-27T07:49:57.123Z"' in html
    assert ">2026-11-27 07:49:57 UTC<" in html
    assert words.ago(None, None) == words.due(None, None) == words.running(None, None) == ""
