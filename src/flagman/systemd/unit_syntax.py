"""The syntax of a unit of systemd: each kind of setting has a grammar of its own."""

from __future__ import annotations

import os
import re

from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The last ASCII character that is printable.
_TILDE = "~"
# Characters that systemd does not accept in the path of a program, not even escaped.
_NOT_IN_PROGRAMS = re.compile("[\"'\\\\\0-\x1f\x7f]")
# Runs a program with such a path.
_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')


def command(words: Sequence[str]) -> str:
    """Write a command line, for ``ExecStart=`` and its like; see :manpage:`systemd.service(5)`.

    :raises UsageError: if the program is not at an absolute path
    """
    if not words[0].startswith("/"):
        raise UsageError(f"a unit needs the full path of a program, and {words[0]!r} is not one")
    _check_utf8(words[0], "the path of a program")
    if _NOT_IN_PROGRAMS.search(words[0]):
        words = (*_SHELL, *words)
    program, *arguments = words
    # Variables are replaced in arguments only.
    return " ".join((quoted(program), *(quoted(word).replace("$", "$$") for word in arguments)))


def quoted(word: str) -> str:
    """Write one word of several, see :manpage:`systemd.syntax(7)`."""
    if re.fullmatch(r"[\w@+=:,./-]+", word, flags=re.ASCII):
        return word
    return f'"{"".join(map(_escaped, word))}"'


def variable(name: str, value: str) -> str:
    """Write a variable, for ``Environment=``.

    :raises UsageError: if it is not UTF-8, which systemd does not take
    """
    _check_utf8(value, name)
    return quoted(f"{name}={value}")


def path(value: str) -> str:
    """Write a path that fills its line, as that of ``WorkingDirectory=`` does: without quotes, with % doubled.

    :raises UsageError: if a line cannot hold it
    """
    _check_utf8(value, "the working directory")
    if re.search("[\n\r\0]", value):
        raise UsageError(f"the working directory {value!r} cannot be written in a unit")
    # A space at the end would be dropped, and a backslash would continue the line.
    end = "/" if value[-1].isspace() or value.endswith("\\") else ""
    return text(value) + end


def text(value: str) -> str:
    """Write a text that fills its line."""
    return value.replace("%", "%%")


def _check_utf8(value: str, what: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is {value!r}, which is not UTF-8, so it cannot be written in a unit") from None


def _escaped(character: str) -> str:
    if character == "%":
        return "%%"
    if character in '"\\':
        return f"\\{character}"
    if " " <= character <= _TILDE:
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
