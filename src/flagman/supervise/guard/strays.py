"""Strays: processes that an instance has started, that have left its group, and that are still there after its end.

They show their mark in /proc, if they have not changed their environment. To look for it takes a while where there are
many processes, so one look is for all instances that have ended, and is made in pieces.
"""

from __future__ import annotations

import logging
import os
import signal
import time

from flagman.supervise.guard.seen import is_alive, look_at, mark_of, shows_us
from flagman.supervise.guard.sweep import Group, Sweep
from flagman.text.shown import counted, listed, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.guard.seen import Process

logger = logging.getLogger("flagman.supervise")

# Seconds from an end to the look for what it has left: what ends with it needs a moment. Seconds from one look to the
# next one.
_DELAY, _SPACE = 0.5, 1.0
# Seconds that a piece of a look may take, and seconds between two pieces.
_PIECE, _GAP = 0.005, 0.02
# Seconds between two looks whether strays have ended, and the most to wait after KILL.
_PAUSE, _PATIENCE = 0.02, 5.0


class Stray:
    """One of them.

    :param seen: what /proc shows of it
    :param process: the name of the process that it belongs to
    """

    __slots__ = ("name", "pid", "process", "start")

    def __init__(self, seen: Process, process: str) -> None:
        self.pid, self.start = seen.pid, seen.start
        #: The name of its program, without control characters.
        self.name = printable(seen.name)
        self.process = process

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"

    def is_alive(self) -> bool:
        """Return whether it has not ended yet."""
        return is_alive(self.pid, self.start)


class Strays:
    """Finds them; all is for the control loop.

    :param marker: what the marks of all instances of this daemon begin with
    :param on_found: called with the name of a process and the strays that were found at one look
    """

    def __init__(
        self, marker: bytes, loop: ControlLoop, on_found: Callable[[str, list[Stray]], object] | None = None
    ) -> None:
        self._marker = marker
        self._loop = loop
        self._on_found = on_found
        me = look_at(os.getpid())
        self._since = 0 if me is None else me.start
        self._known: dict[tuple[int, int], Stray] = {}
        # The marks of instances that have ended since the last look began, and whether a look is planned or made.
        self._ended: set[bytes] = set()
        self._is_looking = False
        self._earliest = 0.0
        self._is_over = False

    def ended(self, process: str, instance: int) -> None:
        """Look soon for what an instance has left; call it when its group is empty."""
        self._ended.add(b"%b:%b:%d" % (self._marker, process.encode(), instance))
        if not self._is_looking and not self._is_over:
            self._is_looking = True
            self._loop.call_at(max(time.monotonic() + _DELAY, self._earliest), self._begin)

    def of(self, process: str) -> list[Stray]:
        """Return the known strays of a process that are still alive; in any thread."""
        self._forget()
        return [stray for stray in list(self._known.values()) if stray.process == process]

    def _forget(self) -> None:
        """Forget those that have ended."""
        for key, stray in list(self._known.items()):
            if not stray.is_alive():
                self._known.pop(key, None)  # another thread may be here, too

    def _begin(self) -> None:
        self._forget()
        try:
            pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - pathlib costs 5 ms
        except FileNotFoundError:  # there is none
            pids = []
        except OSError as error:  # there is no free descriptor
            logger.debug("What processes have left is looked for again in a while: %s", error.strerror)
            if not self._is_over:
                self._loop.call_later(_SPACE, self._begin)
            return
        marks, self._ended = self._ended, set()
        self._look(pids, marks, {})

    def _look(self, pids: list[int], marks: set[bytes], found: dict[str, list[Stray]]) -> None:
        """Look at some processes, and later at the rest."""
        if self._is_over:
            return
        limit = time.monotonic() + _PIECE
        while pids and time.monotonic() < limit:
            seen = look_at(pids.pop())
            if seen is not None and not seen.is_zombie and seen.start >= self._since:
                mark = mark_of(seen.pid)
                if mark in marks and (seen.pid, seen.start) not in self._known:
                    stray = Stray(seen, mark.split(b":")[1].decode(errors="replace"))
                    self._known[stray.pid, stray.start] = stray
                    found.setdefault(stray.process, []).append(stray)
        if pids:
            self._loop.call_later(_GAP, self._look, pids, marks, found)
            return
        for process, strays in found.items():
            left = listed(list(map(str, strays)))
            logger.warning("%s: has left %s behind: %s", process, counted(len(strays), "process", "processes"), left)
            if self._on_found is not None:
                self._on_found(process, strays)
        self._is_looking = False
        self._earliest = time.monotonic() + _SPACE
        if self._ended:
            self._is_looking = True
            self._loop.call_at(self._earliest, self._begin)

    def end(self, grace: float, on_over: Callable[[], object]) -> None:
        """End all that any instance has left; call it when no instance is left.

        :param grace: the seconds between TERM and KILL
        :param on_over: called when they have ended, or cannot be ended; at once, if there are none
        """
        self._is_over = True
        if not shows_us():
            on_over()
            return
        deadline = time.monotonic() + grace
        sweep = Sweep(self._marker, [], Group(0, 0, signal.SIGTERM, deadline), self._since, is_prompt=False)
        self._end(sweep, deadline + _PATIENCE, on_over, is_first=True)

    def _end(self, sweep: Sweep, limit: float, on_over: Callable[[], object], *, is_first: bool) -> None:
        try:
            left = sweep.look()
        except OSError as error:  # too many open files; the stop goes on
            logger.warning("Cannot look for what its processes have left behind: %s", error.strerror)
            left = []
        if is_first and left:
            logger.warning("Ends what its processes have left behind: %s", _told(left))
        if left and time.monotonic() < limit:
            self._loop.call_later(_PAUSE, self._end, sweep, limit, on_over, is_first=False)
            return
        if rest := [*left, *sweep.denied]:
            logger.warning("Cannot end what its processes have left behind: %s", _told(rest))
        on_over()


def _told(processes: list[Process]) -> str:
    return listed([f"{printable(process.name)} ({process.pid})" for process in processes])
