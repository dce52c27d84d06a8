"""The control loop in a run: made if a part asks for it, started when all parts are open, and ended."""

from __future__ import annotations

import time

from flagman.log.relay import Relay
from flagman.service.control_loop import ControlLoop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that the control loop has to take in the end, and that the log has to write the loop's last records.
_LAST = 5.0
_LAST_RECORDS = 1.0
_MOMENT = 0.5


class ControlThread:
    """The control loop of a run, and the relay of what it logs.

    :param look: called in the control loop after each of its waits
    :param fail: called there if it cannot go on
    """

    def __init__(self, look: Callable[[], object], fail: Callable[[], object]) -> None:
        self._look = look
        self._fail = fail
        self._loop: ControlLoop | None = None
        self._relay: Relay | None = None
        self._has_begun = False
        self._limit = 0.0  # the monotonic time at which the control loop has to be at its end

    @property
    def loop(self) -> ControlLoop:
        """The control loop; it runs if it was asked for before :meth:`start`.

        :raises RuntimeError: if it was not
        """
        if self._loop is None:
            if self._has_begun:
                raise RuntimeError("a part asks for the control loop when it is opened, or never")
            self._loop = ControlLoop(self._look, self._fail)
        return self._loop

    @property
    def is_running(self) -> bool:
        """Whether there is a control loop, and its thread has not ended."""
        return self._loop is not None and not self._loop.has_ended

    def start(self) -> None:
        """Start the thread, if the loop was asked for.

        :raises FlagmanError: if there can be no more threads
        """
        self._has_begun = True
        if self._loop is not None:
            self._loop.start()
            self._relay = Relay(lambda: self.loop.is_here)
            self._relay.cover()

    def cover(self) -> None:
        """Relay the records to the handlers that the log has now."""
        if self._relay is not None:
            self._relay.cover()

    def wake(self) -> None:
        """End its wait; safe in a signal handler."""
        if self._loop is not None:
            self._loop.wake()

    def finish(self) -> None:
        """Make the last look, in the loop if that runs; its end has to come soon after."""
        self._limit = time.monotonic() + _LAST
        if self._loop is None or self._loop.has_ended:
            self._look()
        else:
            self._loop.call(self._look)
            self._loop.settle(_LAST)

    def end(self) -> None:
        """End the thread, and then the relay."""
        if self._loop is not None:
            self._loop.stop(max(_MOMENT, self._limit - time.monotonic()))
        if self._relay is not None:
            self._relay.finish(_LAST_RECORDS)
