"""What the clock does for the bindings: timers that raise flags, and flags that are held until it is quiet."""

from __future__ import annotations

import flagman.engine.calls  # noqa: F401 - the engine wants it for any timer
from flagman.engine.turn import VARIANT
from flagman.triggers import Source
from flagman.triggers.by_clock import Every, spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from flagman.config.settings import Binding, Settings
    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.types import FlagName


class Timetable:
    """Follows settings: what they do not change keeps its moments.

    :param engine: whose flags are raised and held
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Each with its jitter.
        self._timers: dict[FlagName, tuple[float, Every]] = {}
        self._ticks: dict[FlagName, Call] = {}
        # The flags that are held, and for how many seconds.
        self._held: dict[FlagName, float] = {}
        self._late_comers = 0

    def begin(self) -> None:
        """Begin to place the bindings of other settings."""
        self._late_comers += 1

    def place(self, binding: Binding, was: Binding | None) -> None:
        """Let a single tick be that of the bindings it was started for; those that come later get one of their own.

        :param binding: of the settings to come
        :param was: what it has been so far; None if it is new
        """
        if binding.source.after is None:
            return
        if was is not None:
            binding.source = was.source
        elif binding.flag in self._ticks:
            flag = f"{binding.flag}{VARIANT}{self._late_comers}"
            binding.source = Source(flag, after=binding.source.after)

    def follow(self, settings: Settings, running: Container[FlagName], *, pass_first: bool) -> None:
        """Start, keep and stop timers, and hold flags, as the bindings say; the first of each flag decides.

        :param running: the flags that had actions so far; a timer ends with the last one
        :param pass_first: do not hold any flag the first time
        """
        first: dict[FlagName, Binding] = {}
        for binding in settings.bindings:
            first.setdefault(binding.flag, binding)
        held: dict[FlagName, float] = {}
        for flag, binding in first.items():
            own = settings.of(binding)
            if binding.source.signum is None:
                self._start(binding.source, own.jitter, running)
            elif own.debounce and flag not in self._engine.last_flags:
                held[flag] = own.debounce
        for flag in self._timers.keys() - first.keys():
            self._timers.pop(flag)[1].cancel()
        for flag in self._ticks.keys() - first.keys():
            self._ticks.pop(flag).cancel()
        for flag in self._held | held:
            if held.get(flag) != self._held.get(flag):
                self._engine.debounce(flag, held.get(flag, 0), pass_first=pass_first)
        self._held = held

    def _start(self, source: Source, jitter: float, running: Container[FlagName]) -> None:
        """Start a timer, unless it runs."""
        flag = source.flag
        if source.every is not None:
            old = self._timers.get(flag)
            if old is not None and flag in running and old[0] == jitter:
                return
            if old is not None:
                old[1].cancel()
            self._timers[flag] = (jitter, Every(self._engine, flag, source.every, jitter))
        elif source.after is not None and flag not in self._ticks:
            delay = source.after + spread(jitter)()
            self._ticks[flag] = self._engine.call_later(delay, self._engine.raise_flag, flag)
