"""The output of a command: passed on as it comes, line by line, and the last lines kept for the log."""

from __future__ import annotations

import fcntl
import os
import sys
import termios
from collections import deque
from io import BytesIO, UnsupportedOperation

from flagman.engine import loggers, writing
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from flagman.engine.choices import Output
    from flagman.engine.interrupt import Interrupter

logger = loggers.get("flagman.actions.output")

# How much of the output a failure shows: lines, and bytes of each.
_TAIL_LINES = 10
_TAIL_WIDTH = 500
# Bytes: a longer line is passed on in pieces.
_LONGEST_LINE = 65_536
# Bytes that are read at once.
_CHUNK = 65_536


class Sink:
    """Takes the lines of one stream, and drops them.

    :param stream: where they go in the end
    """

    #: Whether ``write`` may be interrupted at any point, because nothing else can end it, and not only where it waits.
    may_be_cut = False

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Take a line, or a piece of a long one; its end is part of it."""

    def is_ready(self) -> bool:
        """Return whether the beginning of a line can be taken without waiting for a reader."""
        return self._stream is not None and writing.is_ready(self._stream.fileno())


class PassOn(Sink):
    """Writes lines to a stream of this process, byte by byte as they are.

    :param wait: waits until its descriptor takes more, see :func:`flagman.engine.writing.write`
    """

    def __init__(self, stream: TextIO | None, wait: Callable[[int], bool]) -> None:
        super().__init__(stream)
        self._wait = wait

    def write(self, line: bytes) -> None:
        """Write a line."""
        stream = self._stream
        if stream is None:
            return
        try:
            descriptor = stream.fileno()
        except UnsupportedOperation:  # a program has put something there that is no file
            stream.write(line.decode(errors="backslashreplace"))
            return
        # Past its buffer: what an interruption left there would hold up all later output.
        self._flush(stream)
        buffer = getattr(stream, "buffer", None)
        if getattr(buffer, "is_patient", False):
            stream.buffer.write(line)
        else:
            writing.write(descriptor, line, self._wait)

    def _flush(self, stream: TextIO) -> None:
        while True:
            try:
                stream.flush()
            except BlockingIOError:
                if not self._wait(stream.fileno()):
                    return
            else:
                return


class Log(Sink):
    """Logs lines.

    :param command: what to call the command
    :param level: the level of the records
    """

    may_be_cut = True  # there may be handlers that we do not know

    def __init__(self, command: str, level: int) -> None:
        super().__init__()
        self._command = command
        self._level = level

    def is_ready(self) -> bool:
        """Return True: handlers of the log give up by themselves."""
        return True

    def write(self, line: bytes) -> None:
        """Log a line."""
        logger.log(self._level, "%s: %s", self._command, printable(line.rstrip(b"\n")))


class Stream:
    """The reading end of a pipe that a command writes to.

    :param reader: the descriptor, which it closes in the end
    :param sink: takes the lines
    :param tail: keeps the last of them
    :param interrupter: may end the writing of a line, which may take long
    """

    def __init__(self, reader: int, sink: Sink, tail: deque[bytes], interrupter: Interrupter) -> None:
        self._interrupter = interrupter
        self._lines: deque[bytes] = deque()
        self._reader = reader
        self._sink = sink
        self._tail = tail
        self._buffer = b""
        # Whether the last piece that was passed on was not the end of its line.
        self._is_cut = False
        #: Why a line could not be passed on.
        self.failure: Exception | None = None
        #: Whether not to wait for a reader of our own output, because the command has to end.
        self.hurries = False

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._reader

    def read(self) -> bool:
        """Pass on what is there, or wait for it; return whether there may be more."""
        return self._read(_CHUNK)

    def _read(self, most: int) -> bool:
        data = os.read(self._reader, most)
        self._buffer += data
        whole = self._buffer.rfind(b"\n") + 1
        if len(self._buffer) - whole >= _LONGEST_LINE:
            whole = len(self._buffer)
        complete, self._buffer = self._buffer[:whole], self._buffer[whole:]
        self._lines.extend(BytesIO(complete).readlines())  # bytes.splitlines() would split at carriage returns, too
        if complete:
            self._is_cut = not complete.endswith(b"\n")
        self._pass_all_on()
        return bool(data)

    def _pass_all_on(self) -> None:
        while self._lines:
            try:
                if not self.hurries and self._sink.may_be_cut:
                    self._interrupter.unshielded(self._write_next)
                elif not self.hurries or self._interrupter.gives_up or self._sink.is_ready():
                    self._write_next()
                else:
                    self._take_next()
            except (OSError, ValueError) as error:
                # The command goes on: a full disk on our side is not its fault, and a full pipe would stop it.
                self.failure = error
                self._sink = Sink()

    def _take_next(self) -> bytes:
        line = self._lines.popleft()
        self._tail.append(line[:_TAIL_WIDTH].rstrip(b"\n"))
        return line

    def _write_next(self) -> None:
        # Taken only now: a postponed interruption was raised before, and the line is kept for the next time.
        self._sink.write(self._take_next())

    def finish(self) -> None:
        """Pass on what the pipe holds now, even if other processes may still write to it, and the rest of a line."""
        self._pass_all_on()
        left = int.from_bytes(fcntl.ioctl(self._reader, termios.FIONREAD, b"\0" * 4), sys.byteorder)
        while left > 0:
            most = min(left, _CHUNK)
            left -= most
            self._read(most)
        if self._buffer or self._is_cut:
            self._lines.append(self._buffer + b"\n")
            self._buffer = b""
            self._is_cut = False
            self._pass_all_on()

    def close(self) -> None:
        """Close the descriptor."""
        reader, self._reader = self._reader, -1
        if reader >= 0:
            os.close(reader)


def new_tail() -> deque[bytes]:
    """Return a deque that keeps only the last lines."""
    return deque(maxlen=_TAIL_LINES)


def show(tail: deque[bytes]) -> str:
    """Return the last lines for a log record; empty if there are none."""
    if not tail:
        return ""
    return "; its last output:" + "".join(f"\n  {printable(line.rstrip())}" for line in tail)


def sinks(output: Output, command: str, interrupter: Interrupter) -> tuple[Sink, ...]:
    """Return the sinks of the standard output and of the standard error; a single one takes the lines of both.

    Only lines that come through one pipe keep the order in which the command has written them.

    :param command: what to call the command in the log
    :param interrupter: may end the writing of a line
    """
    if output == "inherit":
        streams = (sys.stdout,) if _lead_to_one(sys.stdout, sys.stderr) else (sys.stdout, sys.stderr)
        return tuple(PassOn(stream, interrupter.wait_to_write) for stream in streams)
    if output == "log":
        return Log(command, loggers.INFO), Log(command, loggers.WARNING)
    return (Sink(),)


def _lead_to_one(out: TextIO | None, err: TextIO | None) -> bool:
    """Return whether two streams lead to the same file, pipe or terminal."""
    try:
        return out is not None and err is not None and os.path.sameopenfile(out.fileno(), err.fileno())
    except (OSError, ValueError):  # one is closed, or no file at all
        return False
