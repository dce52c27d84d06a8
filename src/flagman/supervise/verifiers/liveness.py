"""Liveness: whether a process that has become ready still works."""

from __future__ import annotations

from flagman.supervise.verifiers.kind import Around, Gifts
from flagman.supervise.verifiers.trying import Try
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.calls import Call
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.check import Check
    from flagman.supervise.verifiers.kind import Answer, Target


class Liveness:
    """Asks a process again and again, while it lives; everything is called in the control loop.

    :param check: what is asked
    :param target: the process
    :param loop: calls all of this
    :param on_failure: called with the reason after so many failures in a row as the check says, which are counted anew
        then; and with an empty text after the next success
    """

    def __init__(self, check: Check, target: Target, loop: ControlLoop, on_failure: Answer) -> None:
        self._check = check
        self._target = target
        self._loop = loop
        self._on_failure = on_failure
        self._around = Around(loop, target, Gifts(), lambda _: None, lambda _: None)
        #: How many tries in a row have failed by now.
        self.failures = 0
        #: What was wrong the last time; empty after a success.
        self.last_error = ""
        self._is_ill = False
        self._is_over = False
        self._planned: Call | None = None
        self._try: Try | None = None

    def begin(self) -> None:
        """Begin, with a pause before the first try; when the process is ready."""
        self._planned = self._loop.call_later(self._check.every, self._next)

    def cancel(self) -> None:
        """End it; it may be called at any time."""
        self._is_over = True
        for call in (self._planned, self._try):
            if call is not None:
                call.cancel()

    def _next(self) -> None:
        if self._target.is_alive():  # else the owner is about to learn of the end
            self._planned = self._loop.call_later(self._check.every, self._next)
            if self._try is None:
                self._try = Try(self._check.way, self._around, self._check.attempt_timeout, self._answered)

    def _answered(self, why: str) -> None:
        self._try = None
        if self._is_over or not self._target.is_alive():
            return
        self.last_error = why
        self.failures = self.failures + 1 if why else 0
        if self.failures >= self._check.failures:
            self.failures = 0
            self._is_ill = True
            number = counted(self._check.failures, "failure")
            many = f" ({number} in a row)" if self._check.failures > 1 else ""
            self._on_failure(f"{self._check.text()}: {why}{many}")
        elif self._is_ill and not why:
            self._is_ill = False
            self._on_failure("")
