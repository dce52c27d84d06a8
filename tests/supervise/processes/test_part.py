"""The part: what is called in which thread, what a reload that fails leaves, when the run is over."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from flagman.actions.processes import REQUEST
from flagman.config.settings import Settings
from flagman.exceptions import ActionFailed, ConfigError, UsageError
from flagman.supervise.processes import part as module
from flagman.supervise.processes.part import ProcessesPart
from flagman.supervise.processes.tables import read
from flagman.supervise.processes.together import Together
from flagman.supervise.processes.told import shown
from support.fake_loop import FakeLoop
from support.keeping import FakeBackstop, FakeLaunch, Yard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.service.parts import Site
    from flagman.service.preparation import Preparation
    from flagman.supervise.processes.plan import Plan

SLEEP = {"command": ["sleep", "600"]}


class Heard:
    """Notes what is raised."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, str]] = []
        self.pids: list[int] = []

    def happened(self, process: str, event: str, *, status: str, pid: int, reason: str) -> None:
        """Note it."""
        self.events.append((process, event, status, reason))
        self.pids.append(pid)


class Backstop(FakeBackstop):
    """Is free when the test says so."""

    def begin(self, on_free: Callable[[], object]) -> None:
        """Note what to call."""
        self.on_free = on_free

    def end_strays(self, on_over: Callable[[], object]) -> None:
        """Note what to call."""
        self.on_over = on_over

    def close(self) -> None:
        """Nothing is open."""


class Around:
    """The site, the engine and its interrupter, and the changes, in one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loop = FakeLoop()
        self.engine = self.interrupter = self.changes = self.ledger = self
        self.noted: list[tuple[str, Mapping[str, object]]] = []
        self.reports = 0
        self.stopped = 0
        self.clock = self.loop.clock

    def report(self) -> None:
        """Note that something has changed."""
        self.reports += 1

    def stop(self) -> None:
        """Note that the run is to end."""
        self.stopped += 1

    def call_later(self, seconds: float, code: Callable[..., object], *arguments: object) -> None:
        """Make the call in the one loop that there is."""
        self.loop.call_later(seconds, code, *arguments)

    @staticmethod
    def pending(_flag: str) -> int:
        """Return that nothing waits for its run."""
        return 0

    def note(self, kind: str, what: Mapping[str, object] | str = "") -> None:
        """Keep an event of the ledger."""
        if not isinstance(what, str):
            self.noted.append((kind, what))

    def bound_from_afar(self, _seconds: float) -> None:
        """There is no action."""

    @staticmethod
    def streams() -> dict[int, int]:
        """Return no other streams."""
        return {}


def settings_of(*names: str, keep_alive: bool = False, **more: object) -> Settings:
    """Return settings with processes."""
    tables = {"process": {name: {**SLEEP, **more} for name in names}}
    return Settings(tables=tables, of_parts={"process": read(tables["process"])[0]}, keep_alive=keep_alive)


class Parted:
    """A part, and what is around it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        self.yard = Yard()
        self.backstop = Backstop()
        self.heard = Heard()
        self.around = Around(settings)
        self.yard.loop = self.around.loop
        self.yard.backstop = self.backstop
        monkeypatch.setattr(module, "Backstop", lambda *_, **__: self.backstop)
        monkeypatch.setattr(module, "Heard", lambda _: self.heard)
        monkeypatch.setattr(module, "launch_of", self._launch)
        monkeypatch.setattr(module, "Together", partial(Together, clock=self.around.loop.clock))
        self.part = ProcessesPart()
        self.part.prepare(cast("Preparation", SimpleNamespace(is_managed=True)))
        self.part.open(cast("Site", self.around))
        self.yard.together = self.part.together

    def _launch(self, plan: Plan, _directory: str) -> FakeLaunch:
        if plan.user is not None:
            raise UsageError(f"there is no user {plan.user!r}")
        return FakeLaunch(self.yard, plan.name)

    def begin(self) -> None:
        """Start the processes."""
        self.part.follow(self.around.settings)
        self.around.loop.advance(0)
        self.backstop.on_free()
        self.around.loop.advance(0)

    def reload(self, settings: Settings) -> None:
        """Take new settings in the main thread."""
        self.part.accept(settings)
        self.around.settings = settings
        self.part.follow(settings)

    def names(self) -> Mapping[str, str]:
        """Return the states by name."""
        self.around.loop.advance(0)
        return self.yard.states()


def test_it_is_not_ready_before_it_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before the processes of a former daemon have ended, nor before the control loop has come to it."""
    parted = Parted(monkeypatch, settings_of("a"))
    part = parted.part
    not_yet = ["the processes have not been started yet"]
    assert part.unready() == not_yet
    part.follow(parted.around.settings)
    parted.around.loop.advance(0)
    assert part.unready() == not_yet
    assert part.waits_for() == "Waiting: the processes have not been started yet"
    before = parted.around.reports
    parted.backstop.on_free()
    assert part.unready() == []
    assert part.waits_for() == ""
    assert parted.around.reports > before
    parted.reload(settings_of("a", "b"))
    assert part.unready() == ["the processes have not followed the reload yet"]
    before = parted.around.reports
    assert parted.names() == {"a": "ready", "b": "ready"}
    assert part.unready() == []
    assert parted.around.reports > before


def test_a_reload_that_fails_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that were accepted, and then refused elsewhere, are never followed."""
    parted = Parted(monkeypatch, settings_of("a"))
    parted.part.follow(parted.around.settings)
    parted.around.loop.advance(0)
    parted.part.accept(settings_of("a", "other"))
    parted.backstop.on_free()
    assert parted.names() == {"a": "ready"}
    with pytest.raises(UsageError, match="there is no user 'x'"):
        parted.part.accept(settings_of("b", user="x"))
    parted.part.follow(settings_of("a", "other"))
    assert parted.names() == {"a": "ready", "other": "ready"}


