"""The events of a run, for readers that come, go and come back, in time that stands still."""

from __future__ import annotations

import signal
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import Action, ActionClosed, ActionFailed, Engine
from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.control.feed import _MOST, _MOST_BYTES, Feed, Reader
from flagman.service.assembly import Assembly
from flagman.service.reload import Change
from flagman.service.request import Request
from flagman.service.request_error import RequestError
from flagman.service.status import Status
from flagman.testing import FakeTime
from flagman.triggers.by_signal import SignalSource
from support.following import apply, differences, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from flagman.types import FlagName
    from support.following import Event

SIGNALS = {"usr1": signal.SIGUSR1, "usr2": signal.SIGUSR2, "hup": signal.SIGHUP, "winch": signal.SIGWINCH}
HELD = 25.0


class Does(Action):
    """Does what it is told before its run."""

    #: What each one is going to do, by its argument.
    deeds: dict[str, str]

    def set_up(self, name: str) -> None:
        """Keep the name."""
        self._name = name
        self._runs = 0

    def run(self) -> None:
        """Do it."""
        self._runs += 1
        deed = self.deeds.pop(self._name, "")
        if deed == "fail":
            raise ActionFailed("no luck")
        if deed == "close":
            raise ActionClosed("enough")
        if deed == "again":
            self.engine.raise_flag(self._name)

    def statistics(self) -> Mapping[str, float]:
        """Return something that changes at each run."""
        return {"runs": self._runs}


