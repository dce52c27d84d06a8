"""The kind ``delay``: a process that has lived for some time is ready."""

from __future__ import annotations

from flagman.supervise.verifiers.kind import Attempt, Kind
from flagman.text.spans import format_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from flagman.engine.calls import Call
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around


class Delay(Kind):
    """A process that has lived for some time is ready.

    :param seconds: that time
    """

    name = "delay"
    is_patient = True
    has_timeout = False

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._seconds = self.least = seconds

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the time."""
        seconds = keys.span("for")
        keys.check()
        return cls(seconds)

    def text(self) -> str:
        """Return the kind and the time."""
        return f"{self.name} {format_span(self._seconds)}"

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Answer when the time is over."""
        return _Planned(around.loop.call_later(self._seconds, answer, ""))


class _Planned(Attempt):
    """An answer that has been planned."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def cancel(self) -> None:
        self._call.cancel()
