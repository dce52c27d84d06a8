"""The pipe that ends every wait.

A handler alone cannot wake a poll() that is about to begin: a signal that arrives after the last look at the flags and
before the system call would sleep until the next one. So CPython's C handler, and whoever raises a flag from another
thread, also writes a byte to a pipe that the loop waits for. The bytes mean nothing but "look at the flags", which is
why a full pipe loses nothing: it is already awake.

Rejected: blocking the signals and taking them with sigtimedwait(2). The mask is inherited by every child of every
action, and macOS lacks the call.
"""

from __future__ import annotations

import os
from contextlib import suppress


class Wakeup:
    """A self-pipe, as a trigger of the loop."""

    __slots__ = ("_reader", "writer")

    def __init__(self) -> None:
        # os.pipe() and not pipe2(), which macOS lacks; either gives descriptors that children do not inherit.
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self.writer, False)

    def wake(self) -> None:
        """End the current wait or the next one; safe in any thread."""
        if self.writer >= 0:
            with suppress(BlockingIOError):  # full: the loop has not read what others have written, so it will wake
                os.write(self.writer, b"\0")

    def fileno(self) -> int:
        """Give the descriptor that becomes readable."""
        return self._reader

    def deadline(self) -> float | None:
        """Give no deadline: a pipe waits for ever."""
        return None

    def drain(self) -> None:
        """Empty the pipe; what one read leaves behind only makes the next wait short."""
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def close(self) -> None:
        """Close both ends; from then on waking does nothing, for the numbers may soon mean something else."""
        writer, self.writer = self.writer, -1
        os.close(writer)
        os.close(self._reader)
