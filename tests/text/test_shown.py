"""How words and numbers are shown."""

from __future__ import annotations

from flagman.text.shown import counted


def test_one_is_no_plural() -> None:
    """A single thing is named as one, any other number, also none, as several."""
    assert [counted(number, "action") for number in (0, 1, 2)] == ["0 actions", "1 action", "2 actions"]
    assert [counted(number, "one is", "ones are") for number in (1, 3)] == ["1 one is", "3 ones are"]
