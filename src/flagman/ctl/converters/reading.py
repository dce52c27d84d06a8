"""Reads a file of another program, and finds out which program that is."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from flagman.exceptions import UsageError, reason_of
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

#: What stands for the standard input.
STDIN = "-"

# Bytes: more than any such file has, and little enough to be converted in a moment.
_MOST = 1 << 20
_SECTION = re.compile(r"^\[([^\]\n]+)\]", re.MULTILINE)
_OF_SUPERVISORD = re.compile(r"supervisord$|unix_http_server$|inet_http_server$|supervisorctl$|include$|[a-z-]+:")
#: A line of a Procfile, as foreman and honcho read it.
LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
_LINES = re.compile(rf"^{LINE.pattern}", re.MULTILINE)


def read(path: str, *, is_regular: bool = False) -> str:
    """Return the text of a file.

    :param path: its path, or :data:`STDIN`
    :param is_regular: refuse what is no regular file, such as a FIFO, which may have no end
    :raises UsageError: if it cannot be read, is too large, or is not UTF-8
    """
    title = title_of(path)
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(_MOST + 1)
        else:
            flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if is_regular else 0)
            with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
                data = _read(file, title, is_regular=is_regular)
    except (OSError, ValueError, AttributeError) as error:  # there may be no standard input
        raise UsageError(
            f"{title}: cannot be read: {getattr(error, 'strerror', None) or shown(reason_of(error))}"
        ) from None
    if len(data) > _MOST:
        raise UsageError(f"{title}: is too large: it has more than {_MOST} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{title}: is not UTF-8, at byte {error.start}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"{title}: has a NUL character, line {line}, and is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(file: BinaryIO, title: str, *, is_regular: bool) -> bytes:
    if is_regular and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise UsageError(f"{title}: is no regular file")
    return file.read(_MOST + 1)


def title_of(path: str) -> str:
    """Return what a file is called in messages."""
    return "the standard input" if path == STDIN else shown(path)


def format_of(text: str, path: str) -> str:
    """Return the format of a text.

    :param path: of its file: its name decides if the text does not
    :raises UsageError: if it is none that is known
    """
    name, start = Path(path).name.lower(), text.lstrip()[:1]
    if start == "{" or name.endswith(".json"):
        return "pymanager"
    sections = _SECTION.findall(text)
    if any(section.startswith("process.") or section in ("[on]", "flagman") for section in sections):
        raise UsageError(f"{title_of(path)}: seems to be a file of flagman already")
    if any(map(_OF_SUPERVISORD.match, sections)):
        return "supervisord"
    if name.startswith("procfile") or (not sections and _LINES.search(text)):
        return "procfile"
    known = "JSON of pymanager, a supervisord.conf, a Procfile"
    raise UsageError(f"{title_of(path)}: is none of the formats that are known: {known}; --format says which one it is")
