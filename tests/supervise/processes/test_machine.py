"""The table of states and events: every cell is written, and no row of events leads astray."""

from __future__ import annotations

# ruff: noqa: D102 - the methods of fakes are those that they replace
import signal
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagman.engine.calls import Call
from flagman.exceptions import FlagmanError
from flagman.supervise.ends import StartError
from flagman.supervise.processes.machine import STATES, STEPS
from flagman.supervise.processes.plan import Plan
from flagman.supervise.processes.process import Process
from flagman.supervise.processes.wish import Wish, Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagman.supervise.instance import Instance
    from flagman.supervise.processes.starts import Start
    from flagman.supervise.processes.wish import Verb
    from flagman.supervise.processes.world import Verifies, Watch

VERBS: dict[str, Verb] = {"start": "start", "stop": "stop", "restart": "restart"}
LIVING = {"starting", "ready", "stopping"}
GRACE = 10.0


class Body:
    """A process that is no process, with a leader and perhaps a rest of its group."""

    has_dumped_core = False

    def __init__(self, world: World, on_end: Callable[[], object]) -> None:
        self.world = world
        self.on_end = on_end
        self.pid = next(world.pids)
        self.status: int | None = None
        self.rest = world.obeys != "rest"
        self.is_reaped = self.is_stopped = False

    def has_ended(self) -> bool:
        return self.status is not None

    def has_rest(self, _find: object) -> bool:
        return self.rest

    def end(self, status: int) -> None:
        """End the leader by itself."""
        if self.status is None:
            self.status = status
            self.rest = self.rest and self.world.obeys in {"leaves", "stuck"}
            self.world.call_at(self.world.now, self.on_end)

    def send(self, signum: int) -> None:
        assert not self.is_reaped
        if signum == signal.SIGKILL or (signum == signal.SIGTERM and self.world.obeys != "never"):
            self.end(-signum)

    def send_to_group(self, signum: int) -> None:
        assert not self.is_reaped
        if signum == signal.SIGKILL and self.world.obeys != "stuck":
            self.rest = False
            if self.status is None:
                self.end(-signum)
            else:
                self.world.call_at(self.world.now, self.on_end)

    def reap(self) -> int | None:
        assert self.has_ended()
        assert not self.is_reaped
        self.is_reaped = True
        return self.status

    def forget(self) -> None:
        """Nothing is left to close."""


class Check:
    """A verifier that passes when the test says so."""

    kind = "fake"
    restart = True
    tries = 0
    last_error = ""

    def __init__(self, on_verdict: Callable[[str], object]) -> None:
        self.on_verdict = on_verdict
        self.on_error: Callable[[], object] = bool
        self.is_going = False

    def begin(self) -> None:
        self.is_going = True

    def cancel(self) -> None:
        self.is_going = False

    def tell(self, why: str) -> None:
        if self.is_going:
            self.is_going = False
            self.on_verdict(why)

    def ended(self, _status: int) -> str | None:
        return None


