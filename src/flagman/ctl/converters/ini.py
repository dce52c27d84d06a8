"""Reads a supervisord.conf with the files that it includes: sections with texts."""

from __future__ import annotations

import configparser
import platform
from glob import iglob
from itertools import islice
from pathlib import Path

from flagman.ctl.converters.expansion import expand
from flagman.ctl.converters.reading import read
from flagman.exceptions import UsageError, one_line
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.converters.document import Table

    Sections = dict[str, dict[str, str]]

# Files that one may include.
_MOST = 1000


def sections_of(text: str, title: str, directory: str, head: Table) -> Sections:
    """Return the sections of a file, and of those that it includes.

    :param head: takes comments on files that cannot be read
    :raises UsageError: if it cannot be understood
    """
    here = str(Path(directory).absolute())
    parser = _parser()
    _parse(parser, text, title)
    _place(parser, here)
    for path in _included(parser, here, head):
        try:
            _parse(parser, read(path, is_regular=True), shown(path))
        except UsageError as error:
            head.lose(f"include {path}", str(error))
        _place(parser, str(Path(path).parent))
    return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def names_everywhere(directory: str) -> dict[str, str | int]:
    """Return what every section may name."""
    return {"here": str(Path(directory).absolute()), "host_node_name": platform.node()}


def _parser() -> configparser.RawConfigParser:
    return configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)


def _parse(parser: configparser.RawConfigParser, text: str, title: str) -> None:
    try:
        parser.read_string(text, title)
    except configparser.MissingSectionHeaderError as error:
        raise UsageError(f"{title}: line {error.lineno}: there is no [section] before it") from None
    except configparser.ParsingError as error:
        number = error.errors[0][0] if error.errors else 1
        line = text.split("\n")[number - 1]
        raise UsageError(f"{title}: line {number}: is no KEY = VALUE: {shown(line)}") from None
    except (configparser.Error, ValueError, AttributeError) as error:
        raise UsageError(f"{title}: {shown(one_line(error))}") from None


def _place(parser: configparser.RawConfigParser, here: str) -> None:
    """Put the directory of the file in that has been read last."""
    for name in parser.sections():
        for key, value in parser.items(name):
            if value and "%(here)s" in value:
                parser.set(name, key, value.replace("%(here)s", here.replace("%", "%%")))


def _included(parser: configparser.RawConfigParser, here: str, head: Table) -> list[str]:
    """Return the paths of the files to include; those within these are not included, as supervisord has it."""
    text = parser.get("include", "files", fallback="") or ""
    try:
        patterns = expand(text, names_everywhere(here), is_known=True).split()
    except ValueError as error:
        head.lose(f"include files = {text}", str(error))
        return []
    paths: list[str] = []
    for pattern in patterns:
        # Path.glob() takes no absolute patterns.
        found = sorted(islice(iglob(str(Path(here, pattern))), _MOST + 1 - len(paths)))  # noqa: PTH207 - see above
        if not found:
            head.note(f"there is no file {shown(pattern)!r} to include")
        paths += found
    if len(paths) > _MOST:
        head.lose("include", f"there are more than {_MOST} files; the others are left out")
    return paths[:_MOST]
