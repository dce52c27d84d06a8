"""Debounce: a flag is held until it has not been raised for a while."""

from __future__ import annotations

from flagman.engine.flags import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.engine.flags import Flags, Raises
    from flagman.types import FlagName

# How many times its span a debounced flag may be held at most.
_LONGEST_HOLD = 10


class Debounce:
    """Holds a flag back until it has not been raised for a while, or has been held for ten times as long.

    What counts is when the flag was raised, not when the loop came to look at it: other bundles may have run meanwhile.

    :param flags: where it is raised
    :param flag: the flag
    :param span: seconds of quiet
    :param call_at: makes a call at a moment on the clock of the flags
    :param is_bound: tells whether it still has actions: they may have closed meanwhile
    :param pass_first: do not hold it the first time
    """

    def __init__(  # noqa: PLR0913 - what it joins
        self,
        flags: Flags,
        flag: FlagName,
        span: float,
        call_at: Callable[[float, Callable[[], object]], Call],
        is_bound: Callable[[], bool],
        *,
        pass_first: bool,
    ) -> None:
        self._flags = flags
        self._flag = flag
        self._span = span
        self._call_at = call_at
        self._is_bound = is_bound
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
        if self.passes or due <= self._flags.clock():
            self.passes = False
            return raises
        self.held = raises
        self._call = self._call_at(due, self.let_go)
        return None

    def cancel(self) -> Raises | None:
        """Hold the flag no longer; give the raises that waited."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        held, self.held = self.held, None
        return held

    def let_go(self) -> None:
        """Let the loop lower the flag in its turn: until then it may be raised again, and then has to wait again."""
        held = self.cancel()
        if held is not None and self._is_bound():
            self._flags.join(self._flag, held)
