"""The durations of the last runs as a small plot, with the same in words."""

from __future__ import annotations

from flagman.control.page.markup import NOTHING, Html, tag
from flagman.control.page.states import FAILURES
from flagman.control.page.words import duration
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flagman.engine.ledger import Run

#: How many runs are shown.
MOST = 30
# Units of a bar: its place, its width; the height of the longest; the place of the sign below a failure.
_STEP, _WIDTH, _HEIGHT, _LOWEST = 4, 3, 22, 2
_SIGN = _HEIGHT + 2
_FULL = _HEIGHT + 5


def last_runs(runs: Iterable[Run]) -> dict[str, list[tuple[float, str]]]:
    """Return the last runs of each flag, the oldest first: how long each took, and what came of it.

    :param runs: those of all flags, the oldest first
    """
    found: dict[str, list[tuple[float, str]]] = {}
    for run in runs:
        found.setdefault(run.flag, []).append((run.seconds, run.result))
    return {flag: of_flag[-MOST:] for flag, of_flag in found.items()}


def plot(runs: Sequence[tuple[float, str]]) -> Html:
    """Return the plot of some runs; nothing if there are none."""
    if not runs:
        return NOTHING
    longest = max(seconds for seconds, _ in runs) or 1.0
    bars: dict[str, list[str]] = {"good": [], "bad": [], "idle": []}
    left = (MOST - len(runs)) * _STEP
    for seconds, result in runs:
        height = max(_LOWEST, round(seconds / longest * _HEIGHT))
        kind = "bad" if result in FAILURES else "good" if result in ("succeeded", "closed") else "idle"
        bars[kind].append(f"M{left} {_HEIGHT}v-{height}h{_WIDTH}v{height}z")
        if kind == "bad":  # a failure has a sign, too, because some see no difference between the colours
            bars[kind].append(f"M{left} {_SIGN}h{_WIDTH}v3h-{_WIDTH}z")
        left += _STEP
    paths = [tag("path", class_=kind, d="".join(d)) for kind, d in bars.items() if d]
    size = {"width": MOST * _STEP, "height": _FULL}
    return tag(
        "svg", *paths, class_="plot", role="img", aria_label=_words(runs), viewBox=f"0 0 {MOST * _STEP} {_FULL}", **size
    )


def _words(runs: Sequence[tuple[float, str]]) -> str:
    times = [seconds for seconds, _ in runs]
    results: dict[str, int] = {}
    for _, result in runs:
        results[result] = results.get(result, 0) + 1
    came = ", ".join(f"{number} {result}" for result, number in results.items())
    return f"{counted(len(runs), 'run')}: {came}; {duration(min(times))} to {duration(max(times))}"
