"""Calls, timers and debouncing: histories of an engine with time that passes only when a test says so."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from hypothesis import assume, example, given
from hypothesis import strategies as st

from flagman import Action, ActionClosed, Engine
from flagman.actions import PrintAction
from flagman.engine.bundle import Bundle
from flagman.testing import DEADLINE, FakeTime
from flagman.triggers.by_clock import Every, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    import pytest


def begun(engine: Engine, flag: str, period: float, jitter: float = 0) -> Every:
    """Return a timer that ticks."""
    timer = Every(engine, flag, period, jitter)
    timer.begin()
    return timer


class Note(Action):
    """Notes when, for which flag and for how many raises it runs."""

    def set_up(self) -> None:
        """Begin without notes."""
        self.notes: list[tuple[float, str, int]] = []
        self.takes: list[float] = []

    def run(self) -> None:
        """Note the run, and take some time."""
        self.notes.append((round(self.engine.clock() - 1000, 6), self.engine.turn.flag, self.engine.turn.raises))
        if self.takes:
            assert isinstance(self.engine.clock, FakeTime)
            self.engine.clock.now += self.takes.pop(0)


class History:
    """An engine with fake time, and actions that note their runs."""

    def __init__(self, *flags: str, overlap: Literal["ignore", "rerun"] = "ignore") -> None:
        self.time = FakeTime()
        self.engine = Engine(overlap=overlap, contained=(), clock=self.time, wait=self.time.wait)
        self.time.on_end = self.engine.stop
        self.notes: list[Note] = []
        for flag in flags:
            note = self.engine.set_up(flag, Note)
            assert isinstance(note, Note)
            self.notes.append(note)

    def at(self, *moments: float, code: Callable[[], object] | None = None, flag: str = "usr1") -> None:
        """Call some code at these moments, or else raise a flag."""
        for moment in moments:
            self.engine.call_at(1000 + moment, code or (lambda: self.engine.raise_flag(flag)))

    def play(self, seconds: float, digits: int = 2) -> list[tuple[float, int]]:
        """Run until this moment, and return the moments of the first action's runs, and their raises."""
        self.time.end = 1000 + seconds
        with self.engine:
            self.engine.run()
        # The engine waits in whole milliseconds, rounded up.
        return [(round(moment, digits), raises) for moment, _, raises in self.notes[0].notes]


def test_calls_are_made_in_the_order_of_their_moments() -> None:
    """Calls are made in the order of their moments, not early and not twice, and cancelled ones never."""
    history = History("usr1")
    made: list[tuple[float, str]] = []

    def note(name: str, *, mark: str = "") -> None:
        made.append((round(history.time.now - 1000, 3), name + mark))

    history.engine.call_later(3, note, "c", mark="!")
    history.engine.call_at(1001.5, note, "a")
    history.engine.call_later(2, note, "b").cancel()
    history.engine.call_later(0, note, "now")
    history.engine.call_later(5.5, note, "after the end")
    history.engine.call_later(1, lambda: history.engine.call_later(1, note, "nested"))
    last = history.engine.call_later(4, note, "cancelled at the last moment")
    history.engine.call_later(4 - 1e-9, last.cancel)
    history.play(5)
    assert made == [(0, "now"), (1.5, "a"), (2, "nested"), (3, "c!")]


def test_what_a_call_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a call is logged, and ends nothing."""
    fake = FakeTime()
    made: list[str] = []
    with Engine(clock=fake, wait=fake.wait) as engine:
        fake.on_end = engine.stop
        fake.end += 5
        engine.set_up("usr1", Note)
        engine.call_later(1, divmod, 1, 0)
        engine.call_later(2, made.append, "second")
        engine.run()
    assert made == ["second"]
    assert [record.message for record in caplog.records] == ["A scheduled call failed"]


def test_a_call_from_another_thread_ends_the_wait() -> None:
    """A call from another thread ends the loop's wait for something later."""
    made = threading.Event()

    def call() -> None:
        engine.call_later(0, made.set)
        made.wait(DEADLINE)
        engine.stop()

    with Engine() as engine:
        engine.set_up("usr1", Note)
        engine.call_later(1000, divmod, 1, 0)
        thread = threading.Thread(target=call)
        thread.start()
        engine.run()
        thread.join()
    assert made.is_set()


