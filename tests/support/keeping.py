"""Processes that are none, kept in time that passes when it is told to: for tests of many processes together."""

from __future__ import annotations

# ruff: noqa: D102 - the methods of fakes are those that they replace
import signal
from itertools import count
from typing import TYPE_CHECKING, cast

import pytest

from flagman.supervise.ends import StartError
from flagman.supervise.processes.plan import Plan
from flagman.supervise.processes.together import Together
from flagman.supervise.verifiers.check import Check
from flagman.supervise.verifiers.kind import Attempt, Kind
from support.fake_loop import FakeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from flagman.supervise.guard.strays import Stray
    from flagman.supervise.instance import Instance
    from flagman.supervise.launch.launch import Launch
    from flagman.supervise.processes.backstop import Backstop
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around

GRACE = 10.0
SLOW = 3.0


class Body:
    """A process that is no process, with a leader, and a rest of its group."""

    has_dumped_core = False

    def __init__(self, yard: Yard, name: str, pid: int, on_end: Callable[[], object]) -> None:
        self.yard = yard
        self.name = name
        self.on_end = on_end
        self.pid = pid
        #: What it does when it is asked to end: all, slow, never, leaves a rest, or is stuck when it is killed.
        self.obeys = yard.obeys.get(name, "all")
        self.status: int | None = None
        self.has_rest_left = False
        self.is_reaped = self.is_forgotten = False
        self.signals: list[int] = []

    def has_ended(self) -> bool:
        return self.status is not None

    def has_rest(self, _find: object) -> bool:
        return self.has_rest_left

    def end(self, status: int) -> None:
        """End the leader by itself."""
        if self.status is None:
            self.status = status
            self.has_rest_left = self.obeys in {"leaves", "stuck"}
            self.yard.loop.call(self._tell)

    def end_rest(self) -> None:
        """End the rest of the group."""
        if self.has_rest_left:
            self.has_rest_left = False
            self.yard.loop.call(self._tell)

    def _tell(self) -> None:
        if not self.is_forgotten:
            self.on_end()

    def send(self, signum: int) -> None:
        assert not self.is_reaped
        self.yard.on_signal(self, signum)
        self.signals.append(signum)
        if signum == signal.SIGKILL or (signum == signal.SIGTERM and self.obeys in {"all", "leaves", "stuck"}):
            self.end(-signum)
        elif signum == signal.SIGTERM and self.obeys == "slow":
            self.yard.loop.call_later(SLOW, self.end, -signum)

    def send_to_group(self, signum: int) -> None:
        assert not self.is_reaped
        if signum == signal.SIGKILL:
            self.send(signum)
            if self.obeys != "stuck":
                self.end_rest()

    def reap(self) -> int | None:
        assert self.has_ended()
        self.is_reaped = self.is_forgotten = True
        return self.status

    def forget(self) -> None:
        self.is_forgotten = True


class Awaited(Kind):
    """A verifier that answers when the test says so."""

    name = "fake"
    is_patient = True

    def __init__(self, yard: Yard, *told: str) -> None:
        super().__init__(*told)
        self._yard = yard

    @classmethod
    def read(cls, keys: Keys) -> Self:
        raise NotImplementedError

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        self._yard.answers[around.target.name] = answer
        return Attempt()


class FakeLaunch:
    """Starts bodies."""

    environment: Mapping[bytes, bytes] = {}

    def __init__(self, yard: Yard, name: str) -> None:
        self._yard = yard
        self._name = name

    def start(
        self,
        words: tuple[str, ...] | None = None,
        *,
        environment: Mapping[bytes, bytes],
        streams: Mapping[int, int],
        loop: FakeLoop,
        on_end: Callable[[], object],
    ) -> Instance:
        is_right = words is None and set(streams) <= {0, 1, 2} and loop is self._yard.loop
        if not (is_right and environment[b"MARK"].startswith(self._name.encode())):
            pytest.fail("it is not started as it should be")
        return cast("Instance", self._yard.start(self._name, on_end))

    @staticmethod
    def when_it_runs(_instance: Instance, code: Callable[[], object]) -> None:
        code()

    def trouble(self, _instance: Instance) -> str:
        return self._yard.troubles.get(self._name, "")


