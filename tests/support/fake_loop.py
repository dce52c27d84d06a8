"""A control loop for tests: its time passes when it is told to, and it waits for no descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagman.engine.calls import Call, Calls
from flagman.service.control_loop import ControlLoop

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeLoop(ControlLoop):
    """A loop that only makes calls, at moments of its own clock."""

    def __init__(self) -> None:  # no call of super(): that would open a pipe
        self.now = 1000.0
        self.thread = 0
        self._calls = Calls(self.clock, lambda code, _: code())

    def clock(self) -> float:
        """Return the moment."""
        return self.now

    def call(self, code: Callable[..., object], *arguments: object, **options: object) -> None:
        """Plan a call at once."""
        self.call_later(0, code, *arguments, **options)

    def call_at(self, moment: float, code: Callable[..., object], *arguments: object, **options: object) -> Call:
        """Plan a call."""
        return self._calls.add(moment, lambda: code(*arguments, **options))

    def call_later(self, delay: float, code: Callable[..., object], *arguments: object, **options: object) -> Call:
        """Plan a call."""
        return self.call_at(self.now + delay, code, *arguments, **options)

    def due(self) -> float | None:
        """Return the moment of the earliest call; None if there is none."""
        return self._calls.deadline()

    def advance(self, seconds: float) -> None:
        """Move the clock, and make the calls that are due meanwhile, each at its moment."""
        end = self.now + seconds
        while (moment := self._calls.deadline()) is not None and moment <= end:
            self.now = max(self.now, moment)
            self._calls.drain()
        self.now = end
