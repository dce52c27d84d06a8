"""Requests that wait for what the main loop does next: a run, a reload, readiness, the end."""

from __future__ import annotations

import math

from flagman.service.request_error import RequestError
from flagman.text.spans import format_span, parse_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flagman.engine.calls import Call
    from flagman.engine.ledger import Run
    from flagman.service.control_loop import ControlLoop
    from flagman.service.request import Request
    from flagman.types import FlagName

    #: Returns the status and the JSON of the answer if the time is over.
    TooLate = Callable[[], tuple[int, object]]


def span_of(query: Mapping[str, str]) -> tuple[bool, float | None]:
    """Return whether a request waits, and for how many seconds at the most; None for no limit.

    :param query: that of the request
    :raises RequestError: if that is no span
    """
    text = query.get("wait")
    if not text:
        return text is not None, None
    try:
        return True, parse_span(text)
    except ValueError as error:
        raise RequestError(400, "bad-request", f"wait: {error}") from None


class Wait:
    """A request that is answered later.

    :param request: the request
    :param what: what has not come if the time is over, for the message
    :param flags: it waits for a run of each of these
    """

    __slots__ = ("asked", "call", "missing", "on_end", "request", "runs", "what")

    def __init__(self, request: Request, what: str, flags: Iterable[FlagName] = ()) -> None:
        self.request = request
        #: When it began to wait, on the engine's clock: what comes from then on is not missed.
        self.asked = math.inf
        self.what = what
        #: The flags that have had no run yet, and the runs of the others.
        self.missing = set(flags)
        self.runs: list[Run] = []
        #: Called once, when it waits no longer.
        self.on_end: Callable[[], object] = bool
        #: Ends the wait; None if there is no limit.
        self.call: Call | None = None


class Waits:
    """The requests that wait for one kind of thing; in the control loop only, but for :meth:`__len__`.

    The main thread goes on meanwhile, and passes on only what a request waits for. So a request is added first, and
    then looks for what it would wait for.

    :param loop: the control loop
    :param clock: the engine's clock
    """

    def __init__(self, loop: ControlLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._waits: dict[Wait, None] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def __iter__(self) -> Iterator[Wait]:
        return iter(tuple(self._waits))

    def add(self, wait: Wait, seconds: float | None, too_late: TooLate | None = None) -> None:
        """Wait until :meth:`answer`, or until this number of seconds has passed, or the client has gone away.

        :param too_late: returns what to answer when the time is over; by default that it was not in time
        """
        self._waits[wait] = None
        wait.asked = self._clock()  # only now
        wait.request.on_gone = lambda: self.forget(wait)
        if seconds is not None:
            wait.call = self._loop.call_later(seconds, self._end, wait, seconds, too_late)

    def _end(self, wait: Wait, seconds: float, too_late: TooLate | None) -> None:
        if too_late is not None:
            self.answer(wait, *too_late())
        else:
            self.fail(wait, RequestError(504, "not-in-time", f"{wait.what} within {format_span(seconds)}"))

    def forget(self, wait: Wait) -> bool:
        """Wait no longer, without an answer; return whether it has waited."""
        if wait.call is not None:
            wait.call.cancel()
        if self._waits.pop(wait, wait) is wait:
            return False
        wait.on_end()
        return True

    def answer(self, wait: Wait, status: int, body: object) -> None:
        """Answer a request, unless that has been done."""
        if self.forget(wait):
            wait.request.reply(status, body)

    def fail(self, wait: Wait, error: RequestError) -> None:
        """Answer a request with an error, unless it has been answered."""
        self.answer(wait, error.status, error.body)
