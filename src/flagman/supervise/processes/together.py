"""All processes together: what waits for what, the order of a stop, what a reload changes, when all have ended."""

from __future__ import annotations

import logging
import time

from flagman.supervise.census import Census
from flagman.supervise.ends import exit_status
from flagman.supervise.policy import chance
from flagman.supervise.processes.outfit import Outfit
from flagman.supervise.processes.process import Process
from flagman.supervise.processes.starts import way_to
from flagman.supervise.processes.told import told, waits_for
from flagman.supervise.processes.wish import Wishes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flagman.engine.calls import Call
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.instance import Instance
    from flagman.supervise.launch.launch import Launch
    from flagman.supervise.processes.backstop import Backstop
    from flagman.supervise.processes.plan import Plan
    from flagman.supervise.processes.starts import Start
    from flagman.supervise.processes.wish import Verb, Wish
    from flagman.supervise.processes.world import Verifies, Watch

    Observer = Callable[[str, tuple[str, ...]], object]

logger = logging.getLogger("flagman.supervise")


class Together:
    """Keeps all processes; in the control loop, if nothing else is said.

    :param loop: the control loop
    :param on_change: called after each change of a process, with its name and what has happened
    :param backstop: sees to it that nothing is left
    """

    def __init__(
        self,
        loop: ControlLoop,
        on_change: Observer,
        backstop: Backstop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._on_change = on_change
        self.backstop = backstop
        self._wishes = Wishes()
        self._outfits: dict[str, Outfit] = {}
        self.clock = clock
        self._census = Census(loop, clock)
        #: By name, in the order of the file; only replaced as a whole, so that any thread may read it.
        self.by_name: dict[str, Process] = {}
        #: Those that were started first of all.
        self.first: Sequence[Process] = ()
        #: Whether all of them are being stopped.
        self.is_stopping = False
        # Whether they are looked at for what may follow from a change.
        self._is_planned = self._is_closed = False
        # Whether it is in the middle of a reload.
        self._is_following = False
        #: The exit status of an essential process that has ended for good; None if there is none.
        self.essential_status: int | None = None

    # What the outside asks.

    def follow(self, plans: Mapping[str, Plan], launches: Mapping[str, Launch], streams: Mapping[int, int]) -> None:
        """Obey the plans of a start or a reload: only what has another plan is started again.

        :param launches: what starts them
        :param streams: see :class:`flagman.supervise.processes.outfit.Outfit`
        """
        if self.is_stopping:
            return
        before = self.by_name
        gone = {name: process for name, process in before.items() if name not in plans}
        removed = [name for name, process in gone.items() if not process.is_removed]
        added = [name for name in plans if name not in before]
        changed = [name for name in plans if name in before and before[name].plan != plans[name]]
        again = [name for name in plans if name in before and before[name].is_removed]
        kept = {name: before.get(name) or Process(plan, self) for name, plan in plans.items()}
        for name in (*added, *again):
            kept[name].is_removed = False
            kept[name].wanted = plans[name].wanted  # before any thread sees it, and takes all for ready
        self._is_following = True
        try:
            self.by_name = kept | gone
            self.first = self.first or [process for process in kept.values() if process.wanted == "up"]
            for name in added:
                self._outfits[name] = Outfit(plans[name], launches[name], self._loop, streams)
            for name in removed:
                gone[name].is_removed = True
                gone[name].ask("stop")
            for name in changed:
                self._change(self.by_name[name], plans[name], launches[name])
            for name in (*added, *again):
                if plans[name].wanted == "up":
                    self.by_name[name].ask("start")
        finally:
            self._is_following = False
        if before:
            _report(added=[*added, *again], changed=changed, removed=removed)
        self._plan_look()

    def _change(self, process: Process, plan: Plan, launch: Launch) -> None:
        is_other = process.plan.wanted != plan.wanted
        if is_other and plan.wanted == "down":
            process.ask("stop")  # first, because another plan starts what has ended once more
        self._outfits[plan.name].follow(plan, launch)
        process.follow(plan)
        if is_other and plan.wanted == "up":
            process.ask("start")

    def ask(self, name: str, verb: Verb, uid: int | None = None) -> Wish:
        """Ask something of a process.

        :raises KeyError: if there is none of this name, or it has been removed, and may only be stopped
        """
        process = self.by_name[name]
        if process.is_removed and verb != "stop":
            raise KeyError(name)
        return process.ask(verb, uid)

    def stop(self, *, insists: bool) -> None:
        """Stop all of them, those first that come after others; kill them if it insists."""
        self.is_stopping = True
        for process in self.by_name.values():
            process.is_closing = True
        self._stop_next()
        if insists:
            for process in self.by_name.values():
                if not process.is_settled:
                    process.ask("stop")
                process.kill()

    def _stop_next(self) -> None:
        """Ask those to stop that nothing comes after any more."""
        needed = {name for process in self.by_name.values() if process.is_alive for name in process.plan.after}
        for name, process in self.by_name.items():
            if process.wanted == "up" and not process.is_settled and (process.life is None or name not in needed):
                process.ask("stop")

    def is_busy(self) -> bool:
        """Return whether something of a process is left, and may end; in any thread."""
        return any(process.is_alive for process in self.by_name.values())

    def unready(self) -> list[str]:
        """Return why not all are as they are to be, a line for each; in any thread."""
        return [told(process, self) for process in self.by_name.values() if process.is_missing]

    def waits_for(self) -> str:
        """Return that as a short sentence: ``Waiting for db (12 s), 3 of 5 ready``; in any thread."""
        return waits_for(self.by_name.values(), self.clock())

    def has_ended(self) -> bool:
        """Return whether all have ended by themselves, so that there is nothing left to keep."""
        kept = [process for process in self.by_name.values() if not process.is_removed]
        started = [process for process in kept if process.number or process.wanted == "up"]
        have_ended = all(process.state in ("exited", "failed") for process in started)
        return bool(started) and have_ended and not self._is_following

    def status(self) -> int:
        """Return the exit status when all have ended."""
        if self.essential_status is not None:
            return self.essential_status
        return int(any(each.state == "failed" or each.was_never_ready for each in self.by_name.values()))

    def outfit(self, name: str) -> Outfit:
        """Return what a process is started with.

        :raises KeyError: if there is none of this name
        """
        return self._outfits[name]

    def close(self) -> None:
        """Kill what is left, and release everything."""
        self._is_closed = True
        for process in self.by_name.values():
            process.abandon()
        for outfit in self._outfits.values():
            outfit.close()

    # What a process asks of everything around it.

    @staticmethod
    def chance() -> float:
        """Return a random number between 0 and 1."""
        return chance()

    def call_at(self, moment: float, code: Callable[[], object]) -> Call:
        """Call ``code`` at a moment."""
        return self._loop.call_at(moment, code)

    def start(self, name: str, number: int, on_end: Callable[[], object]) -> Instance:
        """Start an instance."""
        instance = self._outfits[name].start(self.backstop.marks(name, number), lambda: self._census.ask(on_end))
        self.backstop.started(instance.pid, self.by_name[name].plan)
        return instance

    def when_it_runs(self, name: str, code: Callable[[], object]) -> None:
        """Call ``code`` when the program of an instance runs."""
        self._outfits[name].when_it_runs(code)

    def members(self, group: int) -> list[int] | None:
        """Return the members of a process group."""
        return self._census.members(group)

    def verification(
        self, name: str, on_verdict: Callable[[str], object], on_failure: Callable[[str], object]
    ) -> Verifies | None:
        """Return what verifies an instance."""
        return self._outfits[name].verification(on_verdict, on_failure)

    def liveness(self, name: str, on_failure: Callable[[str], object]) -> Watch | None:
        """Return what watches the health of an instance."""
        return self._outfits[name].liveness(on_failure)

    def blockers(self, plan: Plan) -> list[Process]:
        """Return the processes that one waits for; in any thread."""
        found = (self.by_name.get(name) for name in plan.after)
        return [other for other in found if other is not None and not other.is_satisfied]

    def is_blocked(self, plan: Plan) -> bool:
        """Return whether a process may not start now: it waits for another one, or all are being stopped."""
        return self.is_stopping or bool(self.blockers(plan))

    def way(self, plan: Plan, asked: float) -> Sequence[Start]:
        """Return what a process has waited for, see :func:`flagman.supervise.processes.starts.way_to`."""
        return way_to(asked, [self.by_name[name].start for name in plan.after if name in self.by_name])

    def farewell(self, name: str) -> str:
        """Take note of the end of an instance."""
        process = self.by_name[name]
        self.backstop.ends(process.pid, name, process.number)
        return self._outfits[name].trouble()

    def output(self, name: str) -> list[str]:
        """Return its last lines."""
        return self._outfits[name].output()

    def buried(self, name: str) -> None:
        """Release what belongs to an instance that is over."""
        self._outfits[name].buried()

    def wish(self, former: Wish | None, verb: Verb, uid: int | None, *, merges: bool) -> Wish:
        """Return what becomes of a wish after the former one."""
        return self._wishes.make(former, verb, uid, merges=merges)

    def changed(self, name: str, events: tuple[str, ...]) -> None:
        """Note that a process has changed."""
        process = self.by_name[name]
        if process.plan.essential and process.state in ("exited", "failed") and not self.is_stopping:
            status = process.last.status if process.last is not None else None
            if status is None:
                self.essential_status = process.start_status
            else:
                good = process.plan.success_exit_status
                self.essential_status = exit_status(status, good) or int(process.was_never_ready)
        self._on_change(name, events)
        self._plan_look()

    def _plan_look(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self._loop.call(self._look)

    def _look(self) -> None:
        """Do what follows from changes; not in the middle of them."""
        self._is_planned = False
        if self._is_closed:
            return
        for name, process in list(self.by_name.items()):
            if process.is_removed and process.state == "stopped":
                self._outfits.pop(name).close()
                self.by_name = {key: value for key, value in self.by_name.items() if key != name}
                self._on_change(name, ())
        if self.is_stopping:
            self._stop_next()
        else:
            for process in self.by_name.values():
                if process.state == "waiting":
                    process.happen("dependency-changed")


def _report(**names: Iterable[str]) -> None:
    """Log what a reload has changed."""
    for what, which in names.items():
        if which:
            logger.info("Processes %s: %s", what, ", ".join(which))
