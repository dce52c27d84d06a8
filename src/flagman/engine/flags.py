"""The raised flags: an ordered set that signal handlers and threads may add to at any moment.

The data structure does the coalescing: raising a flag twice before it is lowered leaves one flag, at the place of its
first raise, with a count of its raises and the moments of the first and the last. Every access to the shared mapping
is a single call into C that a handler cannot split, and nothing ever iterates over it: a handler that adds a flag
during an iteration would end the loop with "dictionary changed size during iteration".
"""

from __future__ import annotations

import time
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.types import FlagName

    #: How often a flag has been raised, and the moments of the first and the last raise.
    Raises = tuple[int, float, float]

#: The flag that ends the loop. It has no bundle, and is obeyed before every other flag.
STOP = "stop"


def check_name(flag: object) -> None:
    """Refuse a name that no flag with a bundle can have; whether anything will raise the flag cannot be known.

    :raises ValueError: if it is no name, the flag that ends the loop, or a signal's name but not that of its flag
    """
    if not isinstance(flag, str) or not flag:
        raise ValueError(f"{flag!r} is not the name of a flag, such as 'usr1'")
    if flag == STOP:
        raise ValueError(f"the flag {flag!r} ends the loop, and cannot have actions")
    # Other names of signals may be meant as plain words: QUIT, BUS.
    if flag.upper().startswith("SIG") or flag in ("HUP", "USR1", "USR2"):
        from flagman.text.signames import name_of, number_of  # noqa: PLC0415 - only for a mistake

        try:
            name = name_of(number_of(flag)).lower()
        except ValueError:
            return
        raise ValueError(f"unknown flag {flag!r}; the signal raises the flag {name!r}")


def in_log(flag: FlagName) -> str:
    """Return the name of a flag as one line of the log shows it: the path in it may contain any character."""
    if flag.isprintable():
        return flag
    from flagman.text.shown import printable  # noqa: PLC0415 - only for such a name

    return printable(flag)


def joined(earlier: Raises | None, later: Raises) -> Raises:
    """Return the sum of two records of the raises of one flag."""
    return later if earlier is None else (earlier[0] + later[0], min(earlier[1], later[1]), max(earlier[2], later[2]))


class Flags:
    """The set of raised flags, oldest first.

    :param clock: returns the moments of raises, in seconds
    """

    __slots__ = ("_raised", "clock", "nudge", "watched")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._raised: OrderedDict[FlagName, Raises] = OrderedDict()
        #: Returns the seconds of a clock that never goes back.
        self.clock = clock
        #: The flag of a bundle that runs and is to begin anew when it is raised; and what is called then, which has to
        #: be safe in a signal handler and in any thread.
        self.watched: FlagName | None = None
        self.nudge: Callable[[], object] = bool

    def add(self, flag: FlagName, times: int = 1) -> None:
        """Raise a flag; safe in a signal handler and in any thread.

        A handler that comes between the steps for the same flag can make the count too low, and another thread also too
        high; it is never zero.

        :param times: how often
        """
        now = self.clock()
        before = self._raised.get(flag)
        self._raised[flag] = (times, now, now) if before is None else (before[0] + times, before[1], now)
        if flag == self.watched:
            self.nudge()

    def join(self, flag: FlagName, raises: Raises) -> None:
        """Raise a flag by raises that have been taken out before."""
        self._raised[flag] = joined(self._raised.get(flag), raises)

    def put_back(self, flag: FlagName, raises: Raises) -> None:
        """Undo a :meth:`pop`: the flag is the oldest again."""
        self.join(flag, raises)
        self._raised.move_to_end(flag, last=False)

    def count(self, flag: FlagName) -> int:
        """Return how often a flag has been raised since it was lowered."""
        raises = self._raised.get(flag)
        return raises[0] if raises else 0

    def since(self, flag: FlagName) -> float | None:
        """Return the moment at which a flag was raised first since it was lowered; None if it is not raised."""
        raises = self._raised.get(flag)
        return raises[1] if raises else None

    def discard(self, flag: FlagName) -> int:
        """Forget a flag if it is raised, and return how often it was raised."""
        raises = self.take(flag)
        return raises[0] if raises else 0

    def take(self, flag: FlagName) -> Raises | None:
        """Remove a flag if it is raised, and return its raises."""
        return self._raised.pop(flag, None)

    def pop(self) -> tuple[FlagName, Raises]:
        """Remove and return the flag that has been raised for the longest time.

        :raises KeyError: if no flag is raised
        """
        return self._raised.popitem(last=False)

    def __contains__(self, flag: object) -> bool:
        return flag in self._raised

    def __len__(self) -> int:
        return len(self._raised)
