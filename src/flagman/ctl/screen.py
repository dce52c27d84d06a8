"""What the output is written to: a terminal of some width, or a file or pipe, which gets plain and whole text."""

from __future__ import annotations

import os
import sys

from flagman.ctl.colors import are_wanted
from flagman.text.shown import printable

# Columns of a terminal that does not tell.
_WIDTH = 80


class Screen:
    """Where a verb writes.

    :param color: the choice of ``--color``
    """

    def __init__(self, color: str = "auto") -> None:
        self.is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self.is_colored = are_wanted(color, is_terminal=self.is_terminal)
        #: Columns; None for no limit.
        self.width = _columns() if self.is_terminal else None
        #: Whether characters other than ASCII can be written.
        self.is_unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"

    def paint(self, text: str, color: str) -> str:
        """Return a text in a color, if there are colors, and it has one."""
        return f"\x1b[{color}m{text}\x1b[m" if color and text and self.is_colored else text

    def wrapped(self, text: str, indent: str) -> list[str]:
        """Return the text of others in lines that fit, each of them indented."""
        text = clean(text)
        if self.width is None or len(indent) + len(text) <= self.width:
            return [indent + text]
        from textwrap import wrap  # noqa: PLC0415 - only for long texts

        return wrap(text, max(self.width, len(indent) + 20), initial_indent=indent, subsequent_indent=indent)


def clean(text: str) -> str:
    """Return the text of others in one line, without what would change a terminal or move a column."""
    return printable(" ".join(text.split()))


def write(text: str) -> None:
    """Write lines to the standard output, also if its encoding has not all of their characters.

    :raises OSError: if they cannot be written
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:
        # Python keeps what it could not write, and would fail once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH
