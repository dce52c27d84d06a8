"""How a run went, and the counts of many runs: records that are never changed, so that any thread may read them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    #: What came of a run.
    Came = Literal["succeeded", "failed", "timed-out", "interrupted", "skipped", "closed"]

#: All of that.
RESULTS: tuple[Came, ...] = ("succeeded", "failed", "timed-out", "interrupted", "skipped", "closed")
#: Those that count as failures.
FAILURES = ("failed", "timed-out")
_NO_OTHERS: Mapping[Came, int] = {}


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
    :param others: how many did not succeed, by what came of them
    :param earlier: how the last success went, if the last run was none; else None
    """

    __slots__ = ("earlier", "failures", "failures_in_a_row", "last", "longest", "others", "runs", "seconds")

    def __init__(  # noqa: PLR0913, PLR0917 - one is made after each run, and this is the fastest way
        self,
        runs: int = 0,
        failures: int = 0,
        failures_in_a_row: int = 0,
        last: Report | None = None,
        seconds: float = 0.0,
        longest: float = 0.0,
        others: Mapping[Came, int] = _NO_OTHERS,
        earlier: Report | None = None,
    ) -> None:
        self.runs = runs
        self.failures = failures
        self.failures_in_a_row = failures_in_a_row
        self.last = last
        self.seconds = seconds
        self.longest = longest
        self.others = others
        self.earlier = earlier

    def after(self, last: Report) -> Tally:
        """Return the tally after one more run; one that was skipped is no run."""
        result, seconds, longest = last.result, last.seconds, self.longest
        if seconds > longest:  # noqa: PLR1730 - max() takes longer
            longest = seconds
        total = self.seconds + seconds
        others = self.others
        if result == "succeeded":
            return Tally(self.runs + 1, self.failures, 0, last, total, longest, others)
        others = {**others, result: others.get(result, 0) + 1}
        failed = result in FAILURES
        in_a_row = 0 if result == "closed" else self.failures_in_a_row + failed
        runs = self.runs + (result != "skipped")
        return Tally(runs, self.failures + failed, in_a_row, last, total, longest, others, self.last_success)

    @property
    def last_success(self) -> Report | None:
        """How the last run went that has succeeded; None before the first."""
        last = self.last
        return last if last is not None and last.result == "succeeded" else self.earlier

    def results(self) -> dict[Came, int]:
        """Return how many runs there were, by what came of them; and how often it was skipped."""
        others = self.others
        succeeded = self.runs - sum(others.values()) + others.get("skipped", 0)
        return {result: others.get(result, 0) if result != "succeeded" else succeeded for result in RESULTS}


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