class Loop:
    """Stands in for the control loop: what is called waits until that is looked at."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call(self, code: Callable[..., object], *args: object) -> None:
        """Keep a call."""
        self.calls.append(lambda: code(*args))

    def call_later(self, _: float, code: Callable[..., object]) -> None:
        """Keep a call, as if it was time for it at once."""
        self.calls.append(code)

    def turn(self) -> None:
        """Make the calls."""
        while self.calls:
            self.calls.pop(0)()


class Site:
    """Stands in for the site of the parts, and for one that has processes."""

    def __init__(self, engine: Engine, assembly: Assembly) -> None:
        self.engine = engine
        self.loop = Loop()
        self.is_waiting = False
        self.processes: dict[str, str] = {}
        self.status = Status(engine, assembly, "/etc/x.toml", self.snapshot)
        self.changes = self
        self._listeners: list[Callable[[Mapping[str, object]], None]] = []

    def listen(self, listener: Callable[[Mapping[str, object]], None]) -> None:
        """Take what is called when a part has changed."""
        self._listeners.append(listener)

    def report(self) -> None:
        """Report a change."""
        for listener in self._listeners:
            self.loop.call(listener, {"event": "readiness"})

    def is_unready(self) -> bool:
        """Return whether a part waits for something."""
        return self.is_waiting

    def snapshot(self) -> dict[str, object]:
        """Return what a status shows of the parts."""
        told = [{"name": name, "state": state} for name, state in self.processes.items()]
        return {"name": "web", "processes": told, **({"ready": False} if self.is_waiting else {})}


class Connected:
    """Takes what a reader gets, as a connection does, and applies it to what it knows of the status."""

    def __init__(self, reader: Reader, status: dict[str, Any]) -> None:
        self._reader = reader
        self.status = status
        self.events: list[tuple[str, Event]] = []
        #: Whether it does not take anything now.
        self.is_stalled = False
        reader.wake = self.read

    def read(self) -> None:
        """Take what there is."""
        while not self.is_stalled and (piece := self._reader.next()) is not None:
            ((since, kind, event),) = parsed(piece)
            if kind != "lost":
                assert kind == ("snapshot" if event["event"] == "snapshot" else "change")
                assert event["since"] == since
                numbers = [each["id"] for _, each in self.events]
                assert not numbers or event["id"] == numbers[-1] + 1
                apply(self.status, event)
            self.events.append((since, event))

    @property
    def kinds(self) -> list[str]:
        """What it has got."""
        return [event["event"] for _, event in self.events]

    @property
    def since(self) -> str:
        """Where to go on."""
        return self.events[-1][0]

    def go(self) -> None:
        """Go away."""
        self._reader.close()


class Run:
    """A run with some flags, and its feed with readers."""

    def __init__(self, *flags: str) -> None:
        Does.deeds = {}
        self.time = FakeTime()
        self.engine = Engine(clock=self.time, wait=self.time.wait)
        settings = self._settings(flags)
        self.assembly = Assembly(self.engine, settings)
        self.assembly_plan(settings)
        self.site = Site(self.engine, self.assembly)
        self.feed = Feed(self.site)  # type: ignore[arg-type]
        self.readers: list[Connected] = []
        self._now = self.time()

    @staticmethod
    def _settings(flags: Sequence[str]) -> Settings:
        """Return bindings: two actions each; ``winch`` is held until it is quiet."""
        held = {"winch": {"debounce": HELD}}
        return Settings(
            bindings=tuple(
                Binding(SignalSource(SIGNALS[flag]), "does", Does, (name,), held.get(flag))
                for flag in flags
                for name in (flag, f"{flag} too")
            )
        )

    def assembly_plan(self, settings: Settings) -> Change:
        """Adopt settings."""
        before = self.assembly.members
        plan = self.assembly.plan(settings)
        self.assembly.set_up(plan)
        self.assembly.adopt(plan)
        self.engine.discard(plan.old)
        return Change(before, plan, {})

    def reload(self, *flags: str) -> None:
        """Have other flags."""
        self.engine.ledger.note("reloading")
        self.engine.ledger.note("reloaded", self.assembly_plan(self._settings(flags)))

    def at(self, seconds: float, code: Callable[..., object], *args: object) -> None:
        """Call something in the main loop."""
        self.engine.call_at(self._now + seconds, lambda: code(*args))

    def run(self, seconds: float) -> None:
        """Run for a while, and end."""
        self.time.end = self._now + seconds
        self.time.on_end = self.engine.stop
        self.engine.run()

    def ask(self, since: str = "", field: str = "") -> Reader:
        """Ask for the stream."""
        answers: list[tuple[int, object]] = []
        fields = {"last-event-id": field} if field else {}
        request = Request(
            {}, {"since": since} if since else {}, None, lambda *answer: answers.append(answer), None, fields
        )
        self.feed.table()["GET", "/events"](request)
        ((status, reader),) = answers
        assert status == 200
        assert isinstance(reader, Reader)
        return reader

    def read(self, since: str = "", field: str = "", status: dict[str, Any] | None = None) -> Connected:
        """Begin to read."""
        reader = Connected(self.ask(since, field), status if status is not None else {})
        self.readers.append(reader)
        reader.read()
        return reader

    def check(self) -> None:
        """Hold the law: what a reader has been told is what the status says."""
        self.site.loop.turn()
        for reader in self.readers:
            if not reader.is_stalled and "lost" not in reader.kinds:
                assert list(differences(reader.status, self.site.status.picture(), 1e6)) == []


@pytest.fixture(name="run")
def _run() -> Iterator[Run]:
    """Yield a run with two flags."""
    run = Run("usr1", "usr2")
    yield run
    run.engine.close()


FLAGS = st.sampled_from(list(SIGNALS))
NAMES = st.sampled_from(["db", "web", "mail"])
STATES = st.sampled_from(["starting", "ready", "waiting", "backoff", "stopped"])
STEPS = st.one_of(
    st.tuples(
        st.just("raises"), FLAGS, st.integers(1, 3), st.sampled_from(["", "fail", "close", "again"]), st.booleans()
    ),
    st.tuples(st.just("reload"), st.lists(FLAGS, unique=True, min_size=1)),
    st.tuples(st.just("reload-failed")),
    st.tuples(st.just("process"), NAMES, STATES, st.booleans()),
    st.tuples(st.just("processes"), st.lists(NAMES, unique=True)),
    st.tuples(st.just("waits"), st.booleans()),
    st.tuples(st.just("join")),
    st.tuples(st.just("leave"), st.integers(0, 2)),
    st.tuples(st.just("returns"), st.integers(0, 2)),
    st.tuples(st.just("stall"), st.integers(0, 2)),
    st.tuples(st.just("ready")),
)


class History:
    """Carries out the steps of a history."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.gone: list[Connected] = []

    def step(self, step: Sequence[Any]) -> None:
        """Carry out a step."""
        kind, *details = step
        getattr(self, kind.replace("-", "_"), self.note)(*details or [kind])

    def note(self, kind: str) -> None:
        """Note an event that has no details."""
        self.run.engine.ledger.note(kind, ("a mistake",) if kind == "reload-failed" else None)

    def raises(self, flag: str, number: int, deed: str, another: bool) -> None:  # noqa: FBT001 - drawn
        """Raise a flag, and perhaps another one."""
        Does.deeds[flag] = deed
        self.run.engine.raise_flag(flag, number)
        if another:
            self.run.engine.raise_flag("usr1")

    def reload(self, flags: list[str]) -> None:
        """Have other flags."""
        self.run.reload(*flags)

    def process(self, name: str, state: str, has_event: bool) -> None:  # noqa: FBT001 - drawn
        """Change the state of a process."""
        site = self.run.site
        if name in site.processes:
            site.processes[name] = state
            what = {"process": name, "event": "exit"} if has_event else name
            self.run.engine.ledger.note("process" if has_event else "state", what)

    def processes(self, names: list[str]) -> None:
        """Have other processes."""
        self.run.site.processes = dict.fromkeys(names, "stopped")
        self.run.engine.ledger.note("processes")

    def waits(self, is_waiting: bool) -> None:  # noqa: FBT001 - drawn
        """Make a part wait, or not."""
        self.run.site.is_waiting = is_waiting
        self.run.site.report()

    def join(self, *_: str) -> None:
        """Begin to read."""
        self.run.read()

    def leave(self, number: int) -> None:
        """Make a reader go."""
        if number < len(self.run.readers):
            reader = self.run.readers.pop(number)
            reader.go()
            self.gone.append(reader)

    def returns(self, number: int) -> None:
        """Make one come back that has gone."""
        if number < len(self.gone) and self.gone[number].events and "lost" not in self.gone[number].kinds:
            before = self.gone.pop(number)
            after = self.run.read(before.since, status=before.status)
            assert "snapshot" not in after.kinds

    def stall(self, number: int) -> None:
        """Make a reader take nothing, or begin again."""
        if number < len(self.run.readers):
            reader = self.run.readers[number]
            reader.is_stalled = not reader.is_stalled
            reader.read()


