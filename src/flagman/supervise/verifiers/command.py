"""The kind ``command``: a process is ready when a command says so by its exit status."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.exceptions import FlagmanError, one_line, reason_of, shortened
from flagman.supervise.ends import told
from flagman.supervise.verifiers.kind import Attempt, Kind
from flagman.text.shown import printable, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from flagman.engine.loop import Attachment
    from flagman.supervise.instance import Instance
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around

# Bytes of the output that are kept, the last ones, and characters of its last line that are shown.
_KEPT = 4096
_LONGEST_LINE = 200
# Bytes that are read at a time.
_CHUNK = 65_536
_BUSY = "the command of the try before cannot be killed"


class Command(Kind):
    """A process is ready when a command ends with status 0.

    :param words: the program and its arguments
    """

    name = "command"
    is_for_liveness = True
    missing = "not ended"

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__(words)
        self._words = words

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the command."""
        words = keys.words("command")
        keys.check()
        return cls(words)

    def text(self) -> str:
        """Return the kind and the command."""
        return f"{self.name} {shown(*self._words)}"

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Start the command."""
        if around.is_busy():
            answer(_BUSY)
            return Attempt()
        run = _Run(around, answer)
        try:
            run.start(self._words)
        except (OSError, ValueError, FlagmanError) as error:
            run.cancel()
            answer(one_line(reason_of(error)))
        else:
            around.is_busy = run.is_busy
        return run


class _Run(Attempt):
    """A run of the command, with its whole group; it is reaped even if it has been cancelled."""

    def __init__(self, around: Around, answer: Answer) -> None:
        self._around = around
        self._loop = around.loop
        self._answer = answer
        self._is_over = False
        self._instance: Instance | None = None
        self._reader = -1
        self._attachment: Attachment | None = None
        self._output = b""

    def start(self, words: tuple[str, ...]) -> None:
        """Start the command, with its output in a pipe."""
        self._reader, writer = os.pipe()
        null = -1
        try:
            os.set_blocking(self._reader, False)
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            self._attachment = self._loop.attach(self._reader, self._read)
            self._instance = self._around.target.start(words, {0: null, 1: writer, 2: writer}, self._look)
        finally:
            os.close(writer)
            if null >= 0:
                os.close(null)

    def is_busy(self) -> bool:
        """Return whether it has not been reaped."""
        return self._instance is not None

    def _read(self, _: int) -> None:
        try:
            data = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return
        self._output = (self._output + data)[-_KEPT:]
        if not data:
            self._close()

    def _look(self) -> None:
        """Look whether it has ended."""
        instance = self._instance
        if instance is None or not instance.has_ended():
            return
        if self._attachment is not None:
            self._read(0)  # what is in the pipe; a process that it has left behind may hold the pipe open
        self._close()
        instance.send_to_group(signal.SIGKILL)  # before it is reaped: so long its number means this group
        status = instance.reap()
        self._instance = None
        if not self._is_over:
            self._answer(self._judged(status))

    def _judged(self, status: int | None) -> str:
        if status == 0:
            return ""
        end = "its exit status is unknown" if status is None else told(status)
        lines = self._output.strip().splitlines()
        return f"{end}: {shortened(printable(lines[-1].strip()), _LONGEST_LINE)}" if lines else end

    def _close(self) -> None:
        if self._attachment is not None:
            self._loop.release(self._attachment)
            self._attachment = None
        reader, self._reader = self._reader, -1
        if reader >= 0:
            os.close(reader)

    def cancel(self) -> None:
        """Kill it."""
        self._is_over = True
        self._close()
        if self._instance is not None:
            with suppress(ProcessLookupError):
                self._instance.send_to_group(signal.SIGKILL)
