"""Ending a piece of an action's code with an exception: for a timeout, for the steps of a stop request, for a restart.

A trigger's handler stores a flag and returns. An action that hangs in a system call can only be ended by a handler that
raises, because Python resumes the call otherwise (:pep:`475`). That happens here and nowhere else: the exception is
raised only during :meth:`Interrupter.call`, at most once in a call for each reason, and ends up in its caller.

Code that must not be cut in two puts up a :class:`~flagman.engine.window.Shield` and is then interrupted only in
:meth:`Interrupter.wait`. An interruption that comes at another moment is postponed until then; :meth:`wait` takes the
shield down first and looks for what was postponed afterwards, so that nothing falls between the two.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from _thread import get_ident

from flagman.engine.wakeup import Wakeup
from flagman.engine.window import SHORTEST_BOUND, Shield, Window, is_in
from flagman.exceptions import ActionInterrupted, ActionTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from types import CodeType, FrameType
    from typing import ParamSpec, TypeVar

    from flagman.engine.alongside import Alongside

    P = ParamSpec("P")
    T = TypeVar("T")

# Seconds; setitimer(2) takes 0 for "never".
_AT_ONCE = 1e-6
# Seconds in all that interrupted code has for its last output: less than the grace of a command.
_LAST_WORDS = 4.0
# Seconds that a record gets even when that time is over.
_A_MOMENT = 0.2
# Seconds until an alarm that came at a bad moment comes again.
_SOON = 1e-3
# Seconds by which an alarm may seem to come too early, by rounding.
_TOLERANCE = 1e-3
# Seconds between two looks of a thread that signals do not reach.
_GLANCE = 0.5


class Interrupter:
    """Runs code of an action so that a signal handler can end it.

    :param handlers: the code of signal handlers that no alarm may cut off
    :param wakeup: ends the waits of code when a signal arrives; none by default, for code that runs without a loop
    """

    __slots__ = (
        "_alongside",
        "_bound",
        "_handlers",
        "_stop_due",
        "_thread",
        "_window",
        "_wish",
        "insisted",
        "shield",
        "wakeup",
    )

    def __init__(self, handlers: Container[CodeType] = (), wakeup: Wakeup | None = None) -> None:
        self._handlers = handlers
        #: The pipe that signals write to.
        self.wakeup = wakeup or Wakeup(is_open=False)
        self._window: Window | None = None
        # Looked at before each wait, see :meth:`look_alongside`.
        self._alongside: Alongside | None = None
        # Seconds that each call may take, once a stop has been asked for; None before.
        self._bound: float | None = None
        # The moment by which code that began before the stop request has to end.
        self._stop_due = math.inf
        self._thread = get_ident()
        # The bound that another thread wishes.
        self._wish: float | None = None
        #: Protects the code that is being called, if that code asks for it.
        self.shield = Shield()
        #: Whether a second stop signal has come: no code gets any more time.
        self.insisted = False

    def call(self, code: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``code``.

        :raises ActionInterrupted: if :meth:`interrupt` was called meanwhile, or the stop timeout was over
        """
        return self._call_in(Window(self._window, None), code, *args, **kwargs)

    def call_within(
        self, timeout: float | None, code: Callable[[], T], is_outdated: Callable[[], bool] | None = None
    ) -> T:
        """Call ``code``, for ``timeout`` seconds at most.

        :param timeout: None for no limit
        :param is_outdated: returns whether the code is to begin anew; safe in a signal handler. :meth:`nudge` has to be
            called when it may have become true
        :raises ActionTimedOut: if the seconds were not enough
        :raises ActionRestarted: if it is to begin anew
        :raises ActionInterrupted: as :meth:`call` does
        """
        return self._call_in(Window(self._window, timeout, is_outdated), code)

    def concerns_caller(self, interruption: ActionInterrupted) -> bool:
        """Return whether an interruption was meant for the code that runs, and not for what that code has called."""
        return self._window is not None and interruption.window is self._window

    def nudge(self) -> None:
        """Look whether the code that is called has to end; safe in a signal handler and in any thread."""
        if self._has_alarm():
            signal.pthread_kill(self._thread, signal.SIGALRM)

    def call_patiently(self, code: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Call code that writes a record of ours; end it by force at the moment when :meth:`wait_to_write` gives up.

        :returns: False if it was given up
        """
        if get_ident() != self._thread or (self._window is not None and not self.shield.is_up):
            code(*args, **kwargs)  # nothing can end it, or what ends the code around it also ends this
            return True
        patience = self.patience()
        before = self.shield.is_up
        window = Window(self._window, None if patience == math.inf else max(patience, _A_MOMENT))
        try:
            self._call_in(window, self._expose, code, *args, **kwargs)
        except ActionInterrupted as interruption:
            if before and not isinstance(interruption, ActionTimedOut):
                self.shield.postponed = interruption  # it was meant for the code, not for the record
            return False
        finally:
            self.shield.is_up = before
        return True

    def _expose(self, code: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        self.shield.is_up = False
        code(*args, **kwargs)

    def _call_in(self, window: Window, code: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            self._window = window
            if window.timeout is not None or self._bound is not None or window.has_to_restart():
                self._set_timer()
            return code(*args, **kwargs)
        finally:
            # First, and in one step that no handler can split: from here on nothing is raised.
            self._window = window.outer
            if window.outer is None:
                self.shield.postponed = self.shield.is_done = None  # too late: the code is over
            if window.timeout is not None or window.outer is not None:
                self._set_timer()

    def interrupt(self, reason: str) -> None:
        """Raise :exc:`ActionInterrupted` in the code that is being called, if there is any; for signal handlers."""
        self.insisted = True
        window = self._window
        if window is not None and not window.insisted and window.thread == get_ident():
            window.insisted = True
            self._raise(ActionInterrupted(reason))

    def bound(self, seconds: float) -> None:
        """Limit the code that is being called, and each later call, to this many seconds; for signal handlers."""
        if self._bound is None:
            self._bound = seconds
            self._stop_due = time.monotonic() + seconds
            if self._window is not None:
                self._window.due = time.monotonic() + seconds
            self._set_timer()

    def bound_from_afar(self, seconds: float) -> None:
        """Do what :meth:`bound` does, in another thread: the handler of an alarm makes it happen in the code's own."""
        self._wish = seconds
        self._stop_due = min(self._stop_due, time.monotonic() + seconds)  # that of waits, also if ALRM is not ours
        self.nudge()

    def on_alarm(self, _signum: int, frame: FrameType | None) -> None:
        """Handle ALRM: end the code if the clock agrees that its time is over; any process may send the signal."""
        now = time.monotonic() + _TOLERANCE
        if self._wish is not None:
            self.bound(self._wish)
        window = self._window
        if window is None or window.thread != get_ident():
            return
        if is_in(frame, self._handlers):  # else a flag that the handler was about to raise would be lost
            signal.setitimer(signal.ITIMER_REAL, _SOON, SHORTEST_BOUND)
            return
        end = window.overrun(now, self._bound, self.shield.is_done)
        if end is not None:
            self._raise(end)
        self._set_timer()

    def _raise(self, interruption: ActionInterrupted) -> None:
        self._set_timer()
        if self._window is not None:
            self._window.interrupted_at = min(self._window.interrupted_at, time.monotonic())
        interruption.window = self._window
        self.shield.raise_or_postpone(interruption)

    def wait(self, poll: select.poll, seconds: float | None) -> list[tuple[int, int]]:
        """Wait for descriptors as :meth:`flagman.engine.wakeup.Wakeup.wait` does, without the shield.

        :raises ActionInterrupted: if an interruption comes meanwhile, or has been postponed
        """
        if self._alongside is None:
            return self.unshielded(self.wakeup.wait, poll, seconds)
        return self._alongside.wait(lambda *what: self.unshielded(self.wakeup.wait, *what), poll, seconds)

    def look_alongside(self, alongside: Alongside | None) -> None:
        """Look at something else, too, while code waits, until this is called with None."""
        self._alongside = alongside

    def wait_to_write(self, descriptor: int, seconds: float | None = None) -> bool:
        """Wait until a descriptor takes more, or a signal has been handled; see :func:`flagman.engine.writing.write`.

        It ends by itself when the stop timeout is over, when a second stop signal has come, or four seconds after the
        code that is being called was interrupted: the rest of the data is given up then.

        :param seconds: the most seconds to wait; None for no limit but these
        :returns: False if the caller has to give up
        :raises ActionInterrupted: as :meth:`wait` does
        """
        window = self._window
        is_elsewhere = get_ident() != self._thread
        poll = select.poll() if is_elsewhere else self.wakeup.poll()  # the wake-up pipe is for the loop's thread
        poll.register(descriptor, select.POLLOUT)
        patience = self.patience() if seconds is None else min(seconds, self.patience())
        if is_elsewhere:
            poll.poll(min(patience, _GLANCE) * 1000)
        elif patience:
            is_over = window is None or window.interrupted_at < math.inf
            wait = self.wakeup.wait if is_over else self.wait
            wait(poll, None if patience == math.inf else patience)
        return patience > 0

    @property
    def gives_up(self) -> bool:
        """Whether :meth:`wait_to_write` may end before all has been written."""
        return self._window is not None

    def patience(self) -> float:
        """Return how many seconds a wait that nothing ends by force may take."""
        if self.insisted:
            return 0
        cleaned_up = math.inf if self._window is None else self._window.interrupted_at + _LAST_WORDS
        return max(0, min(self._stop_due, cleaned_up) - time.monotonic())

    def unshielded(self, code: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call, without the shield, a part of the shielded code that may be cut in two or may take long.

        :raises ActionInterrupted: if an interruption comes meanwhile, or has been postponed
        """
        shield = self.shield
        before, shield.is_up = shield.is_up, False
        try:
            postponed, shield.postponed = shield.postponed, None
            if postponed is not None:
                raise postponed
            return code(*args, **kwargs)
        finally:
            shield.is_up = shield.is_up or before

    def exit(self, status: int) -> None:
        """End the process now, and with it the commands that actions wait for; for signal handlers."""
        if self.shield.delay(lambda: self.exit(status)):
            return
        self.shield.kill()
        os._exit(status)

    def close(self) -> None:
        """Cancel the alarm, and set no other."""
        self._bound = None
        if self._has_alarm():
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _has_alarm(self) -> bool:
        """Return whether ALRM is ours: if not, it would kill a program that runs an engine in another thread."""
        return signal.getsignal(signal.SIGALRM) == self.on_alarm

    def _set_timer(self) -> None:
        """Set the alarm for the moment when the time of the current code is over, if that has a limit."""
        if not self._has_alarm():
            return
        window = self._window
        if window is None:
            # The next call will set it, if there is a stop timeout.
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        now = time.monotonic()
        if self._bound is not None and window.due == math.inf:
            window.due = now + max(self._bound, SHORTEST_BOUND)
        due = window.next_due()
        # It repeats because another thread may hold the code up when it comes, or the code may just begin a wait.
        left = 0 if due == math.inf else max(due - now, _AT_ONCE)
        signal.setitimer(signal.ITIMER_REAL, left, SHORTEST_BOUND)
