"""The status of a run as JSON."""

from __future__ import annotations

import json
import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest

from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.engine.engine import Engine
from flagman.service.assembly import Assembly
from flagman.service.status import Status, UnknownFlagError
from flagman.testing import FakeTime
from flagman.text.moments import rfc3339
from flagman.triggers.by_clock import every
from flagman.triggers.by_signal import SignalSource
from support.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagman.triggers import Source


class Run:
    """An engine with bindings, as a service has them, in time that stands still."""

    def __init__(self, *bindings: Binding, **settings: object) -> None:
        self.time = FakeTime()
        self.engine = Engine(clock=self.time, wait=self.time.wait)
        self.settings = Settings(bindings=bindings, **settings)
        self.assembly = Assembly(self.engine, self.settings)
        self.status = Status(self.engine, self.assembly, self.settings.config, dict)
        plan = self.assembly.plan(self.settings)
        self.assembly.set_up(plan)
        self.assembly.adopt(plan)

    def lower(self, *flags: str, seconds: float = 60) -> None:
        """Raise these flags, and run until this number of seconds has passed."""
        for flag in flags:
            self.engine.raise_flag(flag)
        self.time.end += seconds
        self.time.on_end = self.engine.stop
        self.engine.run()
        self.engine.ledger.latest.pop("stopping")

    @property
    def state(self) -> tuple[str, bool]:
        """The state, and whether the run is ready."""
        return self.status.state, self.status.is_ready

    def flag(self, name: str) -> Mapping[str, object]:
        """Return what the status shows of a flag."""
        flags = self.status.picture()["flags"]
        assert isinstance(flags, list)
        (flag,) = (flag for flag in flags if flag["name"] == name)
        shown: dict[str, object] = flag
        return shown


def bound(source: Source, *arguments: str, **options: object) -> Binding:
    """Return a binding of a recorder."""
    return Binding(source, "recorder", Recorder, arguments, options)


USR1, USR2 = SignalSource(signal.SIGUSR1), SignalSource(signal.SIGUSR2)


