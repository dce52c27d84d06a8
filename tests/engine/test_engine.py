"""The engine as a program embeds it: bundles, policies, the life of actions, two instances in one process."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import ActionClosed, ActionFailed, Engine, SkipRest
from flagman.engine.choices import Choices
from flagman.engine.signals import Signals
from flagman.engine.turn import Outcome
from flagman.exceptions import ActionInterrupted, SetUpError, TearDownError
from support import recorder
from support.driven import run
from support.programs import engines, words
from support.recorder import (
    JOURNAL,
    Failing,
    FailingSetUp,
    FailingTearDown,
    Once,
    OnceWithoutClosing,
    Recorder,
    Silent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PIPE = os.pipe()


@pytest.fixture(autouse=True)
def _fresh_journal() -> Iterator[None]:
    """Begin each test with an empty journal."""
    JOURNAL.clear()
    yield
    Recorder.during_run = None


def during_run(code: Callable[[str], object]) -> None:
    """Make every recorder call this in its runs."""
    recorder.Recorder.during_run = staticmethod(code)


def test_a_whole_life() -> None:
    """Actions are set up in order, run in order, and torn down in reverse, once each."""
    with Engine() as engine:
        for name in ("a", "b", "c"):
            engine.set_up("usr1", Recorder, name)
        engine.raise_flag("usr1")
        during_run(lambda name: engine.stop() if name == "c" else None)
        assert engine.run() is Outcome.STOPPED
    assert [f"{what} {name}" for what in ("set up", "run") for name in "abc"] + [
        f"tear down {name}" for name in "cba"
    ] == JOURNAL


def test_the_oldest_flag_is_lowered_first() -> None:
    """Bundles run in the order in which their flags were first raised."""
    with Engine() as engine:
        for flag in ("hup", "usr1", "usr2"):
            engine.set_up(flag, Recorder, flag)
        for flag in ("usr2", "hup", "usr2", "usr1"):
            engine.raise_flag(flag)
        during_run(lambda name: engine.stop() if name == "usr1" else None)
        engine.run()
    assert JOURNAL[3:6] == ["run usr2", "run hup", "run usr1"]


SCRIPTS = st.lists(st.lists(st.sampled_from(["usr1", "usr2"]), max_size=3), min_size=1, max_size=8)


@given(SCRIPTS)
def test_overlap_ignore_forgets_only_the_running_bundles_own_flag(raised_in_runs: list[list[str]]) -> None:
    """With overlap "ignore" a flag raised while its own bundle runs is ignored, and any other is served later."""
    assert replay("ignore", raised_in_runs) == expected_runs(raised_in_runs, ignore_own=True)


@given(SCRIPTS)
def test_overlap_rerun_loses_no_edge(raised_in_runs: list[list[str]]) -> None:
    """With "rerun" a run begins after the last raise of a flag, and n raises before a run give exactly one."""
    assert replay("rerun", raised_in_runs) == expected_runs(raised_in_runs, ignore_own=False)


def expected_runs(raised_in_runs: list[list[str]], *, ignore_own: bool) -> list[str]:
    """Return in the simplest possible way which bundles run if the nth run raises the nth list of flags."""
    runs: list[str] = []
    pending = ["usr1"]
    while pending:
        flag = pending.pop(0)
        for raised in raised_in_runs[len(runs)] if len(runs) < len(raised_in_runs) else []:
            if raised not in pending and not (ignore_own and raised == flag):
                pending.append(raised)
        runs.append(f"run {flag}")
    return runs


def replay(overlap: str, raised_in_runs: list[list[str]]) -> list[str]:
    """Run an engine in which the nth run raises the nth list of flags, until it is quiet."""
    JOURNAL.clear()
    script = [list(flags) for flags in raised_in_runs]
    with Engine(overlap="rerun" if overlap == "rerun" else "ignore", unmapped=lambda _: engine.stop()) as engine:
        engine.set_up("usr1", Recorder, "usr1")
        engine.set_up("usr2", Recorder, "usr2")

        def raise_flags(_: str) -> None:
            engine.flags.discard("quiet")
            for flag in script.pop(0) if script else []:
                engine.raise_flag(flag)
            engine.raise_flag("quiet")  # always the youngest, and unmapped: it ends the run

        during_run(raise_flags)
        engine.raise_flag("usr1")
        engine.run()
        return [entry for entry in JOURNAL if entry.startswith("run")]


@pytest.mark.parametrize("action", [Once, OnceWithoutClosing])
def test_an_action_that_closes_is_removed_at_once(action: type[Recorder], caplog: pytest.LogCaptureFixture) -> None:
    """An action that closes itself is torn down once, with the documented warning, and the others go on."""
    with Engine() as engine:
        engine.set_up("usr1", action, "once")
        engine.set_up("usr1", Recorder, "always")
        engine.raise_flag("usr1")
        during_run(lambda name: engine.stop() if name == "always" else None)
        engine.run()
        engine.raise_flag("usr1")
        engine.run()
    assert JOURNAL == [
        "set up once",
        "set up always",
        "run once",
        "tear down once",
        "run always",
        "run always",
        "tear down always",
    ]
    assert f"Received `ActionClosed`; removing action `{action.__name__}`" in caplog.text


def test_an_action_that_closed_silently_is_removed_at_its_next_turn() -> None:
    """An action that closes without an exception stays for one more turn, in which it does not run."""
    with Engine() as engine:
        engine.set_up("usr1", Silent, "silent")
        engine.raise_flag("usr1")
        during_run(lambda _: engine.stop())
        assert engine.run() is Outcome.STOPPED
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.EMPTY
    assert JOURNAL == ["set up silent", "run silent", "tear down silent"]


def test_a_failing_action_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged with its traceback, the action stays, and the bundle goes on."""
    with Engine() as engine:
        engine.set_up("usr1", Failing, "bad")
        engine.set_up("usr1", Recorder, "good")
        during_run(lambda name: engine.stop() if name == "good" else None)
        for _ in range(2):
            engine.raise_flag("usr1")
            assert engine.run() is Outcome.STOPPED
    assert [entry for entry in JOURNAL if entry.startswith("run")] == ["run bad", "run good"] * 2
    assert "usr1: Failing bad: failed after " in caplog.text
    assert "RuntimeError: bad failed" in caplog.text
    assert {record.name for record in caplog.records} == {"flagman.core"}


