"""How a command has ended, or why it could not be started, with the exit status that shells give for that."""

from __future__ import annotations

import errno
import os

from flagman.exceptions import FlagmanError
from flagman.text.shown import shown
from flagman.text.signames import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
# The system is short of something: the command itself may be good.
_SHORT = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def exit_status(status: int, good: Collection[int] = ()) -> int:
    """Return the exit status that tells of an end: for a signal, 128 and its number.

    :param status: an exit status, or the number of the signal that has killed the command, negative
    :param good: exit statuses that count as 0
    """
    found = status if status >= 0 else 128 - status
    return 0 if found in good else found


def told(status: int) -> str:
    """Return how a command has ended, in words."""
    return f"exited with status {status}" if status >= 0 else f"was killed by {name_of(-status)}"


class StartError(FlagmanError):
    """A command could not be started; the exit status is 127 if it was not found, and 126 if it cannot be executed.

    :param program: a path, or a name that was looked for in PATH
    :param error: what the system says
    """

    def __init__(self, program: str, error: OSError | ValueError) -> None:
        number = error.errno if isinstance(error, OSError) else None
        #: What the system says, and why.
        self.reason = f"{error.strerror if isinstance(error, OSError) else error}{hint(program, number)}"
        super().__init__(f"cannot start {shown(program)!r}: {self.reason}")
        self.exit_code = _status(number)


def _status(number: int | None) -> int:
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return _NOT_FOUND
    return 1 if number in _SHORT else _NOT_EXECUTABLE


def hint(program: str, number: int | None) -> str:
    """Return what may help after a failed start; empty if nothing may.

    :param program: a path, or a name that was looked for in PATH
    :param number: that of the error
    """
    if number == errno.ENOEXEC:
        return "; a script begins with a line such as #!/bin/sh"
    if number == errno.ENOENT and "/" in program and os.path.exists(program):  # noqa: PTH110 - pathlib costs 5 ms
        return "; the file is there, but the interpreter that its first line names is not"
    if number == errno.ENOENT and " " in program:
        return "; it is one word here: leave out its quotes, or write -- sh -c '...'"
    return ""
