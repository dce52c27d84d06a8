"""The loop, replaying histories with a fake wait and a fake clock."""

from __future__ import annotations

import math
import select
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.engine.flags import STOP, Flags
from flagman.engine.loop import Loop, Poller
from flagman.engine.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

# The descriptor's number, which nothing really polls.
PIPE = 77


def made(code: Callable[[], object], _what: str) -> bool:
    """Make a call, and return true."""
    code()
    return True


class Clock:
    """A clock that moves only when a test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class History:
    """A loop with scripted waits: the script lists for each wait what has happened by its end."""

    def __init__(self, script: list[tuple[str, ...]], moments: list[float]) -> None:
        self.flags = Flags()
        self.clock = Clock()
        self.waiting: list[str] = []
        self.script = script
        self.patience: list[float | None] = []
        self.lowered: list[tuple[str, int]] = []
        poller = Poller(Wakeup(is_open=False), made, clock=self.clock, wait=self.wait)
        poller.attach(PIPE, self.drain)
        for moment in moments:
            poller.call_at(1000.0 + moment, lambda: self.flags.add("tick"))
        loop = Loop(self.flags, poller, lambda flag, raises: self.lowered.append((flag, raises[0])))
        loop.run()

    def drain(self, _events: int) -> None:
        """Raise the flags of the last wait."""
        while self.waiting:
            self.flags.add(self.waiting.pop(0))

    def wait(self, patience: float | None) -> list[tuple[int, int]]:
        """End when the script or the time ends the wait."""
        self.patience.append(patience)
        if self.flags:
            return []
        if self.script:
            self.waiting.extend(self.script.pop(0))
            return [(PIPE, select.POLLIN)]
        if patience is None:
            self.flags.add(STOP)  # nothing will ever happen again
            return []
        self.clock.now += patience / 1000
        return []


def test_idle_waits_for_ever() -> None:
    """Without a flag and without a deadline the loop waits exactly once, without an end."""
    assert History([], []).patience == [None]


def test_one_flag_in_a_turn_and_no_waiting_between() -> None:
    """Flags that are raised together are lowered in turn, without a wait in between."""
    history = History([("usr1", "usr2", "usr1")], [])
    assert history.lowered == [("usr1", 2), ("usr2", 1)]
    assert history.patience == [None, 0, None]


def test_the_stop_flag_comes_before_older_ones() -> None:
    """No bundle begins once the stop flag is raised, which stays raised for later looks."""
    history = History([("usr1", "stop")], [])
    assert history.lowered == []
    assert STOP in history.flags


def test_a_deadline_is_rounded_up() -> None:
    """A deadline is rounded up, because waking a fraction of a millisecond early would make the loop spin."""
    history = History([], [0.0105])
    assert history.lowered == [("tick", 1)]
    assert history.patience == [11, None]


def test_a_deadline_that_has_passed_is_not_waited_for() -> None:
    """A timer that is late is drained at once."""
    history = History([], [-5.0])
    assert history.patience == [0, None]
    assert history.lowered == [("tick", 1)]


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(tuple), max_size=8),
    st.lists(st.floats(0, 100, allow_nan=False), max_size=8),
)
def test_every_raise_is_answered(script: list[tuple[str, ...]], moments: list[float]) -> None:
    """All raises are lowered, in order of first raise, and the loop never wakes without a reason."""
    raised = [flag for step in script for flag in step]
    history = History(list(script), moments)
    for flag in "abc":
        assert sum(count for lowered, count in history.lowered if lowered == flag) == raised.count(flag)
    assert sum(count for lowered, count in history.lowered if lowered == "tick") == len(moments)
    assert all(patience is None or patience == math.floor(patience) for patience in history.patience)
    assert len(history.patience) <= len(history.lowered) + len(script) + 2 * len(moments) + 1


@pytest.mark.parametrize("raised", [(), ("usr1",), ("term", "usr1")])
def test_a_stop_in_the_last_moment_is_not_lost(raised: tuple[str, ...]) -> None:
    """If a handler raises the stop flag after the loop has looked for it, nothing is lowered and no raise is lost."""

    class LateStop(Flags):
        late = False

        def __contains__(self, flag: object) -> bool:
            found = super().__contains__(flag)
            self.raise_stop()
            return found

        def __len__(self) -> int:
            found = super().__len__()
            self.raise_stop()
            return found

        def raise_stop(self) -> None:
            if self.late:
                self.late = False
                self.add(STOP)

    flags = LateStop()
    lowered: list[str] = []

    def wait(_: float | None) -> list[tuple[int, int]]:
        for flag in raised:
            flags.add(flag)
        flags.late = True
        return []

    poller = Poller(Wakeup(is_open=False), made, wait=wait)
    loop = Loop(flags, poller, lambda flag, _: lowered.append(flag))
    loop.run()
    assert STOP not in lowered
    assert {flags.pop()[0] for _ in range(len(flags))} >= {STOP, *raised} - set(lowered)


def test_what_comes_first_after_a_wait() -> None:
    """What is called after each wait comes before the descriptors, and only until then does the poller wait."""
    steps: list[tuple[str, bool]] = []

    def wait(_patience: float | None) -> list[tuple[int, int]]:
        steps.append(("wait", poller.is_waiting))
        return [(PIPE, select.POLLIN)]

    poller = Poller(Wakeup(is_open=False), made, wait=wait)
    poller.attach(PIPE, lambda _: steps.append(("descriptor", poller.is_waiting)))
    poller.on_wake = lambda: steps.append(("wake", poller.is_waiting))
    for at_once in (False, True):
        poller.wait(at_once=at_once)
    assert steps == [("wait", True), ("wake", False), ("descriptor", False)] * 2
    assert not poller.is_waiting
