"""More time for a start or a reload that takes long: the manager is asked for it before its timeout is over."""

from __future__ import annotations

import math
import signal
import time
from _thread import allocate_lock
from contextlib import suppress

from flagman.engine.threads import start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from flagman.systemd import Manager
    from flagman.types import ActionName

# Seconds until the first message: a start that is faster sends none.
_FIRST = 0.5
# Seconds from one message to the next, and seconds that each of them asks for.
_PAUSE = 5.0
_EXTENSION = 15.0
# Seconds that one action may take: after that it seems to hang, and no more time is asked for.
_LONGEST = 600.0


class MoreTime:
    """Tells the manager, from a thread of its own, what is in progress, and asks for time; a context manager.

    See EXTEND_TIMEOUT_USEC in :manpage:`sd_notify(3)`.

    :param manager: takes the messages
    :param first: seconds until the first message; it is sent earlier if a watchdog needs that
    :param pause: seconds from one message to the next
    """

    def __init__(self, manager: Manager, first: float = _FIRST, pause: float = _PAUSE) -> None:
        self._manager = manager
        self._pause = pause
        #: Seconds that one action may take.
        self.longest = _LONGEST
        # The first is held until all is over, the second while a message is sent: none may be sent after the end.
        self._over = allocate_lock()
        self._speaking = allocate_lock()
        self._doing = "Reading the configuration"
        self._since = time.monotonic()
        # The interval of a watchdog may be shorter than the timeout of a start.
        self._first = min(first, (manager.watchdog or math.inf) / 3)

    def progress(self, what: str, name: ActionName) -> None:
        """Note what is in progress from now on, and with which action."""
        self._since = time.monotonic()
        self._doing = f"{what} the action `{name}`"

    def _ask(self) -> None:
        # Signals must come to the main thread: one that came here would not end a system call there.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        patience = self._first
        while not self._over.acquire(timeout=patience):
            patience = self._pause
            with self._speaking:
                if self._over.locked() and time.monotonic() - self._since < self.longest:
                    status = self._manager.status(self._doing)
                    self._manager.notify(f"EXTEND_TIMEOUT_USEC={_EXTENSION * 1e6:.0f}\n{status}")

    def __enter__(self) -> Self:
        self._over.acquire()
        if self._manager.is_open:
            # Not threading.Thread, because its start() waits until the thread runs, and that takes too long here.
            with suppress(RuntimeError):  # there can be no more threads; then no time is asked for
                start_new_thread(self._ask, ())
        return self

    def __exit__(self, *_: object) -> None:
        with self._speaking:
            self._over.release()
