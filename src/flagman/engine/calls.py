"""Calls that are due at a moment: everything in a loop that depends on time uses them."""

from __future__ import annotations

from _thread import allocate_lock
from heapq import heapify, heappop, heappush
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# This many cancelled calls may always stay in the heap until their moment, however few others there are.
_FEW = 100


class Call:
    """A call that the loop will make; :meth:`flagman.Engine.call_later` returns it."""

    __slots__ = ("_on_cancel", "code")

    def __init__(self, code: Callable[[], object], on_cancel: Callable[[], None]) -> None:
        #: The function to call; None after the call has been made or cancelled.
        self.code: Callable[[], object] | None = code
        self._on_cancel = on_cancel

    def __repr__(self) -> str:
        return f"<Call of {self.code!r}>" if self.code is not None else "<Call, made or cancelled>"

    def cancel(self) -> None:
        """Cancel the call; this has no effect if it has been made. Safe in any thread."""
        if self.code is not None:
            self.code = None  # this also frees what the function refers to
            self._on_cancel()


class Calls:
    """All calls that are still to be made, the earliest first; those for the same moment in the order of adding.

    :param clock: returns the seconds of a clock that never goes back
    :param make: makes one call, and handles what it raises
    """

    def __init__(self, clock: Callable[[], float], make: Callable[[Callable[[], object], str], object]) -> None:
        self._clock = clock
        self._make = make
        # Tuples, so that comparing two entries is one step that nothing interrupts.
        self._heap: list[tuple[float, int, Call]] = []
        self._number = count()
        self._cancelled = 0
        self._lock = allocate_lock()

    def add(self, moment: float, code: Callable[[], object]) -> Call:
        """Add a call; safe in any thread."""
        call = Call(code, self._on_cancel)
        with self._lock:
            heappush(self._heap, (moment, next(self._number), call))
        return call

    def _on_cancel(self) -> None:
        """Throw cancelled calls away before they are half of all.

        A flag with a debounce needs it: in a storm each raise cancels a call and adds another, and without this all of
        them would stay in memory until their moments come.
        """
        with self._lock:
            self._cancelled += 1
            if self._cancelled > _FEW + len(self._heap) / 2:
                self._heap = [entry for entry in self._heap if entry[2].code is not None]
                heapify(self._heap)
                self._cancelled = 0

    def deadline(self) -> float | None:
        """Return the moment of the earliest call; None if there is no call."""
        with self._lock:
            while self._heap and self._heap[0][2].code is None:
                heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    def drain(self) -> None:
        """Make all calls that are due now; those that they add wait for the next turn of the loop."""
        now = self._clock()
        due: list[tuple[float, int, Call]] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                due.append(heappop(self._heap))
        due.reverse()
        try:
            while due:
                call = due.pop()[2]
                code, call.code = call.code, None
                if code is not None:
                    self._make(code, "scheduled call")
        finally:  # an exception that leaves the loop must not take the other calls with it
            with self._lock:
                for entry in due:
                    heappush(self._heap, entry)
