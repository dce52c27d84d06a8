"""The kind ``fd``: a process that has written a newline to a descriptor is ready, as s6 has it."""

from __future__ import annotations

import os

from flagman.supervise.verifiers.kind import Attempt, Gifts, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around

# Bytes that are read at a time.
_CHUNK = 65_536
# The descriptors that it can be: the first three are the standard streams.
_FIRST, _LAST = 3, 255


class _Pipe(Gifts):
    """A pipe from the process.

    It is read for as long as there is anything to come, so that a process which goes on writing is not killed by
    SIGPIPE.

    :param number: the descriptor that the process has
    """

    def __init__(self, loop: ControlLoop, number: int) -> None:
        super().__init__()
        self._loop = loop
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.streams = {number: self._writer}
        self._attachment: Attachment | None = loop.attach(self._reader, self._read)
        #: Whether a newline has come.
        self.is_told = False
        #: Called when a newline has come, or nothing more can come.
        self.on_news: Callable[[], object] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self._attachment is None

    def _read(self, _: int) -> None:
        try:
            data = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return
        self.is_told = self.is_told or b"\n" in data
        if not data:
            self._close_reader()
        if self.on_news is not None and (self.is_told or not data):
            self.on_news()

    def given(self) -> None:
        """Close our side of what the process has."""
        writer, self._writer = self._writer, -1
        if writer >= 0:
            os.close(writer)

    def _close_reader(self) -> None:
        if self._attachment is not None:
            self._loop.release(self._attachment)
            self._attachment = None
            os.close(self._reader)

    def close(self) -> None:
        """Close both sides."""
        self.given()
        self._close_reader()


class Fd(Kind):
    """A process that has written a newline to a descriptor is ready.

    :param number: the descriptor
    """

    name = "fd"
    is_patient = True
    missing = "no newline"

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._number = number

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the descriptor."""
        number = keys.number("fd", 3, least=_FIRST, most=_LAST)
        keys.check()
        return cls(number)

    def text(self) -> str:
        """Return the kind and the descriptor."""
        return f"{self.name} {self._number}"

    def gifts(self, loop: ControlLoop) -> Gifts:
        """Make a pipe."""
        return _Pipe(loop, self._number)

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Wait for a newline."""
        return _Waiting(around, answer)


class _Waiting(Attempt):
    """Waits for a newline."""

    def __init__(self, around: Around, answer: Answer) -> None:
        self._around = around
        self._answer = answer
        self._pipe = around.gifts
        if isinstance(self._pipe, _Pipe):
            self._pipe.on_news = self._look
        self._look()

    def _look(self) -> None:
        if isinstance(self._pipe, _Pipe) and self._pipe.is_told:
            self._answer("")
        elif not isinstance(self._pipe, _Pipe) or self._pipe.is_over:
            self._around.note("the process has closed the descriptor")

    def cancel(self) -> None:
        """Wait no longer."""
        if isinstance(self._pipe, _Pipe):
            self._pipe.on_news = None
