"""One try: it is answered once, within its time, and never in the call that began it."""

from __future__ import annotations

from flagman.text.spans import format_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.calls import Call
    from flagman.supervise.verifiers.kind import Answer, Around, Attempt, Kind


class Try:
    """A try that has begun.

    :param way: what is asked
    :param around: what it works with
    :param seconds: the time it has; None for no limit
    :param on_answer: called in the control loop, with an empty text or with what is wrong
    """

    def __init__(self, way: Kind, around: Around, seconds: float | None, on_answer: Answer) -> None:
        self._loop = around.loop
        self._on_answer = on_answer
        self._is_over = False
        self._attempt: Attempt | None = None
        self._call: Call | None = None
        if seconds is not None:
            self._call = self._loop.call_later(seconds, self._answer, f"{way.missing} within {format_span(seconds)}")
        try:
            attempt = way.attempt(around, self._answer)
        except OSError as error:  # there is too little of something
            self._answer(error.strerror or str(error))
        else:
            self._attempt = attempt
            if self._is_over:
                attempt.cancel()

    def _answer(self, why: str) -> None:
        if not self._is_over:
            self.cancel()
            self._call = self._loop.call_later(0, self._on_answer, why)

    def cancel(self) -> None:
        """End it without an answer."""
        self._is_over = True
        if self._call is not None:
            self._call.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