def test_on_error_skip_leaves_the_rest_out() -> None:
    """With on_error "skip" the actions after a failed one are left out, each time that it fails."""
    with Engine(on_error="skip") as engine:
        engine.set_up("usr1", Recorder, "before")
        engine.set_up("usr1", Failing, "test")
        engine.set_up("usr1", Recorder, "after")
        engine.set_up("usr2", Recorder, "other")
        JOURNAL.clear()
        engine.raise_flag("usr1")
        engine.raise_flag("usr2")
        during_run(lambda name: engine.stop() if name == "other" else None)
        assert engine.run() is Outcome.STOPPED
        assert JOURNAL == ["run before", "run test", "run other"]


def test_on_error_close_removes_the_action() -> None:
    """With on_error "close" a failed action is torn down, and the others go on."""
    with Engine(on_error="close") as engine:
        engine.set_up("usr1", Failing, "bad")
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.EMPTY
    assert JOURNAL == ["set up bad", "run bad", "tear down bad"]


def test_on_error_exit_ends_the_run_at_once() -> None:
    """With on_error "exit" no further action starts after a failure."""
    with Engine(on_error="exit") as engine:
        engine.set_up("usr1", Failing, "bad")
        engine.set_up("usr1", Recorder, "good")
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.FAILED
    assert JOURNAL == ["set up bad", "set up good", "run bad", "tear down good", "tear down bad"]


def test_a_failing_set_up_is_never_torn_down() -> None:
    """A failed set_up is reported in one line; its action is not torn down, but the others are."""
    with (
        pytest.raises(SetUpError, match=r"setting up `FailingSetUp bad` failed: RuntimeError: no set-up today"),
        Engine() as engine,
    ):
        engine.set_up("usr1", Recorder, "good")
        engine.set_up("usr1", FailingSetUp, "bad")
    gc.collect()
    assert JOURNAL == ["set up good", "set up bad", "tear down good"]


