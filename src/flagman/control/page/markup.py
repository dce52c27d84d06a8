"""HTML out of values: each text is escaped, and only what was made here is taken as HTML."""

from __future__ import annotations

import re
from hashlib import sha256
from html import escape

from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Most texts are so: it saves time to look first.
_is_plain = re.compile(r"[ !#-%(-;=?-~]*+").fullmatch
# Elements without content, and how their tags end: those of SVG are closed as in XML.
_EMPTY = {"link": "", "path": "/", "use": "/"}
# Characters of a name and of another text that are shown.
_LONGEST_NAME, _LONGEST_TEXT = 120, 2_000
# Characters of an id that is still legible.
_LONGEST_KEY = 200
# What a segment of a path may have as it is, see RFC 3986; most names have nothing else.
_is_unreserved = re.compile(r"[A-Za-z0-9._~-]*+").fullmatch
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.")


class Html(str):
    """A piece of HTML, in which all texts are escaped."""

    __slots__ = ()


NOTHING = Html()


def text(value: str) -> Html:
    """Return a text as HTML; what a terminal would obey, or what turns the direction, is shown as an escape."""
    return Html(_text(value))


def _text(value: str) -> str:
    return value if _is_plain(value) else escape(printable(value))


class _Names(dict[str, str]):
    """The attributes of HTML by the names of their parameters."""

    def __missing__(self, name: str) -> str:
        found = self[name] = name.strip("_").replace("_", "-")
        return found


_NAMES = _Names()


def tag(name: str, *children: str, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    :param name: its name
    :param children: each an :class:`Html`, or a text
    :param attributes: by name, with ``_`` for ``-`` and at the end of Python's words; True has no value, and those that
        are False or None are left out
    """
    head = name
    for key, value in attributes.items():
        if value is True:
            head += f" {_NAMES[key]}"
        elif value is not None and value is not False:
            head += f' {_NAMES[key]}="{_text(str(value))}"'
    if name in _EMPTY:
        return Html(f"<{head}{_EMPTY[name]}>")
    content = "".join([child if child.__class__ is Html else _text(child) for child in children])
    return Html(f"<{head}>{content}</{name}>")


def joined(pieces: Iterable[str], between: Html = NOTHING) -> Html:
    """Return pieces in a row, each an :class:`Html` or a text."""
    made = [piece if isinstance(piece, Html) else text(piece) for piece in pieces]
    return Html(between.join(made))


def cut(value: str, most: int = _LONGEST_TEXT) -> str:
    """Return a text with at most this many of its characters, and how many there are if that is not all of them."""
    if len(value) <= most:
        return value
    return f"{value[:most]}… ({len(value):,} characters in all)"


def named(value: str) -> str:
    """Return a name, shortened: one that is longer is no help."""
    return value if len(value) <= _LONGEST_NAME else f"{value[: _LONGEST_NAME - 1]}…"


def in_url(value: str) -> str:
    """Return a text as one segment of a path."""
    if _is_unreserved(value):
        return value
    try:
        data = value.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # no name of anything: a part of a character
        data = value.encode(errors="backslashreplace")
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)


def key_of(kind: str, name: str) -> str:
    """Return the id of an element; the same for the same kind and name, and no other has it."""
    key = f"{kind}-{in_url(name)}"
    return key if len(key) <= _LONGEST_KEY else f"{kind}-!{sha256(key.encode()).hexdigest()}"
