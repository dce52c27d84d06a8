"""What a run answers to requests, in time that stands still, and with both loops in one thread."""

from __future__ import annotations

import json
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from flagman import Action, ActionClosed, ActionFailed, Engine
from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.control.routes import Routes
from flagman.service.assembly import Assembly
from flagman.service.request import Request
from flagman.service.request_error import RequestError
from flagman.service.status import Status
from flagman.testing import FakeTime
from flagman.triggers.by_signal import SignalSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flagman.engine.calls import Call


class Works(Action):
    """Does what the test says."""

    #: By the action's argument.
    deeds: dict[str, list[Callable[[], object]]]

    def set_up(self, name: str) -> None:
        """Keep the name."""
        self._name = name

    def run(self) -> None:
        """Do the next deed."""
        deeds = self.deeds.get(self._name)
        if deeds:
            deeds.pop(0)()


class Loop:
    """Stands in for the control loop, in the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def call(self, code: Callable[..., object], *args: object) -> None:
        """Make the call at once."""
        code(*args)

    def call_later(self, seconds: float, code: Callable[..., object], *args: object) -> Call:
        """Make it later, in the engine."""
        return self._engine.call_later(seconds, code, *args)


class Site:
    """Stands in for the site of the parts."""

    def __init__(self, engine: Engine, assembly: Assembly) -> None:
        self.engine = engine
        self.loop = Loop(engine)
        self.status = Status(engine, assembly, "", dict)
        self.last_flags = ("term", "int")
        self.is_set_up = True
        self.reasons: list[str] = []
        self.processes: list[dict[str, object]] = []
        self.listeners: list[Callable[[Mapping[str, object]], None]] = []
        self.changes = self

    def listen(self, listener: Callable[[Mapping[str, object]], None]) -> None:
        """Take what is called when a part has changed."""
        self.listeners.append(listener)

    def become(self, *reasons: str) -> None:
        """Wait for other things, and report that."""
        self.reasons = list(reasons)
        for listener in self.listeners:
            listener({"event": "readiness"})

    def unready(self) -> list[str]:
        """Return what is waited for."""
        return self.reasons

    def snapshot(self) -> dict[str, object]:
        """Return what a status shows of the parts."""
        return {"processes": self.processes}

    def stop(self) -> None:
        """Stop the engine."""
        self.engine.stop()


class Service:
    """A run with two flags, or with other bindings, and its routes."""

    def __init__(self, *bindings: Binding, **settings: object) -> None:
        self.time = FakeTime()
        self.engine = Engine(clock=self.time, wait=self.time.wait)
        names = {"usr1": signal.SIGUSR1, "usr2": signal.SIGUSR2, "term": signal.SIGTERM}
        bindings = bindings or tuple(
            Binding(SignalSource(signum), "works", Works, (name,)) for name, signum in names.items()
        )
        settings_ = Settings(bindings=bindings, **settings)
        self.assembly = Assembly(self.engine, settings_)
        self.site = Site(self.engine, self.assembly)
        plan = self.assembly.plan(settings_)
        self.assembly.set_up(plan)
        self.assembly.adopt(plan)
        self.engine.ledger.note("ready")
        self.routes = Routes(self.site)  # type: ignore[arg-type]
        #: All answers so far: when, with which status, and what.
        self.answers: list[tuple[float, int, dict[str, Any]]] = []
        Works.deeds = {}
        self.began = self.time()

    def ask(self, method: str, path: str, *, body: object = None, **query: str) -> Request:
        """Make a request, as the server does; its answer is going to be in the list."""
        names: dict[str, str] = {}
        if path.startswith("/flags/"):
            names["NAME"], path = path.removeprefix("/flags/"), "/flags/NAME"
        request = Request(names, query, body, self._answer)
        try:
            self.routes.table()[method, path](request)
        except RequestError as error:
            self._answer(error.status, error.body)
        return request

    def _answer(self, status: int, body: object) -> None:
        self.answers.append((self.time() - self.began, status, json.loads(json.dumps(body))))

    def at(self, seconds: float, code: Callable[..., object], *args: object, **more: str) -> None:
        """Call something at a moment, counted from the start, between two runs."""
        self.engine.call_at(self.began + seconds, lambda: code(*args, **more))

    def run(self, seconds: float = 60) -> None:
        """Run for a while, and end."""
        self.time.end = self.began + seconds
        self.time.on_end = self.engine.stop
        self.engine.run()

    def passes(self, seconds: float) -> Callable[[], object]:
        """Return a deed that takes this long."""
        return lambda: setattr(self.time, "now", self.time() + seconds)

    @property
    def short(self) -> list[tuple[float, int, object]]:
        """The answers: the moment, the status, and the result or the error's code."""
        return [
            (moment, status, body.get("result") or body.get("error", {}).get("code"))
            for moment, status, body in self.answers
        ]


