"""The verification of a start: tries until one succeeds, or the time is over."""

from __future__ import annotations

import logging
import time

from flagman.supervise.verifiers.kind import Around
from flagman.supervise.verifiers.trying import Try
from flagman.text.shown import counted
from flagman.text.spans import format_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.check import Check
    from flagman.supervise.verifiers.kind import Answer, Gifts, Target

logger = logging.getLogger("flagman.supervise")

# Seconds from one try to the next: at first, and at most, after the pause has been doubled each time.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class Verification:
    """Finds out whether one life of a process becomes ready; everything is called in the control loop.

    The first try comes at once. A try counts only if the process lives before and after it. When the process has ended,
    there are no more tries: the owner learns of the end itself, and cancels this.

    :param check: what is asked
    :param target: the process
    :param loop: calls all of this
    :param gifts: what the process was started with
    :param on_verdict: called once, and never within :meth:`begin`: with an empty text if the process is ready, or with
        the reason if it has not become ready in time
    :param clock: the one of the loop
    :param on_failure: called with the reason if a process that has become ready, and has promised signs of life
        (``watchdog``), gives none; until :meth:`cancel`
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with
        self,
        check: Check,
        target: Target,
        loop: ControlLoop,
        gifts: Gifts,
        on_verdict: Answer,
        clock: Callable[[], float] = time.monotonic,
        *,
        on_failure: Answer | None = None,
    ) -> None:
        self._check = check
        self._target = target
        self._loop = loop
        self._gifts = gifts
        self._on_verdict = on_verdict
        self._clock = clock
        self._on_failure = on_failure
        self._around = Around(loop, target, gifts, self._extend, self._note)
        #: How many tries have begun.
        self.tries = 0
        #: What was wrong the last time.
        self.last_error = ""
        #: Called when that is another text; the owner sets it.
        self.on_error: Callable[[], object] = bool
        self._pause = _SHORTEST_PAUSE
        self._began = self._limit = 0.0
        self._is_over = False
        # The end of the time, the next try if it is planned, and the one that is under way.
        self._timer: Call | None = None
        self._planned: Call | None = None
        self._try: Try | None = None

    def looked_before(self) -> str:
        """Return what answered already before the start; empty if nothing did."""
        return self._gifts.before

    @property
    def status(self) -> str:
        """The last status text that the process has told, printable; empty if it has told none."""
        return self._gifts.status

    def begin(self) -> None:
        """Begin; after the start."""
        if self._gifts.before:
            name = self._target.name
            logger.warning("%s: %s answers already, before %s was started", name, self._gifts.before, name)
        self._began = self._clock()
        self._limit = self._began + self._check.timeout
        self._timer = self._loop.call_later(self._check.timeout, self._run_out)
        self._next()

    def cancel(self) -> None:
        """End it without a verdict, also the watch for signs of life; it may be called at any time."""
        self._is_over = True
        self._gifts.on_failure = None
        for call in (self._timer, self._planned, self._try):
            if call is not None:
                call.cancel()

    def ended(self, status: int) -> str | None:
        """Judge the end of the leader, before the verdict.

        :param status: its exit status, or the number of the signal that killed it, negative
        :returns: for ``exited`` an empty text if this means that it is ready, or else how it has ended; None for other
            kinds, for which an end is a death
        """
        self.cancel()
        return self._check.way.ended(status)

    def _next(self) -> None:
        if not self._target.is_alive():
            self._note("the process has ended")
            return
        self.tries += 1
        way = self._check.way
        seconds = None if way.is_patient else self._check.attempt_timeout
        self._try = Try(way, self._around, seconds, self._answered)

    def _answered(self, why: str) -> None:
        if self._is_over:
            return
        if why:
            self._note(why)
        elif self._target.is_alive():
            self._verified()
            return
        self._planned = self._loop.call_later(self._pause, self._next)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _verified(self) -> None:
        self.cancel()
        if self._on_failure is not None:
            self._gifts.on_failure = self._on_failure
            self._gifts.verified()
        self._on_verdict("")

    def _run_out(self) -> None:
        way = self._check.way
        text = f"{self._check.text()}: {way.missing} within {format_span(round(self._limit - self._began, 3))}"
        if not way.is_patient:
            text += f" ({counted(self.tries, 'try', 'tries')})"
        self.cancel()
        self._on_verdict(f"{text}: {self.last_error}" if self.last_error else text)

    def _note(self, why: str) -> None:
        if why != self.last_error:
            self.last_error = why
            self.on_error()

    def _extend(self, seconds: float) -> None:
        """Allow more time, as the process asks."""
        limit = self._clock() + seconds
        if limit > self._limit and not self._is_over and self._timer is not None:
            self._limit = limit
            self._timer.cancel()
            self._timer = self._loop.call_later(seconds, self._run_out)
