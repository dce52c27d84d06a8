"""How the words of others are shown in messages: without control characters for a terminal, and shortened."""

from __future__ import annotations

from flagman.exceptions import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Characters of a command, a path or a URL.
_LONGEST = 300
# Words in a row.
_MOST_LISTED = 10
# Added to a byte that is not UTF-8, it gives the character that stands for the byte in Python, see PEP 383.
_BYTE = 0xDC00


def printable(text: str | bytes) -> str:
    """Return text without control characters: it cannot change a terminal, or look like another log record."""
    if isinstance(text, bytes):
        text = text.decode(errors="surrogateescape")  # ten times as fast for binary data as backslashreplace
    if text.isprintable():
        return text
    return text.translate(_TABLE)


class _Table(dict[int, int | str]):
    """What stands for each character, found out when it is needed: a long binary line must not take long."""

    def __missing__(self, number: int) -> int | str:
        character = chr(number)
        found = number if character.isprintable() or character == "\t" else _escaped(character)
        if number < 0x100 or 0x80 <= number - _BYTE <= 0xFF:  # noqa: PLR2004 - the others are too many to be kept
            self[number] = found
        return found


_TABLE = _Table()


def _escaped(character: str) -> str:
    byte = ord(character) - _BYTE
    if 0x80 <= byte <= 0xFF:  # noqa: PLR2004 - the bytes that are no ASCII
        return f"\\x{byte:02x}"
    return character.encode("unicode_escape").decode()


def shown(*words: str) -> str:
    """Return a command, or other words of the user, as they are shown in messages."""
    return shortened(printable(shortened(" ".join(words), _LONGEST)), _LONGEST)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts: ``1 action``, ``2 actions``.

    :param many: the words for other numbers than 1; by default those for 1 with an s
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def listed(words: Sequence[str]) -> str:
    """Return words in a row, the first ten if there are more: a line must not grow without end."""
    more = f" and {len(words) - _MOST_LISTED} more" if len(words) > _MOST_LISTED else ""
    return ", ".join(words[:_MOST_LISTED]) + more
