"""What some options accept: names, masks and modes; imported only for a command line or a file that has one."""

from __future__ import annotations

#: What is accepted as a name, for messages.
NAME = "a name: use up to 63 letters, digits, dots, dashes and underscores, and begin with a letter or a digit"

_LONGEST_NAME = 63
_DIGITS = 10
# Bits of a file mode: all that a mask may have, and write permission for others.
_ALL = 0o777
_OTHERS_WRITE = 0o002
# Those that a socket may have, which is never executed, and those that it must have.
_OF_SOCKET = 0o666
_OWNERS = 0o600


def mask(text: str) -> int:
    """Read a file mode creation mask.

    :raises ValueError: if it is none
    """
    found = _octal(text, "027")
    if found > _ALL or not found & _OTHERS_WRITE:
        raise ValueError(f"{text!r} would let all users write; use 022, 027 or 077")
    return found


def socket_mode(text: str) -> int:
    """Read the mode of a socket.

    :raises ValueError: if it is none
    """
    found = _octal(text, "660")
    if found & ~_OF_SOCKET or found & _OWNERS != _OWNERS:
        raise ValueError(f"{text!r} is not the mode of a socket; use 600, 660 or 666")
    return found


def name(text: str) -> str:
    """Read the name of a daemon.

    :raises ValueError: if it is none
    """
    if not is_name(text):
        raise ValueError(f"{text!r} is not {NAME}")
    return text


def is_name(text: str) -> bool:
    """Return whether a text can be a name: then it is safe in a path, in a unit and on a command line."""
    is_plain = text.isascii() and text.replace(".", "").replace("-", "").replace("_", "").isalnum()
    return is_plain and text[0].isalnum() and len(text) <= _LONGEST_NAME


def _octal(text: str, example: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS and set(text) <= set("01234567")):
        raise ValueError(f"{text!r} is not an octal number, such as {example}")
    return int(text, 8)
