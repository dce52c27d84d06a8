"""The order in which processes start, and what is known of their starts, as JSON."""

from __future__ import annotations

from flagman.supervise.processes.order import longest_rows
from flagman.supervise.processes.starts import Start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagman.supervise.processes.plan import Plan
    from flagman.supervise.processes.record import Record


def planned(plans: Mapping[str, Plan]) -> dict[str, Mapping[str, object]]:
    """Return the order of starts, as JSON by name: those first that wait for nothing.

    :param plans: of the processes, without circles
    """
    stage = longest_rows({name: plan.after for name, plan in plans.items()}, dict.fromkeys(plans, 1))
    return {
        name: {
            "name": name,
            "stage": stage[name],
            "after": [*plans[name].after],
            "wanted": plans[name].wanted,
            "optional": plans[name].optional,
        }
        for name in sorted(plans, key=stage.__getitem__)
    }


def shown(records: Sequence[Record], first: Sequence[Record]) -> Mapping[str, object]:
    """Return the order of starts, the times of the last start of each process, and the critical chains, as JSON.

    :param records: all processes, in the order of the file
    :param first: those that flagman has started with itself
    """
    # With those that a reload has removed there may be a circle.
    kept = {record.plan.name: record for record in records if not record.is_removed}
    return {
        "start": _whole(first),
        "processes": [
            {**plan, **_now(kept[name])}
            for name, plan in planned({name: record.plan for name, record in kept.items()}).items()
        ],
    }


def _now(record: Record) -> Mapping[str, object]:
    return {
        "wanted": record.wanted,
        "state": record.state,
        "ready": record.is_satisfied,
        "start": _one(record.start) if record.start is not None else None,
    }


def _whole(first: Sequence[Record]) -> Mapping[str, object]:
    """Return how long it took until all processes were ready for the first time, and what decided that."""
    counted = [record for record in first if not record.plan.optional]
    starts = [record.first_start for record in counted if record.first_start is not None]
    if len(starts) < len(counted) or not starts:
        return {"took": None, "chain": []}
    begin = min(record.first_asked for record in counted)
    last = max(starts, key=Start.over)
    return {"took": _rounded(last.over() - begin), "chain": _links(last, begin)}


def _one(start: Start) -> Mapping[str, object]:
    return {
        "waited": _rounded(start.began - start.asked),
        "took": _rounded(start.done - start.began) if start.done is not None else None,
        "chain": _links(start, start.asked),
    }


def _links(start: Start, begin: float) -> list[Mapping[str, object]]:
    """Return a critical chain.

    :param begin: the moment from which on times are told
    """
    return [
        {
            "name": each.name,
            "at": _rounded(each.began - begin),
            "took": _rounded(each.done - each.began) if each.done is not None else None,
        }
        for each in start.chain
    ]


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