def test_what_is_refused_before() -> None:
    """All mistakes in the tables, and bindings of processes that there are not."""
    assert ProcessesPart.read({"web": {"nice": 99}})[1] == [
        "web: key 'nice': is not a whole number from -20 to 19",
        "web: key 'command': is missing",
    ]
    ProcessesPart.check(settings_of("web"))
    assert issubclass(ConfigError, UsageError)


def test_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tells how it has come about; a failing liveness tells its own reason, and not that of an older end."""
    parted = Parted(monkeypatch, settings_of("web"))
    parted.begin()
    pid = parted.yard.body("web").pid
    parted.yard.end("web", -9)
    parted.yard.failing.add("web")
    parted.around.loop.advance(2)
    parted.yard.failing.clear()
    parted.around.loop.advance(5)
    process = parted.yard.together.by_name["web"]
    process._on_failure("http://x: 503")  # as liveness does
    killed, missing = "killed by KILL", "cannot start 'web': No such file or directory"
    assert parted.heard.events == [
        ("web", "ready", "", ""),
        ("web", "exit", "SIGKILL", killed),
        ("web", "fail", "SIGKILL", killed),
        ("web", "exit", "", missing),
        ("web", "fail", "", missing),
        ("web", "ready", "", ""),
        ("web", "fail", "", "http://x: 503"),
    ]
    parted.around.loop.advance(0)
    assert [what["text"] for kind, what in parted.around.noted if kind == "process"] == [
        event[3] for event in parted.heard.events
    ]
    assert parted.heard.pids == [pid, pid, pid, 0, 0, process.pid, process.pid]


def test_an_illness_is_shown_until_it_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is ready and not well is shown as failing, until its liveness succeeds or it has another state."""
    parted = Parted(monkeypatch, settings_of("web"))
    parted.begin()
    process = parted.yard.together.by_name["web"]

    def seen() -> tuple[object, object]:
        found = shown(process, parted.yard.together)
        return found["health"], found["text"]

    assert seen() == ("up", "ready")
    process._on_failure("http://x: 503")
    assert seen() == ("failing", "ready, but not well: http://x: 503")
    process._on_failure("")
    assert seen() == ("up", "ready")
    process._on_failure("http://x: 503")
    parted.yard.end("web", -9)
    assert process.illness == ""


@pytest.mark.parametrize("keep_alive", [False, True])
def test_the_end_of_all(monkeypatch: pytest.MonkeyPatch, keep_alive: bool) -> None:  # noqa: FBT001 - a parameter
    """The run ends when all have ended, once, unless it is to stay; a reload may change that."""
    parted = Parted(monkeypatch, settings_of("a", "b", keep_alive=keep_alive))
    parted.begin()
    parted.yard.end("a", 0)
    assert parted.part.result() is None
    parted.yard.end("b", 0)
    parted.around.loop.advance(0)
    assert parted.around.stopped == (not keep_alive)
    if keep_alive:
        parted.reload(settings_of("a", "b"))
        parted.around.loop.advance(0)
    assert parted.around.stopped == 1
    assert parted.part.result() == 0


def test_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is over when all have ended, and what they have left, too."""
    parted = Parted(monkeypatch, settings_of("a"))
    parted.begin()
    parted.part.stop(insists=False)
    assert parted.part.is_busy()
    parted.around.loop.advance(0)
    assert not parted.yard.together.is_busy()
    assert parted.part.is_busy()
    parted.backstop.on_over()
    assert not parted.part.is_busy()
    parted.part.stop(insists=True)
    assert not parted.part.is_busy()
    assert (parted.part.result(), parted.around.stopped) == (None, 0)
    parted.backstop.on_free()  # late
    assert parted.names() == {"a": "stopped"}


def test_a_stop_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started any more."""
    parted = Parted(monkeypatch, settings_of("a"))
    parted.part.follow(parted.around.settings)
    parted.around.loop.advance(0)
    parted.part.stop(insists=False)
    parted.backstop.on_free()
    assert parted.names() == {}
    parted.backstop.on_over()
    assert not parted.part.is_busy()


def test_requests_of_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are checked in the main thread, and carried out in the control loop."""
    parted = Parted(monkeypatch, settings_of("a", "b"))
    ask = parted.part.requests()[REQUEST]
    with pytest.raises(ActionFailed, match="no process 'a' any more"):
        ask(("stop", "a"))
    parted.begin()
    assert ask(("signal", "a", "HUP")) == "sent HUP to a"
    assert ask(("stop", "a")) == "stop a"
    assert parted.yard.states()["a"] == "ready"
    assert parted.names()["a"] == "stopped"
    assert parted.yard.bodies[0].signals[0] == 1
    with pytest.raises(ActionFailed, match="a stopped: there is no process to signal"):
        ask(("signal", "a", "HUP"))
    ask(("start", "a"))
    parted.reload(settings_of("b"))
    ask(("start", "a"))  # the control loop comes to it when it has gone
    assert parted.names() == {"b": "ready"}
    assert ask(("restart", "b")) == "restart b"
    assert parted.names() == {"b": "ready"}
    assert len(parted.yard.bodies) == 4


def test_the_start_of_what_was_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An action is told that it has gone."""
    parted = Parted(monkeypatch, settings_of("a", "b"))
    parted.yard.obeys["b"] = "slow"
    parted.begin()
    parted.reload(settings_of("a"))
    assert parted.names()["b"] == "stopping"
    ask = parted.part.requests()[REQUEST]
    for verb in ("start", "restart"):
        with pytest.raises(ActionFailed, match="no process 'b' any more"):
            ask((verb, "b"))
    assert ask(("stop", "b")) == "stop b"