def test_a_moment_that_is_too_far_for_the_system_call() -> None:
    """A moment that is more than the 25 days of poll(2) away is waited for in pieces."""
    history = History("usr1")
    history.at(10.0**8)
    ((moment, _),) = history.play(10.0**8 + 1)
    assert abs(moment - 10.0**8) < 0.01
    with Engine() as engine:
        engine.set_up("usr1", Note)
        engine.call_later(10.0**8, divmod, 1, 0)
        engine.raise_flag("stop")
        engine.run()


def test_an_action_schedules_its_own_next_run() -> None:
    """An action can schedule its next run through its engine."""

    class Again(Note):
        def run(self) -> None:
            super().run()
            self.engine.call_later(10, self.engine.raise_flag, self.engine.turn.flag)

    history = History("usr2")
    again = history.engine.set_up("usr1", Again)
    history.engine.raise_flag("usr1")
    history.play(35)
    assert isinstance(again, Again)
    assert [note[0] for note in again.notes] == [0, 10, 20, 30]


def test_a_timer_ticks_on_its_grid() -> None:
    """A timer ticks on a grid that begins one period after the start."""
    history = History("every-5m")
    begun(history.engine, "every-5m", 300)
    assert history.play(1000) == [(300, 1), (600, 1), (900, 1)]


def test_a_run_that_takes_long_does_not_move_the_grid() -> None:
    """A long run neither moves the grid nor makes late ticks pile up."""
    history = History("every-10s")
    history.notes[0].takes = [4, 3, 27]
    begun(history.engine, "every-10s", 10)
    assert [moment for moment, _ in history.play(75)] == [10, 20, 30, 60, 70]


def test_no_burst_after_a_suspend(caplog: pytest.LogCaptureFixture) -> None:
    """A machine that sleeps through a hundred ticks gets one."""
    caplog.set_level(logging.INFO)
    history = History("every-10s")
    begun(history.engine, "every-10s", 10)

    def suspend() -> None:
        history.time.now += 1004

    history.at(25, code=suspend)
    assert [moment for moment, _ in history.play(1055)] == [10, 20, 1029, 1030, 1040, 1050]
    assert "`every-10s` is late; its run covers 100 ticks" in caplog.messages


@given(
    period=st.floats(0.001, 1000),
    takes=st.lists(st.floats(0, 3000), max_size=10),
    seconds=st.floats(0, 5000),
)
@example(period=0.1, takes=[0.1, 0.3], seconds=2.0)
def test_ticks_keep_to_the_grid(period: float, takes: list[float], seconds: float) -> None:
    """Each run belongs to a different moment of the grid, and no free moment is left out."""
    assume(seconds / period < 500)
    history = History("t")
    history.notes[0].takes = takes[:]
    begun(history.engine, "t", period)
    runs = [moment for moment, _ in history.play(seconds, 6)]
    # The engine waits in whole milliseconds.
    ticks = [int((moment + 1e-5) / period) for moment in runs]
    if period > 0.002:
        assert ticks == sorted(set(ticks))
    late = sum(takes) + 0.002 * len(runs)
    assert len(runs) * period <= seconds + 1e-5
    assert len(runs) >= int(seconds / period) - late / period - len(takes) - 2


def test_jitter_spreads_ticks_and_keeps_the_grid() -> None:
    """A jitter delays each tick by at most its span or a period, and keeps the grid."""
    history = History("t")
    begun(history.engine, "t", 10, jitter=5)
    delays = [moment - 10 * number for number, (moment, _) in enumerate(history.play(1000, 6), 1)]
    assert len(delays) in (99, 100)
    assert all(0 <= delay <= 5.001 for delay in delays)
    assert len(set(delays)) > 50
    history = History("t")
    begun(history.engine, "t", 10, jitter=1000)
    assert 80 <= len(history.play(1000)) <= 100
    assert spread(0)() == 0


def test_a_debounced_flag_waits_for_quiet() -> None:
    """A debounced flag runs once for all its raises, when the last is this many seconds ago."""
    history = History("usr1")
    history.engine.debounce("usr1", 2)
    history.at(1, 1.5, 3, 4.9, 20)
    assert history.play(100) == [(6.9, 4), (22, 1)]


def test_a_debounced_flag_does_not_wait_for_ever() -> None:
    """A debounced flag is held for at most ten times its span."""
    history = History("usr1")
    history.engine.debounce("usr1", 2)
    history.at(0.5, *range(1, 31))
    assert history.play(100) == [(20.5, 21), (32, 10)]


