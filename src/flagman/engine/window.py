"""What holds for a piece of an action's code that is being called: its window of time, and its shield."""

from __future__ import annotations

import math
import time
from _thread import get_ident

from flagman.exceptions import ActionInterrupted, ActionTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

#: Seconds that code called after the stop request may take even if the stop timeout is shorter: each tear_down.
SHORTEST_BOUND = 1.0
# Seconds by which an alarm comes too late if this process was stopped, or its machine, and not just busy.
_LATE = 0.5


class Window:
    """Keeps the moments at which the time of the code is over, on the monotonic clock.

    :param outer: the window in which it was called, if an action makes the engine call another one
    :param timeout: seconds that it may take; None for no end
    """

    __slots__ = (
        "_excused",
        "_finishing",
        "due",
        "insisted",
        "interrupted_at",
        "outer",
        "overdue",
        "thread",
        "timed_out",
        "timeout",
        "timeout_due",
    )

    def __init__(self, outer: Window | None, timeout: float | None) -> None:
        self.outer = outer
        self.thread = get_ident()
        self.timeout = timeout
        #: When the timeout and the stop timeout are over.
        self.timeout_due = math.inf if timeout is None else time.monotonic() + timeout
        self.due = math.inf
        #: What it has been interrupted for: by each reason once, so that it can clean up after it.
        self.timed_out = self.overdue = self.insisted = False
        #: The moment at which it began to clean up.
        self.interrupted_at = math.inf
        self._finishing = self._excused = False

    def next_due(self) -> float:
        """Give the moment at which the alarm has to come; infinity if it need not."""
        timeout_due = math.inf if self.timed_out else self.timeout_due
        return min(timeout_due, math.inf if self.overdue else self.due)

    def overrun(self, now: float, bound: float | None, is_done: Callable[[], bool] | None) -> ActionInterrupted | None:
        """Look whether the time of the code is over; each of the two reasons counts once.

        :param now: the moment
        :param bound: the stop timeout, once a stop has been asked for
        :param is_done: tells whether what the code waits for has happened; None if nothing can tell
        :returns: what is to end it; None if its time is not over, or it gets a little more
        """
        if self.timeout is not None and self.timeout_due <= now and not self.timed_out:
            grant = self.excuse(now - self.timeout_due, self.timeout, is_done)
            self.timeout_due = now + grant
            self.timed_out = not grant
            if not grant:
                return ActionTimedOut(f"it took longer than the timeout of {self.timeout:g} seconds")
        elif bound is not None and self.due <= now and not self.overdue:
            grant = self.excuse(now - self.due, bound, is_done)
            self.due = now + grant
            self.overdue = not grant
            if not grant:
                return ActionInterrupted(f"it took longer than the stop timeout of {bound:g} seconds")
        return None

    def excuse(self, late: float, whole: float, is_done: Callable[[], bool] | None) -> float:
        """Tell how many seconds the code gets although its time is over; each of the two reasons counts once.

        What has happened in time is still to be taken in. And if this process itself did not run, since it was stopped
        or frozen, nothing is known about that time.

        :param late: by how many seconds the alarm has missed its moment
        :param whole: how many seconds the code had
        :param is_done: tells whether what the code waits for has happened; None if nothing can tell
        """
        if not self._finishing and is_done is not None and is_done():
            self._finishing = True
            return SHORTEST_BOUND
        if not self._excused and late > _LATE:
            self._excused = True
            return min(late, whole)
        return 0


class Shield:
    """Protects code that must not be cut in two; a context manager.

    Within it an interruption is postponed until the code waits for something, and the code waits only by
    :meth:`flagman.engine.interrupt.Interrupter.wait` and what is built on it. Once the code has been interrupted there,
    it cleans up under the shield again. The command that it starts is told with :meth:`started`.
    """

    __slots__ = ("_exit", "_group", "_guards", "groups", "is_done", "is_starting", "is_up", "postponed")

    def __init__(self) -> None:
        #: Interruptions are postponed. Setting an attribute is a single step that no signal handler can split.
        self.is_up = False
        # The code has put the shield up itself.
        self._guards = False
        #: Returns, also in a signal handler, whether what the code waits for has happened; None if nothing can tell.
        self.is_done: Callable[[], bool] | None = None
        #: The interruption that was postponed.
        self.postponed: ActionInterrupted | None = None
        #: A command is being started, and its process group is not known yet.
        self.is_starting = False
        #: The process groups of commands that an action waits for: they end with this process.
        self.groups: set[int] = set()
        self._group: int | None = None
        # Ends the process: that was asked for while a command was being started.
        self._exit: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        self.postponed = None
        # The shield first: what comes from here on is postponed.
        self.is_up = self._guards = self.is_starting = True
        return self

    def started(self, group: int, is_done: Callable[[], bool]) -> None:
        """Note that a command runs.

        :param group: its process group
        :param is_done: returns, also in a signal handler, whether it has ended
        """
        self._group = group
        self.groups.add(group)
        self._end_start()
        self.is_done = is_done

    def expect(self, is_done: Callable[[], bool] | None) -> None:
        """Note what tells, also in a signal handler, whether that has happened which the code waits for.

        :param is_done: returns whether it has; None if nothing can tell any more
        """
        self.is_done = is_done

    def delay(self, end: Callable[[], object]) -> bool:
        """Put off the end of the process while a command is being started; return whether it is put off."""
        if self.is_starting:
            self._exit = end
        return self.is_starting

    def raise_or_postpone(self, interruption: ActionInterrupted) -> None:
        """Interrupt the code now if it is not protected, and protect what it does to clean up."""
        if not self.is_up:
            self.is_up = self._guards
            raise interruption
        self.postponed = interruption

    def _end_start(self) -> None:
        self.is_starting = False
        end, self._exit = self._exit, None
        if end is not None:
            end()

    def __exit__(self, *_: object) -> None:
        if self._group is not None:
            self.groups.discard(self._group)
            self._group = None
        self._end_start()
        self.is_done = None
        self._guards = self.is_up = False
        self.postponed = None  # too late: the code is over
