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

    The moment when the flag was raised counts, not when the loop looked at it: other bundles may have run meanwhile.

    :param flags: the raised flags
    :param flag: the flag
    :param span: seconds of quiet
    :param call_at: makes a call at a moment on the clock of the flags
    :param is_bound: returns whether it still has actions: they may have closed meanwhile
    :param pass_first: do not hold it the first time
    """

    def __init__(  # noqa: PLR0913 - it joins all of these
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
        #: The raises that are held; None if there are none.
        self.held: Raises | None = None
        #: The moment at which they are let go, if there are any.
        self.due = 0.0
        self._call: Call | None = None
        #: Whether the flag is not held the next time.
        self.passes = pass_first

    def admit(self, raises: Raises) -> Raises | None:
        """Take a lowered flag; return the raises for which its bundle runs now, or None if it has to wait."""
        raises = joined(self.cancel(), raises)
        _, first, last = raises
        due = min(last + self._span, first + _LONGEST_HOLD * self._span)
        if self.passes or due <= self._flags.clock():
            self.passes = False
            return raises
        self.due = due
        self.held = raises
        self._call = self._call_at(due, self.let_go)
        return None

    def cancel(self) -> Raises | None:
        """Stop holding the flag; return the raises that were held."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        held, self.held = self.held, None
        return held

    def let_go(self) -> None:
        """Raise the flag for the loop to lower in its turn; if it is raised again before that, it is held again."""
        held = self.cancel()
        if held is not None and self._is_bound():
            self._flags.join(self._flag, held)
