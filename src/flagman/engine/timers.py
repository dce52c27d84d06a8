"""Timers: flags that are raised by the clock, once or again and again, and flags that are held until it is quiet."""

from __future__ import annotations

import logging

from flagman.engine.flags import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.engine.flags import Raises
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
        engine.timers[flag] = self
        self._wait_for(1)

    def _wait_for(self, tick: int) -> None:
        self._tick = tick
        # How much later than its place on the grid this one is meant to be.
        self._late = self._delay()
        self._moment = self._origin + tick * self._period + self._late
        self._call = self._engine.call_at(self._moment, self._on_tick)

    def cancel(self) -> None:
        """Do not raise the flag any more."""
        self._call.cancel()
        if self._engine.timers.get(self._flag) is self:
            del self._engine.timers[self._flag]

    def catch_up(self) -> None:
        """Raise the flag now if that is due: what came while its own bundle ran is to be judged like a signal."""
        if self._moment <= self._engine.clock():
            self._call.cancel()
            self._tick_now()

    def _on_tick(self) -> None:
        if self._flag not in self._engine.bundles:
            return  # all of its actions have closed
        ticks = self._tick_now()
        if ticks > 1:
            logger.info("`%s` comes late and stands for %d ticks", self._flag, ticks)

    def _tick_now(self) -> int:
        """Raise the flag for all ticks that are due; tell how many."""
        now = self._engine.clock() - self._late
        last = max(self._tick, int((now - self._origin) / self._period))
        ticks = last - self._tick + 1
        self._engine.flags.add(self._flag, ticks)
        self._wait_for(last + 1)
        return ticks


class Debounce:
    """Holds a flag back until it has not been raised for a while, or has been held for ten times as long.

    What counts is when the flag was raised, not when the loop came to look at it: other bundles may have run meanwhile.

    :param engine: whose flag it is
    :param flag: the flag
    :param span: seconds of quiet
    :param pass_first: do not hold it the first time
    """

    def __init__(self, engine: Engine, flag: FlagName, span: float, *, pass_first: bool) -> None:
        self._engine = engine
        self._flag = flag
        self._span = span
        #: The raises that wait.
        self.held: Raises | None = None
        self._call: Call | None = None
        #: It lets the flag through the next time.
        self.passes = pass_first

    def admit(self, raises: Raises) -> Raises | None:
        """Take a lowered flag in; give the raises for which its bundle is to run now, or None while it is to wait."""
        raises = joined(self.cancel(), raises)
        _, first, last = raises
        due = min(last + self._span, first + _LONGEST_HOLD * self._span)
        if self.passes or due <= self._engine.clock():
            self.passes = False
            return raises
        self.held = raises
        self._call = self._engine.call_at(due, self._look)
        return None

    def cancel(self) -> Raises | None:
        """Hold the flag no longer; give the raises that waited."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        held, self.held = self.held, None
        return held

    def _look(self) -> None:
        """Let the loop lower the flag in its turn: until then it may be raised again, and then has to wait again."""
        held = self.cancel()
        if held is not None and self._flag in self._engine.bundles:  # its actions may have closed meanwhile
            self._engine.flags.join(self._flag, held)


def spread(jitter: float) -> Callable[[], float]:
    """Give something that gives a number of seconds between 0 and ``jitter``, a new one at every call."""
    if not jitter:
        return float
    from random import uniform  # noqa: PLC0415 - 5 ms, for a jitter alone

    return lambda: uniform(0, jitter)  # noqa: S311 - nobody is kept out by it
