"""Calls that are due at a moment: the one trigger behind everything that has to do with time."""

from __future__ import annotations

from _thread import allocate_lock
from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Call:
    """A call that the loop will make.

    :param moment: when it is due, on the engine's clock
    :param code: what is called, without arguments
    """

    __slots__ = ("cancelled", "code", "moment")

    def __init__(self, moment: float, code: Callable[[], object]) -> None:
        self.moment = moment
        self.code = code
        self.cancelled = False

    def cancel(self) -> None:
        """Do not make the call; without effect if it has been made."""
        self.cancelled = True

    def __lt__(self, other: Call) -> bool:
        return self.moment < other.moment


class Calls:
    """All calls that are still to be made, the earliest first; calls for one moment in any order.

    :param clock: seconds on a clock that never goes back
    :param make: makes one call, and deals with whatever it raises
    """

    def __init__(self, clock: Callable[[], float], make: Callable[[Callable[[], object]], None]) -> None:
        self._clock = clock
        self._make = make
        self._heap: list[Call] = []
        self._lock = allocate_lock()

    def add(self, call: Call) -> None:
        """Add a call; safe in any thread."""
        with self._lock:
            heappush(self._heap, call)

    def fileno(self) -> int:
        """Time has no descriptor."""
        return -1

    def deadline(self) -> float | None:
        """Give the moment of the earliest call."""
        with self._lock:
            while self._heap and self._heap[0].cancelled:
                heappop(self._heap)
            return self._heap[0].moment if self._heap else None

    def drain(self) -> None:
        """Make all calls that are due now; those that they add wait for the next turn of the loop."""
        now = self._clock()
        due: list[Call] = []
        with self._lock:
            while self._heap and self._heap[0].moment <= now:
                due.append(heappop(self._heap))
        for call in due:
            if not call.cancelled:
                self._make(call.code)
