"""What belongs to a piece of an action's code while it is called: its window of time, and its shield."""

from __future__ import annotations

import math
import os
import signal
import time
from _thread import get_ident
from contextlib import suppress

from flagman.exceptions import ActionInterrupted, ActionRestarted, ActionTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from types import CodeType, FrameType
    from typing import Self

#: Seconds that code called after the stop request may take even if the stop timeout is shorter: each tear_down.
SHORTEST_BOUND = 1.0
# An alarm that is late by more seconds shows that this process, or its machine, was stopped and not just busy.
_LATE = 0.5


class Window:
    """Keeps the moments at which the time of the code is over, on the monotonic clock.

    :param outer: the window of the code that called this code, if an action makes the engine call another one
    :param timeout: seconds that the code may take; None for no limit
    :param is_outdated: returns whether the code has to end because it is to run anew; None if it never has
    """

    __slots__ = (
        "_excused",
        "_finishing",
        "due",
        "insisted",
        "interrupted_at",
        "is_outdated",
        "outer",
        "overdue",
        "restarted",
        "thread",
        "timed_out",
        "timeout",
        "timeout_due",
    )

    def __init__(
        self, outer: Window | None, timeout: float | None, is_outdated: Callable[[], bool] | None = None
    ) -> None:
        self.outer = outer
        self.is_outdated = is_outdated
        self.thread = get_ident()
        self.timeout = timeout
        #: The moments at which the timeout and the stop timeout are over.
        self.timeout_due = math.inf if timeout is None else time.monotonic() + timeout
        self.due = math.inf
        #: The reasons for which it has been interrupted: each counts once, so that the code can clean up afterwards.
        self.timed_out = self.overdue = self.insisted = self.restarted = False
        #: The moment at which the code began to clean up.
        self.interrupted_at = math.inf
        self._finishing = self._excused = False

    def next_due(self) -> float:
        """Return the moment at which the alarm has to come; infinity if it need not come."""
        if self.has_to_restart():
            return -math.inf
        timeout_due = math.inf if self.timed_out else self.timeout_due
        return min(timeout_due, math.inf if self.overdue else self.due)

    def has_to_restart(self) -> bool:
        """Return whether the code has to end because it is to run anew."""
        return self.is_outdated is not None and not self.restarted and self.is_outdated()

    def overrun(self, now: float, bound: float | None, is_done: Callable[[], bool] | None) -> ActionInterrupted | None:
        """Return what has to end the code, if anything has; each reason counts once.

        :param now: the moment
        :param bound: the stop timeout, once a stop has been asked for
        :param is_done: returns whether what the code waits for has happened; None if that cannot be found out
        :returns: None if its time is not over, or it gets a little more
        """
        if self.has_to_restart():
            self.restarted = True
            return ActionRestarted("its flag was raised again")
        if self.timeout is not None and self.timeout_due <= now and not self.timed_out:
            grant = self.excuse(now - self.timeout_due, self.timeout, is_done)
            self.timeout_due = now + grant
            self.timed_out = not grant
            if not grant:
                return ActionTimedOut(f"it took longer than the timeout of {self.timeout:g} s")
        elif bound is not None and self.due <= now and not self.overdue:
            grant = self.excuse(now - self.due, bound, is_done)
            self.due = now + grant
            self.overdue = not grant
            if not grant:
                return ActionInterrupted(f"it took longer than the stop timeout of {bound:g} s")
        return None

    def excuse(self, late: float, whole: float, is_done: Callable[[], bool] | None) -> float:
        """Return how many seconds the code still gets although its time is over; each of the two reasons counts once.

        If what the code waits for has happened in time, the code can still take it in. And if this process itself did
        not run, because it was stopped or frozen, nothing is known about that time.

        :param late: by how many seconds the alarm has missed its moment
        :param whole: how many seconds the code had
        :param is_done: returns whether what the code waits for has happened; None if that cannot be found out
        """
        if not self._finishing and is_done is not None and is_done():
            self._finishing = True
            return SHORTEST_BOUND
        if not self._excused and late > _LATE:
            self._excused = True
            return min(late, whole)
        return 0


def _yes() -> bool:
    return True


class Shield:
    """Protects code that must not be cut in two; a context manager.

    Within it an interruption is postponed until the code waits for something, and the code waits only by
    :meth:`flagman.engine.interrupt.Interrupter.wait` and what is built on it. Once the code has been interrupted there,
    it cleans up under the shield again. The code reports a command that it starts with :meth:`started`.
    """

    __slots__ = ("_exit", "_group", "_guards", "groups", "is_done", "is_starting", "is_up", "postponed")

    def __init__(self) -> None:
        #: Whether interruptions are postponed. Setting an attribute is a single step that no signal handler can split.
        self.is_up = False
        # Whether the code has put the shield up itself.
        self._guards = False
        #: Returns, also in a signal handler, whether what the code waits for has happened; None if it cannot be known.
        self.is_done: Callable[[], bool] | None = None
        #: The interruption that was postponed.
        self.postponed: ActionInterrupted | None = None
        #: Whether a command is being started: its process group is not known yet.
        self.is_starting = False
        #: The process groups of commands that an action waits for: they end with this process.
        self.groups: set[int] = set()
        self._group: int | None = None
        # Ends the process, if that was asked for while a command was being started.
        self._exit: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        if self._guards:
            raise RuntimeError("the shield is up already: code under it cannot start another command")
        # The shield first: an interruption from here on is postponed.
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
        """Set what returns, also in a signal handler, whether what the code waits for has happened.

        :param is_done: returns whether it has happened; None if that cannot be found out any more
        """
        self.is_done = is_done

    def delay(self, end: Callable[[], object]) -> bool:
        """Postpone the end of the process while a command is being started; return whether it is postponed."""
        if self.is_starting:
            self._exit = end
        return self.is_starting

    def kill(self) -> None:
        """Kill all groups; safe in a signal handler."""
        for group in tuple(self.groups):
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)

    def raise_or_postpone(self, interruption: ActionInterrupted) -> None:
        """Interrupt the code now and protect its clean-up; if the code is protected, postpone the interruption."""
        if not self.is_up:
            self.is_up = self._guards
            raise interruption
        self.postponed = interruption

    def _end_start(self) -> None:
        self.is_starting = False
        end, self._exit = self._exit, None
        if end is not None:
            end()

    def __exit__(self, kind: object, *_: object) -> None:
        if self._group is not None:
            self.groups.discard(self._group)
        # A command that has ended in time has succeeded, also if the time is over before the call has returned.
        self.is_done = _yes if self._group is not None and kind is None else None
        self._group = None
        self._end_start()
        self._guards = self.is_up = False
        if kind is not None:
            self.postponed = None  # the code ends anyway; else the next wait is interrupted


def is_in(frame: FrameType | None, codes: Container[CodeType]) -> bool:
    """Return whether a frame, or one that it was called from, runs one of these codes."""
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False
