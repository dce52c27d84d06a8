"""Processes as triggers: whatever happens to one is told by a run that begins after it."""

from __future__ import annotations

import random
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import Action, ActionClosed, Engine
from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.exceptions import UsageError
from flagman.service.assembly import Assembly
from flagman.testing import DEADLINE, FakeTime
from flagman.triggers.by_process import REQUEST, Heard, ProcessSource, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Overlap = Literal["ignore", "rerun", "restart"]

FAIL = read("web:fail")


class Note(Action):
    """Notes the details of its runs, the number of raises, and when the run began."""

    def set_up(self) -> None:
        """Begin without notes."""
        self.notes: list[tuple[float, str, str, int]] = []
        #: What its runs do, the first one first.
        self.does: list[Callable[[], object]] = []

    def run(self) -> None:
        """Note the run, and do something."""
        turn = self.engine.turn
        moment = round(self.engine.clock() - 1000, 2)
        self.notes.append((moment, turn.details["event"], turn.details["reason"], turn.raises))
        if self.does:
            self.does.pop(0)()


class Once(Note):
    """Closes after its first run."""

    def run(self) -> None:
        """Note the run, and close."""
        super().run()
        raise ActionClosed("once")


class History:
    """An engine with fake time, and bindings of what happens to processes.

    :param options: for each binding of the failure of ``web``, its options in the file
    """

    def __init__(self, *options: dict[str, object], overlap: Overlap = "ignore") -> None:
        self.time = FakeTime()
        self.engine = Engine(overlap=overlap, contained=(), clock=self.time, wait=self.time.wait)
        self.time.on_end = self.engine.stop
        self.heard = Heard(self.engine)
        self.engine.offer(REQUEST, lambda _: self.heard)
        self.assembly = Assembly(self.engine, Settings())
        self.overlap = overlap
        self.follow(*(options or ({},)))

    def follow(self, *options: dict[str, object], action: type[Note] = Note) -> None:
        """Follow other settings, as a start or a reload does."""
        settings = Settings(overlap=self.overlap)
        name = action.__name__.lower()
        all_ = (settings.separated(Binding(FAIL, name, action, (), each)) for each in options)
        plan = self.assembly.plan(settings.changed(bindings=tuple(all_)))
        assert self.assembly.set_up(plan)
        self.assembly.adopt(plan)
        self.engine.discard(plan.old)

    def note(self, number: int = 0) -> Note:
        """Return an action."""
        action = self.assembly.members[number][1].action
        assert isinstance(action, Note)
        return action

    def fail(self, reason: str = "") -> None:
        """Report a failure of ``web``."""
        self.heard.happened("web", "fail", status="1", pid=42, reason=reason)

    def at(self, moment: float, code: Callable[..., object], *arguments: object) -> None:
        """Call some code at a moment."""
        self.engine.call_at(1000 + moment, code, *arguments)

    def play(self, seconds: float) -> None:
        """Run until this moment."""
        self.time.end = 1000 + seconds
        self.engine.run()

    def close(self) -> None:
        """Close all."""
        self.assembly.close()
        self.engine.close()


def test_a_run_is_told_what_has_happened() -> None:
    """A run is told the process, the event, how it has ended, its number and why; all in the environment, too."""
    history = History()
    details = []
    history.note().does = [lambda: details.append(dict(history.engine.turn.details))] * 2
    history.heard.happened("web", "fail", status="SIGKILL", pid=42, reason="died")
    history.at(1, history.heard.happened, "web", "fail")
    history.play(2)
    assert details == [
        {"process": "web", "event": "fail", "status": "SIGKILL", "process_pid": "42", "reason": "died"},
        {"process": "web", "event": "fail", "status": "", "process_pid": "", "reason": ""},
    ]
    history.close()


def test_only_what_is_bound_raises_a_flag() -> None:
    """What happens to other processes, and other events of the same, raise no flag."""
    history = History()
    for process, event in (("db", "fail"), ("web", "ready"), ("web", "exit"), ("we", "fail")):
        history.heard.happened(process, event)
    history.play(1)
    assert history.note().notes == []
    history.close()


def test_events_before_a_run_are_one_run() -> None:
    """Events before a run begins lead to one run, which is told of the latest."""
    history = History()
    history.fail("first")
    history.fail("second")
    history.play(1)
    assert history.note().notes == [(0.0, "fail", "second", 2)]
    history.close()


@pytest.mark.parametrize("overlap", ["ignore", "rerun"])
def test_an_event_during_its_own_run_is_not_lost(overlap: Overlap) -> None:
    """Events during a run of the same bundle lead to one more run, whatever the overlap says."""
    history = History(overlap=overlap)

    def fail_twice() -> None:
        history.fail("second")
        history.time.now += 3
        history.fail("third")

    history.note().does = [fail_twice]
    history.fail("first")
    history.play(9)
    assert history.note().notes == [(0.0, "fail", "first", 1), (3.0, "fail", "third", 2)]
    history.close()


def test_an_event_between_raise_and_run_is_told_once() -> None:
    """A run that begins after an event stands for it, also if its flag was raised by an earlier one."""
    history = History()
    history.heard.happened("web", "fail", reason="first")
    ends = history.engine.before_runs(FAIL.trigger, lambda _: ends())
    history.at(0, lambda: history.fail("second"))  # the flag has been raised, and is lowered next
    history.play(1)
    assert [reason for _, _, reason, _ in history.note().notes] == ["second"]
    history.close()


def test_a_run_for_a_part_of_the_bundle_stands_for_no_event() -> None:
    """An event that comes when a run for only some of the actions begins leads to a run of all of them."""
    history = History()
    history.follow()
    engine, turns = history.engine, 0

    def report(_: object) -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            history.fail("second")

    engine.before_runs(FAIL.trigger, report)  # before the trigger looks what has happened
    history.follow({}, {"overlap": "rerun"})
    history.note().does = [lambda: engine.raise_flag(FAIL.trigger)]
    history.fail("first")
    history.play(1)
    assert [reason for _, _, reason, _ in history.note(0).notes] == ["first", "second"]
    assert [reason for _, _, reason, _ in history.note(1).notes] == ["first", "", "second"]
    history.close()


def test_a_run_for_nothing_has_no_event() -> None:
    """A run that something else has asked for is told the process, and no event."""
    history = History()
    history.fail("first")
    history.at(1, history.engine.raise_flag, FAIL.trigger)
    history.play(2)
    assert history.note().notes == [(0.0, "fail", "first", 1), (1.0, "", "", 1)]
    assert history.engine.turn.details["process"] == "web"
    history.close()


def test_a_delay_counts_from_the_event() -> None:
    """A flag that is held until it is quiet is held from the moment of the event, even if a run has gone on since."""
    history = History({"debounce": 5.0})
    history.engine.set_up("usr1", Note)

    def hold_up() -> None:
        history.fail("during a long run")
        history.time.now += 4

    history.at(1, hold_up)
    history.play(20)
    assert history.note().notes == [(6.0, "fail", "during a long run", 1)]
    history.close()


def test_bindings_with_other_delays_hear_the_same() -> None:
    """Bindings with other delays have flags of their own, and each of them hears each event."""
    history = History({}, {"debounce": 5.0})
    history.fail("first")
    history.at(1, history.fail, "second")
    history.play(20)
    assert history.note(0).notes == [(0.0, "fail", "first", 1), (1.0, "fail", "second", 1)]
    assert history.note(1).notes == [(6.0, "fail", "second", 2)]
    history.close()


def test_a_reload_loses_no_event() -> None:
    """What has happened before a reload and was not told yet is told after it, also by a flag that is new."""
    history = History({"debounce": 5.0})
    history.fail("held")

    def reload() -> None:
        history.fail("reported")
        history.follow({})

    history.at(1, reload)
    history.play(2)
    assert history.note().notes == [(1.0, "fail", "reported", 2)]
    history.close()


def test_a_reload_keeps_what_is_held() -> None:
    """A reload that changes nothing lets the flag be held for as long as before."""
    history = History({"debounce": 5.0})
    history.fail("held")
    history.at(1, lambda: history.follow({"debounce": 5.0}))
    history.play(20)
    assert history.note().notes == [(5.0, "fail", "held", 1)]
    history.close()


def test_a_binding_that_a_reload_adds_hears_what_happens_from_then_on() -> None:
    """A binding that a reload adds is not told of what happened before, and those that were removed hear nothing."""
    history = History()
    history.follow()
    history.fail("unheard")
    history.at(1, lambda: history.follow({}))
    history.at(2, history.engine.raise_flag, FAIL.trigger)
    history.at(3, history.fail, "heard")
    history.engine.set_up("usr1", Note)  # or the run would end
    history.play(4)
    assert history.note().notes == [(2.0, "", "", 1), (3.0, "fail", "heard", 1)]
    history.close()


def test_actions_that_have_closed_hear_nothing() -> None:
    """What happens when all actions have closed raises no flag, and is not told to those of a later reload."""
    history = History()
    history.engine.set_up("usr1", Note)
    history.follow({}, action=Once)
    history.fail("first")
    history.at(1, history.fail, "second")
    history.at(2, lambda: history.follow({}))
    history.at(3, history.engine.raise_flag, FAIL.trigger)
    history.play(4)
    assert history.note().notes == [(3.0, "", "", 1)]
    history.close()


def test_a_run_that_begins_anew_is_told_of_the_latest() -> None:
    """With overlap=restart, an event in another thread interrupts the run at once; the new one is told of it."""
    history = History(overlap="restart")
    has_begun = threading.Event()

    def report() -> None:
        has_begun.wait(DEADLINE)
        history.fail("second")

    thread = threading.Thread(target=report)

    def begin() -> None:
        has_begun.set()
        limit = time.monotonic() + DEADLINE
        while time.monotonic() < limit:  # a signal that comes right before a long wait would not end that
            time.sleep(0.01)
        raise AssertionError("nothing has interrupted the run")

    history.note().does = [begin]
    history.fail("first")
    thread.start()
    history.play(0.1)
    thread.join(DEADLINE)
    assert [reason for _, _, reason, _ in history.note().notes] == ["first", "second"]
    assert history.engine.pending(FAIL.trigger) == 0
    history.close()