class World:
    """What is around one process, in time that stands still."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pids = count(100)
        self.obeys = "all"
        self.fails = self.verifies = self.blocks = False
        self.bodies: list[Body] = []
        self.events: list[str] = []
        self.starts: list[tuple[float, bool]] = []
        self.wishes: list[Wish] = []
        self.check: Check | None = None
        self.watchdog: Callable[[str], object] = str
        self.live: Check | None = None
        self._numbers = Wishes()
        self._calls: list[tuple[float, int, Call]] = []
        self._order = count()

    def clock(self) -> float:
        return self.now

    @staticmethod
    def chance() -> float:
        return 0.5

    def call_at(self, moment: float, code: Callable[[], object]) -> Call:
        call = Call(code, lambda: None)
        heappush(self._calls, (moment, next(self._order), call))
        return call

    def pass_time(self, seconds: float) -> None:
        """Make all calls that become due meanwhile, each at its moment."""
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            moment, _, call = heappop(self._calls)
            self.now = max(self.now, moment)
            if (code := call.code) is not None:
                call.code = None
                code()
        self.now = end

    def start(self, _name: str, number: int, on_end: Callable[[], object]) -> Instance:
        assert number == len(self.starts) + 1
        assert not any(not body.is_reaped for body in self.bodies), "two lives at a time"
        self.starts.append((self.now, self.fails))
        if self.fails:
            raise StartError("fake", FileNotFoundError(2, "No such file or directory"))
        self.bodies.append(Body(self, on_end))
        return cast("Instance", self.bodies[-1])

    def verification(
        self, _name: str, on_verdict: Callable[[str], object], on_failure: Callable[[str], object]
    ) -> Verifies | None:
        self.watchdog = on_failure
        self.check = Check(on_verdict) if self.verifies else None
        return self.check

    def liveness(self, _name: str, on_failure: Callable[[str], object]) -> Watch | None:
        self.live = Check(on_failure)
        return self.live

    def is_blocked(self, _plan: Plan) -> bool:
        return self.blocks

    @staticmethod
    def way(_plan: Plan, _asked: float) -> Sequence[Start]:
        return ()

    @staticmethod
    def members(_group: int) -> list[int] | None:
        return None

    @staticmethod
    def farewell(_name: str) -> str:
        return ""

    @staticmethod
    def output(_name: str) -> list[str]:
        return ["its last line"]

    def buried(self, _name: str) -> None:
        """Nothing has to be released."""

    def wish(self, former: Wish | None, verb: Verb, uid: int | None, *, merges: bool) -> Wish:
        wish = self._numbers.make(former, verb, uid, merges=merges)
        if wish is not former:
            self.wishes.append(wish)
        return wish

    @staticmethod
    def when_it_runs(_name: str, code: Callable[[], object]) -> None:
        code()

    def changed(self, _name: str, events: tuple[str, ...]) -> None:
        self.events += events


def test_every_cell_names_a_step() -> None:
    """In each state each event has a step, which exists, or is said to be impossible."""
    for row in STEPS.values():
        assert tuple(row) == STATES
        for step in row.values():
            assert step == "never" or callable(getattr(Process, f"_{step}"))


RESTART = st.sampled_from(["never", "on-failure", "always"])
KILL = st.sampled_from(["group", "process"])
STEP = st.one_of(
    st.tuples(st.sampled_from(["start", "stop", "restart"])),
    st.tuples(st.just("config")),
    st.tuples(st.just("blocks"), st.booleans()),
    st.tuples(st.just("fails"), st.booleans()),
    st.tuples(st.just("verifies"), st.booleans()),
    st.tuples(st.just("obeys"), st.sampled_from(["all", "rest", "never", "leaves"])),
    st.tuples(st.just("verdict"), st.sampled_from(["", "it does not answer"])),
    st.tuples(st.just("sick")),
    st.tuples(st.just("ends"), st.sampled_from([0, 1, -9, -11, -15])),
    st.tuples(st.just("rest-ends")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("time"), st.sampled_from([0.0, 0.5, 1.0, 2.5, 11.0, 70.0])),
)


def act(world: World, process: Process, step: tuple[object, ...]) -> None:
    """Make one thing happen, and what follows from it."""
    what, value = step[0], step[-1]
    if what in VERBS:
        process.ask(VERBS[str(what)])
    elif what == "config":
        process.follow(Plan("web", command=(str(next(world.pids)),), graceful_time=GRACE, restart=process.plan.restart))
    elif what in {"fails", "verifies", "obeys"}:
        setattr(world, str(what), value)
    elif what == "blocks":
        world.blocks = bool(value)
        process.happen("dependency-changed")
    elif what == "kill":
        process.kill()
    elif what == "time" and isinstance(value, float):
        world.pass_time(value)
    else:
        happen(world, str(what), value)
    world.pass_time(0)


def happen(world: World, what: str, value: object) -> None:
    """Make something happen to the instance, if there is one."""
    body = world.bodies[-1] if world.bodies and not world.bodies[-1].is_reaped else None
    if what == "verdict" and world.check is not None:
        world.check.tell(str(value))
    elif what == "sick" and world.live is not None:
        world.live.tell("it is not well")
    elif what == "ends" and body is not None and isinstance(value, int):
        body.end(value)
    elif what == "rest-ends" and body is not None and body.status is not None:
        body.rest = False
        world.call_at(world.now, body.on_end)


def new(**values: object) -> tuple[World, Process]:
    """Return a process in a world of its own."""
    world = World()
    return world, Process(Plan("web", command=("web",), graceful_time=GRACE, **values), world)


@settings(max_examples=400)
@given(RESTART, KILL, st.lists(STEP, max_size=40))
def test_the_laws_of_any_row_of_events(restart: str, kill: str, steps: list[tuple[object, ...]]) -> None:
    """There is at most one life at a time, a state says whether there is one, and no wish is forgotten or wedged."""
    world, process = new(restart=restart, kill=kill)
    for step in steps:
        act(world, process, step)
        assert (process.life is not None) is (process.state in LIVING)
        alive = sum(not body.is_reaped for body in world.bodies)
        assert alive == (process.state in LIVING)
        assert len(world.starts) == process.number
        assert process.wanted == "up" or process.state in {"stopped", "stopping"}
        for wish in world.wishes:
            assert wish is process.wish or wish.outcome
    # Whatever has happened, it can be stopped, and started again.
    world.fails = world.blocks = world.verifies = False
    world.obeys = "rest"
    down = process.ask("stop")
    world.pass_time(GRACE + 1)
    assert (process.state, down.outcome) == ("stopped", "reached")
    up = process.ask("start")
    assert (process.state, up.outcome) == ("ready", "reached")
    again = process.ask("restart")
    world.pass_time(0)
    assert (process.state, again.outcome) == ("ready", "reached")


@given(st.lists(st.floats(0, 59), max_size=10), st.booleans())
def test_starts_keep_their_distance(lives: list[float], fails: bool) -> None:  # noqa: FBT001 - Hypothesis gives it
    """Before a minute of health, the n-th start comes 2^(n-1) s after the one before, and 60 s at most."""
    world, process = new(restart="always")
    world.fails = fails
    process.ask("start")
    for number, life in enumerate(lives):
        before = world.starts[-1][0]
        world.pass_time(0 if fails else life)
        if not fails:
            world.bodies[-1].end(1)
        world.pass_time(max(0.0, before + min(60, 2**number) * 1.05 + 1e-6 - world.now))
        assert len(world.starts) == number + 2
        assert world.starts[-1][0] - before == pytest.approx(max(life * (not fails), min(60, 2**number) * 1.05))


def test_a_minute_of_health_resets_the_spacing() -> None:
    """A process that has been ready for a minute is started again at once; one that was only starting is not."""
    world, process = new(restart="always")
    process.ask("start")
    for _ in range(5):
        world.bodies[-1].end(1)
        world.pass_time(0)
        world.pass_time(process.next_start - world.now)
    world.pass_time(60)
    world.bodies[-1].end(1)
    world.pass_time(0)
    assert (process.state, process.spacing.short_lives) == ("ready", 1)
    world.verifies = True
    world.bodies[-1].end(1)
    world.pass_time(2.1)
    assert (process.state, process.spacing.short_lives) == ("starting", 2)
    world.pass_time(100)
    assert world.check is not None
    world.check.tell("no answer")
    world.pass_time(0)
    assert process.spacing.short_lives == 3


@pytest.mark.parametrize(
    ("state", "prepare"),
    [
        ("stopped", []),
        ("waiting", [("blocks", True), ("start",)]),
        ("starting", [("verifies", True), ("start",)]),
        ("ready", [("start",)]),
        ("stopping", [("start",), ("obeys", "never"), ("stop",)]),
        ("backoff", [("start",), ("ends", 1)]),
        ("exited", [("start",), ("ends", 0)]),
        ("failed", [("config",), ("start",), ("ends", 1)]),
    ],
)
@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_a_request_in_each_state(state: str, prepare: list[tuple[object, ...]], verb: str) -> None:
    """Each request works in each state, and reaches what it asks for."""
    world, process = new(restart="never" if state == "failed" else "on-failure")
    for step in prepare:
        act(world, process, step)
    assert process.state == state
    wish = process.ask(VERBS[verb])
    world.blocks = world.verifies = False
    process.happen("dependency-changed")
    if world.check is not None:
        world.check.tell("")
    world.pass_time(GRACE)
    assert (process.state, wish.outcome) == ("stopped" if verb == "stop" else "ready", "reached")


def test_a_later_wish_supersedes() -> None:
    """Each wish has a number and an outcome, and those that say the same are one."""
    world, process = new()
    world.verifies = True
    start = process.ask("start")
    assert process.ask("start", 1000) is start
    restart = process.ask("restart")
    assert start.outcome == f"superseded by restart (#{restart.number})"
    world.pass_time(0)
    assert process.ask("restart") is not restart  # its instance has begun: it may be too early for what has changed
    stop = process.ask("stop")
    world.pass_time(0)
    assert [wish.outcome for wish in world.wishes[-2:]] == [f"superseded by stop (#{stop.number})", "reached"]


def test_stop_during_restart_and_start_during_stop() -> None:
    """A stop cancels a restart that is under way, and a start turns a stop into a restart."""
    world, process = new()
    process.ask("start")
    world.obeys = "never"
    process.ask("restart")
    process.ask("stop")
    world.pass_time(GRACE)
    assert (process.state, len(world.starts)) == ("stopped", 1)
    world.obeys = "all"
    process.ask("start")
    world.obeys = "never"
    process.ask("stop")
    process.ask("start")
    world.obeys = "all"
    world.pass_time(GRACE)
    assert (process.state, len(world.starts)) == ("ready", 3)


def test_what_is_raised() -> None:
    """Ends by themselves are raised, and failures twice; what was asked for is not."""
    world, process = new(restart="always")
    process.ask("start")
    process.ask("restart")
    world.pass_time(0)
    assert world.events == ["ready", "ready"]
    world.bodies[-1].end(0)
    world.pass_time(0)
    assert world.events[2:] == ["exit"]
    world.pass_time(2)
    world.bodies[-1].end(1)
    world.pass_time(0)
    assert world.events[3:] == ["ready", "exit", "fail"]
    world.fails = True
    world.pass_time(5)
    assert world.events[6:] == ["exit", "fail"]
    world.fails = False
    world.pass_time(10)
    world.verifies = True
    del world.events[:]
    process.ask("restart")
    world.pass_time(0)
    assert world.check is not None
    world.check.tell("no answer")
    world.pass_time(0)
    assert world.events == ["exit", "fail"]
    process.ask("stop")
    world.pass_time(0)
    assert world.events == ["exit", "fail"]


def test_a_group_outlives_its_leader() -> None:
    """The rest of the group is asked to end after its leader, has the same grace, and the leader is reaped last."""
    world, process = new(restart="never")
    process.ask("start")
    world.obeys = "leaves"
    body = world.bodies[-1]
    body.rest = True
    process.ask("stop")
    world.pass_time(0)
    assert not process.is_settled
    assert not body.is_reaped
    world.pass_time(GRACE - 1)
    assert not process.is_settled
    world.pass_time(1)
    assert process.state == "stopped"


def test_a_process_that_hangs_in_the_kernel() -> None:
    """It is said after some time, and the state changes when it ends after all."""
    world, process = new()
    world.obeys = "stuck"
    process.ask("start")
    body = world.bodies[-1]
    body.rest = True
    process.ask("stop")
    world.pass_time(GRACE + 5)
    assert process.life is not None
    assert process.life.is_stuck
    assert not process.is_alive
    body.rest = False
    world.call_at(world.now, body.on_end)
    world.pass_time(0)
    assert process.state == "stopped"


def test_a_defect_is_told() -> None:
    """An event that cannot happen in a state is a defect of flagman, and not passed over."""
    _, process = new()
    with pytest.raises(RuntimeError, match="group-empty in the state stopped"):
        process.happen("group-empty")
    assert not issubclass(RuntimeError, FlagmanError)


def test_signs_of_life_that_stay_away() -> None:
    """A process that has promised them, and gives none, is started again, whatever its liveness says."""
    world, process = new()
    world.verifies = True
    process.ask("start")
    assert world.check is not None
    world.check.tell("")
    world.watchdog("watchdog: no WATCHDOG=1 for 2s")
    world.pass_time(0)
    assert process.state == "backoff"
    assert process.last is not None
    assert (process.last.reason, process.deaths["liveness"]) == ("watchdog", 1)
    assert process.last.text == "was not well: watchdog: no WATCHDOG=1 for 2s"


def test_a_failed_start_has_no_number() -> None:
    """The number of a former instance is not that of a process that never was."""
    world, process = new(restart="always")
    process.ask("start")
    assert process.pid
    world.fails = True
    world.bodies[-1].end(1)
    world.pass_time(2)
    assert (process.state, process.pid) == ("backoff", 0)
