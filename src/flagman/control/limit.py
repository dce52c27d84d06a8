"""How long a client has for what is next."""

from __future__ import annotations

import math
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.service.control_loop import ControlLoop


class Limit:
    """A deadline that may be moved often at little cost: a call that is planned too early plans itself anew.

    :param on_over: called when the time is over
    """

    def __init__(self, loop: ControlLoop, on_over: Callable[[], object]) -> None:
        self._loop = loop
        self._on_over = on_over
        self._call: Call | None = None
        self._moment = math.inf  # of the call
        #: The moment of :func:`time.monotonic`; infinite for no limit.
        self.deadline = math.inf

    def allow(self, seconds: float) -> None:
        """Allow this many seconds from now on."""
        self.deadline = time.monotonic() + seconds
        self._plan()

    def cancel(self) -> None:
        """Call nothing any more."""
        self.deadline = math.inf
        if self._call is not None:
            self._call.cancel()

    def _plan(self) -> None:
        if self.deadline < self._moment:
            if self._call is not None:
                self._call.cancel()
            self._moment = self.deadline
            self._call = self._loop.call_at(self.deadline, self._look)

    def _look(self) -> None:
        self._call, self._moment = None, math.inf
        if time.monotonic() < self.deadline:
            self._plan()
        else:
            self._on_over()
