"""Ending a piece of an action's code with an exception: for a timeout, and for the stop request in its three steps.

A trigger's handler stores a flag and returns. An action that hangs in a system call, though, can only be ended by a
handler that raises, since Python resumes the call otherwise (:pep:`475`). That happens here and nowhere else: the
exception is raised only while :meth:`Interrupter.call` is under way, at most once in a call, and ends up in its caller.
"""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import contextmanager, suppress

from flagman.engine.flags import STOP
from flagman.exceptions import ActionInterrupted, ActionTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import ParamSpec, TypeVar

    from flagman.engine.flags import Flags

    P = ParamSpec("P")
    T = TypeVar("T")

# Seconds that code called after the stop request may take even if the stop timeout is shorter: each tear_down.
_SHORTEST_BOUND = 1.0
# Seconds; setitimer(2) takes 0 for "never".
_AT_ONCE = 1e-6
# Seconds by which an alarm may seem to come too early, by rounding.
_TOLERANCE = 1e-3


class Interrupter:
    """Runs code of an action so that a signal handler can end it."""

    __slots__ = ("_bound", "_due", "_open", "_postponed", "_shielded", "_timeout", "groups")

    def __init__(self) -> None:
        self._open = False
        # Seconds that all code may take, once a stop has been asked for.
        self._bound: float | None = None
        # Seconds that the current call may take.
        self._timeout: float | None = None
        # The moment, on the monotonic clock, that the timer is set to.
        self._due = math.inf
        self._shielded = False
        self._postponed: ActionInterrupted | None = None
        #: The process groups of commands that an action waits for: they end with the process.
        self.groups: set[int] = set()

    def call(self, code: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``code``.

        :raises ActionInterrupted: if :meth:`interrupt` was called meanwhile, or the time was over
        """
        if self._bound is not None:  # before the window opens, or the last call's alarm could fall into it
            self._start_timer(max(self._bound, _SHORTEST_BOUND))
        self._open = True
        try:
            return code(*args, **kwargs)
        finally:
            self._open = False

    def call_within(self, timeout: float, code: Callable[[], T]) -> T:
        """Call ``code``, for so many seconds at the most.

        :raises ActionTimedOut: if they were not enough
        :raises ActionInterrupted: as :meth:`call` does
        """
        self._timeout = timeout
        self._start_timer(timeout)
        if self._bound is not None and self._bound < timeout:  # asked last: a stop may come at any moment
            self._timeout = None
            self._start_timer(max(self._bound, _SHORTEST_BOUND))
        self._open = True
        try:
            return code()
        finally:
            self._open = False
            self._timeout = None
            if self._bound is None:
                self._stop_timer()

    def interrupt(self, reason: str) -> None:
        """Raise :exc:`ActionInterrupted` in the code that is being called, if there is any; for signal handlers."""
        self._raise(ActionInterrupted(reason))

    def _raise(self, interruption: ActionInterrupted) -> None:
        if self._open:
            # Closed first, so that whatever follows on the way out of call() is left alone.
            self._open = False
            if self._shielded:
                self._postponed = interruption
            else:
                raise interruption

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Put interruptions off until the end of the ``with`` block, for code that must not be cut in two."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
            postponed, self._postponed = self._postponed, None
        if postponed is not None:
            raise postponed

    def bound(self, seconds: float) -> None:
        """Give the code that is being called so much time, and all code that is called later; for signal handlers."""
        if self._bound is None:
            self._bound = seconds
            if self._timeout is None or time.monotonic() + seconds < self._due:
                self._timeout = None
                self._start_timer(max(seconds, _AT_ONCE))

    def on_alarm(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle ALRM: the time is over, if the timer says so too; anybody may send the signal."""
        if time.monotonic() < self._due - _TOLERANCE:
            return
        if self._timeout is not None:
            self._raise(ActionTimedOut(f"it went on for longer than the timeout of {self._timeout:g} seconds"))
        elif self._bound is not None:
            self.interrupt(f"it went on for longer than the stop timeout of {self._bound:g} seconds")

    def close(self) -> None:
        """Call off the alarm, and set no other."""
        self._bound = None
        self._stop_timer()

    def _start_timer(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        # It repeats, for code that is between two calls when it comes.
        signal.setitimer(signal.ITIMER_REAL, seconds, max(seconds, _SHORTEST_BOUND))

    def _stop_timer(self) -> None:
        self._due = math.inf
        signal.setitimer(signal.ITIMER_REAL, 0)


class StopRequest:
    """The first TERM or INT asks, the second insists, the third ends the process.

    :param flags: where the stop flag is raised
    :param interrupter: runs all code of actions
    :param timeout: how many seconds the running action, and then each tear_down, may take
    """

    def __init__(self, flags: Flags, interrupter: Interrupter, timeout: float) -> None:
        self._flags = flags
        self._interrupter = interrupter
        self._timeout = timeout
        self._requests = 0

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Handle TERM or INT.

        What the first one does comes first in each: the second may arrive inside this very handler.
        """
        self.on_hangup(signum, frame)
        self._requests += 1
        if self._requests == 2:  # noqa: PLR2004 - the second of three steps
            self._interrupter.interrupt("a second stop signal arrived")
        elif self._requests > 2:  # noqa: PLR2004
            for group in tuple(self._interrupter.groups):
                with suppress(OSError):
                    os.killpg(group, signal.SIGKILL)
            os._exit(128 + signum)

    def on_hangup(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle HUP as a request to stop that never insists: a closing terminal sends several."""
        self._flags.add(STOP)
        # Not left to the loop, which does not run while an action hangs.
        self._interrupter.bound(self._timeout)
