"""How the words of others are shown in messages: they do nothing to a terminal, and do not fill the log."""

from __future__ import annotations

import os

from flagman.exceptions import shortened

# Characters of a command, a path or a URL.
_LONGEST = 300


def printable(text: str | bytes) -> str:
    """Give text that does nothing to a terminal, and that cannot be mistaken for a log record of its own."""
    data = os.fsencode(text) if isinstance(text, str) else text
    text = data.decode(errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def shown(*words: str) -> str:
    """Give a command, or another piece of what a user has written, as it is called in messages."""
    return shortened(printable(shortened(" ".join(words), _LONGEST)), _LONGEST)