class FakeBackstop:
    """Notes what is started and ends."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.strays: list[Stray] = []

    def marks(self, name: str, number: int) -> Mapping[bytes, bytes]:
        return {b"MARK": b"%b:%d" % (name.encode(), number)}

    def started(self, pid: int, _plan: Plan) -> None:
        self.pids.add(pid)

    def ends(self, pid: int, _name: str, _number: int) -> None:
        self.pids.remove(pid)

    def strays_of(self, name: str) -> list[Stray]:
        return [stray for stray in self.strays if stray.process == name]


class Yard:
    """Processes together, with everything that is around them."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.backstop = FakeBackstop()
        #: What happens at a change, besides.
        self.on_change: Callable[[str], object] = str
        #: The names, and what has happened.
        self.events: list[tuple[str, str]] = []
        self.bodies: list[Body] = []
        #: By name, what new bodies do when they are asked to end, the last steps that have failed, and open checks.
        self.obeys: dict[str, str] = {}
        self.troubles: dict[str, str] = {}
        self.answers: dict[str, Answer] = {}
        #: The names of those that cannot be started.
        self.failing: set[str] = set()
        #: Whether all are killed at once, in whatever order.
        self.insists = False
        self._pids = count(100)
        self.together = Together(self.loop, self._changed, cast("Backstop", self.backstop), clock=self.loop.clock)

    def _changed(self, name: str, events: tuple[str, ...]) -> None:
        self.events += [(name, event) for event in events]
        self.on_change(name)

    def plan(self, name: str, *, is_awaited: bool = False, version: int = 0, **values: object) -> Plan:
        """Return a plan.

        :param is_awaited: it is ready when the test says so
        """
        ready = Check(Awaited(self, name)) if is_awaited else None
        known = {"command": (name, str(version)), "graceful_time": GRACE, "ready": ready}
        return Plan(name, **{**known, **values})

    def follow(self, *plans: Plan) -> None:
        """Obey plans, and let pass what follows from that."""
        self.tell(plans)
        self.loop.advance(0)

    def tell(self, plans: Iterable[Plan]) -> None:
        """Obey plans."""
        by_name = {plan.name: plan for plan in plans}
        launches = {name: cast("Launch", FakeLaunch(self, name)) for name in by_name}
        self.together.follow(by_name, launches, {})

    def start(self, name: str, on_end: Callable[[], object]) -> Body:
        """Start a body; everything that has to hold at a start is looked at here."""
        process = self.together.by_name[name]
        # No assertions: one that is raised here would be a failed start.
        if self.together.is_stopping:
            pytest.fail(f"{name} is started while all are being stopped")
        if not all(self.together.by_name[each].is_satisfied for each in process.plan.after):
            pytest.fail(f"{name} is started before what it comes after")
        if self.alive(name) is not None:
            pytest.fail(f"{name} has two lives at a time")
        if name in self.failing:
            raise StartError(name, FileNotFoundError(2, "No such file or directory"))
        self.bodies.append(Body(self, name, next(self._pids), on_end))
        return self.bodies[-1]

    def on_signal(self, body: Body, signum: int) -> None:
        """Look at what has to hold when a signal is sent: a stop goes from the last ones to the first."""
        if self.together.is_stopping and not self.insists and signum == signal.SIGTERM:
            later = [each for each in self.together.by_name.values() if body.name in each.plan.after]
            assert not any(process.is_alive for process in later)

    def alive(self, name: str) -> Body | None:
        """Return the body of a process; None if there is none."""
        return next((body for body in self.bodies if body.name == name and not body.is_forgotten), None)

    def body(self, name: str) -> Body:
        """Return the body of a process."""
        body = self.alive(name)
        assert body is not None
        return body

    def end(self, name: str, status: int = 1) -> None:
        """End a process by itself."""
        self.body(name).end(status)
        self.loop.advance(0)

    def answer(self, name: str, why: str = "") -> None:
        """Answer the check of a process."""
        self.answers.pop(name)(why)
        self.loop.advance(0)

    def states(self) -> dict[str, str]:
        """Return the states by name."""
        return {name: process.state for name, process in self.together.by_name.items()}
