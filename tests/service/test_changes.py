"""By which parts report that they have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagman.engine.engine import Engine
from flagman.service.changes import Changes
from flagman.testing import FakeTime
from support.fake_loop import FakeLoop

if TYPE_CHECKING:
    from collections.abc import Callable


class Waking:
    """Counts how often the main loop is woken."""

    def __init__(self) -> None:
        self.number = 0

    def wake(self) -> None:
        """Count."""
        self.number += 1


class Interrupter:
    """Has what wakes the main loop."""

    def __init__(self) -> None:
        self.wakeup = Waking()


class MainLoop:
    """Stands in for an engine: its calls are made when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.interrupter = Interrupter()

    def call_later(self, _delay: float, code: Callable[[], object]) -> None:
        """Keep the call; an engine wakes its loop, too."""
        self.calls.append(code)
        self.interrupter.wakeup.wake()

    def turn(self) -> None:
        """Make the calls that are there by now."""
        calls, self.calls = self.calls, []
        for code in calls:
            code()


def test_each_report_wakes_the_main_loop_and_many_are_one_call() -> None:
    """Reports in a row are one call; each of them wakes the main loop, also if that makes no calls any more."""
    engine = MainLoop()
    changes = Changes(engine, FakeLoop)  # type: ignore[arg-type]
    for _ in range(3):
        changes.report()
    assert (len(engine.calls), engine.interrupter.wakeup.number) == (1, 3)
    engine.turn()
    changes.report()
    assert (len(engine.calls), engine.interrupter.wakeup.number) == (1, 4)


def test_what_changes_during_a_look_is_told_again() -> None:
    """A change that comes while the main loop looks leads to another look."""
    engine = MainLoop()
    changes = Changes(engine, FakeLoop)  # type: ignore[arg-type]
    looks: list[int] = []

    def look() -> None:
        looks.append(len(looks))
        changes.wait(look, None)
        if len(looks) == 1:
            changes.report()

    changes.wait(look, None)
    changes.report()
    for _ in range(4):
        engine.turn()
    assert looks == [0, 1]


def test_a_wait_with_a_limit_ends_without_a_report() -> None:
    """What waits for a change is called after the pause, too, and once."""
    time = FakeTime()
    looks: list[float] = []
    with Engine(clock=time, wait=time.wait, needs_actions=False) as engine:
        time.end, time.on_end = time.now + 20, engine.stop
        began = time()
        changes = Changes(engine, FakeLoop)
        changes.wait(lambda: looks.append(time() - began), 5.0)
        engine.run()
    assert looks == [5.0]