def test_a_failing_tear_down_skips_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """All actions are torn down, each failure is logged, and an error at the end reports that one has failed."""
    with pytest.raises(TearDownError), Engine() as engine:
        engine.set_up("usr1", Recorder, "first")
        engine.set_up("usr1", FailingTearDown, "second")
        engine.set_up("usr1", Recorder, "third")
    assert JOURNAL[3:] == ["tear down third", "tear down second", "tear down first"]
    assert ": tear_down failed" in caplog.text


def test_an_exception_under_way_is_not_replaced_by_a_failing_tear_down() -> None:
    """A failing tear_down does not replace an exception in progress, because the cause tells more."""
    with pytest.raises(ZeroDivisionError), Engine() as engine:
        engine.set_up("usr1", FailingTearDown, "bad")
        raise ZeroDivisionError


def test_an_engine_without_actions_has_nothing_to_wait_for() -> None:
    """An engine without actions returns at once."""
    with Engine() as engine:
        assert engine.run() is Outcome.EMPTY


def test_a_flag_without_actions_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A flag without actions is logged as a warning, and the engine goes on."""
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "a")
        during_run(lambda _: engine.stop())
        engine.raise_flag("usr2")
        engine.raise_flag("usr1")
        engine.run()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "Received `usr2`, but no action is bound to it"
    ]


def test_what_a_stop_leaves_unserved_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A flag that is still pending at a stop is logged."""
    caplog.set_level(logging.INFO)
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "a")
        engine.raise_flag("usr1")
        engine.stop()
        engine.run()
    assert JOURNAL == ["set up a", "tear down a"]
    assert "`usr1` is not lowered any more (raises: 1)" in caplog.text


def test_a_signal_runs_its_bundle_and_handlers_are_put_back() -> None:
    """Only signals of flags with actions are handled, and only while the engine is open."""
    before = signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "a")
        engine.arm([signal.SIGUSR1, signal.SIGUSR2])
        assert signal.getsignal(signal.SIGUSR1) != before[0]
        assert signal.getsignal(signal.SIGUSR2) == before[1]
        during_run(lambda _: engine.stop())
        os.kill(os.getpid(), signal.SIGUSR1)
        engine.run()
    assert JOURNAL[1] == "run a"
    assert (signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)) == before


def test_two_engines_share_nothing() -> None:
    """Two engines share nothing: one can run even inside an action of the other."""
    with Engine() as outer, Engine() as inner:
        outer.set_up("usr1", Recorder, "outer")
        inner.set_up("usr1", Recorder, "inner")

        def nested(name: str) -> None:
            if name == "outer":
                inner.raise_flag("usr1")
                inner.run()
                outer.stop()
            else:
                inner.stop()

        during_run(nested)
        outer.raise_flag("usr1")
        outer.run()
    assert JOURNAL[2:4] == ["run outer", "run inner"]


def run_until_signalled(engine: Engine, signum: signal.Signals) -> None:
    """Run an engine until a signal that comes while it waits has run a recorder."""
    during_run(lambda _: engine.stop())
    sender = threading.Timer(0.05, os.kill, [os.getpid(), signum])
    sender.start()
    engine.run()
    sender.join()


def test_two_armed_engines_wake_each_for_itself() -> None:
    """The one wake-up descriptor of a process belongs to the engine that waits."""
    with Engine() as first, Engine() as second:
        first.set_up("usr1", Recorder, "first")
        second.set_up("usr2", Recorder, "second")
        first.arm([signal.SIGUSR1])
        second.arm([signal.SIGUSR2])
        for engine, signum in ((first, signal.SIGUSR1), (second, signal.SIGUSR2), (first, signal.SIGUSR1)):
            run_until_signalled(engine, signum)
        first.close()  # in the order of arming, not in the reverse
    assert JOURNAL[2:5] == ["run first", "run second", "run first"]


def test_a_tear_down_that_raises_anything_skips_nothing() -> None:
    """If a tear_down raises any exception, the others still run and handlers are put back before it comes out."""

    class Leaving(Recorder):
        def tear_down(self) -> None:
            super().tear_down()
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(KeyboardInterrupt), Engine() as engine:
        engine.set_up("usr1", Recorder, "first")
        engine.set_up("usr1", Leaving, "second")
        engine.arm([signal.SIGUSR1])
    assert JOURNAL[2:] == ["tear down second", "tear down first"]
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_failure_of_an_earlier_run_is_forgotten() -> None:
    """Each run() has an outcome of its own."""
    with Engine(on_error="exit") as engine:
        engine.set_up("usr1", Failing, "bad")
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.FAILED
        engine.stop()
        assert engine.run() is Outcome.STOPPED


