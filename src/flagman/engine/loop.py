"""The loop: wait, gather, lower the oldest flag; until the stop flag is raised.

It imports neither signals nor sockets and takes its clock and its wait as parameters, so tests replay histories.
"""

from __future__ import annotations

import math
import select
import time

from flagman.engine.flags import STOP

# Milliseconds, almost 25 days: what poll(2) takes. Waking up without a reason then does no harm.
_LONGEST_WAIT = 2**31 - 1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from flagman.engine.flags import Flags, Raises
    from flagman.types import FlagName

    #: Waits at most so many milliseconds, or for ever, and gives the descriptors that became ready, as poll(2) does.
    Wait = Callable[[float | None], list[tuple[int, int]]]

    class Pollable(Protocol):
        """Something that raises flags when the loop lets it."""

        def fileno(self) -> int:
            """Give the descriptor whose readability means that there is something to drain; -1 if there is none."""

        def deadline(self) -> float | None:
            """Give the moment, on the loop's clock, at which there is something to drain; None if there is none."""

        def drain(self) -> None:
            """Take in what has happened and raise the flags for it; called too often, do nothing."""


class Loop:
    """Connects triggers to the lowering of flags.

    :param flags: the flags that the triggers raise
    :param triggers: all of them
    :param lower: called with a flag and its raises, for one flag at a time
    :param clock: seconds on the clock of the triggers' deadlines
    :param wait: see :data:`Wait`; poll(2) by default
    """

    def __init__(
        self,
        flags: Flags,
        triggers: Iterable[Pollable],
        lower: Callable[[FlagName, Raises], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait | None = None,
    ) -> None:
        self._flags = flags
        self._lower = lower
        self._clock = clock
        self._timed: list[Pollable] = []
        self._by_descriptor: dict[int, Pollable] = {}
        self._poll = select.poll()
        self._wait: Wait = wait or self._poll.poll
        for trigger in triggers:
            self.add(trigger)

    def add(self, trigger: Pollable) -> None:
        """Add a trigger; one without a descriptor may come from any thread, which then ends the wait under way."""
        if trigger.fileno() < 0:
            self._timed.append(trigger)
        else:
            self._by_descriptor[trigger.fileno()] = trigger
            self._poll.register(trigger.fileno(), select.POLLIN)

    def run(self) -> None:
        """Lower flags until :data:`~flagman.engine.flags.STOP` is raised; the stop flag comes before all others."""
        flags = self._flags
        while True:
            self._gather(0 if flags else self._patience())
            if not flags:
                continue
            flag, raises = flags.pop()
            # Asked after the pop: a handler may raise the stop flag at any moment before.
            if flag == STOP or STOP in flags:
                flags.put_back(flag, raises)
                return
            self._lower(flag, raises)

    def _gather(self, patience: float | None) -> None:
        """Wait, then let the triggers raise their flags.

        The pipe is drained before the flags are read: CPython notes a signal before it writes the byte, so whoever
        has read the byte finds the flag (python/cpython issue 74224).
        """
        for descriptor, _ in self._wait(patience):
            self._by_descriptor[descriptor].drain()
        if self._timed and STOP not in self._flags:
            now = self._clock()
            for trigger in self._timed:
                deadline = trigger.deadline()
                if deadline is not None and deadline <= now:
                    trigger.drain()

    def _patience(self) -> float | None:
        """Tell how many milliseconds there are until the first deadline, rounded up: waking early would be a spin."""
        deadlines = [deadline for trigger in self._timed if (deadline := trigger.deadline()) is not None]
        if not deadlines:
            return None
        return min(max(0, math.ceil((min(deadlines) - self._clock()) * 1000)), _LONGEST_WAIT)
