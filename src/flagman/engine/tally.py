"""How a run went, and the counts of many runs: records that are never changed, so that any thread may read them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from flagman.engine.turn import Turn

    #: What came of a run.
    Came = Literal["succeeded", "failed", "timed-out", "interrupted", "skipped", "closed"]

#: Those that count as failures.
FAILURES = ("failed", "timed-out")


class Report:
    """How one run went, of an action or of a whole bundle.

    :param at: when it began, in seconds since the epoch
    :param began: when it began, on the engine's clock
    :param seconds: how long it took
    :param result: what came of it
    :param error: why, in one line; may be empty
    """

    __slots__ = ("at", "began", "error", "result", "seconds")

    def __init__(self, at: float, began: float, seconds: float, result: Came, error: str) -> None:
        self.at = at
        self.began = began
        self.seconds = seconds
        self.result = result
        self.error = error


class Tally:
    """The runs of a flag or of an action, counted; it is never changed."""

    __slots__ = ("failures", "failures_in_a_row", "last", "longest", "runs", "seconds")

    runs: int
    failures: int
    failures_in_a_row: int
    #: How the last one went; None before the first.
    last: Report | None
    #: The seconds of all runs, and of the longest.
    seconds: float
    longest: float

    def __init__(self) -> None:
        self.runs = self.failures = self.failures_in_a_row = 0
        self.seconds = self.longest = 0.0
        self.last = None

    def after(self, last: Report) -> Tally:
        """Return the tally after one more run; one that was skipped is no run."""
        tally = Tally()
        has_run, has_failed = last.result != "skipped", last.result in FAILURES
        tally.last = last
        tally.runs = self.runs + has_run
        tally.failures = self.failures + has_failed
        is_over = last.result in ("succeeded", "closed")
        tally.failures_in_a_row = 0 if is_over else self.failures_in_a_row + has_failed
        tally.seconds = self.seconds + last.seconds
        tally.longest = max(self.longest, last.seconds)
        return tally


class Arrivals:
    """The raises of a flag for which its bundle has run, counted; it is never changed."""

    __slots__ = ("ignored", "merged", "raised")

    def __init__(self, raised: int = 0, ignored: int = 0, merged: int = 0) -> None:
        #: All of them, with those that a run in progress stood for.
        self.raised = raised
        #: Those that a run in progress stood for.
        self.ignored = ignored
        #: Those that had no run of their own, because one run stands for several raises.
        self.merged = merged

    def after(self, turn: Turn) -> Arrivals:
        """Return the count after one more turn."""
        return Arrivals(
            self.raised + turn.raises + turn.ignored, self.ignored + turn.ignored, self.merged + turn.raises - 1
        )


NO_RUNS, NO_ARRIVALS = Tally(), Arrivals()
