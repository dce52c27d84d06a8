"""Why a command could not be started, with the exit status that shells give for that."""

from __future__ import annotations

import errno
import os

from flagman.exceptions import FlagmanError
from flagman.text.shown import shown

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
# The system is short of something: the command itself may be good.
_SHORT = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class StartError(FlagmanError):
    """A command could not be started; the exit status is 127 if it was not found, and 126 if it cannot be executed.

    :param program: a path, or a name that was looked for in PATH
    :param error: what the system says
    """

    def __init__(self, program: str, error: OSError | ValueError) -> None:
        number = error.errno if isinstance(error, OSError) else None
        #: What the system says, and why.
        self.reason = f"{error.strerror if isinstance(error, OSError) else error}{_hint(program, number)}"
        super().__init__(f"cannot start {shown(program)!r}: {self.reason}")
        self.exit_code = _status(number)


def _status(number: int | None) -> int:
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return _NOT_FOUND
    return 1 if number in _SHORT else _NOT_EXECUTABLE


def _hint(program: str, number: int | None) -> str:
    if number == errno.ENOEXEC:
        return "; a script begins with a line such as #!/bin/sh"
    if number == errno.ENOENT and "/" in program and os.path.exists(program):  # noqa: PTH110 - pathlib costs 5 ms
        return "; the file is there, but the interpreter that its first line names is not"
    if number == errno.ENOENT and " " in program:
        return "; it is one word here: leave out its quotes, or write -- sh -c '...'"
    return ""
