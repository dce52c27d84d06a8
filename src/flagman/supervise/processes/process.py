"""One process: what it is wanted to be, the state that it is in, and the steps from one state to the next.

The table of steps is :data:`flagman.supervise.processes.machine.STEPS`. Everything here is called in the control loop.
"""

from __future__ import annotations

import logging

from flagman.supervise.ends import StartError
from flagman.supervise.policy import Spacing
from flagman.supervise.processes.end import COUNTED, End, is_failure
from flagman.supervise.processes.life import Life
from flagman.supervise.processes.machine import STEPS
from flagman.supervise.processes.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.calls import Call
    from flagman.supervise.processes.end import Reason
    from flagman.supervise.processes.machine import Event, State
    from flagman.supervise.processes.plan import Plan
    from flagman.supervise.processes.wish import Verb, Wish
    from flagman.supervise.processes.world import Watch, World

logger = logging.getLogger("flagman.supervise")

_PATIENCE = 5.0  # seconds after KILL until it is said that a process hangs in the kernel
_EVENTS: dict[Verb, Event] = {"start": "want-up", "stop": "want-down", "restart": "restart"}


class Process(Record):
    """A process that flagman keeps."""

    def __init__(self, plan: Plan, world: World) -> None:
        super().__init__(plan, Spacing(world.chance, lambda: self.plan.restart_max_delay), world.clock())
        self._world = world
        self._liveness: Watch | None = None
        self._timer: Call | None = None
        # Whether it is started again after this stop; why the instance ends.
        self._again = False
        self._reason: Reason = "exit"
        self._why = ""

    def ask(self, verb: Verb, uid: int | None = None) -> Wish:
        """Ask something of it; a wish that says the same and has not led to a start yet goes on instead.

        :param uid: the user that asks; None for flagman itself
        """
        # A restart the instance of which has begun may have come too early for what has changed.
        merges = verb != "restart" or self.state in ("waiting", "stopping", "backoff")
        self.wish = self._world.wish(self.wish, verb, uid, merges=merges)
        self.wanted = "down" if verb == "stop" else "up"
        wish = self.wish
        self.happen(_EVENTS[verb])
        return wish

    def follow(self, plan: Plan) -> None:
        """Obey another plan."""
        self.plan = plan
        self.happen("config-changed")

    def happen(self, event: Event) -> None:
        """Take the step that the table names."""
        step = STEPS[event][self.state]
        if step == "never":
            raise RuntimeError(f"{self.plan.name}: {event} in the state {self.state}")
        if step == "end" and event != "unhealthy":
            self._reason, self._why = "config-changed" if event == "config-changed" else "requested", ""
            self._again = event != "want-down"
        getattr(self, f"_{step}")()

    def _go(self, state: State, *events: str) -> None:
        self.enter(state, self._world.clock())
        self._show(*events)

    def _show(self, *events: str) -> None:
        """Decide the wish, if the state does, and show both."""
        wish = self.wish
        if wish is not None and not wish.outcome:
            if self.state == "stopped" if wish.verb == "stop" else self.is_satisfied:
                wish.decide("reached")
            elif wish.verb != "stop" and self.state in ("backoff", "exited", "failed"):
                wish.decide("failed")
        self._world.changed(self.plan.name, () if self.is_closing else events)

    def _set_timer(self, moment: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if moment is None else self._world.call_at(moment, lambda: self.happen("timer"))

    # The steps of the table.

    def _keep(self) -> None:
        """Change nothing."""
        self._show()

    def _afresh(self) -> None:
        """Start it, and forget its former failures."""
        self.spacing.short_lives = 0
        self._begin()

    def _begin(self) -> None:
        """Start it, as soon as what it comes after is ready."""
        self.note_asked(self._world.clock())
        self._set_timer(None)
        self._go("waiting") if self._world.is_blocked(self.plan) else self._start()

    def _look(self) -> None:
        """Start it if what it comes after is ready by now; else nothing has changed, and nothing follows."""
        if not self._world.is_blocked(self.plan):
            self._start()

    def _start(self) -> None:
        now = self._world.clock()
        self.note_start(now, self._world.way(self.plan, self.asked))
        self.spacing.started(now)
        self._again, self._reason, self._why = False, "exit", ""
        self._go("starting")
        try:
            instance = self._world.start(self.plan.name, self.number, self.look)
        except StartError as error:
            self._why, self.start_status = str(error).removeprefix("cannot start "), error.exit_code
            self.happen("spawn-failed")
            return
        self.life = life = Life(instance, self.plan, self._world.members)
        self.pid = instance.pid
        logger.info("Started `%s` with pid %d", self.plan.name, instance.pid)
        self._show()
        self._world.when_it_runs(self.plan.name, lambda: self._on_run(life))

    def _on_run(self, life: Life) -> None:
        if self.life is life and self.state == "starting":  # it may have been asked to end before
            self.happen("spawned")

    def _verify(self) -> None:
        """Begin to verify an instance that has been started."""
        self.verification = self._world.verification(self.plan.name, self._on_verdict, self._on_failure)
        if self.verification is None:
            self.happen("verified")
        else:
            self._show()
            self.verification.on_error = self._show
            self.verification.begin()

    def _on_verdict(self, why: str) -> None:
        if self.state != "starting":
            return
        if why:
            self._reason, self._why = "not-ready", why
            logger.warning("`%s` is not ready: %s", self.plan.name, why)
            self.happen("unhealthy")
        else:
            logger.info("`%s` is ready", self.plan.name)
            self.happen("verified")

    def _arrive(self) -> None:
        """Be ready."""
        self.note_ready(self._world.clock())
        self._liveness = self._world.liveness(self.plan.name, self._on_failure)
        self._go("ready", "ready")
        if self._liveness is not None:
            self._liveness.begin()

    def _on_failure(self, why: str) -> None:
        """Take note that a ready instance is not well any more; or that it is well again, and there is no reason."""
        if self.state != "ready":
            return
        what = f"not well: {why}" if why else "well again"
        logger.log(logging.WARNING if why else logging.INFO, "`%s` is %s", self.plan.name, what)
        is_watchdog = why.startswith("watchdog")
        if is_watchdog or (why and self.plan.liveness is not None and self.plan.liveness.restart):
            self._reason, self._why = "watchdog" if is_watchdog else "liveness", why
            self.happen("unhealthy")
        else:
            self.illness = why
            self._show(*["fail"] * bool(why))

    def _cancel_checks(self) -> None:
        for watch in (self.verification, self._liveness):
            if watch is not None:
                watch.cancel()
        self._liveness = None

    def _end(self) -> None:
        """Ask the instance to end."""
        self._cancel_checks()
        self._begin_grace()
        self._go("stopping")
        self.living().end_leader()

    def _begin_grace(self) -> None:
        self.deadline = self._world.clock() + self.plan.graceful_time
        self._set_timer(self.deadline)

    def _note(self) -> None:
        """Remember whether to start it again when nothing of it is left."""
        self._again = self.wanted == "up"
        self._show()

    def _rest(self) -> None:
        """Be stopped, because nothing of it runs."""
        self._set_timer(None)
        self._go("stopped")

    def look(self) -> None:
        """Look whether the instance has ended."""
        for event in self.life.look() if self.life is not None else ():
            self.happen(event)

    def _bury(self) -> None:
        """Take note of an end of the leader that nothing has asked for."""
        self._cancel_checks()
        self.deadline = None
        self._go("stopping")
        self._follow()

    def _follow(self) -> None:
        """Ask the rest of the group to end, after its leader."""
        life = self.living()
        if life.has_rest:
            life.end_rest()
            if self.deadline is None and not life.is_killed:
                self._begin_grace()
            self._show()

    def _escalate(self) -> None:
        """Kill what has not ended within the grace; later, say that it cannot be killed."""
        self.look()  # this process may have been stopped meanwhile
        if self.state == "stopping" and self.life is not None:
            if self.life.is_killed:
                self.life.is_given_up()
                self._show()
            else:
                logger.warning("`%s` has not ended within %g s", self.plan.name, self.plan.graceful_time)
                self.kill()

    def kill(self) -> None:
        """End it by force, if it is being stopped."""
        if self.state == "stopping" and self.life is not None and not self.life.is_killed:
            self.deadline = None
            self._set_timer(self._world.clock() + _PATIENCE)
            self.life.kill()
            self._show()

    def _settle(self) -> None:
        """Decide what follows, because nothing of the instance is left."""
        trouble = self._world.farewell(self.plan.name)
        status = self.living().reap()
        if trouble and self._reason == "exit":
            self._reason, self._why = "cannot-start", trouble
        elif self._reason == "exit" and status is not None and status < 0:
            self._reason = "signal"
        self._conclude(status)

    def _give_up(self) -> None:
        """Take note that an instance could not be started."""
        self._reason = "cannot-start"
        self._conclude(None)

    def _conclude(self, status: int | None) -> None:
        self._set_timer(None)
        life, self.life = self.life, None
        verdict = self.judged(status) if self._reason in ("exit", "signal") else None
        if self._reason in ("exit", "signal") and self.ready_at is None and verdict is None:
            self._why = "before it was ready"
        output, now = self._world.output(self.plan.name), self._world.clock()
        self.last = End(self._reason, status, self._why, output, now, verdict)
        self.last.has_core = life is not None and life.has_dumped_core
        self._world.buried(self.plan.name)
        self.note_end(now)
        if self.wanted == "down":
            logger.info("`%s` %s", self.plan.name, self.last.text)
            self._rest()
        elif self._again or self._reason not in COUNTED:
            self._begin()
        else:
            self._end_by_itself(self.last, is_failure(self.last, self.plan.success_exit_status))

    def _end_by_itself(self, last: End, is_failure: bool) -> None:  # noqa: FBT001 - it is passed on
        self.deaths[COUNTED[last.reason]] += 1
        events = ("exit", "fail") if is_failure else ("exit",)
        if not (self.plan.restart == "always" or (self.plan.restart == "on-failure" and is_failure)):
            logger.log(self.gravity(is_failure=is_failure), "`%s` %s", self.plan.name, last.text)
            self._go("failed" if is_failure else "exited", *events)
            return
        self.restarts += 1
        self.next_start = max(last.moment, self.spacing.next_start(last.moment, self.ready_at))
        when = f"in {self.next_start - last.moment:.3g} s" if self.next_start > last.moment else "at once"
        logger.warning("`%s` is started again %s: %s", self.plan.name, when, last.text)
        self._go("backoff", *events)
        self._set_timer(self.next_start)

    def abandon(self) -> None:
        """Kill what is left at once, because nothing looks after it any more."""
        self._cancel_checks()
        self._set_timer(None)
        life, self.life = self.life, None
        if life is not None:
            life.abandon()
