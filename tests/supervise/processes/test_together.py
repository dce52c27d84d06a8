"""Several processes: what waits for what, what a reload changes, the order of a stop, and the end of all."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagman.supervise.processes.wish import VERBS
from support.keeping import GRACE, SLOW, Yard

if TYPE_CHECKING:
    from flagman.supervise.processes.plan import Plan

NAMES = "abcde"
HANGS = 5.0  # seconds after KILL


@pytest.fixture
def yard() -> Yard:
    """Return no processes yet."""
    return Yard()


def test_in_order(yard: Yard) -> None:
    """A process starts when all that it comes after are ready, or have ended as they should."""
    yard.follow(
        yard.plan("web", after=("db", "once")),
        yard.plan("db", is_awaited=True),
        yard.plan("once"),
    )
    assert yard.states() == {"web": "waiting", "db": "starting", "once": "ready"}
    yard.end("once", 0)
    assert yard.states() == {"web": "waiting", "db": "starting", "once": "exited"}
    yard.answer("db")
    assert yard.states() == {"web": "ready", "db": "ready", "once": "exited"}
    assert yard.events == [("once", "ready"), ("once", "exit"), ("db", "ready"), ("web", "ready")]


def test_what_waits_costs_nothing(yard: Yard) -> None:
    """A process that waits is looked at when another one changes, and at no other time."""
    yard.follow(yard.plan("db", wanted="down"), yard.plan("web", after=("db",)))
    assert yard.loop.due() is None
    yard.follow(yard.plan("db", wanted="down"), yard.plan("web", after=("db",), version=1))
    assert yard.loop.due() is None


def test_an_end_that_is_none_to_go_on_from(yard: Yard) -> None:
    """A process that has failed, or was ended by a signal, lets nothing after it start; its later death is its own."""
    yard.follow(yard.plan("db", restart="never", is_awaited=True), yard.plan("web", after=("db",)))
    yard.end("db", -15)
    assert yard.states() == {"db": "exited", "web": "waiting"}
    yard.together.ask("db", "start")
    yard.answer("db")
    assert yard.states() == {"db": "ready", "web": "ready"}
    yard.end("db", 1)
    assert yard.states() == {"db": "failed", "web": "ready"}
    yard.end("web", 0)
    yard.together.ask("web", "start")
    assert yard.states() == {"db": "failed", "web": "waiting"}


def test_a_reload(yard: Yard) -> None:
    """Only what has another plan starts again; what was stopped stays so; what has gone is stopped and forgotten."""
    names = ("same", "changed", "halted", "gone", "ended")
    yard.follow(*(yard.plan(name) for name in names))
    before = {name: yard.body(name) for name in names}
    yard.together.ask("halted", "stop")
    yard.end("ended", 0)
    yard.follow(
        yard.plan("same"),
        yard.plan("changed", version=1),
        yard.plan("halted", version=1),
        yard.plan("ended", version=1),
        yard.plan("added"),
    )
    assert yard.states() == {
        "same": "ready",
        "changed": "ready",
        "halted": "stopped",
        "ended": "ready",
        "added": "ready",
    }
    assert yard.alive("same") is before["same"]
    assert before["changed"].status == -signal.SIGTERM
    assert before["gone"].status == -signal.SIGTERM
    with pytest.raises(KeyError):
        yard.together.outfit("gone")
    assert len(yard.backstop.pids) == 4


def test_a_reload_that_changes_what_is_wanted(yard: Yard) -> None:
    """What is not wanted any more is stopped and not started once more; what is wanted now is started."""
    yard.follow(*(yard.plan(name) for name in "abc"), yard.plan("d", wanted="down"))
    yard.end("b", 1)
    yard.end("c", 0)
    assert yard.states() == {"a": "ready", "b": "backoff", "c": "exited", "d": "stopped"}
    number = len(yard.bodies)
    yard.follow(*(yard.plan(name, wanted="down") for name in "abc"), yard.plan("d"))
    yard.loop.advance(2 * GRACE)
    assert yard.states() == {"a": "stopped", "b": "stopped", "c": "stopped", "d": "ready"}
    assert len(yard.bodies) == number + 1


def test_what_is_removed_may_not_start(yard: Yard) -> None:
    """It can only be stopped, until it is forgotten."""
    yard.obeys["web"] = "slow"
    yard.follow(yard.plan("web"))
    yard.follow()
    assert yard.states() == {"web": "stopping"}
    for verb in ("start", "restart"):
        with pytest.raises(KeyError):
            yard.together.ask("web", VERBS[verb])
    yard.together.ask("web", "stop")
    yard.loop.advance(SLOW)
    assert yard.states() == {}
    with pytest.raises(KeyError):
        yard.together.ask("web", "stop")


def test_removed_and_added_again(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """What comes back while it stops is started again, even if its plan is the same; each change is told once."""
    caplog.set_level("INFO")
    yard.obeys["web"] = "slow"
    yard.follow(yard.plan("web"), yard.plan("x"))
    yard.follow(yard.plan("x"))
    yard.follow(yard.plan("x"))
    yard.follow(yard.plan("web"), yard.plan("x"))
    assert yard.states() == {"web": "stopping", "x": "ready"}
    assert not yard.together.has_ended()
    yard.loop.advance(SLOW)
    assert yard.states() == {"web": "ready", "x": "ready"}
    assert len(yard.bodies) == 3
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Processes")]
    assert told == ["Processes removed: web", "Processes added: web"]


def test_a_stop_of_all(yard: Yard) -> None:
    """What comes after others is stopped first, and all of one level at once."""
    yard.obeys = dict.fromkeys("wxd", "slow")
    yard.follow(yard.plan("d"), yard.plan("w", after=("d",)), yard.plan("x", after=("d",)), yard.plan("y"))
    yard.together.stop(insists=False)
    assert {body.name for body in yard.bodies if body.signals} == {"w", "x", "y"}
    yard.loop.advance(0)
    assert yard.states() == {"d": "ready", "w": "stopping", "x": "stopping", "y": "stopped"}
    yard.loop.advance(SLOW)
    assert yard.states()["d"] == "stopping"
    assert yard.together.is_busy()
    yard.loop.advance(SLOW)
    assert not yard.together.is_busy()
    assert set(yard.states().values()) == {"stopped"}
    yard.follow(yard.plan("z"))
    assert "z" not in yard.states()


@pytest.mark.parametrize("what", ["restart", "die", "die at once", "start"])
def test_nothing_is_started_while_all_are_stopped(yard: Yard, what: str) -> None:
    """Neither what was to start again, nor what dies before its turn, nor what is asked to start."""
    yard.obeys = {"web": "slow", "db": "slow" if what == "restart" else "all"}
    yard.follow(yard.plan("db", restart="always"), yard.plan("web", after=("db",)))
    yard.loop.advance(60)
    if what == "restart":
        yard.together.ask("db", "restart")
    yard.together.stop(insists=False)
    if what.startswith("die"):
        yard.body("db").end(1)
        yard.loop.advance(0 if what == "die" else 1)
    elif what == "start":
        yard.end("db", 0)
        yard.together.ask("db", "start")
    yard.loop.advance(GRACE)
    assert yard.states() == {"db": "stopped", "web": "stopped"}
    assert len(yard.bodies) == 2


def test_a_second_stop_kills(yard: Yard) -> None:
    """All at once, in whichever state they are."""
    yard.obeys = {"db": "never", "web": "leaves", "app": "never"}
    yard.follow(
        yard.plan("db"),
        yard.plan("web", after=("db",)),
        yard.plan("app", is_awaited=True),
        yard.plan("x", after=("app",)),
    )
    yard.together.stop(insists=False)
    yard.insists = True
    yard.together.stop(insists=True)
    yard.loop.advance(0)
    assert set(yard.states().values()) == {"stopped"}
    assert not yard.backstop.pids


def test_what_hangs_holds_nothing_up(yard: Yard) -> None:
    """A process that cannot be killed lets those that it comes after be stopped, and the daemon end."""
    yard.obeys["web"] = "stuck"
    yard.follow(yard.plan("db"), yard.plan("web", after=("db",)))
    yard.together.stop(insists=False)
    yard.loop.advance(GRACE)
    assert yard.states()["db"] == "ready"
    yard.loop.advance(HANGS)
    assert yard.states() == {"db": "stopped", "web": "stopping"}
    assert not yard.together.is_busy()
    yard.together.close()
    assert yard.alive("web") is None


def test_an_essential_process(yard: Yard) -> None:
    """Its end for good is the end of all, with its status; an end because of a stop is not."""
    yard.follow(yard.plan("job", essential=True), yard.plan("web"))
    statuses = [yard.together.essential_status]
    for status in (3, -15):
        yard.end("job", status)
        statuses.append(yard.together.essential_status)
        yard.loop.advance(2)
    assert statuses == [None, None, 128 + 15]  # after the first end it is started again
    assert yard.together.status() == 128 + 15
    other = Yard()
    other.follow(other.plan("job", essential=True, restart="never"))
    other.together.stop(insists=False)
    other.loop.advance(0)
    assert (other.together.essential_status, other.together.status()) == (None, 0)
    other = Yard()
    other.failing.add("job")
    other.follow(other.plan("job", essential=True, restart="never"))
    assert other.together.essential_status == 127


def test_an_end_before_it_was_ready_is_no_success(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """A server that has gone into the background ends with 0: the log says so, and so does the exit status."""
    yard.follow(yard.plan("web", is_awaited=True), yard.plan("job"))
    yard.end("job", 0)
    with caplog.at_level("WARNING"):
        yard.end("web", 0)
    assert yard.states() == {"web": "exited", "job": "exited"}
    assert yard.together.status() == 1
    assert caplog.messages == ["`web` exited with 0 before it was ready"]


def test_when_all_have_ended(yard: Yard) -> None:
    """All that were started have ended by themselves; what was stopped on purpose can still be started."""
    seen: list[bool] = []
    yard.on_change = lambda _: seen.append(yard.together.has_ended())
    yard.failing.add("a")
    yard.follow(yard.plan("a", restart="never"), yard.plan("b"), yard.plan("c", wanted="down"))
    assert yard.states() == {"a": "failed", "b": "ready", "c": "stopped"}
    assert True not in seen
    yard.end("b", 0)
    assert yard.together.has_ended()
    assert yard.together.status() == 1
    yard.together.ask("c", "start")
    assert not yard.together.has_ended()
    yard.together.ask("c", "stop")
    yard.loop.advance(0)
    assert not yard.together.has_ended()
    assert not Yard().together.has_ended()


def test_a_reload_is_not_the_end(yard: Yard) -> None:
    """In the middle of a reload there may be nothing that runs; without what it removes there may be nothing left."""
    seen: list[bool] = []
    yard.follow(yard.plan("a"), yard.plan("b"), yard.plan("c", restart="always"))
    yard.on_change = lambda _: seen.append(yard.together.has_ended())
    yard.end("a", 0)
    yard.end("b", 0)
    yard.end("c", 0)
    yard.follow(yard.plan("a"), yard.plan("b"), yard.plan("d"))
    assert True not in seen
    yard.follow(yard.plan("a"), yard.plan("b"))
    assert True in seen


def test_what_is_not_ready(yard: Yard) -> None:
    """Each that is wanted, and has to be ready, is told with its reason; in short, the first three of them."""
    yard.follow(
        yard.plan("db", is_awaited=True),
        yard.plan("web", after=("db",)),
        yard.plan("extra", is_awaited=True, optional=True),
        yard.plan("off", wanted="down"),
        yard.plan("fine"),
    )
    yard.loop.advance(12)
    assert yard.together.unready() == ["db starting for 12 s", "web waiting: db starting for 12 s"]
    assert yard.together.waits_for() == "Waiting for db (12 s), web (12 s), 1 of 3 ready"
    yard.answer("db")
    assert yard.together.unready() == []
    assert yard.together.waits_for() == ""
    yard.follow(*(yard.plan(name, is_awaited=True) for name in "abcde"))
    yard.answer("e")
    assert yard.together.waits_for() == "Waiting for a (0 s), b (0 s), c (0 s) and 1 more, 1 of 5 ready"


def test_new_processes_are_not_ready_before_they_are_started(yard: Yard) -> None:
    """Another thread that looks in the middle of a reload never finds all ready that are not."""
    seen: list[list[str]] = []
    yard.on_change = lambda _: seen.append(yard.together.unready())
    yard.failing.add("a")
    yard.follow(yard.plan("a", optional=True), yard.plan("b", is_awaited=True))
    assert seen
    assert all(len(reasons) == 1 for reasons in seen)


def test_nothing_happens_after_the_end(yard: Yard) -> None:
    """What was planned when all was closed leads to nothing."""
    yard.follow(yard.plan("a"), yard.plan("b", after=("a",)))
    yard.together.stop(insists=False)
    yard.together.close()
    yard.loop.advance(100)
    assert all(body.status is not None for body in yard.bodies)


EDGES = st.tuples(*(st.frozensets(st.sampled_from(NAMES[:number])) for number in range(1, len(NAMES) + 1)))
NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.tuples(st.sampled_from(["start", "stop", "restart"]), NAME),
    st.tuples(st.just("ends"), NAME, st.sampled_from([0, 1, -9, -15])),
    st.tuples(st.just("rest-ends"), NAME),
    st.tuples(st.just("answer"), NAME, st.sampled_from(["", "no answer"])),
    st.tuples(st.just("fails"), NAME, st.booleans()),
    st.tuples(st.just("obeys"), NAME, st.sampled_from(["all", "slow", "never", "leaves", "stuck"])),
    st.tuples(st.just("time"), st.sampled_from([0.0, 1.0, 2.5, 11.0, 70.0])),
    st.tuples(st.just("edge"), NAME, st.frozensets(NAME)),
    st.tuples(st.just("change"), NAME, st.sampled_from(["version", "wanted", "restart", "awaited", "there"])),
    st.tuples(st.just("reload")),
)
RESTARTS = ["never", "on-failure", "always"]


class File:
    """What the file says of processes, and what is made to happen to them."""

    def __init__(self, edges: tuple[frozenset[str], ...]) -> None:
        self.yard = Yard()
        self.edges = dict(zip(NAMES, edges, strict=True))
        self.numbers = {name: {"version": 0, "wanted": 0, "restart": 1, "awaited": 0, "there": 1} for name in NAMES}
        self.reload()

    def plan(self, name: str) -> Plan:
        """Return the plan of a process."""
        numbers = self.numbers[name]
        return self.yard.plan(
            name,
            version=numbers["version"],
            after=tuple(sorted(each for each in self.edges[name] if each < name and self.numbers[each]["there"] % 2)),
            wanted="down" if numbers["wanted"] % 2 else "up",
            restart=RESTARTS[numbers["restart"] % 3],
            is_awaited=bool(numbers["awaited"] % 2),
        )

    def reload(self) -> None:
        """Obey the file; what has the same plan must not change by that."""
        together = self.yard.together
        plans = {name: self.plan(name) for name in NAMES if self.numbers[name]["there"] % 2}
        same = {
            name: (process, process.state, process.wanted, process.number, process.since)
            for name, process in together.by_name.items()
            if process.plan == plans.get(name) and not process.is_removed
        }
        others = {
            name: process
            for name, process in together.by_name.items()
            if name in plans and name not in same and not process.is_removed and process.wanted == "down"
        }
        were_down = {name for name, process in others.items() if process.plan.wanted == plans[name].wanted}
        self.yard.tell(plans.values())
        for name, before in same.items():
            process = together.by_name[name]
            assert (process, process.state, process.wanted, process.number, process.since) == before
        for name, process in together.by_name.items():
            assert process.is_removed is (name not in plans)
            assert process.plan == plans.get(name, process.plan)
            assert process.wanted == "down" or name in plans
            assert process.wanted == "down" or name not in were_down

    def act(self, step: tuple[object, ...]) -> None:
        """Make one thing happen, and what follows from it."""
        what, name, value = step[0], str(step[1 % len(step)]), step[-1]
        yard = self.yard
        if what in VERBS:
            process = yard.together.by_name.get(name)
            if process is not None and (what == "stop" or not process.is_removed):
                yard.together.ask(name, VERBS[str(what)])
        elif what == "fails":
            (yard.failing.add if value else yard.failing.discard)(name)
        elif what == "obeys":
            yard.obeys[name] = str(value)
        elif what == "time" and isinstance(value, float):
            yard.loop.advance(value)
        elif what == "edge" and isinstance(value, frozenset):
            self.edges[name] = value
        elif what == "change":
            self.numbers[name][str(value)] += 1
        elif what == "reload":
            self.reload()
        else:
            self._happen(str(what), name, value)
        yard.loop.advance(0)

    def _happen(self, what: str, name: str, value: object) -> None:
        body = self.yard.alive(name)
        if what == "answer" and name in self.yard.answers:
            self.yard.answers.pop(name)(str(value))
        elif what == "ends" and body is not None and isinstance(value, int):
            body.end(value)
        elif what == "rest-ends" and body is not None:
            body.end_rest()

    def check(self) -> None:
        """Look at what has to hold between two events."""
        together = self.yard.together
        for name, process in together.by_name.items():
            body = self.yard.alive(name)
            assert (body is not None) is (process.state in {"starting", "ready", "stopping"})
            assert process.state != "waiting" or together.is_blocked(process.plan)
            assert not process.is_removed or process.state == "stopping"
            together.outfit(name)
        living = [body for body in self.yard.bodies if not body.is_forgotten]
        assert {body.name for body in living} <= set(together.by_name)
        assert {body.pid for body in living} == self.yard.backstop.pids
        json = [together.unready(), together.waits_for(), together.has_ended()]
        assert json[2] is False or json[0] == [] or together.status()


@settings(max_examples=300, deadline=None)
@given(EDGES, st.lists(STEP, max_size=30), st.sampled_from(["stop", "kill", "heal"]))
def test_any_row_of_events(edges: tuple[frozenset[str], ...], steps: list[tuple[object, ...]], end: str) -> None:
    """What has to hold at a start, at a reload, at a stop, and in between, holds whatever happens."""
    file = File(edges)
    yard, together = file.yard, file.yard.together
    for step in steps:
        file.act(step)
        file.check()
    if end == "heal":
        heal(file)
        return
    together.stop(insists=False)
    if end == "kill":
        yard.insists = True
        together.stop(insists=True)
        yard.loop.advance(HANGS)
    else:
        yard.loop.advance(len(NAMES) * (GRACE + HANGS))
    assert not together.is_busy()
    assert all(process.is_settled or not process.is_alive for process in together.by_name.values())
    together.close()
    assert all(body.is_forgotten for body in yard.bodies)
    yard.loop.advance(1000)
    assert yard.loop.due() is None


def heal(file: File) -> None:
    """When what was wrong is over, all can be started."""
    yard = file.yard
    yard.failing.clear()
    yard.obeys.clear()
    for body in yard.bodies:
        body.obeys = "all"
        body.end_rest()
    yard.loop.advance(GRACE + HANGS)
    for name in sorted(yard.together.by_name):
        wish = yard.together.ask(name, "restart")
        yard.loop.advance(GRACE)
        file.act(("answer", name, ""))
        assert (yard.states()[name], wish.outcome) == ("ready", "reached")