def test_another_thread_can_raise_a_flag() -> None:
    """Another thread that raises a flag ends the wait of the loop."""
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "a")
        during_run(lambda _: engine.stop())
        thread = threading.Timer(0.05, engine.raise_flag, ["usr1"])
        thread.start()
        engine.run()
        thread.join()
    assert JOURNAL[1] == "run a"


def test_a_mapped_signal_is_served_though_it_was_blocked_and_ignored() -> None:
    """An armed signal that was blocked and ignored is served, and both states are put back in the end."""
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        with Engine() as engine:
            engine.set_up("usr1", Recorder, "a")
            engine.arm([signal.SIGUSR1])
            during_run(lambda _: engine.stop())
            os.kill(os.getpid(), signal.SIGUSR1)
            engine.run()
        assert JOURNAL[1] == "run a"
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGUSR1, old)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


def test_an_exception_of_a_foreign_handler_ends_the_run_and_tears_down() -> None:
    """A program may keep its own way of stopping, such as sys.exit() in a handler."""

    def leave(*_: object) -> None:
        raise SystemExit(3)

    old = signal.signal(signal.SIGUSR2, leave)
    try:
        with pytest.raises(SystemExit), Engine() as engine:
            engine.set_up("usr1", Recorder, "a")
            during_run(lambda _: os.kill(os.getpid(), signal.SIGUSR2))
            engine.raise_flag("usr1")
            engine.run()
    finally:
        signal.signal(signal.SIGUSR2, old)
    assert JOURNAL == ["set up a", "run a", "tear down a"]


def test_ten_thousand_actions_can_leave_in_one_run() -> None:
    """Each of many actions that leave in one run runs once and is torn down once."""
    with Engine() as engine:
        for number in range(10_000):
            engine.set_up("usr1", Once, str(number))
        engine.raise_flag("usr1")
        logging.disable(logging.CRITICAL)
        try:
            assert engine.run() is Outcome.EMPTY
        finally:
            logging.disable(logging.NOTSET)
    assert JOURNAL.count("run 9999") == 1
    assert len(JOURNAL) == 30_000


class Skip(Recorder):
    """Ends the turn of its bundle every other time."""

    def run(self) -> None:
        """Record the run, and skip."""
        super().run()
        if JOURNAL.count(f"run {self.name}") % 2:
            raise SkipRest("not this time")


def test_skip_rest_leaves_out_what_follows_this_time_only() -> None:
    """SkipRest skips the rest of the bundle in this turn only."""
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "a")
        engine.set_up("usr1", Skip, "skip")
        engine.set_up("usr1", Recorder, "b")
        play(engine, "usr1", "usr1")
    assert [entry for entry in JOURNAL if entry.startswith("run")] == [
        "run a",
        "run skip",
        "run a",
        "run skip",
        "run b",
    ]


def play(engine: Engine, *flags: str) -> Outcome | None:
    """Lower flags one after the other, and return the last outcome."""
    outcome = None
    for flag in flags:
        engine.follow(engine.choices, once=True)
        engine.raise_flag(flag)
        outcome = engine.run()
        if outcome is not Outcome.STOPPED:
            break
    return outcome


def test_max_failures_in_a_row_end_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    """The engine ends after max_failures failures in a row, and a success starts the count again."""
    with Engine(max_failures=3) as engine:
        engine.set_up("usr1", Recorder, "other")
        engine.set_up("usr1", Recorder, "a")
        failing = [True, True, False, True, True, True, True]

        def fail(name: str) -> None:
            if name == "a" and failing.pop(0):
                raise RuntimeError("on purpose")

        during_run(fail)
        assert play(engine, *["usr1"] * 5) is Outcome.STOPPED
        assert play(engine, "usr1") is Outcome.FAILED
    assert "usr1: Recorder a: has failed 3 times in a row" in caplog.messages
    assert len(failing) == 1


