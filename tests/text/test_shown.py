"""How words and numbers are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.text.shown import counted, listed, printable


def test_one_is_no_plural() -> None:
    """A single thing is named as one, any other number, also none, as several."""
    assert [counted(number, "action") for number in (0, 1, 2)] == ["0 actions", "1 action", "2 actions"]
    assert [counted(number, "one is", "ones are") for number in (1, 3)] == ["1 one is", "3 ones are"]


@given(st.text() | st.binary())
def test_printable(text: str | bytes) -> None:
    """What is shown can be printed, except for tabs; what can be printed is shown as it is."""
    shown = printable(text)
    assert shown.replace("\t", "").isprintable()
    if isinstance(text, str) and text.isprintable():
        assert shown == text


@given(st.binary())
def test_bytes(data: bytes) -> None:
    """Bytes are shown as UTF-8, and each byte that is none by its number."""
    assert printable(data) == printable(data.decode(errors="backslashreplace"))


@pytest.mark.parametrize(("number", "more"), [(0, ""), (1, ""), (10, ""), (11, " and 1 more"), (1000, " and 990 more")])
def test_a_row_of_words_has_a_bound(number: int, more: str) -> None:
    """Those beyond the tenth are counted."""
    assert listed(["sh"] * number) == ", ".join(["sh"] * min(number, 10)) + more