@given(st.lists(STEPS, max_size=30))
def test_what_readers_are_told_is_the_status(steps: list[tuple[Any, ...]]) -> None:
    """The law: a snapshot with all changes applied is the status, whatever happens, comes, goes, stalls or returns."""
    run = Run("usr1", "usr2", "winch")
    history = History(run)
    run.read()
    for number, step in enumerate(steps):
        run.at(10 * number, history.step, step)
        run.at(10 * number + 9, run.check)
    run.run(10 * len(steps) + 1)
    run.site.loop.turn()
    for reader in run.readers:
        reader.is_stalled = False
        reader.read()
        assert reader.kinds[-1] in ("stopping", "lost")
    run.engine.close()


def test_the_snapshot(run: Run) -> None:
    """The first event is the whole status."""
    reader = run.read()
    assert reader.kinds == ["snapshot"]
    assert reader.status == reader.events[0][1]["status"]
    assert not list(differences(reader.status, run.site.status.picture(), 1e6))


def test_a_run(run: Run) -> None:
    """Its begin and its end are events, which say what the history and the status say."""
    reader = run.read()
    run.at(1, run.engine.raise_flag, "usr1")
    run.at(2, run.check)
    run.run(3)
    run.site.loop.turn()
    assert reader.kinds == ["snapshot", "begun", "run", "stopping"]
    begun, ended = reader.events[1][1], reader.events[2][1]
    assert begun["name"] == "usr1"
    assert not list(differences(ended["run"], run.site.status.history()["runs"][0]))  # type: ignore[index]
    assert [flag["name"] for flag in ended["changed"]["flags"]] == ["usr1"]


def test_going_on(run: Run) -> None:
    """A reader that comes back gets exactly what follows; the field of a browser is newer than its address."""
    reader = run.read()
    for number in range(4):
        run.at(number, run.engine.raise_flag, "usr1")
    run.run(5)
    run.site.loop.turn()
    ids = [since for since, _ in reader.events]
    for number, since in enumerate(ids):
        for query, field in ((since, ""), ("", since), (ids[0], since)):
            again = run.read(query, field, deepcopy(reader.status))
            assert [event for _, event in again.events] == [event for _, event in reader.events[number + 1 :]]


def test_going_on_when_no_reader_was_there(run: Run) -> None:
    """Then begins are no events, but runs are; and what is still so is told."""
    run.reload("usr1", "winch")
    reader = run.read()
    reader.go()
    run.readers.clear()
    assert not run.engine.ledger.followers
    run.at(1, run.engine.raise_flag, "usr1")
    run.at(2, run.engine.raise_flag, "winch")
    again: list[Connected] = []
    run.at(3, lambda: again.append(run.read(reader.since, status=reader.status)))
    run.at(4, run.check)
    run.run(5)
    assert again[0].kinds == ["run", "held"]
    assert again[0].status["flags"][1]["held"] == 1


