"""A relay: writes the records of one thread in another one, so that a log that is not read does not stop the first."""

from __future__ import annotations

import logging
import threading
from _thread import get_ident, start_new_thread
from collections import deque
from contextlib import suppress
from copy import copy

from flagman.engine import writing
from flagman.log import all_handlers, standard_streams

logger = logging.getLogger("flagman.log")

# The most records that wait: if the log is not read, further ones are lost, and counted.
_MOST = 1000


class Relay:
    """Takes the records of a thread from the handlers, and hands them back in a thread that does nothing else.

    :param thread: its identifier, see :func:`threading.get_ident`
    """

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._waiting: deque[tuple[logging.Handler, logging.LogRecord]] = deque()
        self._changed = threading.Condition()
        self._lost = 0
        # The number of records that are not written yet, including the one that is being written.
        self._pending = 0
        self._is_started = self._is_over = False

    def cover(self) -> None:
        """Put a filter before each handler that exists by now."""
        for handler in all_handlers():
            if not any(isinstance(each, _Gate) and each.relay is self for each in handler.filters):
                handler.addFilter(_Gate(self, handler))

    def takes(self, handler: logging.Handler, record: logging.LogRecord) -> bool:
        """Take a record if it comes from the thread; return whether it was taken."""
        if get_ident() != self._thread:
            return False
        kept = copy(record)
        kept.msg, kept.args = record.getMessage(), None  # now: what it quotes may change
        with self._changed:
            if self._pending >= _MOST:
                self._lost += 1
            else:
                self._pending += 1
                self._waiting.append((handler, kept))
                self._changed.notify_all()
            start, self._is_started = not self._is_started, True
        if start:
            try:
                start_new_thread(self._run, ())
            except RuntimeError:  # there can be no more threads now
                self._is_started = False
        return True

    def finish(self, seconds: float) -> None:
        """Write what waits, for this number of seconds at the most, and remove the filters."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, seconds)
            self._is_over = True
            self._changed.notify_all()
        for handler in all_handlers():
            handler.filters[:] = [each for each in handler.filters if getattr(each, "relay", None) is not self]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_over)
                if not self._waiting:
                    return
                handler, record = self._waiting.popleft()
                lost, self._lost = self._lost, 0
            if lost:
                logger.warning("%d records of the control loop are lost: the log was not read", lost)
            with suppress(Exception):  # a handler of a plugin, or a file that was closed meanwhile
                _wait_for_room(handler)
                handler.handle(record)
            with self._changed:
                self._pending -= 1
                self._changed.notify_all()


class _Gate(logging.Filter):
    """Passes the records of one thread, before a handler gets them, to a relay."""

    def __init__(self, relay: Relay, handler: logging.Handler) -> None:
        super().__init__()
        self.relay = relay
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.relay.takes(self._handler, record)


def _wait_for_room(handler: logging.Handler) -> None:
    """Wait until a handler can write, without its lock: other threads need the lock, and can give up a write."""
    if standard_streams.is_ours(handler) and isinstance(handler, logging.StreamHandler):
        writing.is_ready(handler.stream.fileno(), None)