HANGS: dict[str, Callable[[], object]] = {
    "sleeping": lambda: time.sleep(1000),
    "reading": lambda: os.read(PIPE[0], 1),
    "computing": lambda: [None for _ in iter(int, 1)],
}


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_run_beyond_its_timeout_is_interrupted_and_has_failed(
    hang: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    """A timeout interrupts a run in a system call or in Python code, and the engine goes on with the next action."""
    with Engine(timeout=0.05, max_failures=1) as engine:
        engine.set_up("usr1", Recorder, "a")
        during_run(lambda _: hang())
        assert play(engine, "usr1") is Outcome.FAILED
    assert re.fullmatch(
        r"usr1: Recorder a: failed after \d\.\d\d s: it took longer than the timeout of 0.05 s", caplog.messages[0]
    )
    assert JOURNAL == ["set up a", "run a", "tear down a"]


def test_a_run_within_its_timeout_is_left_alone() -> None:
    """A run within its timeout is left alone, and no alarm comes later."""
    with Engine(timeout=1000) as engine:
        engine.set_up("usr1", Recorder, "a")
        during_run(lambda _: seen.append(signal.getitimer(signal.ITIMER_REAL)[0]))
        seen: list[float] = []
        play(engine, "usr1")
        assert 900 < seen[0] <= 1000
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_action_may_have_a_timeout_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """An action may have its own timeout, unless the engine has one."""

    class Impatient(Recorder):
        default_timeout = 0.02

    with Engine() as engine:
        engine.set_up("usr1", Impatient, "a")
        during_run(lambda _: time.sleep(1000))
        play(engine, "usr1")
    assert "longer than the timeout of 0.02 s" in caplog.text
    during_run(lambda _: seen.append(signal.getitimer(signal.ITIMER_REAL)[0]))
    seen: list[float] = []
    with Engine(timeout=1000) as engine:
        engine.set_up("usr1", Impatient, "a")
        play(engine, "usr1")
    assert seen[0] > 900


def test_a_failure_that_explains_itself_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """An ActionFailed is logged in one line, without a traceback."""

    def fail(_: str) -> None:
        raise ActionFailed("the disk is full")

    with Engine(on_error="exit") as engine:
        engine.set_up("usr1", Recorder, "a")
        during_run(fail)
        assert play(engine, "usr1") is Outcome.FAILED
    (record,) = caplog.records
    assert record.message == "usr1: Recorder a: failed after 0.00 s: the disk is full"
    assert record.exc_info is None


def test_the_last_flags_run_after_the_stop() -> None:
    """After a stop only those last flags run that were raised, in the order of their raises."""
    with Engine(last_flags=["term", "int"]) as engine:
        for flag in ("usr1", "term", "int"):
            engine.set_up(flag, Recorder, flag)
        for flag in ("usr1", "int", "stop"):
            engine.raise_flag(flag)
        assert engine.run() is Outcome.STOPPED
    assert [entry for entry in JOURNAL if entry.startswith("run")] == ["run int"]


def test_an_action_knows_its_engine_and_its_turn() -> None:
    """An action knows its engine before set_up, and its turn names it as it was bound."""

    class Curious(Recorder):
        def set_up(self, name: str) -> None:
            super().set_up(name)
            assert self.engine is engine

        def run(self) -> None:
            turn = self.engine.turn
            JOURNAL.append(f"{turn.flag} {turn.raises} {turn.action}")

    with Engine() as engine:
        engine.set_up("usr1", Curious, "a", name="acme:curious")
        engine.set_up("usr1", Curious, "b")
        engine.raise_flag("usr1")
        engine.raise_flag("usr1")
        play(engine, "usr1")
    assert JOURNAL[2:4] == ["usr1 3 acme:curious", "usr1 3 Curious"]


def test_an_alarm_for_an_action_that_comes_late(caplog: pytest.LogCaptureFixture) -> None:
    """An action set up during a run gets its own timeout too, even if the program has made the signals."""

    class Impatient(Recorder):
        default_timeout = 0.02

        def run(self) -> None:
            time.sleep(1000)

    signals = Signals()
    try:
        with Engine(signals=signals) as engine:
            engine.set_up("usr1", Recorder, "a")
            during_run(lambda _: engine.set_up("usr2", Impatient, "late"))
            play(engine, "usr1", "usr2")
    finally:
        signals.close()
    assert caplog.messages[-1].startswith("usr2: Impatient late: failed after ")
    assert caplog.messages[-1].endswith(": it took longer than the timeout of 0.02 s")


def test_a_fork_in_a_scheduled_call_makes_no_second_engine() -> None:
    """A fork in a scheduled call makes no second engine: the child ends when it returns to the engine."""
    done = run(command=words(engines.forks))
    assert (done.returncode, done.stdout) == (0, "init\n1\ncleanup\n")


def test_a_failure_after_the_stop_was_asked_for_does_not_count() -> None:
    """A failure after a stop was asked for does not count, because a stopped command ends with a status too."""
    with Engine(on_error="exit", max_failures=1) as engine:
        engine.set_up("usr1", Failing, "a")
        during_run(lambda _: engine.stop())
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.STOPPED


def test_a_stop_that_comes_again_does_not_cut_the_last_bundles_off() -> None:
    """A repeated stop does not cut the last bundles off, but an interruption does."""
    with Engine(last_flags=["term"]) as engine:
        for name in ("a", "b", "c"):
            engine.set_up("term", Recorder, name)
        for flag in ("term", "stop"):
            engine.raise_flag(flag)
        during_run(lambda name: engine.stop() if name == "a" else engine.interrupter.interrupt("now"))
        engine.run()
    assert [entry for entry in JOURNAL if entry.startswith("run")] == ["run a", "run b"]


@pytest.mark.parametrize(("overlap", "unmapped"), [("rerun", ["usr1"]), ("ignore", [])])
def test_a_raise_during_the_last_run_of_a_bundle(overlap: Literal["rerun", "ignore"], unmapped: list[str]) -> None:
    """A raise during the last run of a bundle is answered as a raise without actions, because no action is left."""
    seen: list[str] = []
    with Engine(overlap=overlap, unmapped=seen.append) as engine:
        engine.set_up("usr1", Once, "a")
        engine.set_up("usr2", Recorder, "b")
        during_run(lambda name: engine.raise_flag("usr1") if name == "a" else engine.stop())
        engine.raise_flag("usr1")
        engine.call_later(0.01, engine.raise_flag, "usr2")
        engine.run()
    assert seen == unmapped


def mixed(engine: Engine) -> None:
    """Set up two actions with different policies for a raise during their runs."""
    engine.set_up("usr1", Recorder, "a", choices=Choices(overlap="ignore"))
    engine.set_up("usr1", Recorder, "b", choices=Choices(overlap="rerun"))


def test_an_ignoring_action_is_not_starved_by_one_that_reruns() -> None:
    """A raise that comes while an action with overlap "ignore" does not run is for that action too."""
    left = [True] * 3
    with Engine() as engine:
        mixed(engine)
        during_run(lambda name: engine.raise_flag("usr1") if name == "b" and left and left.pop() else None)
        engine.call_later(0.05, engine.stop)
        engine.raise_flag("usr1")
        engine.run()
    assert "".join(entry[-1] for entry in JOURNAL if entry.startswith("run")) == "abbabb"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"overlap": "queue"}, "overlap: 'queue' is not one of ignore, rerun"),
        ({"on_error": None}, "on_error: None is not one of continue, skip, close, exit"),
        ({"output": "file"}, "output: 'file' is not one of inherit, log, null"),
        ({"timeout": 0}, "timeout: 0 is neither None nor a number of seconds from 0 to 100000000"),
        ({"timeout": 1e300}, "timeout: 1e.300 is neither"),
        ({"timeout": True}, "timeout: True is neither"),
        ({"timeout": float("nan")}, "timeout: nan is neither"),
        ({"timeout": float("inf")}, "timeout: inf is neither"),
        ({"timeout": "5s"}, "timeout: '5s' is neither"),
        ({"max_failures": -1}, "max_failures: -1 is not a whole number from 0 on"),
        ({"max_failures": 1.5}, "max_failures: 1.5 is not"),
    ],
)
def test_a_wrong_choice(choices: dict[str, Any], message: str) -> None:
    """A wrong choice is refused when it is made, not when it first matters."""
    with pytest.raises(ValueError, match=message):
        Engine(**choices)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("USR1", "unknown flag 'USR1'; the signal raises the flag 'usr1'"),
        ("SIGUSR1", "unknown flag 'SIGUSR1'; the signal raises the flag 'usr1'"),
        ("sigusr1", "unknown flag 'sigusr1'; the signal raises the flag 'usr1'"),
        ("SIGRTMIN+3", "unknown flag 'SIGRTMIN.3'; the signal raises the flag 'rtmin.3'"),
        ("SIGCLD", "unknown flag 'SIGCLD'; the signal raises the flag 'chld'"),
        (signal.SIGUSR1, "is not the name of a flag, such as 'usr1'"),
        ("", "is not the name of a flag, such as 'usr1'"),
        ("stop", "the flag 'stop' ends the loop, and cannot have actions"),
    ],
)
def test_a_flag_that_nothing_raises(flag: Any, message: str) -> None:  # noqa: ANN401 - of any type
    """A flag that cannot be raised is refused, as far as that can be known."""
    with Engine() as engine:
        with pytest.raises(ValueError, match=message):
            engine.set_up(flag, Recorder, "a")
        assert not engine.bundles
        for name in ("usr1", "rtmin+3", "disk", "Disk", "DISK", "every-5m", "signal", "QUIT", "signals"):
            engine.set_up(name, Recorder, name)


