"""A process in words and as JSON; everything here may be called in any thread."""

from __future__ import annotations

import time

from flagman.supervise.processes.end import how
from flagman.text.moments import rfc3339
from flagman.text.spans import format_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Protocol

    from flagman.supervise.processes.backstop import Backstop
    from flagman.supervise.processes.plan import Plan
    from flagman.supervise.processes.record import Record

    class Around(Protocol):
        """What is around a process."""

        backstop: Backstop

        def clock(self) -> float:
            """Return the monotonic time."""

        def blockers(self, plan: Plan) -> Sequence[Record]:
            """Return the processes that one waits for."""


# How many processes are named that flagman waits for.
_NAMED = 3
_HEALTH = {"ready": "up", "stopped": "down", "exited": "down", "backoff": "failing", "failed": "failing"}


def told(process: Record, around: Around) -> str:
    """Return the state of a process with all of its reasons: ``web waiting: db in back-off (3): exited with 1``."""
    return f"{process.plan.name} {state(process, around)}"


def waits_for(processes: Iterable[Record], now: float) -> str:
    """Return which processes are not ready as a short sentence: ``Waiting for db (12 s), 3 of 5 ready``."""
    wanted = [process for process in processes if process.wanted == "up" and not process.plan.optional]
    missing = [process for process in wanted if process.is_missing]
    if not missing:
        return ""
    listed = ", ".join(f"{process.plan.name} ({_seconds(now - process.since)})" for process in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return f"Waiting for {listed}{more}, {len(wanted) - len(missing)} of {len(wanted)} ready"


def state(process: Record, around: Around) -> str:
    """Return the state in words, without the name."""
    now = around.clock()
    reasons: list[str] = []
    seen = {process.plan.name}  # in the middle of a reload there may be a circle
    # By hand, because a long row of processes would be deeper than Python's stack.
    while process.state == "waiting":
        blockers = [other for other in around.blockers(process.plan) if other.plan.name not in seen]
        if not blockers:
            break
        process = blockers[0]
        seen.add(process.plan.name)
        more = f" (and {len(blockers) - 1} more)" if len(blockers) > 1 else ""
        reasons.append(f"waiting: {process.plan.name}{more} ")
    text = _WORDS.get(process.state)
    return "".join([*reasons, text(process, now) if text is not None else process.state])


def _ready(process: Record, _now: float) -> str:
    return f"ready, but not well: {process.illness}" if process.illness else "ready"


def _starting(process: Record, now: float) -> str:
    verification = process.verification
    detail = ""
    if verification is not None and verification.last_error:
        tries = verification.tries
        detail = f": {verification.last_error} ({tries} {'try' if tries == 1 else 'tries'})"
    return f"starting for {_seconds(now - process.since)}{detail}"


def _stopping(process: Record, now: float) -> str:
    life = process.life
    if life is not None and life.is_stuck:
        return "stopping: it was killed, and hangs in the kernel"
    left = process.deadline
    return "stopping" if left is None else f"stopping, killed in {_seconds(max(0.0, left - now))}"


def _backoff(process: Record, now: float) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(time.time() + process.next_start - now))
    return f"in back-off ({process.spacing.short_lives}), next start {at}: {_ended(process)}"


def _failed(process: Record, _now: float) -> str:
    return f"failed: {_ended(process)}"


def _exited(process: Record, _now: float) -> str:
    return _ended(process)


def _ended(process: Record) -> str:
    return process.last.text if process.last is not None else how(None)


_WORDS: dict[str, Callable[[Record, float], str]] = {
    "ready": _ready,
    "starting": _starting,
    "stopping": _stopping,
    "backoff": _backoff,
    "failed": _failed,
    "exited": _exited,
}


def shown(process: Record, around: Around) -> dict[str, object]:
    """Return a process as JSON."""
    now, at = around.clock(), time.time()
    plan, spacing, life = process.plan, process.spacing, process.life
    backoff = None
    if process.state == "backoff":
        left = process.next_start - now
        backoff = {
            "n": spacing.short_lives,
            "delay": round(process.next_start - (process.started or process.next_start), 6),
            "next_start": rfc3339(at + left),
            "next_start_in": round(left, 6),
        }
    is_ill = process.state == "ready" and bool(process.illness)
    verification = process.verification
    verifier = None
    if plan.ready is not None:
        verifier = {
            "type": plan.ready.kind,
            "last_error": verification.last_error if verification is not None else "",
            "tries": verification.tries if verification is not None else 0,
        }
    return {
        "name": plan.name,
        "wanted": process.wanted,
        "state": process.state,
        "health": "failing" if is_ill else _HEALTH.get(process.state, "changing"),
        "ready": process.is_satisfied,
        **_moment("since", process.since, now, at),
        "pid": life.pid if life is not None else None,
        "instance": process.number,
        **_moment("started", process.started, now, at),
        **_moment("ready_at", process.ready_at, now, at),
        "restarts": process.restarts,
        "deaths": dict(process.deaths),
        "backoff": backoff,
        "blocked_by": [
            {"name": other.plan.name, "why": state(other, around)}
            for other in (around.blockers(process.plan) if process.state == "waiting" else ())
        ],
        "last": process.last.shown(now) if process.last is not None else None,
        "wish": process.wish.shown() if process.wish is not None else None,
        "text": state(process, around),
        "command": list(plan.command),
        "after": list(plan.after),
        "essential": plan.essential,
        "verifier": verifier,
        "strays": [{"pid": stray.pid, "name": stray.name} for stray in around.backstop.strays_of(plan.name)],
    }


def _moment(name: str, moment: float | None, now: float, at: float) -> Mapping[str, object]:
    ago = None if moment is None else now - moment
    return {
        name: None if ago is None else rfc3339(at - ago),
        f"{name}_ago": None if ago is None else round(ago, 6),
    }


def _seconds(seconds: float) -> str:
    """Return seconds in words, rounded: ``12 s``."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{max(0.0, seconds):.0f} s"
    return format_span(float(round(seconds)))