@pytest.fixture(name="runs")
def _runs() -> Iterator[list[Run]]:
    """Yield a list of runs that are closed afterwards."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.engine.close()


def test_the_state_of_a_run(runs: list[Run]) -> None:
    """A run starts, is idle, and tells since when."""
    run = Run(bound(USR1, "a"))
    runs.append(run)
    states = [run.state]
    run.time.now += 5
    run.engine.ledger.note("ready")
    run.time.now += 7
    picture = run.status.picture()
    assert (picture["state"], picture["since_ago"], picture["started_ago"]) == ("idle", 7, 12)
    assert picture["pid"] == os.getpid()
    for kind in ("reloading", "reload-failed"):
        run.engine.ledger.note(kind, ("a mistake",))
        states.append(run.state)
    run.engine.stop()
    states.append(run.state)
    assert states == [("starting", False), ("reloading", True), ("idle", True), ("stopping", False)]


def test_since_when_it_stops(runs: list[Run]) -> None:
    """A run stops from the request on, also when the run in progress ended later; the event says the same."""
    run = Run(bound(USR1, "a"))
    runs.append(run)
    run.engine.ledger.note("ready")
    asked = run.time()
    run.time.end += 60
    since = []

    def stop(_: object) -> None:
        run.engine.stop()
        run.time.now += 3
        since.append(run.status.picture()["since_ago"])

    Recorder.during_run = stop
    run.engine.raise_flag("usr1")
    run.engine.run()
    Recorder.during_run = None
    run.time.now += 4
    since.append(run.status.picture()["since_ago"])
    assert since == [3, 7]
    assert run.engine.ledger.latest["stopping"].moment == asked


def test_the_configuration(runs: list[Run]) -> None:
    """The status shows the file, when it was loaded, and what was wrong with it since."""
    run = Run(bound(USR1, "a"), config="/etc/x.toml")
    runs.append(run)
    run.time.now += 3
    run.engine.ledger.note("reload-failed", ("one", "two"))
    config = run.status.picture()["config"]
    assert isinstance(config, dict)
    assert (config["file"], config["loaded_ago"], config["ok"], config["error"]) == (
        "/etc/x.toml",
        3,
        False,
        "one; two",
    )
    run.engine.ledger.note("reloaded")
    config = run.status.picture()["config"]
    assert isinstance(config, dict)
    assert (config["loaded_ago"], config["ok"], config["error"]) == (0, True, None)


def test_without_a_file(runs: list[Run]) -> None:
    """Without a file, nothing was loaded, and nothing can be wrong with it."""
    run = Run(bound(USR1, "a"))
    runs.append(run)
    nothing = {"file": None, "loaded": None, "loaded_ago": None, "ok": True, "error": None}
    assert run.status.picture()["config"] == nothing


def test_what_a_flag_shows(runs: list[Run]) -> None:
    """A flag shows its raises, its runs, and its actions."""
    run = Run(bound(USR1, "a"), bound(USR1, "b"), bound(USR2, "c"))
    runs.append(run)
    run.engine.raise_flag("usr1", 3)
    run.lower(seconds=10)
    flag = run.flag("usr1")
    assert {name: flag[name] for name in ("trigger", "raised", "runs", "failures", "merged", "ignored", "held")} == {
        "trigger": "usr1",
        "raised": 3,
        "runs": 1,
        "failures": 0,
        "merged": 2,
        "ignored": 0,
        "held": 0,
    }
    last = flag["last"]
    assert isinstance(last, dict)
    assert (last["result"], last["error"], last["ended_ago"]) == ("succeeded", None, 10)
    actions = flag["actions"]
    assert isinstance(actions, list)
    assert [(action["name"], action["arguments"], action["runs"]) for action in actions] == [
        ("recorder", ["a"], 1),
        ("recorder", ["b"], 1),
    ]
    assert run.flag("usr2")["last"] is None


def test_raises_on_their_way(runs: list[Run]) -> None:
    """The count of raises never goes back, and none is counted twice, wherever a thread looks in between."""
    run = Run(bound(USR1, "a"), bound(USR2, "b", debounce=5.0))
    runs.append(run)
    seen: list[list[object]] = []

    def look(*_: object) -> None:
        seen.append([run.flag(name)["raised"] for name in ("usr1", "usr2")])

    def again(_: object) -> None:
        look()
        run.engine.raise_flag("usr1", 2)
        look()

    Recorder.during_run = again
    run.engine.ledger.listeners.append(look)
    run.engine.before_runs("usr1", look)
    run.engine.after_runs("usr1", look)
    run.engine.observe(look)
    logger = logging.getLogger("flagman.core")
    logger.addFilter(look)  # type: ignore[arg-type]
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        run.engine.raise_flag("usr2", 3)
        run.engine.raise_flag("usr1", 4)
        look()
        run.lower(seconds=1)
        Recorder.during_run = None
        run.lower(seconds=10)
    finally:
        Recorder.during_run = None
        logger.setLevel(level)
        logger.removeFilter(look)  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert [seen[0], seen[-1]] == [[4, 3], [6, 3]]


def test_what_is_due(runs: list[Run]) -> None:
    """A timer shows its next tick, and a held flag the moment at which it is let go."""
    run = Run(bound(every("1m"), "a"), bound(USR1, "b", debounce=5.0))
    runs.append(run)
    assert run.flag("every-1m")["next_due_in"] == 60
    run.engine.raise_flag("usr1")
    run.lower(seconds=2)
    flag = run.flag("usr1")
    assert (flag["next_due_in"], flag["held"], flag["raised"]) == (3, 1, 1)
    assert isinstance(flag["next_due"], str)
    assert flag["next_due"].endswith("Z")
    assert run.flag("every-1m")["next_due_in"] == 58


def test_what_a_name_means(runs: list[Run]) -> None:
    """A name may be that of a flag, of a trigger with several flags, or of a signal in any spelling."""
    usual = bound(USR1, "a", debounce=0.0)
    own = Settings().separated(bound(USR1, "b", debounce=2.0))
    run = Run(usual, own, bound(USR2, "c"))
    runs.append(run)
    assert run.status.find("usr1") == ("usr1",)
    assert run.status.find("usr1~2s") == ("usr1~2s",)
    assert run.status.find("SIGUSR2") == run.status.find("Usr2") == run.status.find("12") == ("usr2",)
    with pytest.raises(UnknownFlagError, match="no action is bound to 'usr3'") as info:
        run.status.find("usr3")
    assert info.value.close == ["usr2", "usr1"]


def test_the_flags_of_a_trigger(runs: list[Run]) -> None:
    """The name of a trigger means all of its flags, if none of them has just this name."""
    run = Run(*(Settings().separated(bound(USR1, "a", debounce=span)) for span in (1.0, 2.0)))
    runs.append(run)
    assert run.status.find("usr1") == ("usr1~1s", "usr1~2s")


def test_the_history(runs: list[Run]) -> None:
    """The history has the runs of all flags or of some, and at most as many as asked for."""
    run = Run(bound(USR1, "a"), bound(USR2, "b"))
    runs.append(run)
    for flag in ("usr1", "usr2", "usr1"):
        run.lower(flag, seconds=1)

    def ids(*flags: str, number: int | None = None) -> list[int]:
        said = run.status.history(flags, number)["runs"]
        assert isinstance(said, list)
        return [each["id"] for each in said]

    assert ids() == [1, 2, 3]
    assert ids("usr1") == [1, 3]
    assert ids("usr1", number=1) == [3]
    assert (ids(number=0), ids(number=9)) == ([], [1, 2, 3])


def test_moments() -> None:
    """Moments are in UTC, with microseconds, also where a clock is rounded up to a whole second."""
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1_790_000_000.9999999) == "2026-09-21T14:13:21.000000Z"
    assert rfc3339(-0.25) == "1969-12-31T23:59:59.750000Z"


def test_it_can_always_be_written_as_json(runs: list[Run]) -> None:
    """All of a status is JSON, and a secret argument is not in it."""

    class Secret(Recorder):
        secret_arguments = ("name",)

    run = Run(Binding(USR1, "secret", Secret, ("password-1",)))
    runs.append(run)
    run.lower("usr1")
    text = json.dumps([run.status.picture(), run.status.history()], allow_nan=False)
    assert "password-1" not in text
    assert "***" in text
