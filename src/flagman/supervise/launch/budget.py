"""What all processes together may log in a second, and the share of each."""

from __future__ import annotations

import time
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop

#: Lines that one process may log in a second, and those that it may log whatever the others do.
MOST, FEWEST = 500, 20
# Lines of all processes in a second; they cost about 5 % of a processor.
_ALL = 2000
#: Bytes for each line of a share: 250 KiB for the whole of it.
WIDTH = 512
_SECOND = 1.0


class Budget:
    """Divides the lines of a second among the processes that write, so that those that flood leave some to the others.

    :param clock: returns seconds that never go back
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: The end of the current second.
        self.until = 0.0
        #: The number of the current second.
        self.second = 0
        self._writers: set[int] = set()
        self._former = 0

    def share(self, writer: object) -> int:
        """Return how many lines something that writes may log in the current second."""
        now = self._clock()
        if now >= self.until:
            self._former = len(self._writers) if now < self.until + _SECOND else 0
            self._writers.clear()
            self.until = now + _SECOND
            self.second += 1
        self._writers.add(id(writer))
        return max(FEWEST, min(MOST, _ALL // max(self._former, len(self._writers))))


_BUDGETS: weakref.WeakKeyDictionary[ControlLoop, Budget] = weakref.WeakKeyDictionary()


def budget_of(loop: ControlLoop) -> Budget:
    """Return the budget of all processes of a run."""
    if loop not in _BUDGETS:
        _BUDGETS[loop] = Budget()
    return _BUDGETS[loop]
