"""The verb ``convert``: makes a configuration file of that of another program."""

from __future__ import annotations

import sys
from pathlib import Path

from flagman.ctl.converters import reading
from flagman.ctl.errors import BAD
from flagman.ctl.screen import write
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.converters.document import Document
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Print the configuration file.

    :returns: the exit status: 1 if something could not be converted
    """
    try:
        document = _convert(words.argument, words.format)
        text = document.text()
    except RecursionError:  # what can be read may still be too deep to be written
        raise UsageError(f"{reading.title_of(words.argument)}: is nested too deeply") from None
    write(text)
    summary = document.summary()
    if summary and sys.stderr is not None:
        print(f"flagmanctl: {summary}", file=sys.stderr)
    return BAD if summary else 0


def _convert(path: str, name: str) -> Document:
    """Read a file, and convert it.

    :param name: of its format; empty to find that out
    :raises UsageError: if it cannot be read or understood
    """
    text = reading.read(path)
    name = name or reading.format_of(text, path)
    title = reading.title_of(path)
    directory = str(Path() if path == reading.STDIN else Path(path).parent)
    if name == "pymanager":
        from flagman.ctl.converters import pymanager  # noqa: PLC0415 - one of them is enough

        return pymanager.convert(text, title, directory)
    if name == "supervisord":
        from flagman.ctl.converters import supervisord  # noqa: PLC0415 - as above

        return supervisord.convert(text, title, directory)
    from flagman.ctl.converters import procfile  # noqa: PLC0415 - as above

    return procfile.convert(text, title, None if path == reading.STDIN else str(Path(directory).absolute()))
