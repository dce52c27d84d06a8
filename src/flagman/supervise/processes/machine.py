"""The states of a process and the events that change them, as one table.

Two things are kept apart: what a process is *wanted* to be, up or down, and the *state* that it is in. So a request is
never refused because the process is busy: in each state each event has a step, which the table names.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    State = Literal["stopped", "waiting", "starting", "ready", "stopping", "backoff", "exited", "failed"]
    Event = Literal[
        "want-up",
        "want-down",
        "restart",
        "config-changed",
        "dependency-changed",
        "spawned",
        "spawn-failed",
        "verified",
        "unhealthy",
        "died",
        "group-empty",
        "timer",
    ]

#: The states, in the order of the columns below.
#:
#: - stopped: nothing runs, and it is wanted down
#: - waiting: wanted up; a process that it comes after is not ready
#: - starting: an instance lives, and is not verified
#: - ready: verified
#: - stopping: a signal was sent, or the leader has ended; something of its group is left
#: - backoff: wanted up; nothing runs until the next start
#: - exited: it has ended by itself, as it may, and is not started again
#: - failed: it has ended by itself, as it may not, and is not started again
STATES: tuple[State, ...] = ("stopped", "waiting", "starting", "ready", "stopping", "backoff", "exited", "failed")

# The steps: methods of flagman.supervise.processes.process.Process. "keep" changes nothing, and "never" is a defect.
_TABLE = """
                    stopped   waiting  starting  ready     stopping  backoff   exited    failed

want-up             afresh    keep     keep      keep      note      begin     afresh    afresh
want-down           rest      rest     end       end       note      rest      rest      rest
restart             afresh    keep     end       end       note      begin     afresh    afresh
config-changed      keep      look     end       end       note      afresh    afresh    afresh
dependency-changed  keep      look     keep      keep      keep      keep      keep      keep

spawned             never     never    verify    never     never     never     never     never
spawn-failed        never     never    give_up   never     never     never     never     never
verified            never     never    arrive    never     never     never     never     never
unhealthy           never     never    end       end       never     never     never     never
died                never     never    bury      bury      follow    never     never     never
group-empty         never     never    never     never     settle    never     never     never
timer               never     never    never     never     escalate  begin     never     never
"""


def _read() -> dict[str, dict[str, str]]:
    columns, *rows = (line.split() for line in _TABLE.splitlines() if line)
    return {event: dict(zip(columns, steps, strict=True)) for event, *steps in rows}


#: The name of the step, by event and by state.
STEPS = _read()
