"""Tables for a terminal: columns that are as wide as what is in them, and cut only where the terminal ends."""

from __future__ import annotations

from flagman.ctl.colors import DIM
from flagman.ctl.screen import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagman.ctl.screen import Screen

_GAP = 2
# Of a text without its middle, the part that stands after the mark.
_END = 3


class Column:
    """A column.

    :param title: what stands above it
    :param is_number: it is aligned at the right
    :param shortest: its texts may be cut to so many columns; 0 if they may not; the first such column is cut first
    """

    __slots__ = ("is_number", "shortest", "title")

    def __init__(self, title: str, *, is_number: bool = False, shortest: int = 0) -> None:
        self.title = title
        self.is_number = is_number
        self.shortest = shortest


class Cell:
    """A text in a table.

    :param text: text of others, too: it cannot change the terminal
    :param color: see :mod:`flagman.ctl.colors`; empty for none
    """

    __slots__ = ("color", "text")

    def __init__(self, text: str, color: str = "") -> None:
        self.text = clean(text)
        self.color = color


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Screen) -> list[str]:
    """Return the lines of a table; a column without any text is left out."""
    used = [number for number in range(len(columns)) if any(row[number].text for row in rows)]
    columns = [columns[number] for number in used]
    titles = [Cell(column.title, DIM) for column in columns]
    lines = [titles, *([row[number] for number in used] for row in rows)]
    widths = [max(width_of(line[number].text) for line in lines) for number in range(len(columns))]
    if screen.width is not None:
        _shrink(widths, columns, screen.width)
    return [_line(line, columns, widths, screen) for line in lines]


def _shrink(widths: list[int], columns: Sequence[Column], most: int) -> None:
    """Make columns narrower until the table fits, if it can."""
    for number, column in enumerate(columns):
        too_much = sum(widths) + _GAP * (len(widths) - 1) - most
        if too_much > 0 and column.shortest:
            widths[number] = max(widths[number] - too_much, min(widths[number], column.shortest))


def _line(cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], screen: Screen) -> str:
    parts: list[str] = []
    left = screen.width
    for cell, column, width in zip(cells, columns, widths, strict=True):
        gap = _GAP if parts else 0
        room = width if left is None else min(width, left - gap)
        if room <= 0:
            break
        text = cut(cell.text, room, "…" if screen.is_unicode else "~") if left is not None else cell.text
        padding = " " * (room - width_of(text))
        painted = screen.paint(text, cell.color)
        parts.append(" " * gap + (padding + painted if column.is_number else painted + padding))
        left = None if left is None else left - gap - room
    return "".join(parts).rstrip()


def cut(text: str, room: int, mark: str) -> str:
    """Return a text that is at most so many columns wide: without its middle, because its end tells much, too."""
    if width_of(text) <= room:
        return text
    end = _begin(text[::-1], room // _END)[::-1]
    return _begin(text, room - 1 - width_of(end)) + mark + end


def _begin(text: str, room: int) -> str:
    kept = text[: max(room, 0)]
    while width_of(kept) > room:
        kept = kept[:-1]
    return kept


def width_of(text: str) -> int:
    """Return how many columns a text has on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 - most texts are ASCII

    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)
