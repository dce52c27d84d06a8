"""The output of a process that flagman takes in: kept for a look at it, and passed on to the log or to a file."""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import termios
import time

from flagman.supervise.ends import StartError
from flagman.supervise.launch.ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.launch.to_file import ToFile
    from flagman.supervise.launch.to_log import ToLog

logger = logging.getLogger("flagman.process")

# Bytes that are taken in at a time, which is what a pipe holds: then the others have their turn.
_CHUNK = 65_536
# Bytes that are taken in at the end of a life: a process can make its pipe this large.
_MOST_AT_END = 1_048_576
# Pipes of former lives that are still read, because processes that these have left behind hold them.
_MOST_FORMER = 8
# Seconds, and the bytes that are taken in within them, before a flood has to wait in its pipe: 128 MiB/s.
_SPAN, _MOST_IN_SPAN = 0.05, 6_710_886


class Capture:
    """Takes in the output of one process, over all of its lives; everything is called in the control loop.

    What the log or the file does not take is dropped and counted: the process is never stopped by that.

    :param name: of the process
    :param output: ``"log"``, or the absolute path of a file
    :param loop: watches the pipes
    """

    def __init__(self, name: str, output: str, loop: ControlLoop) -> None:
        self._name = name
        self._loop = loop
        self._sink = _sink(name, output, loop)
        self._ring = Ring()
        self._pipes: list[_Pipe] = []
        # That of the current life.
        self._current: _Pipe | None = None
        self._listeners: dict[object, Callable[[], object]] = {}
        #: Whether nothing more can come.
        self.is_closed = False

    def begin(self) -> int:
        """Return a descriptor for the standard output and error of a new life; the caller closes it after the start.

        :raises StartError: if there are too many open files
        """
        try:
            reader, writer = os.pipe()
        except OSError as error:
            raise StartError(self._name, error) from error
        self._sink.begin()
        self._current = _Pipe(reader, self._loop, self._take, self._let_go)
        self._pipes.append(self._current)
        if len(self._pipes) > _MOST_FORMER + 1:
            logger.warning(
                "%s: processes of %d former lives still hold its output; that of the first is read no longer",
                self._name,
                _MOST_FORMER + 1,
            )
            self._let_go(self._pipes[0])
        return writer

    def _take(self, data: bytes, begun: bytearray) -> None:
        self._ring.add(data)
        self._sink.take(data, begun)
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                listener()
            except Exception:
                logger.exception("%s: a reader of its output has failed", self._name)

    def _let_go(self, pipe: _Pipe) -> None:
        self._pipes.remove(pipe)
        self._sink.end_line(pipe.begun)
        pipe.close()

    @property
    def position(self) -> int:
        """The number of bytes that have been kept so far."""
        return self._ring.position

    def tail(self, lines: int, since: int = 0) -> list[str]:
        """Return the last lines that are kept, as they can be shown on a terminal.

        :param since: only what came after this position, see :attr:`position`
        """
        return self._ring.tail(lines, since)

    def read(self, since: int) -> tuple[int, bytes]:
        """Return the position now, and what is kept of that which came after another one."""
        return self._ring.position, self._ring.read(since)

    def listen(self, code: Callable[[], object]) -> Callable[[], None]:
        """Call ``code`` whenever there is more, and when this is closed; return what ends that."""
        key = object()
        self._listeners[key] = code

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def end(self) -> None:
        """Take in what the pipe of the life that has ended holds now; others that still hold it are read further."""
        if self._current in self._pipes:
            self._finish(self._current)
        self._current = None
        if self._ring.end_line():
            self._tell()

    def _finish(self, pipe: _Pipe) -> None:
        pipe.drain()
        self._sink.end_line(pipe.begun)

    def close(self) -> None:
        """Take in what the pipes hold now, and close them and the file."""
        for pipe in tuple(self._pipes):
            self._finish(pipe)
            if pipe in self._pipes:
                self._let_go(pipe)
        self.is_closed = True
        self._tell()
        self._listeners.clear()
        self._sink.close()


def _sink(name: str, output: str, loop: ControlLoop) -> ToLog | ToFile:
    if output == "log":
        from flagman.supervise.launch.to_log import ToLog  # noqa: PLC0415 - one of the two

        return ToLog(name, loop)
    from flagman.supervise.launch.to_file import ToFile  # noqa: PLC0415 - as above

    return ToFile(name, output)


class _Pipe:
    """The reading end of the pipe of one life.

    :param reader: the descriptor, which it closes
    :param loop: watches it
    :param take: takes data, and the line that has begun
    :param on_end: called when no process holds the other end any more
    """

    def __init__(
        self,
        reader: int,
        loop: ControlLoop,
        take: Callable[[bytes, bytearray], object],
        on_end: Callable[[_Pipe], object],
    ) -> None:
        os.set_blocking(reader, False)
        self._reader = reader
        self._loop = loop
        self._pass_on = take
        self._on_end = on_end
        #: The line that has begun, and has no end yet.
        self.begun = bytearray()
        self._span_end = 0.0
        self._span_left = 0
        self._planned: Call | None = None
        self._attachment = self._attach()

    def _attach(self) -> Attachment:
        return self._loop.attach(self._reader, lambda _: self._read(), on_failure=self._attach_again)

    def _attach_again(self) -> None:
        """Go on after a failure, which is in the log: a pipe that is not read stops the process."""
        if self._reader >= 0:
            self._attachment = self._attach()

    def _read(self) -> None:
        count = self._take(_CHUNK)
        if count <= 0 or self._reader < 0:
            return
        now = time.monotonic()
        if now >= self._span_end:
            self._span_end = now + _SPAN
            self._span_left = _MOST_IN_SPAN
        self._span_left -= count
        if self._span_left <= 0:
            self._attachment.expect(readable=False)
            self._planned = self._loop.call_at(self._span_end, self._go_on)

    def _go_on(self) -> None:
        self._planned = None
        self._attachment.expect()

    def _take(self, most: int) -> int:
        """Take in what is there; return how much that was, 0 if there is no more, and -1 if there is none now."""
        try:
            data = os.read(self._reader, most)
        except BlockingIOError:
            return -1
        if data:
            self._pass_on(data, self.begun)
        else:
            self._on_end(self)
        return len(data)

    def drain(self) -> None:
        """Take in what it holds now."""
        (held,) = struct.unpack("i", fcntl.ioctl(self._reader, termios.FIONREAD, bytes(4)))
        left = min(held, _MOST_AT_END)
        while left > 0:
            count = self._take(min(left, _CHUNK))
            if count <= 0:
                return
            left -= count

    def close(self) -> None:
        """Close it."""
        if self._planned is not None:
            self._planned.cancel()
        reader, self._reader = self._reader, -1
        self._loop.release(self._attachment)
        os.close(reader)
