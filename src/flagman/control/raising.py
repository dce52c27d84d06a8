"""Raising flags by requests, and the outcome of the runs that follow."""

from __future__ import annotations

from contextlib import suppress

from flagman.engine.flags import in_log
from flagman.engine.ledger import Run
from flagman.service.request_error import RequestError
from flagman.service.status import UnknownFlagError
from flagman.service.waits import Wait, Waits, span_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.engine.ledger import Event
    from flagman.engine.turn import Turn
    from flagman.service.parts import Site
    from flagman.service.request import Request
    from flagman.types import FlagName

_STOPPING = "the daemon stops"
# What came of several runs is the first of these that came of one of them.
_WORST_FIRST = ("failed", "timed-out", "interrupted", "skipped", "closed", "succeeded")


class Raising:
    """Raises flags for requests; in the control loop, if nothing else is said.

    :param site: the doors of the run
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine
        self._ledger = site.engine.ledger
        self.waits = Waits(site.loop, site.engine.clock)

    def find(self, name: str) -> tuple[FlagName, ...]:
        """Return the flags that a name means.

        :raises RequestError: if it means none
        """
        try:
            return self._site.status.find(name)
        except UnknownFlagError as error:
            raise RequestError(404, "no-such-flag", str(error), did_you_mean=error.close) from None

    def answer(self, request: Request) -> None:
        """Raise the flags that the path names; answer at once, or when their bundles have run.

        :raises RequestError: if none can run
        """
        waits, seconds = span_of(request.query)
        named = self.find(request.path["NAME"])
        if any(flag in self._site.last_flags for flag in named):
            raise RequestError(409, "only-at-stop", f"the actions of {_quoted(named)} run when the daemon stops")
        bundles = self._engine.bundles
        flags = [flag for flag in named if flag in bundles]
        if not flags:
            raise _closed(named)
        if not waits:
            for flag in flags:
                self._engine.raise_flag(flag)
            request.reply(202, {"flags": list(flags)})
            return
        wait = Wait(request, f"the run for {_quoted(flags)} has not ended", flags)
        self.waits.add(wait, seconds)
        self._look_for_gone(wait)
        at_once = [flag for flag in flags if bundles[flag].restarts]
        for flag in at_once:  # a run in progress is to end
            self._engine.raise_flag(flag)
        self._engine.call_later(0, self._raise_between_runs, wait, [flag for flag in flags if flag not in at_once])

    def _raise_between_runs(self, wait: Wait, flags: Iterable[FlagName]) -> None:
        """Raise flags in the main loop, between two runs: so no run in progress stands for this raise.

        A bundle that has run since the request was made need not run again.
        """
        bundles = self._engine.bundles
        for flag in flags:
            if flag in bundles and not self._has_begun(wait, flag):
                self._engine.raise_flag(flag)

    def _has_begun(self, wait: Wait, flag: FlagName) -> bool:
        """Return whether a run of a flag has begun since the request was made; in any thread."""
        turn = self._ledger.running
        if turn is not None and _answers(wait, flag, turn):
            return True
        for run in reversed(self._ledger.runs()):
            if run.began < wait.asked:
                break
            if _answers(wait, flag, run):
                return True
        return False

    def on_event(self, event: Event) -> None:
        """Answer the requests that have waited for a run that has ended, or for actions that have gone."""
        run = event.what if isinstance(event.what, Run) else None
        for wait in self.waits:
            if run is not None and run.flag in wait.missing and _answers(wait, run.flag, run):
                wait.missing.discard(run.flag)
                wait.runs.append(run)
                if not wait.missing:
                    self.waits.answer(wait, 200, self._outcome(wait.runs))
                    continue
            self._look_for_gone(wait)

    def _look_for_gone(self, wait: Wait) -> None:
        """Answer a request if it waits for a run of actions that have gone."""
        bundles = self._engine.bundles
        gone = [flag for flag in wait.missing if flag not in bundles and not self._has_begun(wait, flag)]
        if not gone or self._site.status.state == "stopping":  # stop() tells that
            return
        # A reload may have given other flags to the trigger: those that it has now are meant.
        named: Iterable[FlagName] = ()
        with suppress(UnknownFlagError):
            named = self._site.status.find(wait.request.path["NAME"])
        known = wait.missing.union(run.flag for run in wait.runs)
        instead = [flag for flag in named if flag in bundles and flag not in known]
        if instead:
            wait.missing = {*wait.missing, *instead}.difference(gone)
            self._engine.call_later(0, self._raise_between_runs, wait, instead)
        else:
            self.waits.fail(wait, _closed(gone))

    def _outcome(self, runs: list[Run]) -> dict[str, object]:
        worst = min(runs, key=lambda run: _WORST_FIRST.index(run.result))
        status = self._site.status
        return {"result": worst.result, "error": worst.error or None, "runs": [status.run(run) for run in runs]}

    def stop(self) -> None:
        """Answer the requests for runs that do not begin any more, because the daemon stops."""
        for wait in self.waits:
            if not all(self._has_begun(wait, flag) for flag in wait.missing):
                self._fail(wait)

    def end(self) -> None:
        """Answer all requests that still wait."""
        for wait in self.waits:
            self._fail(wait)

    def _fail(self, wait: Wait) -> None:
        message = f"{_STOPPING}, and {_quoted(sorted(wait.missing))} did not run any more"
        self.waits.fail(wait, RequestError(503, "stopping", message))


def _answers(wait: Wait, flag: FlagName, run: Run | Turn) -> bool:
    """Return whether this run is for the flag, for all of its actions, and has begun since the request was made."""
    is_empty = isinstance(run, Run) and run.result == "skipped"  # the stop has come before its first action
    return run.flag == flag and run.began >= wait.asked and not run.is_partial and not is_empty


def _quoted(flags: Iterable[FlagName]) -> str:
    return ", ".join(f"`{in_log(flag)}`" for flag in flags)


def _closed(flags: Iterable[FlagName]) -> RequestError:
    return RequestError(409, "closed", f"{_quoted(flags)} has no actions any more")
