"""Timers: flags that are raised by the clock, once or again and again."""

from __future__ import annotations

import flagman.engine.calls  # noqa: F401 - what a start needs is imported before
from flagman.engine import loggers
from flagman.text.spans import format_span, parse_span
from flagman.triggers import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.triggers import Trigger
    from flagman.types import FlagName

# The engine logs as flagman.core, the name that is documented.
logger = loggers.get("flagman.core")


# Seconds: the loop cannot tell a shorter span from none.
_SHORTEST = 0.001


class _Timer(Source):
    """A source that has to be started, and has a span.

    :param span: seconds
    """

    __slots__ = ("_span",)

    has_start = True
    ticks = True
    options = ("jitter",)

    def __init__(self, span: float) -> None:
        self._span = span
        super().__init__(f"{self.key}-{self.text()}")

    def text(self) -> str:
        """Return the span, as it is written."""
        return format_span(self._span)


class EverySource(_Timer):
    """A timer that ticks again and again; its span is that from one tick to the next."""

    __slots__ = ()

    key = "every"

    def arm(self, engine: Engine, flag: FlagName, options: Mapping[str, float], shared: dict[str, object]) -> Trigger:  # noqa: ARG002 - it shares nothing, as the next
        """Make the timer."""
        return Every(engine, flag, self._span, options["jitter"])


class AfterSource(_Timer):
    """A timer that ticks once; its span is that from its start to the tick."""

    __slots__ = ()

    key = "after"
    happens_once = True

    def arm(self, engine: Engine, flag: FlagName, options: Mapping[str, float], shared: dict[str, object]) -> Trigger:  # noqa: ARG002
        """Make the timer."""
        return After(engine, flag, self._span + spread(options["jitter"])())

    def survives(self, *, is_same: bool, had_actions: bool) -> bool:  # noqa: ARG002 - neither matters
        """Return True: the moment stays as it was planned, even if it is over."""
        return True


def every(text: str) -> EverySource:
    """Read a timer that ticks again and again.

    :raises ValueError: if it is no span, or one too short
    """
    seconds = parse_span(text)
    if seconds < _SHORTEST:
        raise ValueError(f"{text!r} is too short; the shortest is 1ms")
    return EverySource(seconds)


def after(text: str) -> AfterSource:
    """Read a timer that ticks once.

    :raises ValueError: if it is no span
    """
    return AfterSource(parse_span(text))


class _Running:
    """A timer that runs.

    :param engine: the engine of the flag
    :param flag: the flag
    """

    def __init__(self, engine: Engine, flag: FlagName) -> None:
        self._engine = engine
        self._flag = flag
        self._call: Call | None = None

    def follow(self, options: Mapping[str, float]) -> None:
        """Go on: with another jitter, another timer takes the place of this one."""

    def cancel(self) -> None:
        """Stop raising the flag."""
        if self._call is not None:
            self._call.cancel()


class After(_Running):
    """Raises a flag once.

    :param engine: the engine of the flag
    :param flag: the flag
    :param delay: seconds from the start of the timer
    """

    def __init__(self, engine: Engine, flag: FlagName, delay: float) -> None:
        super().__init__(engine, flag)
        self._delay = delay
        self._moment = 0.0

    def begin(self, going: Collection[Trigger] = ()) -> None:  # noqa: ARG002 - a timer takes nothing over
        """Plan the tick."""
        self._moment = self._engine.clock() + self._delay
        self._call = self._engine.call_at(self._moment, self._engine.raise_flag, self._flag)

    def due(self) -> float | None:
        """Return the moment of the tick, if it is still to come."""
        call = self._call
        return self._moment if call is not None and call.code is not None else None


class Every(_Running):
    """Raises a flag again and again, on a grid of moments that begins when the timer is started.

    A tick that comes late, after a long run or a suspend, stands for all that were missed, and does not move the grid.

    :param engine: the engine of the flag
    :param flag: the flag
    :param period: seconds from one tick to the next, more than 0
    :param jitter: seconds by which each tick may come later, at random; no more than a period counts
    """

    def __init__(self, engine: Engine, flag: FlagName, period: float, jitter: float = 0) -> None:
        super().__init__(engine, flag)
        self._period = period
        self._delay = spread(min(jitter, period))
        self._origin = self._moment = 0.0
        self._end: Callable[[], object] = bool

    def begin(self, going: Collection[Trigger] = ()) -> None:  # noqa: ARG002 - a timer takes nothing over
        """Begin to tick."""
        self._origin = self._engine.clock()
        self._end = self._engine.after_runs(self._flag, self.catch_up)
        self._wait_for(1)

    def _wait_for(self, tick: int) -> None:
        self._tick = tick
        # Seconds by which this tick is meant to come later than its place on the grid.
        self._late = self._delay()
        self._moment = self._origin + tick * self._period + self._late
        self._call = self._engine.call_at(self._moment, self._on_tick)

    def due(self) -> float | None:
        """Return the moment of the next tick."""
        return self._moment if self._flag in self._engine.bundles else None

    def cancel(self) -> None:
        """Stop raising the flag."""
        super().cancel()
        self._end()

    def catch_up(self) -> None:
        """Raise the flag now if it is due: a tick during the run of its own bundle is judged like a signal."""
        if self._moment <= self._engine.clock():
            super().cancel()
            self._tick_now()

    def _on_tick(self) -> None:
        if self._flag not in self._engine.bundles:
            return  # all of its actions have closed
        ticks = self._tick_now()
        if ticks > 1:
            logger.info("`%s` is late; its run covers %d ticks", self._flag, ticks)

    def _tick_now(self) -> int:
        """Raise the flag for all ticks that are due; return how many those are."""
        now = self._engine.clock() - self._late
        last = max(self._tick, int((now - self._origin) / self._period))
        ticks = last - self._tick + 1
        self._engine.raise_flag(self._flag, ticks)
        self._wait_for(last + 1)
        return ticks


def spread(jitter: float) -> Callable[[], float]:
    """Return a function that returns random seconds between 0 and ``jitter``, others at every call."""
    if not jitter:
        return float
    from random import uniform  # noqa: PLC0415 - costs 5 ms, only for a jitter

    return lambda: uniform(0, jitter)  # noqa: S311 - it protects nothing