@pytest.fixture(name="service")
def _service() -> Iterator[Service]:
    """Yield a service."""
    service = Service()
    yield service
    service.engine.close()


def all_of(*deeds: Callable[[], object]) -> Callable[[], object]:
    """Return a deed that does all of these."""

    def deed() -> None:
        for each in deeds:
            each()

    return deed


def _raise(error: BaseException) -> Callable[[], object]:
    def deed() -> None:
        raise error

    return deed


def test_a_flag_is_raised(service: Service) -> None:
    """A request raises a flag, and is answered at once."""
    service.at(1, service.ask, "POST", "/flags/usr1")
    service.run()
    assert service.answers == [(1, 202, {"flags": ["usr1"]})]
    assert [run.flag for run in service.engine.ledger.runs()] == ["usr1"]


@pytest.mark.parametrize(
    ("deed", "result"),
    [
        (bool, "succeeded"),
        (_raise(ActionFailed("no luck")), "failed"),
        (_raise(ActionClosed("enough")), "closed"),
    ],
)
def test_the_outcome_of_a_run(service: Service, deed: Callable[[], object], result: str) -> None:
    """A request that waits is answered with the outcome, when the run has ended."""
    Works.deeds["usr1"] = [all_of(service.passes(2), deed)]
    service.at(1, service.ask, "POST", "/flags/usr1", wait="30s")
    service.run()
    assert service.short == [(3, 200, result)]
    (run,) = service.answers[0][2]["runs"]
    assert (run["flag"], run["result"], run["duration"]) == ("usr1", result, 2)
    assert service.answers[0][2]["error"] == ("works: no luck" if result == "failed" else None)


def test_a_run_under_way_does_not_stand_for_a_request_that_waits(service: Service) -> None:
    """A request during a run is owed another run, although a signal would be ignored then."""
    Works.deeds["usr1"] = [
        lambda: (service.passes(2)(), service.ask("POST", "/flags/usr1", wait=""), service.passes(2)())
    ]
    service.at(1, service.engine.raise_flag, "usr1")
    service.run()
    assert service.short == [(5, 200, "succeeded")]
    _, second = service.engine.ledger.runs()
    assert service.answers[0][2]["runs"][0]["id"] == second.number


def test_a_signal_during_a_run_is_still_ignored(service: Service) -> None:
    """A request that does not wait is like a signal."""
    Works.deeds["usr1"] = [lambda: service.ask("POST", "/flags/usr1")]
    service.at(1, service.engine.raise_flag, "usr1")
    service.run()
    assert service.short == [(1, 202, None)]
    assert len(service.engine.ledger.runs()) == 1


def test_many_wait_for_one_run(service: Service) -> None:
    """One run answers all requests that were made before it began."""
    for _ in range(100):
        service.at(1, service.ask, "POST", "/flags/usr1", wait="1m")
    service.run()
    assert service.short == [(1, 200, "succeeded")] * 100
    assert len(service.engine.ledger.runs()) == 1


def test_a_request_waits_for_the_flag_to_be_quiet() -> None:
    """A request that waits is debounced as any raise is."""
    service = Service(debounce=5.0)
    service.at(1, service.ask, "POST", "/flags/usr1", wait="1m")
    service.at(4, service.engine.raise_flag, "usr1")
    service.run()
    assert service.short == [(9, 200, "succeeded")]
    service.engine.close()


def meanwhile(service: Service, deed: Callable[[], object]) -> None:
    """Do something in the main thread just before the next request begins to wait for a run."""
    waits = service.routes._raising.waits
    add = waits.add

    def first(*args: Any) -> None:  # noqa: ANN401 - those of add()
        deed()
        service.passes(1)()
        add(*args)

    waits.add = first  # type: ignore[assignment,method-assign]


def test_a_run_while_it_is_asked_for(service: Service) -> None:
    """A run before the request began to wait does not stand for it: the request would never learn of its end."""
    service.engine.raise_flag("usr1")
    meanwhile(service, lambda: service.engine._lower(*service.engine.flags.pop()))
    service.ask("POST", "/flags/usr1", wait="3s")
    service.run()
    assert service.short == [(1, 200, "succeeded")]
    assert len(service.engine.ledger.runs()) == 2