def test_other_flags_are_not_held() -> None:
    """A held flag delays no other flag."""
    history = History("usr1", "usr2")
    history.engine.debounce("usr1", 5)
    history.at(1)
    history.at(2, flag="usr2")
    assert history.play(100) == [(6, 1)]
    assert [(round(when, 2), *rest) for when, *rest in history.notes[1].notes] == [(2, "usr2", 1)]


@given(
    span=st.floats(0.01, 50),
    gaps=st.lists(st.floats(0.001, 100), min_size=1, max_size=60),
    takes=st.lists(st.floats(0, 20), max_size=5),
)
def test_debouncing_loses_nothing(span: float, gaps: Sequence[float], takes: list[float]) -> None:
    """A run follows the last raise, but not before there was quiet, or noise for ten spans."""
    raises: list[float] = []
    for gap in gaps:
        raises.append(gap + (raises[-1] if raises else 0))
    history = History("usr1", overlap="rerun")
    history.notes[0].takes = takes[:]
    history.engine.debounce("usr1", span)
    history.at(*raises)
    runs = history.play(raises[-1] + 12 * span + sum(takes) + 1, 6)
    assert sum(count for _, count in runs) == len(raises)
    assert runs[-1][0] >= raises[-1]
    before = -1.0
    for moment, count in runs:
        assert count <= len([when for when in raises if when <= moment + 1e-6])
        # A raise in the very millisecond of a run may belong to that run or to the next one.
        mine = [when for when in raises if before < when <= moment - 0.0011]
        perhaps = [when for when in raises if before - 0.0011 < when <= moment - 0.0011]
        if mine and not takes:  # time that an action takes is not seen from inside
            assert moment - mine[-1] >= span - 1e-5 or moment - perhaps[0] >= 10 * span - 1e-5
            assert moment - mine[0] <= 10 * span + 0.0025
        before = moment


class Traffic(FakeTime):
    """A clock that raises flags at given moments, whether the loop waits or an action runs.

    :param arrivals: moments and flags
    """

    def __init__(self, arrivals: list[tuple[float, str]]) -> None:
        super().__init__()
        self.arrivals = sorted((1000 + moment, flag) for moment, flag in arrivals)
        self.arrived: list[tuple[float, str]] = []
        self.idle: list[float] = []
        self.engine: Engine

    def spend(self, seconds: float) -> None:
        """Pass this time, with all flags that arrive meanwhile."""
        end = self.now + seconds
        while self.arrivals and self.arrivals[0][0] <= end:
            self.arrive()
        self.now = end

    def arrive(self) -> None:
        """Raise the next flag."""
        moment, flag = self.arrivals.pop(0)
        self.now = max(self.now, moment)
        self.arrived.append((self.now, flag))
        self.engine.flags.add(flag)

    def wait(self, patience: float | None) -> list[tuple[int, int]]:
        """Wait no longer than until the next arrival."""
        if patience != 0:
            self.idle.append(self.now)
        if self.arrivals and (patience is None or self.arrivals[0][0] <= self.now + patience / 1000):
            self.arrive()
            return []
        return super().wait(patience)


class Busy(Action):
    """Notes when it runs, and takes some time."""

    def set_up(self, seconds: str) -> None:
        """Keep the time."""
        self.seconds = float(seconds)

    def run(self) -> None:
        """Note the run, and let time pass."""
        assert isinstance(self.engine.clock, Traffic)
        RUNS.append((self.engine.clock.now, self.engine.turn.flag, self.engine.turn.raises))
        self.engine.clock.spend(self.seconds)


RUNS: list[tuple[float, str, int]] = []
MOMENTS = st.integers(0, 4000).map(lambda number: number / 100)


