"""The format of Heroku, foreman and honcho: a Procfile, with the ``.env`` beside it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from flagman.ctl.converters.document import Document
from flagman.ctl.converters.reading import LINE, read
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.converters.document import Process

# The port of the first process, and what is between two of them.
_PORT, _STEP, _LAST_PORT = 5000, 100, 65_535
# What means the same to a shell and to an array of words.
_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+= -]+")
# What makes more than one command of a text.
_SEVERAL = re.compile(r"[;&|<>()`\n#!{}]|^\s*\w+=|\$\(")
# The first words that are no programs.
_OF_SHELL = (
    ". : alias bg break case cd command continue do done elif else esac eval exec exit export fc fg fi for function"
    " getopts hash if in jobs local read readonly return select set shift source then time times trap type ulimit"
    " umask unalias unset until wait while"
)
_VARIABLE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
# What a shell and the readers of .env take for the same value: plain words, and quotes without what they expand.
_VALUE = re.compile(r"""[A-Za-z0-9_./:,@%+=-]*|'[^'\\]*'|"[^"\\$`]*\"""")


def convert(text: str, title: str, directory: str | None) -> Document:
    """Convert a file.

    :param text: its content
    :param title: its name, for messages
    :param directory: where it is, absolute; None if that is not known
    :raises UsageError: if it is no Procfile
    """
    document = Document(title)
    environment = _Environment(document, directory)
    document.flagman.note('foreman ends all when one ends: for that, write restart = "never" and essential = true')
    port = environment.port
    for number, line in enumerate(text.split("\n"), 1):
        match = LINE.match(line)
        if match is not None:
            process = document.add(match[1])
            _fill(process, match[2].strip(), directory, environment, port)
            port += _STEP
        elif line.strip() and not line.lstrip().startswith("#"):
            document.flagman.lose(f"line {number}: {line.strip()}", "it is no process, and foreman leaves it out, too")
    if not document.processes:
        raise UsageError(f"{title}: is no Procfile: no line of it is NAME: COMMAND")
    return document


class _Environment:
    """The variables of ``.env``, which stay there.

    :param directory: where it is looked for; None for nowhere
    """

    def __init__(self, document: Document, directory: str | None) -> None:
        self._flagman = document.flagman
        #: The path of the file, absolute; empty if there is none.
        self.path = str(Path(directory, ".env")) if directory is not None else ""
        #: The port of the first process.
        self.port = _PORT
        if self.path and not (Path(self.path).exists() or Path(self.path).is_symlink()):
            self.path = ""
        if self.path:
            self._read()

    def _read(self) -> None:
        try:
            text = read(self.path, is_regular=True)
        except UsageError as error:
            self._flagman.lose(".env", str(error))
            self.path = ""
            return
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            match = _VARIABLE.fullmatch(stripped)
            if match is None or not _VALUE.fullmatch(match[2]):
                what = match[1] if match is not None else "the line"
                self._flagman.lose(
                    f".env, line {number}", f"a shell reads {what} in another way: put the value in single quotes"
                )
            elif match[1] == "PORT":
                self._set_port(match[2].strip("'\""))
        self._flagman.note("a shell reads .env at each start, so its values are not here")

    def _set_port(self, value: str) -> None:
        if value.isascii() and value.isdecimal() and 0 < int(value[:9]) <= _LAST_PORT:
            self.port = int(value)
        else:
            self._flagman.lose(".env: PORT", "it is no number of a port")


def _fill(process: Process, command: str, directory: str | None, environment: _Environment, port: int) -> None:
    before = ""
    if environment.path:
        before = f"set -a; . {shlex.quote(environment.path)}; PORT={port}; set +a; "
    else:
        process.set("environment", {"PORT": str(port)})
    process.set("command", _words(command, directory, before), command)
    if directory is not None:
        process.set("directory", directory)
    if process.name == "release":
        process.set("wanted", "down")
        process.set("restart", "never")
        process.set("ready", {"type": "exited", "timeout": "1h"})
        process.lose(
            "release",
            "Heroku runs it before each deployment, and foreman beside the others; here flagmanctl start release"
            ' runs it: to run it before each start, remove wanted, and write after = ["release"] in the others',
        )
    else:
        process.set("restart", "always")


def _words(command: str, directory: str | None, before: str) -> list[str]:
    """Return what runs a line; a shell stays in between only if it has more to do than to start one program.

    :param before: what the shell does first; empty for nothing
    """
    first = (*command.split(maxsplit=1), "")[0]
    is_one = not _SEVERAL.search(command) and first not in _OF_SHELL.split()
    if is_one and not before and _PLAIN.fullmatch(command):
        words = command.split()
        if "/" in first and directory is not None:  # flagman looks for it from where it was started
            words[0] = str(Path(directory, first))
        return words
    return ["sh", "-c", f"{before}{'exec ' if is_one else ''}{command}"]
