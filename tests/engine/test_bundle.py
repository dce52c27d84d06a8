"""The order inside a bundle, and who leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from recorder import Recorder

from flagman.engine.bundle import Bundle
from flagman.engine.flags import STOP, Flags

if TYPE_CHECKING:
    from flagman import Action


@given(st.lists(st.booleans(), max_size=30))
def test_actions_run_in_order_and_those_that_leave_are_gone(stays: list[bool]) -> None:
    """Each action runs once, in order; the next run is without those that left."""
    bundle = Bundle()
    actions = [Recorder(str(number)) for number in range(len(stays))]
    for action in actions:
        bundle.add(action)
    seen: list[Action] = []

    def run(action: Action) -> bool:
        seen.append(action)
        return stays[seen.index(action)]

    bundle.run(run, Flags())
    assert seen == actions
    kept = [action for action, stay in zip(actions, stays, strict=True) if stay]
    assert len(bundle) == len(kept)
    seen.clear()
    bundle.run(run, Flags())
    assert seen == kept
    for action in actions:
        action._close()


def test_the_stop_flag_ends_the_turn() -> None:
    """No new action starts once a stop is asked for."""
    bundle = Bundle()
    flags = Flags()
    with Closing() as actions:
        for action in actions:
            bundle.add(action)
        seen: list[Action] = []

        def run(action: Action) -> bool:
            seen.append(action)
            flags.add(STOP)
            return True

        bundle.run(run, flags)
        assert seen == actions[:1]
        assert len(bundle) == len(actions)


def test_an_action_added_during_a_run_waits_for_the_next() -> None:
    """A run is over the actions that there were when it began."""
    bundle = Bundle()
    with Closing() as (first, second):
        bundle.add(first)
        seen: list[Action] = []

        def run(action: Action) -> bool:
            if not seen:
                bundle.add(second)
            seen.append(action)
            return True

        bundle.run(run, Flags())
        assert seen == [first]
        bundle.run(run, Flags())
        assert seen == [first, first, second]


class Closing:
    """Two actions that are closed in the end."""

    def __enter__(self) -> list[Recorder]:
        self.actions = [Recorder("first"), Recorder("second")]
        return self.actions

    def __exit__(self, *_: object) -> None:
        for action in self.actions:
            action._close()