@given(
    spans=st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=2, max_size=4),
    takes=st.lists(st.sampled_from([0.0, 0.1, 1.3, 7.0]), min_size=4, max_size=4),
    arrivals=st.lists(st.tuples(MOMENTS, st.integers(0, 3)), min_size=1, max_size=40),
)
@example(spans=[2.0, 0.0], takes=[0.0, 3.9, 0.0, 0.0], arrivals=[(1, 0), (2, 1), (5.8, 0)])
@example(spans=[2.0, 0.0], takes=[0.0, 9.0, 0.0, 0.0], arrivals=[(1, 1), (2, 0)])
@example(spans=[0.5, 0.0, 0.5], takes=[0.0, 3.9, 7.0, 0.0], arrivals=[(1, 0), (1.1, 2), (1.4, 1), (1.5, 1), (6, 0)])
def test_a_held_bundle_begins_when_it_is_due_and_the_loop_is_free(
    spans: list[float], takes: list[float], arrivals: list[tuple[float, int]]
) -> None:
    """A held bundle begins once it was quiet for a span or held for ten, and no other bundle keeps the loop busy."""
    time = Traffic([(moment, f"f{number % len(spans)}") for moment, number in arrivals])
    RUNS.clear()
    with Engine(overlap="rerun", contained=(), clock=time, wait=time.wait) as engine:
        time.engine = engine
        time.on_end = engine.stop
        time.end = 1000 + 40 + 8 * len(arrivals) * max(takes) + 30
        for number, span in enumerate(spans):
            engine.set_up(f"f{number}", Busy, str(takes[number]))
            if span:
                engine.debounce(f"f{number}", span)
        engine.run()
    assert not time.arrivals
    for number, span in enumerate(spans):
        flag = f"f{number}"
        raised = [moment for moment, other in time.arrived if other == flag]
        begun = [(moment, count) for moment, other, count in RUNS if other == flag]
        assert sum(count for _, count in begun) == len(raised)
        for begin, count in begun:
            mine, raised = raised[:count], raised[count:]
            due = min(mine[-1] + span, mine[0] + 10 * span)
            assert mine[-1] <= begin
            assert begin >= due - 1e-9
            assert not raised or raised[0] >= begin  # all that had come by then were looked at
            # The loop waits in whole milliseconds; apart from that it is never idle while something is due.
            assert not [idle for idle in time.idle if due + 0.002 < idle < begin]


