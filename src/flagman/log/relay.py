"""A relay: writes the records of one thread in others, so that a log that is not read does not stop that thread."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from contextlib import suppress
from copy import copy

from flagman.engine.threads import start_new_thread
from flagman.engine.wakeup import Wakeup
from flagman.log import standard_streams
from flagman.log.handlers import all_handlers
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("flagman.log")

_LOST = "%s lost: the log was not read"
# The most records that wait for one handler: if its log is not read, further ones are lost, and counted.
_MOST = 1000


class Relay:
    """Takes the records of a thread from the handlers, and hands each back in a thread of that handler.

    :param is_here: returns whether the caller is the thread
    """

    def __init__(self, is_here: Callable[[], bool]) -> None:
        self._is_here = is_here
        self._gates: dict[logging.Handler, _Gate] = {}
        # Gates of handlers that have gone, while they pass on what waits.
        self._retired: list[_Gate] = []

    def cover(self) -> None:
        """Stand before each handler that exists by now, and retire from those that have gone."""
        handlers = all_handlers()
        lost = sum(gate.close() for gate in self._retired)  # they have had the time between two reloads
        for gate in self._retired:
            gate.join(0)
        for handler in handlers - self._gates.keys():
            self._gates[handler] = _Gate(handler, self._is_here)
            handler.addFilter(self._gates[handler])
        gone = self._gates.keys() - handlers
        self._retired = [self._gates.pop(handler) for handler in gone]
        for gate in self._retired:
            gate.retire()
        if lost:
            logger.warning(_LOST, _counted(lost))

    def finish(self, seconds: float) -> None:
        """Write the records that wait, and step aside.

        :param seconds: the most seconds that this may take
        """
        limit = time.monotonic() + seconds
        gates = [*self._retired, *self._gates.values()]
        for gate in gates:
            gate.retire()
        for gate in gates:
            gate.settle(limit - time.monotonic())
        for gate in gates:
            gate.close()
            gate.join(limit - time.monotonic())
        self._gates.clear()


def has_room(source: logging.Logger) -> bool:
    """Return whether less than half of what may wait for a handler of a logger waits for each of them.

    Whatever can do without some of its records asks first, so that there is room for those of others.
    """
    known: logging.Logger | None = source
    while known is not None:
        for handler in known.handlers:
            if any(isinstance(gate, _Gate) and gate.is_half_full for gate in handler.filters):
                return False
        known = known.parent if known.propagate else None
    return True


class _Gate(logging.Filter):
    """Takes records before a handler gets them, and passes them on in a thread of its own.

    :param handler: the handler
    :param is_here: returns whether a record is to be taken
    """

    def __init__(self, handler: logging.Handler, is_here: Callable[[], bool]) -> None:
        super().__init__()
        self._handler = handler
        self._is_here = is_here
        self._waiting: deque[logging.LogRecord] = deque()
        self._changed = threading.Condition()
        # Ends the wait for a log that is not read.
        self._wakeup = Wakeup()
        self._lost = 0
        # The number of records that are not written yet, including the one that is being written.
        self._pending = 0
        self._is_started = self._is_over = False

    def filter(self, record: logging.LogRecord) -> bool:
        if not self._is_here():
            return True
        kept = copy(record)
        with suppress(Exception):  # else the handler complains about the record, in its own thread
            kept.msg, kept.args = record.getMessage(), None  # now: what it quotes may change
        with self._changed:
            if self._pending >= _MOST:
                self._lost += 1
                return False
            self._pending += 1
            self._waiting.append(kept)
            self._changed.notify_all()
            if not self._is_started:
                with suppress(RuntimeError):  # there can be no more threads now
                    start_new_thread(self._run, ())
                    self._is_started = True
        return False

    @property
    def is_half_full(self) -> bool:
        """Whether half of the records wait that may wait."""
        return self._pending >= _MOST // 2

    def settle(self, seconds: float) -> None:
        """Wait until all has been written; after this number of seconds, give up a line that is being written."""
        with self._changed:
            is_done = self._changed.wait_for(lambda: not self._pending or not self._is_started, max(0, seconds))
        if not is_done or (self._waiting and not self._is_started):
            standard_streams.give_up(self._handler)
        while not self._is_started and self._waiting:  # there could be no thread
            self._write_next()

    def retire(self) -> None:
        """Take no more records; the thread ends when those that wait have been written."""
        self._handler.removeFilter(self)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def close(self) -> int:
        """Drop what waits, and end the thread; return how many records are lost by that, and were before."""
        with self._changed:
            lost = self._lost + len(self._waiting)
            self._lost = 0
            self._waiting.clear()
            self._changed.notify_all()
            self._wakeup.wake()
        return lost

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, for this number of seconds at the most, and close the pipe."""
        with self._changed:
            if self._changed.wait_for(lambda: not self._is_started, max(0, seconds)):
                self._wakeup.close()

    def _run(self) -> None:
        while self._has_next():
            with suppress(Exception):  # a handler of a plugin, or a file that was closed meanwhile
                self._wait_for_room()
                self._write_next()
            with self._changed:
                self._pending -= 1
                self._changed.notify_all()
        with self._changed:
            self._is_started = False
            self._wakeup.close()
            self._changed.notify_all()

    def _has_next(self) -> bool:
        """Wait for a record; return False if there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            return bool(self._waiting)

    def _wait_for_room(self) -> None:
        """Wait until the handler can write, without its lock: other threads need the lock, and can give up a write."""
        if standard_streams.is_ours(self._handler) and isinstance(self._handler, logging.StreamHandler):
            poll = self._wakeup.poll()
            with suppress(ValueError):  # the file is closed
                poll.register(self._handler.stream.fileno(), select.POLLOUT)
                poll.poll()

    def _write_next(self) -> None:
        with self._changed:
            record = self._waiting.popleft() if self._waiting else None
            lost, self._lost = self._lost, 0
        if lost:
            told = logging.LogRecord(
                "flagman.log", logging.WARNING, __file__, 0, _LOST, (_counted(lost),), exc_info=None
            )
            self._handler.handle(told)
        if record is not None:
            self._handler.handle(record)


def _counted(lost: int) -> str:
    return counted(lost, "record of the control loop is", "records of the control loop are")