def test_an_engine_that_has_been_closed() -> None:
    """A closed engine refuses to work, and what other threads may still call has no effect."""
    engine = Engine()
    engine.set_up("usr1", Recorder, "a")
    engine.close()
    engine.close()
    engine.raise_flag("usr1")
    engine.stop()
    engine.call_later(0, print).cancel()
    for wrong in (engine.run, lambda: engine.set_up("usr1", Recorder, "b"), lambda: engine.arm([signal.SIGUSR1])):
        with pytest.raises(RuntimeError, match="the engine has been closed"):
            wrong()
    assert JOURNAL == ["set up a", "tear down a"]


def test_an_engine_that_runs() -> None:
    """A running engine cannot be closed or run again by an action or by another thread."""
    seen: list[str] = []
    with Engine(contained=()) as engine:

        def meddle(_: str) -> None:
            for wrong in (engine.close, engine.run):
                with pytest.raises(RuntimeError, match="the engine is running") as error:
                    wrong()
                seen.append(str(error.value))
            engine.stop()

        engine.set_up("usr1", Recorder, "a")
        during_run(meddle)
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.STOPPED
    assert len(seen) == 2
    assert JOURNAL == ["set up a", "run a", "tear down a"]


class Fickle(Recorder):
    """Does in each run the next step of its plan: fails, works, or closes."""

    plan: ClassVar[list[str]] = []

    def run(self) -> None:
        """Take the next step."""
        todo = Fickle.plan.pop(0)
        if todo == "fail":
            raise ActionFailed("as planned")
        if todo == "close":
            self._close()
            raise ActionClosed("as planned")
        if todo == "be interrupted":
            raise ActionInterrupted("as planned")
        if todo == "skip":
            raise SkipRest("as planned")


