"""Slows down actions that change what they wait for: no change is lost, but the runs come at ever longer intervals."""

from __future__ import annotations

import math

from flagman.engine import loggers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.types import FlagName

logger = loggers.get("flagman.files")

# The number of runs in a row with a change in their own time that may be by chance; and the longest pause, in seconds.
_BY_CHANCE = 4
_LONGEST = 60.0
# Seconds from the beginning of a run.
_EARLY = 1.0
# How often the pause is doubled at most: it is the longest by then.
_DOUBLINGS = 10


class Guard:
    """Raises a flag, after a pause if too many runs of its bundle have led to the next one.

    :param flag: the flag
    :param path: what its actions wait for, for the log
    """

    def __init__(self, engine: Engine, flag: FlagName, path: str) -> None:
        self._engine = engine
        self._flag = flag
        self._path = path
        # The number of runs in a row with a change in their own time.
        self._streak = 0
        self._held: Call | None = None
        self._began = -math.inf

    def __repr__(self) -> str:
        return f"<Guard of {self._flag!r}>"

    @property
    def holds(self) -> bool:
        """Whether a raise is held back."""
        return self._held is not None

    @property
    def is_early(self) -> bool:
        """Whether a run has just begun: a change that is to interrupt it may be its own, and would do so for ever."""
        return self._engine.clock() < self._began + _EARLY

    def admit(self, *, is_own: bool) -> None:
        """Raise the flag, now or after a pause.

        :param is_own: whether the change came while the flag's own bundle ran
        """
        if self._held is not None:
            return
        self._streak = self._streak + 1 if is_own else 0
        over = self._streak - _BY_CHANCE
        if over <= 0:
            self._let_go()
            return
        if over == 1:
            names = ", ".join(member.name for member in self._engine.bundles[self._flag])
            what = "%s changed during each of %d runs of %s; does one of these write it? They run less often now"
            logger.warning(what, self._path, self._streak, names)
        pause = min(2.0 ** min(over - 1, _DOUBLINGS), _LONGEST)
        self._held = self._engine.call_later(pause, self._let_go)

    def _let_go(self) -> None:
        self._held = None
        if self._flag in self._engine.bundles:
            self._engine.raise_flag(self._flag)

    def drop(self) -> None:
        """Raise nothing that is held back: a run begins that stands for it."""
        self._began = self._engine.clock()
        if self._held is not None:
            self._held.cancel()
            self._held = None
