"""What a run answers to requests: its status, its readiness, its history; a flag to raise, a reload, the stop."""

from __future__ import annotations

from flagman.control.raising import Raising
from flagman.service.request_error import RequestError, check
from flagman.service.waits import Wait, Waits, span_of
from flagman.text.hints import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flagman.engine.ledger import Event
    from flagman.service.parts import Site
    from flagman.service.request import Request

_STOPPING = "the daemon stops"
_STOPPED = {"state": "stopped"}
# The status of HTTP of what is not ready.
_NOT_READY = 503


class Routes:
    """Answers requests about one run; in the control loop, if nothing else is said.

    :param site: the doors of the run
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine
        self._ledger = site.engine.ledger
        self._raising = Raising(site)
        # Those to raise flags wait first until all actions are set up.
        self._for_actions, self._for_ready, self._for_reload, self._for_end = (
            Waits(site.loop, site.engine.clock) for _ in range(4)
        )
        # When the reload began that goes on, or was the last.
        self._reload_began = 0.0
        self._stops = self._has_ended = False
        self._ledger.listeners.append(self._hear)
        site.changes.listen(self._on_change)

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the routes, by method and path."""
        return {
            ("GET", "/status"): self._show_status,
            ("GET", "/ready"): self._show_ready,
            ("GET", "/history"): self._show_history,
            ("POST", "/flags/NAME"): self._raise,
            ("POST", "/reload"): self._reload,
            ("DELETE", "/"): self._stop,
        }

    def _hear(self, event: Event) -> None:
        """Pass an event of the main thread on, if a request waits for one."""
        if self._raising.waits or self._for_ready or self._for_reload:
            self._site.loop.call(self._on_event, event)

    def _on_event(self, event: Event) -> None:
        if event.kind == "ready":
            self._on_change()
        elif event.kind == "reloading":
            self._reload_began = event.moment
        elif event.kind in ("reloaded", "reload-failed"):
            for wait in self._for_reload:
                if wait.asked <= self._reload_began:
                    self._for_reload.answer(wait, *_outcome(event))
        self._raising.on_event(event)

    def _on_change(self, *_: object) -> None:
        """Answer the requests that wait for readiness, if it has come, or cannot come because a process is gone."""
        for wait in self._for_ready:
            status, body = self._readiness(wait.request)
            if status != _NOT_READY:
                self._for_ready.answer(wait, status, body)

    def _show_status(self, request: Request) -> None:
        check(request)
        request.reply(200, self._site.status.picture())

    def _show_ready(self, request: Request) -> None:
        check(request, "process", "wait")
        waits, seconds = span_of(request.query)
        status, body = self._readiness(request)
        if status != _NOT_READY or not waits or self._stops:
            request.reply(status, body)
        else:
            wait = Wait(request, "")
            self._for_ready.add(wait, seconds, lambda: self._readiness(request))
            self._on_change()  # it may have come a moment ago, when this did not wait for it yet

    def _readiness(self, request: Request) -> tuple[int, object]:
        """Return the answer about the readiness of the run, or of the processes that a request names."""
        status, names = self._site.status, request.query.get("process")
        if self._stops or status.state == "stopping":
            reasons = ["stopping"]
        elif names is not None:
            try:
                reasons = self._unready(names.split(","))
            except RequestError as error:
                return error.status, error.body
        else:
            reasons = [f"waiting: {reason}" for reason in self._site.unready()]
            reasons = reasons if status.is_ready else ["starting", *reasons]
        if not reasons:
            return 200, {"ready": True, "reasons": []}
        return _NOT_READY, {"ready": False, "reasons": reasons}

    def _unready(self, names: Sequence[str]) -> list[str]:
        """Return which of some processes are not ready, and why.

        :raises RequestError: if there is no process of a name
        """
        shown = self._site.snapshot().get("processes", ())
        processes = {process["name"]: process for process in shown}  # type: ignore[attr-defined]
        for name in names:
            if name not in processes:
                close = nearest(name, processes)
                raise RequestError(404, "no-such-process", f"there is no process {name!r}", did_you_mean=close)
        return [f"{name} {processes[name]['text']}" for name in names if not processes[name]["ready"]]

    def _show_history(self, request: Request) -> None:
        check(request, "flag", "n")
        flag, text = request.query.get("flag"), request.query.get("n")
        if text is not None and not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - digits
            raise RequestError(400, "bad-request", f"n: {text!r} is not a number")
        flags: Iterable[str] = ()
        if flag is not None:
            flags = (flag,) if flag in self._ledger.tallies else self._raising.find(flag)
        number = None if text is None else int(text)
        ends: list[object] = []
        if flag is None:
            ends = [event.what for event in self._ledger.events() if event.kind == "process"]
            ends = ends if number is None else ends[len(ends) - min(number, len(ends)) :]
        request.reply(200, {**self._site.status.history(flags, number), "processes": ends})

    def _raise(self, request: Request) -> None:
        check(request, "wait")
        self._check_running()
        if self._site.is_set_up:
            self._raising.answer(request)
        else:  # as a signal does that comes so early
            self._for_actions.add(Wait(request, "the actions are not set up"), span_of(request.query)[1])

    def begin(self) -> None:
        """Carry out what has waited for the actions, because they are set up."""
        for wait in self._for_actions:
            self._for_actions.forget(wait)
            try:
                self._check_running()
                self._raising.answer(wait.request)
            except RequestError as error:
                wait.request.reply(error.status, error.body)

    def _reload(self, request: Request) -> None:
        check(request, "wait")
        if not self._engine.offers("reload"):
            raise RequestError(409, "no-configuration", "there is no configuration file to load again")
        self._check_running()
        seconds = span_of(request.query)[1]
        self._for_reload.add(Wait(request, "the reload has not ended"), seconds)
        self._engine.call_later(0, self._engine.ask, "reload")

    def _stop(self, request: Request) -> None:
        check(request, "wait")
        waits, seconds = span_of(request.query)
        if waits and self._has_ended:
            request.reply(200, _STOPPED)
        elif waits:
            self._for_end.add(Wait(request, "the daemon has not stopped"), seconds)
        else:
            request.reply(202, {"state": "stopping"})
        self._site.stop()

    def _check_running(self) -> None:
        """Refuse a request that nothing would carry out any more.

        :raises RequestError: if the daemon stops
        """
        if self._stops or self._site.status.state == "stopping":
            raise RequestError(503, "stopping", _STOPPING)

    def stop(self) -> None:
        """Answer what waits for something that does not come any more, because the daemon stops."""
        self._stops = True
        for wait in self._for_ready:
            self._for_ready.answer(wait, *self._readiness(wait.request))
        for waits in (self._for_actions, self._for_reload):
            for wait in waits:
                waits.fail(wait, RequestError(503, "stopping", _STOPPING))
        self._raising.stop()

    def end(self) -> None:
        """Answer all that still waits: everything has been torn down."""
        self._has_ended = True
        self.stop()
        self._raising.end()
        for wait in self._for_end:
            self._for_end.answer(wait, 200, _STOPPED)


def _outcome(event: Event) -> tuple[int, object]:
    """Return the answer about a reload that has ended."""
    if event.kind == "reload-failed" and isinstance(event.what, tuple):
        error = RequestError(409, "reload-failed", "; ".join(event.what), mistakes=event.what)
        return error.status, error.body
    change = event.what
    return 200, {name: getattr(change, name) for name in ("kept", "added", "removed")} | getattr(change, "of_parts", {})
