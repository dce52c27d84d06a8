"""Reading spans of time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.text.spans import LONGEST, format_span, parse_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("2.5", 2.5),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1d2h3m4s5ms", 93_784.005),
        ("1m500ms", 60.5),
        ("100000000", LONGEST),
        ("5min", 300),
        ("1h 30m", 5400),
        ("1w", 604_800),
        ("2 days", 172_800),
        ("1H", 3600),
        ("1Hour 2Minutes 3SECONDS", 3723),
        ("1month 1day", 2_716_200),
        ("3y", 94_672_800),
        ("10us", 0.00001),
        ("1 s", 1),
    ],
)
def test_spans(text: str, seconds: float) -> None:
    """A bare number is a span in seconds, and units add up."""
    assert parse_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "-1",
        "+1",
        "1e3",
        "nan",
        "inf",
        "m",
        "1m1h",
        "1 h 30",
        "1mi",
        "1dayss",
        " 1s",
        "1m1m",
        "1h30",
        "1.",
        ".5",
        "٣",
        "1s\n",
    ],
)
def test_what_is_no_span(text: str) -> None:
    """The message about a wrong span shows what a right one looks like."""
    with pytest.raises(ValueError, match=r"is not a span of time such as 90, 250ms, 5m, 1h30m or 1d"):
        parse_span(text)


@pytest.mark.parametrize(("text", "meant"), [("5M", "5m or 5min"), ("1h 30M", "1h 30m or 1h 30min")])
def test_what_may_mean_two_things(text: str, meant: str) -> None:
    """A capital M means months to systemd, and minutes to most people."""
    with pytest.raises(ValueError, match=f"did you mean {re.escape(meant)}\\?$"):
        parse_span(text)


@pytest.mark.parametrize("text", ["100000001", "1158d", "9" * 400])
def test_what_is_too_long(text: str) -> None:
    """A span that is too long for a timer is refused."""
    with pytest.raises(ValueError, match="the longest span is 1157d"):
        parse_span(text)


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_units_add_up(days: int, hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    """Units in the usual order add up."""
    expected = ((days * 24 + hours) * 60 + minutes) * 60 + seconds + milliseconds / 1000
    assert parse_span(f"{days}d{hours}h{minutes}m{seconds}s{milliseconds}ms") == pytest.approx(expected)


@given(st.text())
def test_nothing_but_a_value_error(text: str) -> None:
    """Parsing any text gives a valid span or raises ValueError."""
    try:
        seconds = parse_span(text)
    except ValueError:
        return
    assert 0 <= seconds <= LONGEST


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (0.25, "250ms"), (300, "5m"), (5400, "1h30m"), (86_400, "1d"), (0.0015, "1.5ms")],
)
def test_written_in_the_largest_units(seconds: float, text: str) -> None:
    """A span is written in the largest units that fit, as people write it."""
    assert format_span(seconds) == text


@given(st.integers(0, int(LONGEST) * 1000))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    """A written span reads back to the same millisecond."""
    assert parse_span(format_span(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)
