"""What is known of one process: its state, its instances, its ends. Any thread may read it."""

from __future__ import annotations

import logging
import time

from flagman.supervise.policy import SHORTEST
from flagman.supervise.processes.end import COUNTED, is_success
from flagman.supervise.processes.starts import Start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagman.supervise.policy import Spacing
    from flagman.supervise.processes.end import End
    from flagman.supervise.processes.life import Life
    from flagman.supervise.processes.machine import State
    from flagman.supervise.processes.plan import Plan, Wanted
    from flagman.supervise.processes.wish import Wish
    from flagman.supervise.processes.world import Verifies
    from flagman.types import SignalNumber


class Record:
    """What is known of a process; moments are those of the monotonic clock.

    :param plan: what it is told
    :param spacing: the moments of its starts
    :param now: the present moment
    """

    def __init__(self, plan: Plan, spacing: Spacing, now: float) -> None:
        self.plan = plan
        self.spacing = spacing
        self.wanted: Wanted = "down"
        self.state: State = "stopped"
        #: When that state began.
        self.since = now
        #: The instance that there is; None if there is none.
        self.life: Life | None = None
        #: The number of the process of the instance that there is, or was last; 0 if there was none.
        self.pid = 0
        #: Instances are numbered from 1 on.
        self.number = 0
        self.started: float | None = None
        #: The same in seconds since the epoch.
        self.started_at: float | None = None
        self.ready_at: float | None = None
        #: When the start was asked for that there is, or was last; and when the first one was.
        self.asked = self.first_asked = now
        #: That start; None if there was none.
        self.start: Start | None = None
        #: The first start that came to its end; None if none has.
        self.first_start: Start | None = None
        #: How many seconds the last start took until it was ready; None if none has come so far.
        self.start_duration: float | None = None
        #: If it could not be started, the exit status that shells have for that; 1 before.
        self.start_status = 1
        #: How often it was started again by itself.
        self.restarts = 0
        self.deaths = dict.fromkeys(COUNTED.values(), 0)
        self.last: End | None = None
        #: Why it is not well, although it is ready and goes on; empty if it is well.
        self.illness = ""
        #: Whether its last end was one for which other processes wait.
        self.ended_well = False
        self.wish: Wish | None = None
        #: In the state backoff, the moment of the next start.
        self.next_start = 0.0
        #: In the state stopping, the moment at which it is killed; None if it was.
        self.deadline: float | None = None
        #: What verifies the instance that there is, or was.
        self.verification: Verifies | None = None
        #: Whether its table has gone: it is forgotten when it is stopped.
        self.is_removed = False
        #: Whether flagman ends, so that nothing is raised because of it.
        self.is_closing = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.plan.name}: wanted {self.wanted}, {self.state}>"

    @property
    def is_satisfied(self) -> bool:
        """Whether processes that come after it may start."""
        return self.state == "ready" or (self.state == "exited" and self.ended_well)

    @property
    def is_missing(self) -> bool:
        """Whether it is not as it is to be, so that flagman is not ready."""
        return self.wanted == "up" and not self.plan.optional and not self.is_satisfied

    @property
    def was_never_ready(self) -> bool:
        """Whether it has ended by itself and its verifier has not succeeded, as if it has gone into the background."""
        return self.state in ("stopping", "exited") and self.ready_at is None and not self.ended_well

    def gravity(self, *, is_failure: bool) -> int:
        """Return the level at which its end for good is logged."""
        if is_failure:
            return logging.ERROR
        return logging.WARNING if self.was_never_ready else logging.INFO

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it runs, or is going to run by itself."""
        return self.state in ("stopped", "exited", "failed")

    @property
    def is_alive(self) -> bool:
        """Whether there is an instance that may end."""
        life = self.life
        return life is not None and not life.is_stuck

    @property
    def trouble(self) -> str:
        """What a check has against the instance that lives; empty if there is nothing, or none has asked yet."""
        if self.state == "starting" and self.verification is not None:
            return self.verification.last_error
        return self.illness

    def living(self) -> Life:
        """Return the instance, in a state that has one."""
        if self.life is None:
            raise RuntimeError(f"{self.plan.name} has no instance in the state {self.state}")
        return self.life

    def judged(self, status: int | None) -> str | None:
        """Return what the verifier says of an end: empty if it was to come so, None if it says nothing."""
        verification = self.verification
        return None if verification is None or status is None else verification.ended(status)

    def pause(self, now: float) -> float:
        """Return for how many seconds it should not be started, because its last start was a moment ago."""
        if self.state not in ("backoff", "exited", "failed"):
            return 0.0
        return max(0.0, (self.started or 0.0) + SHORTEST - now)

    def send(self, signum: SignalNumber) -> None:
        """Send a signal to the leader, if there is one."""
        if self.life is not None:
            self.life.send(signum)

    def note_asked(self, now: float) -> None:
        """Note that it is to start, as soon as it may."""
        self.asked = now
        if self.start is None:
            self.first_asked = now

    def note_start(self, now: float, way: Sequence[Start]) -> None:
        """Note that another instance is started.

        :param way: what that has waited for
        """
        self.start = Start(self.plan.name, self.asked, now, way)
        self.number += 1
        self.started, self.ready_at, self.pid = now, None, 0
        self.ended_well, self.verification = False, None
        self.started_at = time.time()

    def note_ready(self, now: float) -> None:
        """Note that the instance is ready."""
        self.ready_at = now
        self.start_duration = now - (self.started if self.started is not None else now)
        self.note_done(now)

    def note_end(self, now: float) -> None:
        """Note whether other processes wait for an end such as the last one."""
        was_ready = self.ready_at is not None
        self.ended_well = self.last is not None and is_success(
            self.last, self.plan.success_exit_status, was_ready=was_ready
        )
        if self.ended_well:
            self.note_done(now)

    def note_done(self, now: float) -> None:
        """Note that its start is over: processes that come after it may start."""
        if self.start is not None and self.start.done is None:
            self.start.done = now
            self.first_start = self.first_start or self.start

    def enter(self, state: State, now: float) -> None:
        """Note the state."""
        if self.state != state:
            self.state = state
            self.illness = ""
            self.since = now
