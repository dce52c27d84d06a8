"""The order inside a bundle, and the actions that leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.engine.bundle import Bundle, Member
from flagman.engine.choices import Choices
from support.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.engine.bundle import Verdict


@pytest.fixture(name="members")
def _members() -> Iterator[list[Member]]:
    """Yield some actions, and close them in the end."""
    members = [member(str(number)) for number in range(3)]
    yield members
    for each in members:
        each.action._close()


def member(name: str) -> Member:
    """Return a member with an action that is set up."""
    return Member(Recorder(name), name, Choices())


VERDICTS = st.lists(st.sampled_from(["stays", "gone", "skip"]), max_size=30)


@given(VERDICTS)
def test_actions_run_in_order_and_those_that_leave_are_gone(verdicts: list[Verdict]) -> None:
    """Each action runs once, in order, until one ends the turn, and actions that have left do not run again."""
    bundle = Bundle()
    members = [member(str(number)) for number in range(len(verdicts))]
    for each in members:
        bundle.add(each)
    seen: list[Member] = []

    def run(each: Member) -> Verdict:
        seen.append(each)
        return verdicts[members.index(each)]

    bundle.run(run, lambda: False)
    reached = verdicts.index("skip") + 1 if "skip" in verdicts else len(verdicts)
    assert seen == members[:reached]
    kept = [m for m, verdict in zip(members, verdicts, strict=True) if m not in seen or verdict != "gone"]
    assert len(bundle) == len(kept)
    seen.clear()
    verdicts = ["stays"] * len(verdicts)
    bundle.run(run, lambda: False)
    assert seen == kept
    for each in members:
        each.action._close()


def test_the_stop_flag_ends_the_turn(members: list[Member]) -> None:
    """The bundle asks for a stop before each action, and starts none after that."""
    bundle = Bundle()
    for each in members:
        bundle.add(each)
    seen: list[Member] = []

    def run(each: Member) -> Verdict:
        seen.append(each)
        return "stays"

    bundle.run(run, lambda: bool(seen))
    assert seen == members[:1]
    assert len(bundle) == len(members)


def test_an_action_added_during_a_run_waits_for_the_next(members: list[Member]) -> None:
    """A run covers the actions of the moment when it began."""
    bundle = Bundle()
    first, second, _ = members
    bundle.add(first)
    seen: list[Member] = []

    def run(each: Member) -> Verdict:
        if not seen:
            bundle.add(second)
        seen.append(each)
        return "stays"

    bundle.run(run, lambda: False)
    assert seen == [first]
    bundle.run(run, lambda: False)
    assert seen == [first, first, second]