def test_a_reload_takes_a_flag_while_it_is_asked_for(service: Service) -> None:
    """A request is told at once if its flag has lost its actions just before it began to wait."""
    others = {flag: bundle for flag, bundle in service.engine.bundles.items() if flag != "usr1"}
    meanwhile(service, lambda: service.engine.replace(others))
    service.ask("POST", "/flags/usr1", wait="")
    assert service.short == [(1, 409, "closed")]


def test_a_run_that_does_not_end_in_time(service: Service) -> None:
    """The request is answered when its time is over, and the run goes on."""
    Works.deeds["usr2"] = [service.passes(10)]
    service.at(1, service.engine.raise_flag, "usr2")
    service.at(1, service.ask, "POST", "/flags/usr1", wait="3s")
    service.run()
    assert service.short == [(11, 504, "not-in-time")]
    error = service.answers[0][2]["error"]
    assert error["message"] == "the run for `usr1` has not ended within 3s"
    assert [run.flag for run in service.engine.ledger.runs()] == ["usr2", "usr1"]


def test_a_client_that_goes(service: Service) -> None:
    """A client that has gone is not answered, and its run comes all the same."""
    request = service.ask("POST", "/flags/usr1", wait="3s")
    request.on_gone()
    service.run()
    assert service.answers == []
    assert len(service.engine.ledger.runs()) == 1
    assert not service.routes._raising.waits


def test_a_stop_before_the_run(service: Service) -> None:
    """A request for a run that does not come any more is told so at the stop."""
    request = partial(service.ask, "POST", "/flags/usr1", wait="")
    Works.deeds["usr2"] = [all_of(request, service.engine.stop, service.routes.stop)]
    service.at(1, service.engine.raise_flag, "usr2")
    service.run()
    assert service.short == [(1, 503, "stopping")]
    assert "did not run any more" in str(service.answers)
    service.ask("POST", "/flags/usr1")
    service.ask("POST", "/reload")
    assert [code for _, _, code in service.short] == ["stopping", "stopping", "no-configuration"]


def test_a_stop_during_the_run(service: Service) -> None:
    """A run that has begun goes on after the stop request, and its outcome is told."""
    Works.deeds["usr1"] = [all_of(service.engine.stop, service.routes.stop, service.passes(2))]
    service.at(1, service.ask, "POST", "/flags/usr1", wait="")
    service.run()
    assert service.short == [(3, 200, "succeeded")]


def test_an_action_that_closes_before_the_run(service: Service) -> None:
    """If the actions close first, a request for their run is told so, and so is one that comes later."""
    request = partial(service.ask, "POST", "/flags/usr1", wait="")
    Works.deeds["usr1"] = [all_of(service.passes(1), request, _raise(ActionClosed()))]
    service.at(1, service.engine.raise_flag, "usr1")
    service.at(3, service.ask, "POST", "/flags/usr1")
    service.engine.set_up("usr2", Works, "other")
    service.run()
    assert service.short == [(2, 409, "closed"), (3, 409, "closed")]


def test_a_reload_gives_the_trigger_another_flag(service: Service) -> None:
    """A request that waits for a run of a flag gets one of the flag that a reload puts in its place."""

    def reload() -> None:
        """Adopt settings in which the action of USR1 has a debounce of its own, and so another flag."""
        before = service.assembly.settings
        usr1, *others = before.bindings
        own = before.separated(Binding(usr1.source, usr1.name, usr1.action, usr1.arguments, {"debounce": 2.0}))
        plan = service.assembly.plan(before.changed(bindings=(own, *others)))
        service.assembly.set_up(plan)
        service.assembly.adopt(plan)
        service.engine.ledger.note("reloaded")

    request = partial(service.ask, "POST", "/flags/usr1", wait="1m")
    Works.deeds["usr2"] = [all_of(service.passes(1), request, reload)]
    service.at(1, service.engine.raise_flag, "usr2")
    service.run()
    assert service.short == [(4, 200, "succeeded")]
    assert service.answers[0][2]["runs"][0]["flag"] == "usr1~2s"


def test_a_name_that_is_not_bound(service: Service) -> None:
    """An unknown flag is refused, with names that may have been meant."""
    service.ask("POST", "/flags/usr3")
    service.ask("GET", "/history", flag="usr3")
    assert [status for _, status, _ in service.short] == [404, 404]
    assert service.answers[0][2]["error"]["did_you_mean"] == ["usr2", "usr1"]


