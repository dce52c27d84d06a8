"""Tables for a terminal: columns that are as wide as what is in them, and cut only where the terminal ends."""

from __future__ import annotations

from flagman.ctl.screen import DIM, begin_of, clean, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagman.ctl.screen import Screen

_GAP = 2
# Columns that a text keeps when it is cut: with two of them, a status fits in 60.
_SHORTEST = 7
# Of a text without its middle, the part that stands after the mark.
_END = 3


class Column:
    """A column.

    :param title: what stands above it
    :param is_number: it is aligned at the right
    :param is_text: its texts may be cut
    """

    __slots__ = ("is_number", "is_text", "title")

    def __init__(self, title: str, *, is_number: bool = False, is_text: bool = False) -> None:
        self.title = title
        self.is_number = is_number
        self.is_text = is_text


class Cell:
    """A text in a table.

    :param text: text of others, too: it cannot change the terminal
    :param color: see :mod:`flagman.ctl.screen`; empty for none
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
    """Make columns narrower until the table fits, if it can: always the widest one, so that all keep what they can."""
    texts = [number for number, column in reversed([*enumerate(columns)]) if column.is_text]
    for number in texts:
        widths[number] = min(widths[number], max(most, _SHORTEST))
    while sum(widths) + _GAP * (len(widths) - 1) > most:
        widest = max(texts, key=widths.__getitem__)
        if widths[widest] <= _SHORTEST:
            break
        widths[widest] -= 1


def _line(cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], screen: Screen) -> str:
    parts: list[str] = []
    left = screen.width
    for cell, column, width in zip(cells, columns, widths, strict=True):
        gap = _GAP if parts else 0
        room = width if left is None else min(width, left - gap)
        if room <= 0:
            break
        text = cut(cell.text, room, screen.ellipsis) if left is not None else cell.text
        padding = " " * (room - width_of(text))
        painted = screen.paint(text, cell.color)
        parts.append(" " * gap + (padding + painted if column.is_number else painted + padding))
        left = None if left is None else left - gap - room
    return "".join(parts).rstrip()


def cut(text: str, room: int, mark: str) -> str:
    """Return a text that is at most so many columns wide: without its middle, because its end tells much, too."""
    if width_of(text) <= room:
        return text
    end = begin_of(text[::-1], room // _END)[::-1]
    return begin_of(text, room - 1 - width_of(end)) + mark + end