@given(st.lists(st.sampled_from(["fail", "work", "be interrupted", "skip"]), max_size=6))
def test_the_failures_of_a_turn_are_its_own(plan: list[str]) -> None:
    """A failure counts only in the turn in which it happens, however later runs end."""
    todo = [*plan, "close"]
    seen = []
    with Engine(contained=(ActionFailed, ActionInterrupted)) as engine:
        engine.observe(lambda turn: seen.append(len(turn.failed)))
        engine.set_up("usr1", Fickle, "a")
        for step in todo:
            Fickle.plan[:] = [step]
            engine._lower("usr1", (1, 0.0, 0.0))
    assert seen == [step == "fail" for step in todo]


def test_a_gate_that_said_no_is_asked_again() -> None:
    """A raise during a turn that an action cut short is one for the whole bundle."""
    with Engine() as engine:
        engine.set_up("usr1", Skip, "gate", choices=Choices(overlap="ignore"))
        engine.set_up("usr1", Recorder, "b", choices=Choices(overlap="rerun"))
        once = [True]
        during_run(lambda _: engine.raise_flag("usr1") if once and once.pop() else None)
        engine.call_later(0.05, engine.stop)
        engine.raise_flag("usr1")
        engine.run()
    assert [entry for entry in JOURNAL if entry.startswith("run")] == ["run gate", "run gate", "run b"]