def test_the_actions_of_the_stop(service: Service) -> None:
    """The actions of TERM run only when the daemon stops."""
    service.ask("POST", "/flags/SIGTERM")
    assert service.short == [(0, 409, "only-at-stop")]


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/status", {"wait": "1s"}),
        ("GET", "/ready", {"wait": "soon"}),
        ("GET", "/history", {"n": "-1"}),
        ("GET", "/history", {"n": "1e3"}),
        ("GET", "/history", {"n": "9" * 30}),
        ("POST", "/flags/usr1", {"wait": "-1s"}),
        ("POST", "/flags/usr1", {"until": "1s"}),
        ("DELETE", "/", {"now": ""}),
    ],
)
def test_queries_that_mean_nothing(service: Service, method: str, path: str, query: dict[str, str]) -> None:
    """A query that is not known, or has a wrong value, is refused, and nothing is done."""
    service.ask(method, path, **query)
    assert service.short == [(0, 400, "bad-request")]
    assert not service.engine.flags


def test_a_body_that_means_nothing(service: Service) -> None:
    """A body may be an empty object, and nothing else."""
    service.ask("POST", "/flags/usr1", body={})
    service.ask("POST", "/flags/usr1", body={"wait": "1s"})
    service.ask("POST", "/flags/usr1", body=[])
    assert [status for _, status, _ in service.short] == [202, 400, 400]


def test_the_status_and_the_history(service: Service) -> None:
    """The status and the history of the run are shown."""
    service.engine.raise_flag("usr1")
    service.run(seconds=5)
    service.ask("GET", "/status")
    service.ask("GET", "/history", flag="usr1", n="3")
    service.ask("GET", "/history", flag="SIGUSR2")
    shown, history, other = [body for _, _, body in service.answers]
    assert shown["flags"][0]["runs"] == 1
    assert [run["flag"] for run in history["runs"]] == ["usr1"]
    assert other == {"runs": [], "processes": []}


def test_a_request_waits_until_the_daemon_is_ready(service: Service) -> None:
    """A request for readiness that waits is answered when the daemon is ready, or when the time is over."""
    del service.engine.ledger.latest["ready"]
    service.site.reasons = ["the database"]
    service.ask("GET", "/ready")
    service.ask("GET", "/ready", wait="3s")
    service.ask("GET", "/ready", wait="10s")
    service.at(4, service.site.become)
    service.at(5, service.engine.ledger.note, "ready")
    service.run()
    starting = {"ready": False, "reasons": ["starting", "waiting: the database"]}
    assert service.answers == [(0, 503, starting), (3, 503, starting), (5, 200, {"ready": True, "reasons": []})]


def test_what_is_not_ready_any_more(service: Service) -> None:
    """A part that was ready may wait for something again; the answer comes when it has that."""
    service.engine.ledger.note("ready")
    service.site.become("the command exited with status 1")
    service.ask("GET", "/ready")
    service.ask("GET", "/ready", wait="")
    service.at(2, service.site.become, "the command is restarted")
    service.at(4, service.site.become)
    service.run()
    waiting = {"ready": False, "reasons": ["waiting: the command exited with status 1"]}
    assert service.answers == [(0, 503, waiting), (4, 200, {"ready": True, "reasons": []})]


def process(name: str, text: str) -> dict[str, object]:
    """Return what a status shows of a process."""
    return {"name": name, "text": text, "ready": text == "ready"}


def test_processes_that_are_ready(service: Service) -> None:
    """A request that names processes is about these alone, whatever else is waited for."""
    service.site.reasons = ["something else"]
    service.site.processes = [process("db", "ready"), process("web", "waiting: db"), process("mail", "ready")]
    service.ask("GET", "/ready", process="db,mail")
    service.ask("GET", "/ready", process="db,web")
    service.ask("GET", "/ready", process="db,wbe")
    service.ask("GET", "/ready", process="")
    waiting = {"ready": False, "reasons": ["web waiting: db"]}
    assert service.answers[:2] == [(0, 200, {"ready": True, "reasons": []}), (0, 503, waiting)]
    assert [(status, body["error"]["message"]) for _, status, body in service.answers[2:]] == [
        (404, "there is no process 'wbe'"),
        (404, "there is no process ''"),
    ]
    assert service.answers[2][2]["error"]["did_you_mean"] == ["web"]


