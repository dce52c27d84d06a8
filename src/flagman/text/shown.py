"""How the words of others are shown in messages: they do nothing to a terminal, and do not fill the log."""

from __future__ import annotations

from flagman.exceptions import shortened

# Characters of a command, a path or a URL.
_LONGEST = 300
# Added to a byte that is not UTF-8 it gives what Python calls it, see PEP 383.
_BYTE = 0xDC00


def printable(text: str | bytes) -> str:
    """Give text that does nothing to a terminal, and that cannot be mistaken for a log record of its own."""
    if isinstance(text, bytes):
        text = text.decode(errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    byte = ord(character) - _BYTE
    if 0x80 <= byte <= 0xFF:  # noqa: PLR2004 - the bytes that are no ASCII
        return f"\\x{byte:02x}"
    return character.encode("unicode_escape").decode()


def shown(*words: str) -> str:
    """Give a command, or another piece of what a user has written, as it is called in messages."""
    return shortened(printable(shortened(" ".join(words), _LONGEST)), _LONGEST)
