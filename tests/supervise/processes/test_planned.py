"""The starts of processes: the order, the times, and what each one has waited for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.processes.plan import Plan
from flagman.supervise.processes.planned import planned, shown
from support.keeping import Yard

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = "abcdef"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Return names in any order, and what each one comes after: none of them in a circle."""
    order = draw(st.permutations(NAMES))
    after = {
        name: tuple(draw(st.lists(st.sampled_from(order[:number]), unique=True))) if number else ()
        for number, name in enumerate(order)
    }
    return {name: after[name] for name in draw(st.permutations(NAMES))}


def told(yard: Yard) -> Any:  # noqa: ANN401 - as JSON is
    """Return what is answered."""
    together = yard.together
    return shown([*together.by_name.values()], together.first)


def one(yard: Yard, name: str) -> Any:  # noqa: ANN401 - as above
    """Return what is told of one process."""
    return next(each for each in told(yard)["processes"] if each["name"] == name)


def links(chain: list[Mapping[str, object]]) -> list[tuple[object, object, object]]:
    """Return a chain as tuples."""
    return [(each["name"], each["at"], each["took"]) for each in chain]


@given(graphs())
def test_each_process_stands_behind_all_that_it_comes_after(after: dict[str, tuple[str, ...]]) -> None:
    """Its stage is one more than the last of those, and the order is that of the stages."""
    order = list(planned({name: Plan(name, after=names) for name, names in after.items()}).values())
    stages = {str(each["name"]): each["stage"] for each in order}
    assert list(stages.values()) == sorted(stages.values(), key=str)
    for name, names in after.items():
        assert stages[name] == 1 + max((int(str(stages[other])) for other in names), default=0)


@given(graphs(), st.lists(st.floats(0.125, 8), min_size=len(NAMES), max_size=len(NAMES)))
def test_the_critical_chain_adds_up_to_the_whole_start(after: dict[str, tuple[str, ...]], times: list[float]) -> None:
    """Each process of the chain begins when the one before it is ready, the first at once, and the last ends it."""
    yard = Yard()
    yard.follow(*(yard.plan(name, after=names, is_awaited=True) for name, names in after.items()))
    takes = dict(zip(NAMES, times, strict=True))
    answered: set[str] = set()
    while len(answered) < len(NAMES):
        running = {name: one(yard, name) for name in NAMES if yard.states()[name] == "starting"}
        begun = {name: yard.together.by_name[name].started for name in running}
        due = {name: (moment or 0.0) + takes[name] for name, moment in begun.items()}
        name = min(due, key=due.__getitem__)
        yard.loop.advance(max(0.0, due[name] - yard.loop.clock()))
        yard.answer(name)
        yard.loop.advance(0)
        answered.add(name)
    start = told(yard)["start"]
    chain = links(start["chain"])
    assert abs(start["took"] - max(row_ends(after, takes).values())) < 1e-4
    assert abs(sum(float(str(took)) for _, _, took in chain) - start["took"]) < 1e-4
    for (later, _, _), (sooner, _, _) in pairwise(chain):
        assert sooner in after[str(later)]


def row_ends(after: Mapping[str, tuple[str, ...]], takes: Mapping[str, float]) -> dict[str, float]:
    """Return when each process is ready, in another way."""

    def end(name: str) -> float:
        return takes[name] + max((end(other) for other in after[name]), default=0.0)

    return {name: end(name) for name in after}


def test_a_restart_waits_for_nothing_that_is_ready_before() -> None:
    """The last start of a process has a chain of its own; that of the whole start stays as it was."""
    yard = Yard()
    yard.follow(yard.plan("db", is_awaited=True), yard.plan("web", after=("db",), is_awaited=True))
    assert told(yard)["start"] == {"took": None, "chain": []}
    yard.loop.advance(2)
    yard.answer("db")
    yard.loop.advance(1)
    assert one(yard, "web")["start"]["took"] is None
    yard.answer("web")
    yard.loop.advance(0)
    whole = [("web", 2.0, 1.0), ("db", 0.0, 2.0)]
    assert links(told(yard)["start"]["chain"]) == links(one(yard, "web")["start"]["chain"]) == whole
    yard.loop.advance(60)
    yard.together.ask("web", "restart")
    yard.loop.advance(5)
    yard.answer("web")
    yard.loop.advance(0)
    assert links(one(yard, "web")["start"]["chain"]) == [("web", 0.0, 5.0)]
    assert links(told(yard)["start"]["chain"]) == whole


def test_a_process_that_has_ended_well_lets_others_start() -> None:
    """Its start is over when it ends; what is started only on request is told, and does not count."""
    yard = Yard()
    yard.follow(
        yard.plan("task", restart="never"),
        yard.plan("spare", wanted="down"),
        yard.plan("extra", is_awaited=True, optional=True),
    )
    yard.loop.advance(4)
    yard.end("task", 0)
    yard.loop.advance(0)
    assert told(yard)["start"]["took"] == 0.0
    assert one(yard, "spare") == {
        "name": "spare",
        "stage": 1,
        "after": [],
        "wanted": "down",
        "optional": False,
        "state": "stopped",
        "ready": False,
        "start": None,
    }
    assert one(yard, "extra")["start"] == {
        "waited": 0.0,
        "took": None,
        "chain": [{"name": "extra", "at": 0.0, "took": None}],
    }


def test_what_a_reload_has_removed_is_in_no_plan() -> None:
    """It may even close a circle with what has taken its place."""
    yard = Yard()
    yard.obeys["old"] = "never"
    yard.follow(yard.plan("a", after=("old",)), yard.plan("old"))
    yard.follow(yard.plan("a"))
    assert yard.states()["old"] == "stopping"
    assert [each["name"] for each in told(yard)["processes"]] == ["a"]
