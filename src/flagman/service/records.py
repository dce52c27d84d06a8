"""The records of a ledger as JSON: an action, a tally, a report; built from what is never changed."""

from __future__ import annotations

from flagman.text.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.bundle import Member
    from flagman.engine.tally import Report, Tally


def action(member: Member, now: float) -> dict[str, object]:
    """Return an action of a bundle.

    :param now: on the engine's clock
    """
    statistics, state = member.offered or (None, None)
    return {
        "name": member.name,
        "arguments": list(member.open_arguments),
        "closed": member.action._closed,  # noqa: SLF001 - the loop's half of Action
        **tally(member.tally, now),
        "statistics": statistics,
        "state": state,
    }


def tally(tally: Tally, now: float) -> dict[str, object]:
    """Return how the runs of a flag or an action went.

    :param now: on the engine's clock
    """
    return {
        "runs": tally.runs,
        "failures": tally.failures,
        "failures_in_a_row": tally.failures_in_a_row,
        "last": None if tally.last is None else report(tally.last, now),
        "mean_duration": rounded(tally.seconds / tally.runs) if tally.runs else None,
        "longest_duration": rounded(tally.longest) if tally.runs else None,
    }


def report(report: Report, now: float) -> dict[str, object]:
    """Return how one run went.

    :param now: on the engine's clock
    """
    ended = report.began + report.seconds
    return {
        **moment("begun", report.at, now - report.began),
        **moment("ended", report.at + report.seconds, now - ended),
        "duration": rounded(report.seconds),
        "result": report.result,
        "error": report.error or None,
    }


def moment(name: str, at: float | None = None, ago: float | None = None) -> dict[str, object]:
    """Return a moment as programs and people read it.

    :param at: in seconds since the epoch; None if it has not come
    :param ago: how many seconds ago it was
    """
    return {
        name: None if at is None else rfc3339(at),
        f"{name}_ago": None if ago is None else rounded(max(0.0, ago)),
    }


def rounded(seconds: float) -> float:
    """Return seconds as they are shown: what is beyond microseconds says nothing."""
    return round(seconds, 6)