@pytest.mark.parametrize("since", ["ab-5", "5", "-5", "LIFE-99999", "LIFE-1"])
def test_nothing_to_go_on_with(run: Run, since: str) -> None:
    """Another run of the daemon, what has not happened, and what is not kept any more: a snapshot comes first."""
    for _ in range(_MOST + 2):
        run.engine.ledger.note("readiness")
    life = run.read().since.rpartition("-")[0]
    assert run.read(since.replace("LIFE", life)).kinds == ["snapshot"]


@pytest.mark.parametrize("since", ["x", "5-", "a-b", "-", "1-²", "1--", f"1-{'9' * 20}"])
def test_what_is_no_id(run: Run, since: str) -> None:
    """It is refused, and not taken for no identifier at all."""
    for words in ({"since": since}, {"field": since}):
        with pytest.raises(RequestError) as caught:
            run.ask(**words)
        assert caught.value.status == 400


def test_a_reader_that_does_not_keep_up(run: Run) -> None:
    """It is told so when it takes something again, and nothing more follows; the others get everything."""
    slow, quick = run.read(), run.read()
    slow.is_stalled = True
    for _ in range(_MOST + 1):
        run.engine.ledger.note("readiness")
        run.site.loop.turn()
    slow.is_stalled = False
    run.engine.ledger.note("readiness")
    run.site.loop.turn()
    assert slow.kinds == ["snapshot", "lost"]
    assert slow._reader.is_over
    assert len(quick.events) == _MOST + 3


def test_a_feed_that_does_not_keep_up(run: Run) -> None:
    """More events at once than are kept are lost for all readers, and told so."""
    reader = run.read()
    for _ in range(_MOST + 1):
        run.engine.ledger.note("readiness")
    run.site.loop.turn()
    assert reader.kinds == ["snapshot", "lost"]
    assert run.read().kinds == ["snapshot"]


def test_the_memory_of_large_events(run: Run) -> None:
    """The texts that are kept are bounded in bytes, too, but the newest is always there."""
    reader, stalled = run.read(), run.read()
    stalled.is_stalled = True
    run.site.processes = {"x" * (_MOST_BYTES // 3): "ready"}
    for _ in range(9):
        run.engine.ledger.note("processes")
        run.site.loop.turn()
        assert run.feed._bytes <= _MOST_BYTES + 100_000
    run.site.processes = {"x" * 2 * _MOST_BYTES: "ready"}
    run.engine.ledger.note("processes")
    run.site.loop.turn()
    stalled.is_stalled = False
    stalled.read()
    assert reader.kinds == ["snapshot", *["processes"] * 10]
    assert stalled.kinds == ["snapshot", "lost"]


def test_events_that_come_together_are_looked_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm of runs costs one look at the status, and each event is complete."""
    reader = run.read()
    looks: list[object] = []
    real = Status.excerpt

    def count(self: Status, flags: Collection[FlagName]) -> dict[str, object]:
        looks.append(flags)
        return real(self, flags)

    monkeypatch.setattr(Status, "excerpt", count)
    for number in range(100):
        run.at(number, run.engine.raise_flag, "usr1")
    run.run(101)
    run.site.loop.turn()
    assert looks == [{"usr1"}]
    assert reader.kinds == ["snapshot", *["begun", "run"] * 100, "stopping"]
    assert {event["changed"]["flags"][0]["runs"] for _, event in reader.events[1:-1]} == {100}


def test_what_happens_while_a_reader_joins(run: Run) -> None:
    """It is told at once: nothing else would pass it on."""
    reader = run.ask()
    first = run.read()
    stream = run.ask(first.since)
    first.go()
    run.engine.ledger.note("ready")
    assert not run.site.loop.calls
    for each in (stream, reader):
        connected = Connected(each, dict(first.status))
        connected.read()
        assert connected.status["ready"]


def test_what_cannot_be_told(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A part that shows no JSON ends the streams, and not the feed."""
    reader = run.read()
    run.site.processes = {b"x": "ready"}  # type: ignore[dict-item]
    run.engine.ledger.note("processes")
    run.site.loop.turn()
    assert reader.kinds == ["snapshot", "lost"]
    assert "The events cannot be told" in caplog.text
    run.site.processes = {}
    after = run.read()
    run.engine.ledger.note("processes")
    run.site.loop.turn()
    assert after.kinds == ["snapshot", "processes"]
