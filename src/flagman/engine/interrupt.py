"""Ending a piece of an action's code with an exception: for a timeout, and for the stop request in its three steps.

A trigger's handler stores a flag and returns. An action that hangs in a system call, though, can only be ended by a
handler that raises, since Python resumes the call otherwise (:pep:`475`). That happens here and nowhere else: the
exception is raised only while :meth:`Interrupter.call` is under way, for each reason at most once in a call, and ends
up in its caller.
"""

from __future__ import annotations

import math
import os
import signal
import time
from _thread import get_ident
from contextlib import suppress

from flagman.engine.flags import STOP
from flagman.exceptions import ActionInterrupted, ActionTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from types import CodeType, FrameType
    from typing import ParamSpec, TypeVar

    from flagman.engine.flags import Flags

    P = ParamSpec("P")
    T = TypeVar("T")

# Seconds that code called after the stop request may take even if the stop timeout is shorter: each tear_down.
_SHORTEST_BOUND = 1.0
# Seconds; setitimer(2) takes 0 for "never".
_AT_ONCE = 1e-6
# Seconds until an alarm that came at a bad moment comes again.
_SOON = 1e-3
# Seconds by which an alarm may seem to come too early, by rounding.
_TOLERANCE = 1e-3


class _Window:
    """One piece of code that is being called, and may be interrupted.

    :param outer: that in which it was called, if an action makes the engine call another one
    :param timeout: seconds that it may take
    """

    __slots__ = ("due", "insisted", "outer", "overdue", "thread", "timed_out", "timeout", "timeout_due")

    def __init__(self, outer: _Window | None, timeout: float | None) -> None:
        self.outer = outer
        self.thread = get_ident()
        self.timeout = timeout
        #: The moments, on the monotonic clock, at which the timeout and the stop timeout are over.
        self.timeout_due = math.inf if timeout is None else time.monotonic() + timeout
        self.due = math.inf
        #: What it has been interrupted for: by each reason once, so that it can clean up after it.
        self.timed_out = self.overdue = self.insisted = False


