"""Records as JSON: how runs went, and moments."""

from __future__ import annotations

from flagman.text.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.bundle import Member
    from flagman.engine.tally import Report, Tally


def of_action(member: Member, now: float) -> dict[str, object]:
    """Return an action with the counts of its runs.

    :param now: the present moment on the clock, as below
    """
    statistics, state = member.offered or (None, None)
    return {
        "name": member.name,
        "arguments": list(member.open_arguments),
        "closed": member.action._closed,  # noqa: SLF001 - the loop's half of Action
        **of_tally(member.tally, now),
        "statistics": statistics,
        "state": state,
    }


def of_tally(tally: Tally, now: float) -> dict[str, object]:
    """Return the counts of the runs of an action, or of a flag."""
    success = tally.last_success
    return {
        "runs": tally.runs,
        "failures": tally.failures,
        "failures_in_a_row": tally.failures_in_a_row,
        "last": None if tally.last is None else of_report(tally.last, now),
        **(moment("last_success") if success is None else _end("last_success", success, now)),
        "mean_duration": rounded(tally.seconds / tally.runs) if tally.runs else None,
        "longest_duration": rounded(tally.longest) if tally.runs else None,
    }


def of_report(report: Report, now: float) -> dict[str, object]:
    """Return how one run went."""
    return {
        **moment("begun", report.at, now - report.began),
        **_end("ended", report, now),
        "duration": rounded(report.seconds),
        "result": report.result,
        "error": report.error or None,
    }


def _end(name: str, report: Report, now: float) -> dict[str, object]:
    return moment(name, report.at + report.seconds, now - report.began - report.seconds)


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
