"""What the output is written to: a terminal of some width, or a file or pipe, which gets plain and whole text."""

from __future__ import annotations

import os
import sys

from flagman.ctl.errors import BAD, CtlError
from flagman.exceptions import reason_of
from flagman.text.shown import printable

#: The colors that words have, besides those of no meaning.
BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"

_BY_WORD = {
    "idle": GREEN,
    "running": GREEN,
    "ready": GREEN,
    "succeeded": GREEN,
    "added": GREEN,
    "waiting": YELLOW,
    "starting": YELLOW,
    "reloading": YELLOW,
    "stopping": YELLOW,
    "interrupted": YELLOW,
    "removed": YELLOW,
    "changed": YELLOW,
    "backoff": RED,
    "failed": RED,
    "timed-out": RED,
    "stopped": DIM,
    "exited": DIM,
    "kept": DIM,
    "closed": DIM,
    "skipped": DIM,
}
# Columns of a terminal that does not tell; and what is left for a text after its indent, on the narrowest one.
_WIDTH, _NARROWEST = 80, 20


class Screen:
    """Where a verb writes.

    :param color: the choice of ``--color``
    """

    def __init__(self, color: str = "auto") -> None:
        self.is_terminal = sys.stdout is not None and sys.stdout.isatty()
        is_dumb = os.environ.get("TERM") == "dumb"
        #: Whether it can be written anew from the top.
        self.can_move = self.is_terminal and not is_dumb
        self.is_colored = color == "always" or (color == "auto" and _wants_colors(otherwise=self.can_move))
        #: Columns; None for no limit.
        self.width = _columns() if self.is_terminal else None
        #: Whether characters other than ASCII can be written.
        self.is_unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"

    @property
    def ellipsis(self) -> str:
        """What stands for a text that is left out."""
        return "…" if self.is_unicode else "~"

    def paint(self, text: str, color: str) -> str:
        """Return a text in a color, if there are colors, and it has one."""
        return f"\x1b[{color}m{text}\x1b[m" if color and text and self.is_colored else text

    def wrapped(self, text: str, indent: str, color: str = "") -> list[str]:
        """Return the text of others in lines that fit, each of them indented."""
        return [self.paint(indent + line, color) for line in self._fitting(clean(text), len(indent))]

    def _fitting(self, text: str, indent: int) -> list[str]:
        if self.width is None:
            return [text]
        room = max(self.width - indent, _NARROWEST)
        lines, line = list[str](), ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if width_of(longer) <= room:
                line = longer
                continue
            lines += [line] if line else []
            line = word
            while width_of(line) > room:
                lines.append(begin_of(line, room))
                line = line[len(lines[-1]) :]
        return [*lines, line]


def color_of(word: str) -> str:
    """Return the color of a state or result; empty if it has none."""
    return _BY_WORD.get(word, "")


def clean(text: str) -> str:
    """Return the text of others in one line, without what would change a terminal or move a column."""
    return _writable(printable(" ".join(text.split())))


def width_of(text: str) -> int:
    """Return how many columns a text has on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 - most texts are ASCII

    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def begin_of(text: str, room: int) -> str:
    """Return what of the begin of a text has at most so many columns."""
    kept = text[: max(room, 0)]
    while width_of(kept) > room:
        kept = kept[:-1]
    return kept


def write(text: str) -> None:
    """Write lines to the standard output, also if its encoding has not all of their characters.

    :raises CtlError: if they cannot be written
    :raises BrokenPipeError: if the reader has gone
    """
    try:
        print(_writable(text), flush=True)
    except OSError as error:
        # Python keeps what it could not write, and would fail once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise CtlError(f"cannot write to the standard output: {reason_of(error)}", BAD) from None


def _writable(text: str) -> str:
    """Return a text with escapes for the characters that the standard output does not have."""
    if text.isascii():
        return text
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _wants_colors(*, otherwise: bool) -> bool:
    """Return what the environment says about colors; an empty variable says nothing, see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and (bool(os.environ.get("FORCE_COLOR")) or otherwise)


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH
