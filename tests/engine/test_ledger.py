"""The ledger: what was raised, what ran and what came of it."""

from __future__ import annotations

import logging
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import Action, ActionClosed, ActionFailed, Engine, SkipRest
from flagman.engine.choices import Choices
from flagman.engine.ledger import _WEIGHT, Ledger
from flagman.engine.tally import FAILURES, NO_RUNS, Report
from flagman.testing import FakeTime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagman.engine.ledger import Event
    from flagman.engine.tally import Came


class Does(Action):
    """Does what its argument says."""

    def set_up(self, *words: str) -> None:
        """Keep the words: the first run obeys the first one, and so on; the last one holds from then on."""
        self._words = list(words)

    def run(self) -> None:
        """Obey a word."""
        word = self._words.pop(0) if len(self._words) > 1 else self._words[0]
        if word == "fail":
            raise ActionFailed("no luck\nat all")
        if word == "close":
            raise ActionClosed("enough")
        if word == "skip":
            raise SkipRest("not today")
        if word == "again":
            self.engine.raise_flag("usr1", 2)


class Counts(Action):
    """Counts its runs, and says so."""

    def set_up(self, *bad: str) -> None:
        """Begin at 0."""
        self._runs = 0
        self._bad = bad

    def run(self) -> None:
        """Count."""
        self._runs += 1

    def statistics(self) -> Mapping[str, float]:
        """Return the count."""
        if "many" in self._bad:
            return {f"number {number}": number for number in range(10_000)}
        return {"runs": float("nan")} if "nan" in self._bad else {"runs": self._runs, "half": self._runs / 2}

    def state(self) -> Mapping[str, object]:
        """Return something nested."""
        if "raise" in self._bad:
            raise LookupError("no state")
        if "deep" in self._bad:
            deep: dict[str, object] = {}
            for _ in range(500):
                deep = {"deep": deep}
            return deep
        return {"last": [self._runs, None], "big": "x" * 100_000 if "big" in self._bad else ""}


class Named(Action):
    """Has an attribute of its own with a name that flagman knows, too."""

    state = "solid"  # type: ignore[assignment]

    def run(self) -> None:
        """Do nothing."""


@pytest.fixture(name="time")
def _time() -> FakeTime:
    return FakeTime()


@pytest.fixture(name="engine")
def _engine(time: FakeTime) -> Iterator[Engine]:
    with Engine(clock=time, wait=time.wait) as engine:
        yield engine


def lower(engine: Engine, time: FakeTime, *flags: str) -> None:
    """Raise these flags, run their bundles, and stop a minute later."""
    for flag in flags:
        engine.raise_flag(flag)
    time.end += 60
    time.on_end = engine.stop
    engine.run()


def test_a_run_is_recorded(engine: Engine, time: FakeTime) -> None:
    """A run of a bundle has a number, moments, a result, and the runs of its actions."""
    engine.set_up("usr1", Does, "well", name="does")
    engine.set_up("usr1", Does, "fail", name="fails")
    lower(engine, time, "usr1")
    (run,) = engine.ledger.runs()
    assert (run.number, run.flag, run.trigger, run.raised, run.ignored) == (1, "usr1", "usr1", 1, 0)
    assert (run.result, run.error) == ("failed", "fails: no luck at all")
    assert [(name, arguments, report.result, report.error) for name, arguments, report in run.actions] == [
        ("does", ("well",), "succeeded", ""),
        ("fails", ("fail",), "failed", "no luck at all"),
    ]
    assert run.at >= engine.ledger.begun[0]
    assert engine.ledger.running is None


def test_runs_are_counted(engine: Engine, time: FakeTime) -> None:
    """Each flag and each action has counts, and the failures in a row begin anew after a success."""
    engine.set_up("usr1", Does, "fail", "fail", "well", "fail")
    for _ in range(4):
        lower(engine, time, "usr1")
    tally = engine.ledger.tallies["usr1"]
    assert (tally.runs, tally.failures, tally.failures_in_a_row) == (4, 3, 1)
    (member,) = engine.bundles["usr1"]
    assert (member.tally.runs, member.tally.failures, member.tally.failures_in_a_row) == (4, 3, 1)
    assert member.tally.last is not None
    assert member.tally.last.result == "failed"


def test_raises_are_counted(engine: Engine, time: FakeTime) -> None:
    """The count of raises includes those that one run stands for together, and those that it ignores."""
    engine.set_up("usr1", Does, "again", "well")
    engine.raise_flag("usr1", 3)
    lower(engine, time)
    arrivals = engine.ledger.arrivals["usr1"]
    assert (arrivals.raised, arrivals.merged, arrivals.ignored) == (5, 2, 2)
    (run,) = engine.ledger.runs()
    assert (run.raised, run.ignored) == (3, 2)


@pytest.mark.parametrize(
    ("words", "choices", "results", "whole"),
    [
        (["skip", "well"], None, ["succeeded", "skipped"], "succeeded"),
        (["fail", "well"], Choices(on_error="skip"), ["failed", "skipped"], "failed"),
        (["close", "well"], None, ["closed", "succeeded"], "succeeded"),
        (["close", "close"], None, ["closed", "closed"], "closed"),
        (["fail", "well"], Choices(on_error="exit"), ["failed", "skipped"], "failed"),
    ],
)
def test_what_comes_of_a_run(  # noqa: PLR0917 - two fixtures and four values
    engine: Engine, time: FakeTime, words: list[str], choices: Choices | None, results: list[str], whole: str
) -> None:
    """Actions that are left out are skipped, and a bundle has failed if one of its actions has."""
    for word in words:
        engine.set_up("usr1", Does, word, choices=choices)
    lower(engine, time, "usr1")
    (run,) = engine.ledger.runs()
    assert [report.result for _, _, report in run.actions] == results
    assert run.result == whole


def test_a_timeout_is_told_from_other_failures() -> None:
    """A run that took too long has timed out."""

    class Slow(Action):
        def run(self) -> None:
            sleep(60)

    with Engine() as engine:
        engine.set_up("usr1", Slow, choices=Choices(timeout=0.01))
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.run()
        (run,) = engine.ledger.runs()
        assert run.result == "timed-out"
        assert run.error == "Slow: it took longer than the timeout of 0.01 s"
        assert engine.ledger.tallies["usr1"].failures == 1


def test_a_flag_that_is_held(engine: Engine, time: FakeTime) -> None:
    """A flag that waits until it is quiet says for how many raises, and until when."""
    engine.set_up("usr1", Does, "well")
    engine.debounce("usr1", 5)
    seen = []
    engine.raise_flag("usr1", 2)
    engine.call_later(1, lambda: seen.append(engine.held("usr1")))
    engine.call_later(1, engine.raise_flag, "usr1")
    began = time()
    lower(engine, time)
    assert seen == [(2, began + 5)]
    assert engine.held("usr1") == (0, None)
    assert engine.ledger.arrivals["usr1"].merged == 2


def test_an_action_says_something_about_itself(engine: Engine, time: FakeTime) -> None:
    """Statistics and state are taken after each run, as copies."""
    engine.set_up("usr1", Counts)
    (member,) = engine.bundles["usr1"]
    assert member.offered is None
    lower(engine, time, "usr1")
    assert member.offered == ({"runs": 1, "half": 0.5}, {"last": [1, None], "big": ""})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("nan", "is not a number with a name"),
        ("raise", "no state"),
        ("big", "is longer than 65536 characters"),
        ("many", "statistics(): its JSON is longer"),
        ("deep", "state(): it has more than 32 levels"),
    ],
)
def test_what_cannot_be_taken_is_logged(
    engine: Engine, time: FakeTime, caplog: pytest.LogCaptureFixture, bad: str, message: str
) -> None:
    """What an action raises then, or says in a way that JSON cannot, is logged, and its run counts as it went."""
    engine.set_up("usr1", Counts, bad)
    lower(engine, time, "usr1")
    assert message in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert engine.ledger.tallies["usr1"].failures == 0


def test_no_secret_is_in_a_state(engine: Engine, time: FakeTime) -> None:
    """A state does not show the secret arguments of its action, at any depth."""

    class Secretive(Counts):
        secret_arguments = ("bad",)

        def state(self) -> Mapping[str, object]:
            return {"of password-1": [{"url": "http://password-1@host/"}, 7]}

    engine.set_up("usr1", Secretive, "password-1")
    (member,) = engine.bundles["usr1"]
    lower(engine, time, "usr1")
    assert member.offered is not None
    assert member.offered[1] == {"of ***": [{"url": "http://***@host/"}, 7]}


def test_other_attributes_of_these_names_are_left_alone(
    engine: Engine, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    """An action may have an attribute called state that is no method."""
    engine.set_up("usr1", Named)
    lower(engine, time, "usr1")
    assert not caplog.records


def test_events_are_numbered_without_gaps() -> None:
    """The last 1,024 events are kept, and each has been shown to the listeners."""
    ledger = Ledger(FakeTime())
    seen: list[Event] = []
    ledger.listeners.append(seen.append)
    for number in range(1100):
        ledger.note("ready", number)
    assert [event.number for event in ledger.events()] == list(range(77, 1101))
    assert [event.number for event in seen] == list(range(1, 1101))
    assert ledger.last_event == 1100
    assert ledger.latest["ready"].what == 1099


def test_events_of_several_threads_are_numbered_without_gaps() -> None:
    """Each thread notes its own events in their order, and no number is missing or there twice."""
    ledger = Ledger(monotonic)
    seen: list[tuple[int, object]] = []
    ledger.listeners.append(lambda event: seen.append((event.number, event.what)))

    def note(name: str) -> None:
        for number in range(300):
            ledger.note("state", (name, number))

    threads = [threading.Thread(target=note, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(number for number, _ in seen) == list(range(1, 901))
    in_order = [what for _, what in sorted(seen)]
    for name in "abc":
        assert [what for what in in_order if what[0] == name] == [(name, number) for number in range(300)]  # type: ignore[index]


def test_begins_are_noted_only_for_readers(engine: Engine, time: FakeTime) -> None:
    """They cost time before each run, so they are events only if something follows them."""
    engine.set_up("usr1", Does, "well")
    lower(engine, time, "usr1")
    assert [event.kind for event in engine.ledger.events()] == ["run", "stopping"]
    engine.ledger.followers.add("a test")
    lower(engine, time, "usr1")
    assert [(event.kind, event.what) for event in engine.ledger.events()[2:3]] == [("begun", "usr1")]


def test_the_last_runs_are_kept(engine: Engine) -> None:
    """The history has the last 1,024 runs."""
    engine.set_up("usr1", Does, "well")
    for _ in range(1030):
        engine.raise_flag("usr1")
        engine._lower(*engine.flags.pop())
    runs = engine.ledger.runs()
    assert [run.number for run in runs] == list(range(7, 1031))


RESULTS: st.SearchStrategy[Came] = st.sampled_from(
    ["succeeded", "failed", "timed-out", "interrupted", "skipped", "closed"]
)


@given(st.lists(st.tuples(RESULTS, st.floats(0, 1e6))))
def test_the_law_of_tallies(history: list[tuple[Came, float]]) -> None:
    """A tally is what its history says, and a step never changes the tally before it."""
    tally = NO_RUNS
    reports = [Report(0, 0, seconds, result, "") for result, seconds in history]
    for report in reports:
        before = [getattr(tally, name) for name in tally.__slots__]
        after = tally.after(report)
        assert before == [getattr(tally, name) for name in tally.__slots__]
        tally = after
    results = [result for result, _ in history]
    assert tally.runs == sum(result != "skipped" for result in results)
    assert tally.failures == sum(result in FAILURES for result in results)
    since = 0
    for result in results:
        since = 0 if result in ("succeeded", "closed") else since + (result in FAILURES)
    assert tally.failures_in_a_row == since
    assert tally.longest == max([seconds for _, seconds in history], default=0)
    assert tally.results() == {result: results.count(result) for result in _WEIGHT}
    good = [number for number, result in enumerate(results) if result == "succeeded"]
    assert tally.last_success is (reports[good[-1]] if good else None)
