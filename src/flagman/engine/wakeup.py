"""The pipe that ends every wait.

A handler alone cannot wake a poll() that is about to begin: a signal that arrives after the last look at the flags and
before the system call would not be noticed until the next one. So CPython's C handler, and any other thread that raises
a flag, also write a byte to a pipe that the loop waits for. The bytes mean nothing but "look at the flags", which is
why a full pipe loses nothing: it is already awake.

Every other wait of ours in the loop's thread includes the pipe, too: else an alarm, or a second TERM, would go
unnoticed until the awaited event happens. Any of these waits may empty the pipe: the loop looks at the flags and the
clock before each of its own waits, and by then CPython has called the handlers of the signals that the bytes stood for.

Rejected: blocking the signals and taking them with sigtimedwait(2). The mask is inherited by every child of every
action, and macOS lacks the call.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress


class Wakeup:
    """A self-pipe that ends the waits of a loop.

    :param is_open: make the pipe; without it nothing is woken, for code that runs without a loop
    """

    __slots__ = ("_reader", "writer")

    def __init__(self, *, is_open: bool = True) -> None:
        self._reader = self.writer = -1
        if is_open:
            self.open()

    def open(self) -> None:
        """Make the pipe."""
        # os.pipe() and not pipe2(), which macOS lacks; either gives descriptors that children do not inherit.
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self.writer, False)

    def wake(self) -> None:
        """End the current wait or the next one; safe in any thread."""
        if self.writer >= 0:
            # Full: the loop has not read what others have written, so it will wake. Or it has just been closed.
            with suppress(OSError):
                os.write(self.writer, b"\0")

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._reader

    def drain(self) -> None:
        """Empty the pipe; what one read leaves behind only makes the next wait short."""
        try:  # noqa: SIM105 - suppress() takes longer, and each signal waits for this
            os.read(self._reader, 4096)
        except BlockingIOError:
            pass

    def poll(self) -> select.poll:
        """Return a poll object for this pipe and for descriptors that are registered with it; see :meth:`wait`."""
        poll = select.poll()
        if self._reader >= 0:
            poll.register(self._reader, select.POLLIN)
        return poll

    def wait(self, poll: select.poll, seconds: float | None) -> list[tuple[int, int]]:
        """Wait for descriptors until one is ready, a signal arrives, or the time is over; in the loop's thread only.

        :param poll: made by :meth:`poll`
        :param seconds: None for no limit
        :returns: the descriptors that are ready, as poll(2) returns them, without this pipe
        """
        events = poll.poll(None if seconds is None else seconds * 1000)
        if any(descriptor == self._reader for descriptor, _ in events):
            self.drain()
            return [event for event in events if event[0] != self._reader]
        return events

    def close(self) -> None:
        """Close both ends; from then on waking does nothing, because the numbers may soon mean other files."""
        descriptors = (self.writer, self._reader)
        self.writer = self._reader = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)
