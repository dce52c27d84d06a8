"""A shell in front of a command: it changes the working directory and the umask, and then becomes the command.

``os.posix_spawn`` can do neither, and a ``preexec_fn`` would run Python code in a fork, which may hang. The shell is
replaced by the command, so the process, its group and its session stay the same.
"""

from __future__ import annotations

import errno
import os

from flagman.children.output import Sink
from flagman.text.shown import printable, shown

# Statuses of the shell for its own steps; they count only together with what it reports.
_NO_DIRECTORY, _NO_MASK, _NOT_FOUND = 3, 4, 127
# -P follows links as the kernel does. The arguments are a directory, a mask, either of which may be empty, and the
# program with its arguments.
_SCRIPT = f"""\
test -z "$1" || cd -P "$1" || exit {_NO_DIRECTORY}
test -z "$2" || umask "$2" || exit {_NO_MASK}
shift 2
exec "$@"
"""


class Shim:
    """One start of a command by way of the shell.

    The shell begins its messages with its own name. That is made up here, and no command knows it: so a line that
    begins with it is the shell's, and says that the command was not started, whatever the status is.

    :param directory: the working directory; None to keep that of this process
    :param umask: the file mode creation mask; None to keep that of this process
    """

    #: The program of the shell.
    SHELL = "/bin/sh"

    def __init__(self, directory: str | None, umask: int | None) -> None:
        self._directory = directory or ""
        self._mask = "" if umask is None else f"{umask:03o}"
        self._name = f"flagman-{os.urandom(8).hex()}"
        self._report: list[bytes] = []

    def words(self, program: str, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return the words of the shell's command.

        :param program: a path, or a name to look for in the PATH of the command
        :param words: the program's name and its arguments
        """
        # Otherwise "-" would be the directory before, and CDPATH would be searched.
        place = os.path.join(".", self._directory) if self._directory else ""  # noqa: PTH118 - pathlib costs 5 ms
        return ("sh", "-c", _SCRIPT, self._name, place, self._mask, program, *words[1:])

    def sinks(self, sinks: tuple[Sink, ...]) -> tuple[Sink, ...]:
        """Return the sinks of the command, the last of which takes out what the shell itself reports."""
        return (*sinks[:-1], _Listener(sinks[-1], self._name.encode(), self._report))

    def trouble(self, status: int) -> str:
        """Return why the command could not be started; empty if it was started.

        :param status: the exit status of the process
        """
        if not self._report:
            return ""
        # The texts of shells differ, except that most end with that of the system's error.
        said = printable(b"".join(self._report).rstrip().rpartition(b": ")[2])
        if status == _NO_DIRECTORY:
            return f"cannot change to the directory {shown(self._directory)}: {self._why_not_there() or said}"
        if status == _NO_MASK:
            return f"cannot set the umask {self._mask}: {said}"
        return os.strerror(errno.ENOENT) if status == _NOT_FOUND else said

    def _why_not_there(self) -> str:
        """Return why the directory cannot be entered; empty if it can be by now.

        Only now, because the shell's own look may hang, on a dead server, until the timeout ends it.
        """
        try:
            os.stat(os.path.join(self._directory, "."))  # noqa: PTH116, PTH118 - as above
        except (OSError, ValueError) as error:
            return str(error.strerror if isinstance(error, OSError) else error)
        return ""


class _Listener(Sink):
    """Passes lines on until the shell reports something: nothing else comes after that.

    :param sink: takes the other lines
    :param name: the name of the shell
    :param report: receives what the shell reports
    """

    def __init__(self, sink: Sink, name: bytes, report: list[bytes]) -> None:
        super().__init__()
        self.may_be_cut = sink.may_be_cut
        self._sink = sink
        self._name = name
        self._report = report

    def write(self, line: bytes) -> None:
        """Take a line."""
        if self._report or line.startswith(self._name):
            self._report.append(line)
        else:
            self._sink.write(line)

    def is_ready(self) -> bool:
        """Return whether the other sink can take a line."""
        return self._sink.is_ready()
