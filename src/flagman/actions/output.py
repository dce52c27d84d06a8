"""The output of a command: whole lines, passed on as they come, and the last of them kept for the log."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from flagman.engine.engine import Output

    #: Takes one line, without its end.
    Sink = Callable[[bytes], None]

logger = logging.getLogger(__name__)

# How much of the output a failure shows: lines, and bytes of each.
_TAIL_LINES = 10
_TAIL_WIDTH = 500
# Bytes: a longer line is passed on in pieces.
_LONGEST_LINE = 65_536
# Bytes: what a pipe holds on Linux, and so all that can be left in one whose writer has ended.
_PIPE = 65_536


class Stream:
    """The reading end of a pipe that a command writes to.

    :param sink: takes each line
    :param tail: takes each line, too
    """

    def __init__(self, sink: Sink, tail: deque[bytes]) -> None:
        self._sink = sink
        self._tail = tail
        self._buffer = b""
        #: Why a line could not be passed on.
        self.failure: Exception | None = None
        self._reader, self.writer = os.pipe()

    def fileno(self) -> int:
        """Give the descriptor to wait for."""
        return self._reader

    def close_writer(self) -> None:
        """Close the end that the command has a copy of."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def read(self) -> bool:
        """Pass on what is there, or wait for it; tell whether there may be more."""
        data = os.read(self._reader, _PIPE)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if not data or len(self._buffer) >= _LONGEST_LINE:
            lines.append(self._buffer)
            self._buffer = b""
            if not lines[-1]:
                lines.pop()
        for line in lines:
            self._pass_on(line)
        return bool(data)

    def _pass_on(self, line: bytes) -> None:
        self._tail.append(line[:_TAIL_WIDTH])
        try:
            self._sink(line)
        except (OSError, ValueError) as error:
            # The command goes on: a full disk on our side is not its fault, and a full pipe would stop it.
            self.failure = error
            self._sink = _drop

    def finish(self) -> None:
        """Pass on the rest of a line."""
        if self._buffer:
            self._pass_on(self._buffer)
            self._buffer = b""

    def close(self) -> None:
        """Close both ends."""
        self.close_writer()
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1


def new_tail() -> deque[bytes]:
    """Give what keeps the last lines."""
    return deque(maxlen=_TAIL_LINES)


def show(tail: deque[bytes]) -> str:
    """Give the last lines for a log record; empty if there are none."""
    lines = (line.decode(errors="backslashreplace").rstrip() for line in tail)
    return "".join(f"\n  {line}" for line in lines)


def sinks(output: Output, name: str) -> tuple[Sink, Sink]:
    """Give what takes the lines of the standard output and of the standard error.

    :param name: what to call the command in the log
    """
    if output == "inherit":
        return _writer(sys.stdout), _writer(sys.stderr)
    if output == "log":
        return _logging(name, logging.INFO), _logging(name, logging.WARNING)
    return _drop, _drop


def _writer(stream: TextIO | None) -> Sink:
    if stream is None:
        return _drop

    def write(line: bytes) -> None:
        stream.write(line.decode(errors="backslashreplace") + "\n")
        stream.flush()

    return write


def _logging(name: str, level: int) -> Sink:
    def log(line: bytes) -> None:
        logger.log(level, "%s: %s", name, line.decode(errors="backslashreplace"))

    return log


def _drop(_line: bytes) -> None:
    pass
