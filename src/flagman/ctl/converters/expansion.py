"""The values of a supervisord.conf: what ``%(name)s`` stands for, and the types that values have."""

from __future__ import annotations

import re
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Stands around the name of a variable that is not known before the start; no file has this character.
MARK = "\0"

# The widths are bounded, because supervisord would make a text of any length.
_PART = re.compile(r"%(?:%|\((?P<name>[^()]*)\)(?P<format>[-+ #0]*[0-9]{0,2}[sd]))")
_ENVIRONMENT = "ENV_"
_TRUE, _FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_SIZES = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def expand(text: str, names: Mapping[str, str | int], *, is_known: bool = False) -> str:
    """Return a text with values for the names in it; variables of the environment are put between marks.

    :param is_known: the whole has to be known now, so that there can be no such variables
    :raises ValueError: if there are others
    """
    if "%" in _PART.sub("", text):
        raise ValueError("it has a % that is not %% or %(name)s")

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "%"
        if name in names:
            try:
                return f"%{match['format']}" % names[name]
            except TypeError:
                raise ValueError(f"{name} is no number") from None
        variable = name.removeprefix(_ENVIRONMENT)
        if variable == name:
            raise ValueError(f"%({name})s is not known")
        if not (variable.isascii() and variable.isidentifier()):
            raise ValueError(f"{variable!r} is not the name of a variable")
        if is_known:
            raise ValueError(f"it needs the variable {variable}: write its value in")
        return f"{MARK}{variable}{MARK}"

    return _PART.sub(value, text)


def command(text: str, variables: Mapping[str, str]) -> list[str]:
    """Return the words of a command; of a shell, if there are variables that are not known before the start.

    :param text: the command, expanded
    :param variables: variables to set, expanded
    :raises ValueError: if quotes are not closed, or there are no words
    """
    words = shlex.split(text)
    if not words:
        raise ValueError("it is empty")
    if not variables and not any(MARK in word for word in words):
        return words
    exports = "".join(f"export {name}={_in_shell(value)}; " for name, value in variables.items())
    return ["sh", "-c", f"{exports}exec {' '.join(map(_in_shell, words))}"]


def _in_shell(word: str) -> str:
    parts = word.split(MARK)
    quoted = (f'"${{{part}?}}"' if number % 2 else part and shlex.quote(part) for number, part in enumerate(parts))
    return "".join(quoted) or "''"


def pairs(text: str) -> dict[str, str]:
    """Return the pairs of ``KEY="value",KEY2="value2"``, read as supervisord does.

    :raises ValueError: if it is none
    """
    lexer = shlex.shlex(text)
    lexer.wordchars += f"/.+-():{MARK}"
    tokens = list(lexer)
    found: dict[str, str] = {}
    for start in range(0, len(tokens), 4):  # the fourth is a comma
        pair: Sequence[str] = tokens[start : start + 3]
        if len(pair) < 3 or pair[1] != "=":  # noqa: PLR2004 - a name, the sign, and a value
            raise ValueError("it is no list of KEY=value")
        found[pair[0]] = pair[2].strip("'\"")
    return found


def boolean(text: str) -> bool:
    """Read true or false.

    :raises ValueError: if it is neither
    """
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError("it is neither true nor false")
    return text.lower() in _TRUE


def number(text: str, most: int = 10**8) -> int:
    """Read a whole number.

    :raises ValueError: if it is none, or too large
    """
    try:
        found = int(text) if len(text) < 20 else most + 1  # noqa: PLR2004 - it takes long to read a very long number
    except ValueError:
        raise ValueError("it is not a whole number") from None
    if not -most <= found <= most:
        raise ValueError(f"it is more than {most}")
    return found


def size(text: str) -> int:
    """Read a number of bytes, such as ``50MB``.

    :raises ValueError: if it is none
    """
    factor = _SIZES.get(text[-2:].lower(), 1)
    return number(text[:-2] if factor > 1 else text) * factor
