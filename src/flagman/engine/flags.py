"""The raised flags: an ordered set that signal handlers and threads may add to at any moment.

Coalescing is the data structure: raising a flag twice before it is lowered leaves one flag, at the place of its first
raise, and a count of how often it was raised. Every touch of the shared mapping is a single call into C that a handler
cannot split, and nothing ever iterates over it: a handler that adds a flag during an iteration would end the loop with
"dictionary changed size during iteration".
"""

from __future__ import annotations

from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import FlagName

#: The flag that ends the loop. It has no bundle, and is obeyed before every other flag.
STOP = "stop"


class Flags:
    """The set of raised flags, oldest first."""

    __slots__ = ("_raised",)

    def __init__(self) -> None:
        self._raised: OrderedDict[FlagName, int] = OrderedDict()

    def add(self, flag: FlagName, raises: int = 1) -> None:
        """Raise a flag; safe in a signal handler and in any thread.

        A handler that comes between the two steps for the same flag can make the count too low, never zero.

        :param raises: how often
        """
        self._raised[flag] = self._raised.get(flag, 0) + raises

    def put_back(self, flag: FlagName, raises: int) -> None:
        """Undo a :meth:`pop`: the flag is the oldest again."""
        self.add(flag, raises)
        self._raised.move_to_end(flag, last=False)

    def count(self, flag: FlagName) -> int:
        """Tell how often a flag has been raised since it was lowered."""
        return self._raised.get(flag, 0)

    def discard(self, flag: FlagName) -> int:
        """Forget a flag if it is raised, and tell how often it was raised."""
        return self._raised.pop(flag, 0)

    def pop(self) -> tuple[FlagName, int]:
        """Take the flag whose first raise is the oldest, with the number of its raises.

        :raises KeyError: if no flag is raised
        """
        return self._raised.popitem(last=False)

    def __contains__(self, flag: object) -> bool:
        return flag in self._raised

    def __len__(self) -> int:
        return len(self._raised)