def test_a_request_waits_until_processes_are_ready(service: Service) -> None:
    """It is answered when these are, when the time is over, or when there is none of them any more."""
    site = service.site

    def become(*processes: dict[str, object]) -> None:
        site.processes = list(processes)
        site.become()

    site.processes = [process("db", "starting"), process("web", "waiting: db")]
    service.ask("GET", "/ready", process="db", wait="10s")
    service.ask("GET", "/ready", process="web", wait="3s")
    service.ask("GET", "/ready", process="web", wait="")
    service.at(2, become, process("db", "ready"), process("web", "starting"))
    service.at(4, become, process("db", "ready"))
    service.run()
    ready, starting = {"ready": True, "reasons": []}, {"ready": False, "reasons": ["web starting"]}
    assert service.answers[:2] == [(2, 200, ready), (3, 503, starting)]
    assert service.short[2:] == [(4, 404, "no-such-process")]


def test_the_daemon_becomes_ready_while_it_is_asked(service: Service) -> None:
    """Readiness that comes just after a request has looked for it is not missed."""
    ledger = service.engine.ledger
    del ledger.latest["ready"]

    def unready() -> list[str]:
        ledger.note("ready")  # as the main thread does
        return []

    service.site.unready = unready  # type: ignore[method-assign]
    service.ask("GET", "/ready", wait="")
    assert service.answers == [(0, 200, {"ready": True, "reasons": []})]


def test_nothing_becomes_ready_after_a_stop(service: Service) -> None:
    """A stop ends the wait for readiness, and a stopping daemon is not ready."""
    del service.engine.ledger.latest["ready"]
    service.ask("GET", "/ready", wait="")
    service.routes.stop()
    service.ask("GET", "/ready", wait="")
    assert service.answers == [(0, 503, {"ready": False, "reasons": ["stopping"]})] * 2


def test_a_client_waits_for_the_end_when_that_has_come(service: Service) -> None:
    """A request that comes after the last answers is answered, too."""
    service.ask("DELETE", "/", wait="")
    service.routes.end()
    service.ask("DELETE", "/", wait="")
    assert service.answers == [(0, 200, {"state": "stopped"})] * 2


def test_a_reload_and_its_outcome(service: Service) -> None:
    """A request for a reload is answered with what it has changed, or with all that is wrong."""
    ledger = service.engine.ledger

    class Changed:
        kept, added, removed = ["a"], ["b"], ["c"]

    outcomes = [("reload-failed", ("one", "two")), ("reloaded", Changed())]

    def reload(_: tuple[str, ...]) -> None:
        ledger.note("reloading")
        ledger.note(*outcomes.pop(0))

    service.engine.offer("reload", reload)
    service.at(1, service.ask, "POST", "/reload")
    service.at(2, service.ask, "POST", "/reload", wait="1s")
    service.run()
    assert service.answers == [
        (1, 409, {"error": {"code": "reload-failed", "message": "one; two", "mistakes": ["one", "two"]}}),
        (2, 200, {"kept": ["a"], "added": ["b"], "removed": ["c"]}),
    ]


def test_a_reload_under_way_is_not_the_one_that_was_asked_for(service: Service) -> None:
    """The outcome of a reload that began before the request is not its answer."""
    ledger = service.engine.ledger
    service.engine.offer("reload", bool)
    ledger.note("reloading")
    service.time.now += 1
    service.ask("POST", "/reload", wait="5s")
    ledger.note("reload-failed", ("old",))
    service.routes.stop()
    assert service.short == [(1, 503, "stopping")]


def test_the_stop(service: Service) -> None:
    """A request to stop is answered at once; one that waits, when all has been torn down or its time is over."""
    service.at(1, service.ask, "DELETE", "/", wait="")
    service.at(1, service.ask, "DELETE", "/", wait="0s")
    service.at(1, service.ask, "DELETE", "/")
    service.run()
    assert service.answers == [(1, 202, {"state": "stopping"})]
    service.routes.stop()
    service.routes.end()
    assert service.answers[1:] == [(1, 200, {"state": "stopped"})] * 2