def test_a_run_that_another_raise_interrupts_is_told_again() -> None:
    """With overlap=restart, a run that begins anew for another reason is told of the event that was interrupted."""
    history = History(overlap="restart")
    history.note().does = [lambda: history.engine.raise_flag(FAIL.trigger)]
    history.fail("first")
    history.at(1, history.engine.raise_flag, FAIL.trigger)
    history.play(2)
    assert [reason for _, _, reason, _ in history.note().notes] == ["first", "first", ""]
    history.close()


@given(st.lists(st.sampled_from(["fail", "run", "slow", "reload", "raise"]), max_size=30), st.booleans())
def test_the_last_run_is_told_of_the_last_event(steps: list[str], rerun: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever comes when: a run that is told of the last event begins after it, and no event is told twice."""
    history = History({}, {"debounce": 0.5}, overlap="rerun" if rerun else "ignore")
    last = 0
    for moment, step in enumerate(steps, 1):
        if step == "fail":
            last = moment
            history.at(moment / 10, history.fail, str(moment))
        elif step == "slow":
            history.at(
                moment / 10, history.note(0).does.append, lambda: setattr(history.time, "now", history.time.now + 0.35)
            )
        elif step == "raise":
            history.at(moment / 10, history.engine.raise_flag, FAIL.trigger)
        elif step == "reload":
            history.at(moment / 10, lambda: history.follow({}, {"debounce": 0.5}))
    history.play(60)
    for number in (0, 1):
        told = [int(reason) for _, _, reason, _ in history.note(number).notes if reason]
        assert told == sorted(set(told))
        assert told[-1:] == ([last] if last else [])
    history.close()


@pytest.mark.parametrize("overlap", ["ignore", "rerun", "restart"])
def test_events_in_another_thread(overlap: Overlap) -> None:
    """Events that another thread reports as fast as it can: the last run is told of the last, and none twice."""
    with Engine(overlap=overlap) as engine:
        heard = Heard(engine)
        engine.offer(REQUEST, lambda _: heard)
        note = engine.set_up(FAIL.trigger, Note)
        assert isinstance(note, Note)
        trigger = FAIL.arm(engine, FAIL.trigger, {}, {})
        trigger.begin(())
        pauses = random.Random(overlap)
        last = 500

        def report() -> None:
            for number in range(1, last + 1):
                heard.happened("web", "fail", reason=str(number))
                if pauses.random() < 0.5:
                    threading.Event().wait(pauses.random() / 2000)

        def look_for_end() -> None:
            ended = not thread.is_alive() and note.notes and note.notes[-1][2] == str(last)
            engine.call_later(0.01, engine.stop if ended and not engine.pending(FAIL.trigger) else look_for_end)

        thread = threading.Thread(target=report)
        guard = threading.Timer(DEADLINE, engine.stop)
        guard.start()
        engine.call_later(0, thread.start)
        engine.call_later(0.01, look_for_end)
        engine.run()
        guard.cancel()
        thread.join()
        trigger.cancel()
    told = [int(reason) for _, _, reason, _ in note.notes]
    assert told[-1] == last
    assert told == sorted(told if overlap == "restart" else set(told))
    if overlap != "restart":  # the raises of a run that did not begin after all are counted again
        assert sum(raises for _, _, _, raises in note.notes) == last


def test_an_engine_that_stops_hears_nothing() -> None:
    """What happens once the engine has been asked to stop raises no flag: it is the stop that ends processes."""
    history = History(overlap="restart")
    history.engine.stop()
    history.fail("stopped")
    history.play(1)
    assert not history.engine.pending(FAIL.trigger)
    history.close()


def test_nothing_keeps_processes() -> None:
    """Where nothing keeps processes, the trigger cannot be armed."""
    with Engine() as engine, pytest.raises(UsageError, match="process:web:fail: nothing here keeps processes"):
        FAIL.arm(engine, FAIL.trigger, {}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web", "'web' is not NAME:EVENT, such as web:ready, web:exit, web:fail"),
        ("web:", "'web:' is not NAME:EVENT, such as web:ready, web:exit, web:fail"),
        (":fail", "':fail' is not NAME:EVENT, such as NAME:ready, NAME:exit, NAME:fail"),
        ("", "'' is not NAME:EVENT, such as NAME:ready, NAME:exit, NAME:fail"),
        ("web:fails", "'fails' is not an event of a process; the events are ready, exit, fail"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """A word that names no process, or no event, is refused."""
    with pytest.raises(ValueError, match=re.escape(message)):
        read(text)


def test_a_source_says_itself() -> None:
    """A source has a word for the command line, and two keys for the file."""
    source = ProcessSource("web", "exit")
    assert (source.words(), source.keys()) == (["--on-process", "web:exit"], {"process": "web", "event": "exit"})
    assert source.processes() == ("web",)
