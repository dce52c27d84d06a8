"""How a run went, and the counts of many runs: records that are never changed, so that any thread may read them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    #: What came of a run.
    Came = Literal["succeeded", "failed", "timed-out", "interrupted", "skipped", "closed"]

#: Those that count as failures.
FAILURES = ("failed", "timed-out")
_GOOD = ("succeeded", "closed")


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
    """The runs of an action, counted; it is never changed.

    :param last: how the last one went; None before the first
    :param seconds: those of all runs
    :param longest: those of the longest run
    """

    __slots__ = ("failures", "failures_in_a_row", "last", "longest", "runs", "seconds")

    def __init__(  # noqa: PLR0913, PLR0917 - one is made after each run, and this is the fastest way
        self,
        runs: int = 0,
        failures: int = 0,
        failures_in_a_row: int = 0,
        last: Report | None = None,
        seconds: float = 0.0,
        longest: float = 0.0,
    ) -> None:
        self.runs = runs
        self.failures = failures
        self.failures_in_a_row = failures_in_a_row
        self.last = last
        self.seconds = seconds
        self.longest = longest

    def after(self, last: Report) -> Tally:
        """Return the tally after one more run; one that was skipped is no run."""
        result, seconds = last.result, last.seconds
        longest = max(seconds, self.longest)
        total = self.seconds + seconds
        if result in _GOOD:
            return Tally(self.runs + 1, self.failures, 0, last, total, longest)
        failed = result in FAILURES
        runs = self.runs + (result != "skipped")
        return Tally(runs, self.failures + failed, self.failures_in_a_row + failed, last, total, longest)


class Arrivals:
    """The raises of a flag for which its bundle has run, counted; it is never changed.

    :param raised: all of them, with those that a run in progress stood for
    :param ignored: those that a run in progress stood for
    :param merged: those that had no run of their own, because one run stands for several raises
    """

    __slots__ = ("ignored", "merged", "raised")

    def __init__(self, raised: int = 0, ignored: int = 0, merged: int = 0) -> None:
        self.raised = raised
        self.ignored = ignored
        self.merged = merged

    def after(self, raises: int, ignored: int) -> Arrivals:
        """Return the count after one more run.

        :param raises: those before it
        :param ignored: those during it
        """
        return Arrivals(self.raised + raises + ignored, self.ignored + ignored, self.merged + raises - 1)


NO_RUNS, NO_ARRIVALS = Tally(), Arrivals()
