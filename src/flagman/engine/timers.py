"""Timers: flags that are raised by the clock, once or again and again, and flags that are held until it is quiet."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.types import FlagName

# The engine speaks as flagman.core, its documented face.
logger = logging.getLogger("flagman.core")

# How many times its span a debounced flag may be held at most.
_LONGEST_HOLD = 10


class Every:
    """Raises a flag again and again, on a grid of moments that begins when the timer is started.

    A tick that comes late, after a long run or a suspend, stands for all that were missed, and does not move the grid.

    :param engine: whose flag it raises
    :param flag: the flag
    :param period: seconds from one tick to the next, more than 0
    :param jitter: seconds by which each tick may come later, at random; no more than a period counts
    """

    def __init__(self, engine: Engine, flag: FlagName, period: float, jitter: float = 0) -> None:
        self._engine = engine
        self._flag = flag
        self._period = period
        self._delay = spread(min(jitter, period))
        self._origin = engine.clock()
        self._wait_for(1)

    def _wait_for(self, tick: int) -> None:
        self._tick = tick
        # How much later than its place on the grid this one is meant to be.
        self._late = self._delay()
        self._call = self._engine.call_at(self._origin + tick * self._period + self._late, self._on_tick)

    def cancel(self) -> None:
        """Do not raise the flag any more."""
        self._call.cancel()

    def _on_tick(self) -> None:
        if self._flag not in self._engine.bundles:
            return  # all of its actions have closed
        now = self._engine.clock() - self._late
        last = max(self._tick, int((now - self._origin) / self._period))
        ticks = last - self._tick + 1
        if ticks > 1:
            logger.info("`%s` comes late and stands for %d ticks", self._flag, ticks)
        self._engine.flags.add(self._flag, ticks)
        self._wait_for(last + 1)


class Debounce:
    """Holds a flag back until it has not been raised for a while, or has been held for ten times as long.

    :param engine: whose flag it is
    :param flag: the flag
    :param span: seconds of quiet
    :param pass_first: do not hold it the first time
    """

    def __init__(self, engine: Engine, flag: FlagName, span: float, *, pass_first: bool) -> None:
        self._engine = engine
        self._flag = flag
        self._span = span
        #: How many raises wait.
        self.held = 0
        self._first = self._last = 0.0
        self._call: Call | None = None
        #: It lets the flag through the next time.
        self.passes = pass_first

    def admit(self, raises: int) -> int:
        """Take a lowered flag in; tell for how many raises its bundle is to run now: 0 to wait."""
        if self.passes:
            self.passes = False
            return raises
        self._last = self._engine.clock()
        if not self.held:
            self._first = self._last
            self._call = self._engine.call_at(self._last + self._span, self._look)
        self.held += raises
        return 0

    def cancel(self) -> int:
        """Hold the flag no longer; tell how many raises waited."""
        if self._call is not None:
            self._call.cancel()
        held, self.held = self.held, 0
        return held

    def _look(self) -> None:
        """Let the flag pass if it is time, else look again when it may be."""
        moment = min(self._last + self._span, self._first + _LONGEST_HOLD * self._span)
        if self._engine.clock() < moment:
            self._call = self._engine.call_at(moment, self._look)
            return
        held, self.held = self.held, 0
        if self._flag in self._engine.bundles:  # its actions may have closed meanwhile
            self.passes = True
            self._engine.flags.add(self._flag, held)


def spread(jitter: float) -> Callable[[], float]:
    """Give something that gives a number of seconds between 0 and ``jitter``, a new one at every call."""
    if not jitter:
        return float
    from random import uniform  # noqa: PLC0415 - 5 ms, for a jitter alone

    return lambda: uniform(0, jitter)  # noqa: S311 - nobody is kept out by it