def test_a_storm_of_raises_is_one_run() -> None:
    """With real time and other threads, a run follows the last raise, however fast they come."""
    count = 20_000
    history: list[int] = []

    class Count(Action):
        def run(self) -> None:
            history.append(self.engine.turn.raises)
            if sent.is_set():
                self.engine.stop()

    sent = threading.Event()

    def send() -> None:
        for _ in range(count // 4):
            engine.raise_flag("usr1")
        with lock:
            left.pop()
            if not left:
                sent.set()
                engine.raise_flag("usr1")

    left = [1, 2, 3, 4]
    lock = threading.Lock()
    began = time.monotonic()
    with Engine(overlap="rerun") as engine:
        engine.set_up("usr1", Count)
        engine.debounce("usr1", 0.05)
        threads = [threading.Thread(target=send) for _ in left]
        for thread in threads:
            thread.start()
        engine.run()
        for thread in threads:
            thread.join()
    # A thread that comes between may make a count wrong, but there is never a run too few.
    assert 1 <= len(history) <= 2 + (time.monotonic() - began) / 0.05
    assert all(history)


def test_calls_for_one_moment_come_in_order() -> None:
    """Calls for the same moment are made in the order in which they were scheduled."""
    history = History("usr1")
    made: list[int] = []
    for number in range(20):
        history.engine.call_at(1005, made.append, number)
    history.play(10)
    assert made == list(range(20))


def test_cancelled_calls_are_forgotten() -> None:
    """Cancelled calls are forgotten long before their moment."""
    history = History("usr1")
    kept = history.engine.call_later(86_400, list)
    for _ in range(10_000):
        history.engine.call_later(86_400, list).cancel()
    assert history.engine._poller._calls
    assert len(history.engine._poller._calls._heap) < 1000
    assert [entry[2] for entry in history.engine._poller._calls._heap if entry[2].code is not None] == [kept]
    kept.cancel()
    kept.cancel()
    assert kept.code is None
    history.play(1)


def test_a_tick_that_stands_for_several_says_so() -> None:
    """A tick that covers several counts the first and all that were missed while another bundle ran."""
    history = History("t", "usr1")
    history.notes[1].takes = [55]
    begun(history.engine, "t", 10)
    history.at(15)
    assert history.play(85) == [(10, 1), (70, 6), (80, 1)]


def test_ticks_in_their_own_run_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Ticks during their own run are ignored, as a signal is, so that a long run does not repeat without an end."""
    caplog.set_level(logging.INFO)
    history = History("t")
    history.notes[0].takes = [13] * 10
    begun(history.engine, "t", 10)
    assert history.play(95) == [(10, 1), (30, 1), (50, 1), (70, 1), (90, 1)]
    assert caplog.messages.count("Ignored `t` while its own bundle ran (raises: 1)") == 5
    assert "comes late" not in caplog.text


def test_ticks_in_their_own_run_lead_to_one_more_run() -> None:
    """With overlap "rerun" ticks during their own run lead to one more run right after it."""
    history = History("t", overlap="rerun")
    history.notes[0].takes = [25]
    begun(history.engine, "t", 10)
    assert history.play(55) == [(10, 1), (35, 2), (40, 1), (50, 1)]
    history = History("t", "usr1", overlap="rerun")
    history.notes[0].takes = [15]
    begun(history.engine, "t", 10)
    history.at(5, flag="other")
    assert history.play(29) == [(10, 1), (25, 1)]


def test_a_tick_in_its_own_last_run_ends_with_its_bundle() -> None:
    """A tick during the last run of its bundle is not reported as a flag without actions."""

    class Once(Note):
        def run(self) -> None:
            super().run()
            raise ActionClosed("enough")

    unmapped: list[str] = []
    for overlap in ("ignore", "rerun"):
        history = History("usr1", overlap=overlap)
        history.engine._unmapped = unmapped.append
        once = history.engine.set_up("t", Once)
        assert isinstance(once, Once)
        once.takes = [35]
        begun(history.engine, "t", 10)
        history.play(100)
        assert len(once.notes) == 1
    assert unmapped == []


def test_a_cancelled_timer_does_not_tick_after_a_run() -> None:
    """A cancelled timer does not tick after a run, nor replace the timer that has followed it."""
    history = History("t")
    history.notes[0].takes = [25]
    first = begun(history.engine, "t", 10)
    history.at(5, code=lambda: begun(history.engine, "t", 20))
    history.at(6, code=first.cancel)
    assert history.play(70) == [(25, 1), (65, 1)]


def test_a_timer_ends_with_its_bundle() -> None:
    """A timer ends with its bundle, because there is no action left to wake up for."""

    class Once(Note):
        def run(self) -> None:
            super().run()
            raise ActionClosed("enough")

    history = History("usr1")
    history.engine.set_up("t", Once)
    begun(history.engine, "t", 10)
    history.play(1000)
    assert history.engine._poller._calls
    assert history.engine._poller._calls._heap == []


def test_a_jitter_as_long_as_the_period_loses_no_tick() -> None:
    """A jitter as long as the period loses no tick, because lateness counts from the delayed moment."""
    history = History("t")
    begun(history.engine, "t", 10, jitter=10)
    assert sum(raises for _, raises in history.play(10_000)) in (999, 1000)


def test_a_held_flag_is_not_forgotten_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """A stop logs a held flag that it leaves unserved."""
    caplog.set_level(logging.INFO)
    history = History("usr1")
    history.engine.debounce("usr1", 100)
    history.at(1, 2)
    assert history.play(10) == []
    assert ("flagman.core", logging.WARNING, "Stopping; `usr1` is not lowered any more (raises: 2)") in (
        caplog.record_tuples
    )


def test_a_flag_that_may_pass_first() -> None:
    """A flag may pass at once the first time, at the start, and is held from then on."""
    history = History("usr1")
    history.engine.debounce("usr1", 5, pass_first=True)
    history.engine.raise_flag("usr1")
    history.at(1, 2)
    assert history.play(100) == [(0, 1), (7, 2)]


def test_a_held_flag_whose_actions_have_closed() -> None:
    """A held flag is dropped without a warning if its actions have closed."""

    class Once(Note):
        def run(self) -> None:
            super().run()
            raise ActionClosed("enough")

    history = History("usr2")
    history.engine.set_up("usr1", Once)
    history.engine.debounce("usr1", 5, pass_first=True)
    history.engine._lowering._debounced["usr1"].held = (1, 1000.0, 1000.0)
    history.engine.raise_flag("usr1")
    history.at(6, code=history.engine._lowering._debounced["usr1"].let_go)
    history.play(100)
    assert history.engine._lowering._debounced["usr1"].held is None


def test_a_tick_that_a_stop_drops_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A stop that drops a tick is logged at INFO, and one that drops any other flag as a warning."""
    caplog.set_level(logging.INFO)
    with Engine() as engine:
        ticks = {"every-1s": True, "usr1": False}
        bundles = {flag: Bundle([engine.create(PrintAction, "x")], ticks=each) for flag, each in ticks.items()}
        engine.replace(bundles)
        engine.stop()
        for flag in bundles:
            engine.raise_flag(flag)
        engine.run()
    dropped = [(record.levelno, record.message) for record in caplog.records if "not lowered" in record.message]
    what = "Stopping; `%s` is not lowered any more (raises: 1)"
    assert dropped == [(logging.INFO, what % "every-1s"), (logging.WARNING, what % "usr1")]