class Interrupter:
    """Runs code of an action so that a signal handler can end it.

    :param handlers: the code of signal handlers that no alarm may cut off
    """

    __slots__ = (
        "_bound",
        "_exit_status",
        "_handlers",
        "_window",
        "groups",
        "insisted",
        "postponed",
        "shielded",
        "starting",
    )

    def __init__(self, handlers: Container[CodeType] = ()) -> None:
        self._handlers = handlers
        self._window: _Window | None = None
        # Seconds that all code may take, once a stop has been asked for.
        self._bound: float | None = None
        #: Put interruptions off, for code that must not be cut in two. An attribute, since setting one is a single step
        #: that no handler can split: set it first, and take it back in a ``finally``.
        self.shielded = False
        #: What has been put off.
        self.postponed: ActionInterrupted | None = None
        #: A command is being started whose group is not noted yet: put :meth:`exit` off.
        self.starting = False
        self._exit_status: int | None = None
        #: Somebody does not want to wait any longer.
        self.insisted = False
        #: The process groups of commands that an action waits for: they end with the process.
        self.groups: set[int] = set()

    def call(self, code: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``code``.

        :raises ActionInterrupted: if :meth:`interrupt` was called meanwhile, or the stop timeout was over
        """
        window = _Window(self._window, None)
        self._window = window
        try:
            if self._bound is not None:
                self._set_timer()
            return code(*args, **kwargs)
        finally:
            # First, and in one step that no handler can split: from here on nothing is raised.
            self._window = window.outer
            if window.outer is not None:
                self._set_timer()

    def call_within(self, timeout: float, code: Callable[[], T]) -> T:
        """Call ``code``, for so many seconds at the most.

        :raises ActionTimedOut: if they were not enough
        :raises ActionInterrupted: as :meth:`call` does
        """
        window = _Window(self._window, timeout)
        self._window = window
        try:
            self._set_timer()
            return code()
        finally:
            self._window = window.outer
            self._set_timer()

    def interrupt(self, reason: str) -> None:
        """Raise :exc:`ActionInterrupted` in the code that is being called, if there is any; for signal handlers."""
        self.insisted = True
        window = self._window
        if window is not None and not window.insisted and window.thread == get_ident():
            window.insisted = True
            self._raise(ActionInterrupted(reason))

    def bound(self, seconds: float) -> None:
        """Give the code that is being called so much time, and all code that is called later; for signal handlers."""
        if self._bound is None:
            self._bound = seconds
            if self._window is not None:
                self._window.due = time.monotonic() + seconds
            self._set_timer()

    def on_alarm(self, _signum: int, frame: FrameType | None) -> None:
        """Handle ALRM: the time is over, if the clock says so too; anybody may send the signal."""
        now = time.monotonic() + _TOLERANCE
        window = self._window
        if window is None or window.thread != get_ident():
            return
        if self._is_in_handler(frame):  # or a flag that it was about to raise would be lost
            signal.setitimer(signal.ITIMER_REAL, _SOON, _SHORTEST_BOUND)
            return
        if window.timeout_due <= now and not window.timed_out:
            window.timed_out = True
            self._raise(ActionTimedOut(f"it went on for longer than the timeout of {window.timeout:g} seconds"))
        elif window.due <= now and not window.overdue:
            window.overdue = True
            self._raise(ActionInterrupted(f"it went on for longer than the stop timeout of {self._bound:g} seconds"))

    def _is_in_handler(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code in self._handlers:
                return True
            frame = frame.f_back
        return False

    def _raise(self, interruption: ActionInterrupted) -> None:
        self._set_timer()
        if not self.shielded:
            raise interruption
        self.postponed = interruption

    def raise_postponed(self) -> None:
        """Raise the interruption that came while :attr:`shielded` was true, if there was one."""
        postponed, self.postponed = self.postponed, None
        if postponed is not None:
            raise postponed

    def started(self) -> None:
        """Obey an :meth:`exit` that came while :attr:`starting` was true."""
        self.starting = False
        if self._exit_status is not None:
            self.exit(self._exit_status)

    def exit(self, status: int) -> None:
        """End the process now, and with it the commands that are waited for; for signal handlers."""
        if self.starting:
            self._exit_status = status
            return
        for group in tuple(self.groups):
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        os._exit(status)

    def close(self) -> None:
        """Call off the alarm, and set no other."""
        self._bound = None
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _set_timer(self) -> None:
        """Let the alarm come when the current code has used up what it has, if that has an end."""
        window = self._window
        if window is None:
            # The next call will set it, if there is a stop timeout.
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        now = time.monotonic()
        if self._bound is not None and window.due == math.inf:
            window.due = now + max(self._bound, _SHORTEST_BOUND)
        due = min(math.inf if window.timed_out else window.timeout_due, math.inf if window.overdue else window.due)
        # It repeats, for code that another thread holds up when it comes.
        left = 0 if due == math.inf else max(due - now, _AT_ONCE)
        signal.setitimer(signal.ITIMER_REAL, left, max(left, _SHORTEST_BOUND))


class StopRequest:
    """The first TERM or INT asks, the second insists, the third ends the process.

    :param flags: where the stop flag is raised
    :param interrupter: runs all code of actions
    :param timeout: how many seconds the running action, and then each tear_down, may take
    """

    def __init__(self, flags: Flags, interrupter: Interrupter, timeout: float) -> None:
        self._flags = flags
        self._interrupter = interrupter
        #: How many seconds these are.
        self.timeout = timeout
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
            self._interrupter.exit(128 + signum)

    def on_hangup(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle HUP as a request to stop that never insists: a closing terminal sends several."""
        self._flags.add(STOP)
        # Not left to the loop, which does not run while an action hangs.
        self._interrupter.bound(self.timeout)