def test_a_flag_that_goes_before_it_is_raised(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """If a reload takes the flag from a request that waits, the request is told so, and the flag is not raised."""
    service.ask("POST", "/flags/usr1", wait="")
    service.engine.replace({flag: bundle for flag, bundle in service.engine.bundles.items() if flag != "usr1"})
    service.engine.ledger.note("reloaded")
    service.run()
    assert service.short == [(0, 409, "closed")]
    assert "no action is bound" not in caplog.text


def test_a_request_restarts_a_run() -> None:
    """If a signal makes a bundle begin anew at once, a request that waits does, too."""
    service = Service(overlap="restart")
    nudged: list[bool] = []
    service.engine.flags.nudge = lambda: nudged.append(True)
    Works.deeds["usr1"] = [all_of(service.passes(1), partial(service.ask, "POST", "/flags/usr1", wait=""))]
    with service.engine:
        service.at(1, service.engine.raise_flag, "usr1")
        service.run()
    assert nudged == [True]
    assert service.short == [(2, 200, "succeeded")]
    assert service.answers[0][2]["runs"][0]["id"] == 2
    assert len(service.engine.ledger.runs()) == 2


def test_a_run_of_some_actions_does_not_stand_for_a_request() -> None:
    """If a signal is for some actions of a bundle only, a request that comes just then gets a run of all of them."""
    usr1 = SignalSource(signal.SIGUSR1)
    service = Service(
        Binding(usr1, "works", Works, ("a",)), Binding(usr1, "works", Works, ("b",), {"overlap": "rerun"})
    )
    Works.deeds["a"] = [all_of(partial(service.engine.raise_flag, "usr1"), service.passes(1))]

    def ask_once(_: object) -> None:
        """Ask when the flag has been lowered for the second action only, and that has not begun."""
        if len(service.engine.ledger.runs()) == 1:
            service.ask("POST", "/flags/usr1", wait="")

    with service.engine:
        service.engine.before_runs("usr1", ask_once)
        service.at(1, service.engine.raise_flag, "usr1")
        service.run()
    assert service.short == [(2, 200, "succeeded")]
    results = [[report.result for _, _, report in run.actions] for run in service.engine.ledger.runs()]
    assert results == [["succeeded"] * 2, ["skipped", "succeeded"], ["succeeded"] * 2]
    assert service.answers[0][2]["runs"][0]["id"] == 3


def test_a_trigger_with_a_flag_that_has_closed() -> None:
    """The name of a trigger means those of its flags that still have actions."""
    usr1 = SignalSource(signal.SIGUSR1)
    service = Service(
        Settings().separated(Binding(usr1, "works", Works, ("a",), {"debounce": 1.0})),
        Settings().separated(Binding(usr1, "works", Works, ("b",), {"debounce": 2.0})),
    )
    Works.deeds["a"] = [_raise(ActionClosed())]
    with service.engine:
        service.at(1, service.engine.raise_flag, "usr1~1s")
        service.at(3, service.ask, "POST", "/flags/usr1")
        service.at(3, service.ask, "POST", "/flags/usr1~1s")
        service.at(3, service.ask, "POST", "/flags/usr1", wait="")
        service.run()
    assert service.short == [(3, 202, None), (3, 409, "closed"), (5, 200, "succeeded")]
    assert service.answers[0][2] == {"flags": ["usr1~2s"]}


def test_a_raise_before_the_first_action() -> None:
    """If a bundle is to begin anew before its first action has begun, that was no run, and the next one answers."""
    service = Service(overlap="restart")
    again = [partial(service.engine.raise_flag, "usr1", 2)]
    with service.engine:
        service.engine.before_runs("usr1", lambda _: again and again.pop()())
        service.at(1, service.ask, "POST", "/flags/usr1", wait="")
        service.run()
    assert service.short == [(1, 200, "succeeded")]
    (run,) = service.engine.ledger.runs()
    assert (run.number, run.raised) == (1, 3)
    arrivals = service.engine.ledger.arrivals["usr1"]
    assert (arrivals.raised, arrivals.merged) == (3, 2)


def test_a_stop_before_the_first_action(service: Service) -> None:
    """If the stop comes before the first action has begun, the request is told so."""
    service.engine.before_runs("usr1", lambda _: service.engine.stop())
    service.at(1, service.ask, "POST", "/flags/usr1", wait="")
    service.run()
    service.routes.stop()
    service.routes.end()
    assert service.short == [(1, 503, "stopping")]


def test_a_request_after_the_last_run(service: Service) -> None:
    """When the loop has ended, and before the parts are told, the daemon stops: nothing has closed."""
    service.engine.offer("reload", bool)
    service.ask("POST", "/flags/usr1", wait="")
    service.engine.stop()
    service.run()
    service.engine.replace({})
    service.engine.ledger.note("stopping")  # as any event
    service.ask("POST", "/flags/usr2", wait="")
    service.ask("POST", "/reload")
    service.routes.stop()
    assert service.short == [(0, 503, "stopping")] * 3
