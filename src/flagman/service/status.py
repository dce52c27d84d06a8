"""The status of a run as JSON: what is bound, what ran, what came of it; built from records, so safe in any thread."""

from __future__ import annotations

import time

from flagman.children import front
from flagman.engine.flags import STOP
from flagman.engine.tally import NO_ARRIVALS, NO_RUNS
from flagman.exceptions import UsageError
from flagman.service.records import moment, of_action, of_report, of_tally, rounded
from flagman.text.hints import nearest
from flagman.text.moments import rfc3339
from flagman.text.signames import name_of, number_of
from flagman.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from flagman.config.binding import Binding
    from flagman.engine.bundle import Member
    from flagman.engine.engine import Engine
    from flagman.engine.ledger import Event, Run
    from flagman.engine.tally import Arrivals
    from flagman.engine.turn import Turn
    from flagman.service.assembly import Assembly
    from flagman.types import FlagName

    #: Actions by flag, each with its binding, if it has one.
    Bound = dict[FlagName, list[tuple[Binding | None, Member]]]

# Events after which the run is idle, unless something else has begun since.
_FAILED = "reload-failed"
_ENDS = ("ready", "run", "reloaded", _FAILED)


class UnknownFlagError(UsageError):
    """No flag and no trigger has this name.

    :param name: the name
    :param close: names that may have been meant
    """

    def __init__(self, name: str, close: Sequence[str]) -> None:
        super().__init__(f"no action is bound to {name!r}")
        self.close = close


class Status:
    """Shows a run to programs and people.

    :param engine: runs the actions
    :param assembly: knows the bindings
    :param config: the path of the configuration file; empty if there is none
    :param more: returns what parts show of themselves, by key
    """

    def __init__(
        self, engine: Engine, assembly: Assembly, config: str, more: Callable[[], Mapping[str, object]]
    ) -> None:
        #: The path of the configuration file; empty if there is none.
        self.config_file = config
        self._engine = engine
        self._ledger = engine.ledger
        self._assembly = assembly
        self._more = more
        self._raised: dict[FlagName, int] = {}  # as often as has been shown
        # The actions of bindings, as the assembly has them, and by flag; only replaced as a whole.
        self._by_flag: tuple[list[tuple[Binding, Member]], Bound] = ([], {})

    @property
    def state(self) -> str:
        """What the run does: ``starting``, ``idle``, ``running``, ``reloading`` or ``stopping``."""
        return self._state()[0]

    @property
    def is_ready(self) -> bool:
        """Whether the run has become ready, and does not stop."""
        return "ready" in self._ledger.latest and self.state != "stopping"

    def _state(self) -> tuple[str, float, float]:
        """Return the state, and since when it is: since the epoch and on the clock."""
        latest, turn = self._ledger.latest, self._ledger.running
        asked = self._engine.flags.since(STOP)
        if asked is not None:
            return "stopping", time.time() - (self._engine.clock() - asked), asked
        if stopping := latest.get("stopping"):
            return "stopping", stopping.at, stopping.moment
        if "ready" not in latest:
            return "starting", *self._ledger.begun
        if (reloading := latest.get("reloading")) and reloading is self._newest(("reloading", "reloaded", _FAILED)):
            return "reloading", reloading.at, reloading.moment
        if turn is not None:
            return "running", *self.begun(turn)
        last = self._newest(_ENDS)
        return ("idle", *self._ledger.begun) if last is None else ("idle", last.at, last.moment)

    def begun(self, turn: Turn) -> tuple[float, float]:
        """Return when a turn began that has not ended, since the epoch and on the clock."""
        now = self._engine.clock()
        began = turn.began or now
        return time.time() - (now - began), began

    def _since(self, turn: Turn | None, now: float) -> dict[str, object]:
        if turn is None:
            return moment("running_since")
        at, began = self.begun(turn)
        return moment("running_since", at, now - began)

    def _newest(self, kinds: Iterable[str]) -> Event | None:
        events = [self._ledger.latest[kind] for kind in kinds if kind in self._ledger.latest]
        return max(events, key=lambda event: event.number, default=None)

    def picture(self) -> dict[str, object]:
        """Return the whole status."""
        now = self._engine.clock()
        begun_at, begun = self._ledger.begun
        return {
            "version": __version__,
            "pid": front.pid(),
            **moment("started", begun_at, now - begun),
            **self._excerpt(self.bound(), now),
            **self._more(),
        }

    def excerpt(self, flags: Collection[FlagName]) -> dict[str, object]:
        """Return what changes: of the run, and of these flags."""
        return self._excerpt(self.bound(flags), self._engine.clock())

    def _excerpt(self, bound: Bound, now: float) -> dict[str, object]:
        number = self._ledger.last_event  # first: what follows is not older than this event
        state, at, since = self._state()
        return {
            "state": state,
            **moment("since", at, now - since),
            "ready": self.is_ready,
            "config": self._config(now),
            "flags": [self._flag(flag, pairs, now) for flag, pairs in bound.items()],
            "events_last_id": number,
        }

    @property
    def size(self) -> tuple[int, int]:
        """How many actions are bound, and how many flags have some; another one if there is another flag."""
        return len(self._assembly.members), len(self._engine.bundles)

    def history(self, flags: Iterable[FlagName] = (), number: int | None = None) -> dict[str, object]:
        """Return the last runs, the oldest first.

        :param flags: only the runs of these flags; none for those of all
        :param number: how many at the most
        """
        wanted = set(flags)
        runs = [run for run in self._ledger.runs() if not wanted or run.flag in wanted]
        kept = runs if number is None else runs[len(runs) - min(number, len(runs)) :]
        return {"runs": [self.run(run) for run in kept]}

    def run(self, run: Run) -> dict[str, object]:
        """Return one run."""
        return {
            "id": run.number,
            "flag": run.flag,
            "trigger": run.trigger,
            **of_report(run, self._engine.clock()),
            "raised": run.raised,
            "ignored": run.ignored,
            "actions": [
                {
                    "name": name,
                    "arguments": list(arguments),
                    "result": report.result,
                    "duration": rounded(report.seconds),
                    "error": report.error or None,
                }
                for name, arguments, report in run.actions
            ],
        }

    def find(self, name: str) -> tuple[FlagName, ...]:
        """Return the flags that a name means: that of a flag, of a trigger, or of a signal in any spelling.

        :raises UnknownFlagError: if it means none
        """
        triggers: dict[str, dict[FlagName, None]] = {}
        for flag, pairs in self.bound().items():
            trigger = self._trigger(flag, pairs)
            triggers.setdefault(trigger, {})[flag] = None
            if flag == name:
                return (flag,)
        for spelling in (name, name.lower(), _signal(name)):
            if spelling in triggers:
                return tuple(triggers[spelling])
        raise UnknownFlagError(name, nearest(name, triggers))

    def bound(self, flags: Collection[FlagName] | None = None) -> Bound:
        """Return all actions by flag: those of bindings, also closed ones; and those that other actions have added.

        :param flags: only those of these flags; None for all
        """
        by_flag = self._of_bindings()
        bound: Bound = {flag: list(by_flag[flag]) for flag in (by_flag if flags is None else flags) if flag in by_flag}
        bundles = self._engine.bundles
        known = {member for pairs in bound.values() for _, member in pairs}
        for flag in bundles if flags is None else flags:
            for member in bundles.get(flag, ()):
                if member not in known:
                    bound.setdefault(flag, []).append((None, member))
        return bound

    def _of_bindings(self) -> Bound:
        """Return the actions of bindings by flag: made once, because an event is about one flag of perhaps many."""
        members, bound = self._by_flag
        if members is not self._assembly.members:
            members, bound = self._assembly.members, {}
            for binding, member in members:
                bound.setdefault(binding.flag, []).append((binding, member))
            self._by_flag = members, bound
        return bound

    @staticmethod
    def _trigger(flag: FlagName, pairs: Iterable[tuple[Binding | None, Member]]) -> str:
        return next((binding.source.trigger for binding, _ in pairs if binding is not None), flag)

    def loaded(self) -> tuple[float, float, tuple[str, ...]]:
        """Return when the configuration that holds was loaded, since the epoch and on the clock; and all mistakes.

        There are none if the last attempt to load it was a success.
        """
        event = self._ledger.latest.get("reloaded")
        at, since = (event.at, event.moment) if event is not None else self._ledger.begun
        last = self._newest(("reloaded", _FAILED))
        mistakes = last.what if last is not None and last.kind == _FAILED else ()
        return at, since, mistakes if isinstance(mistakes, tuple) else ()

    def _config(self, now: float) -> dict[str, object]:
        at, since, mistakes = self.loaded()
        return {
            "file": self.config_file or None,
            **(moment("loaded", at, now - since) if self.config_file else moment("loaded")),
            "ok": not mistakes,
            "error": "; ".join(mistakes) or None,
        }

    def count(self, flag: FlagName) -> tuple[int, Arrivals]:
        """Return how often a flag was raised so far, which never goes back, and for what its bundle has run.

        Raises move on meanwhile, from the raised flags to the arrivals: one that is on its way is missed once.
        """
        before = None
        while before != (now := self._places(flag)):  # so that none is counted at two places
            before = now
        arrivals, *others = now
        raised = self._raised[flag] = max(arrivals.raised + sum(others), self._raised.get(flag, 0))
        return raised, arrivals

    def due(self, flag: FlagName) -> float | None:
        """Return the moment on the clock at which a timer raises a flag, or its debounce lets it go; None for none."""
        moments = (self._engine.held(flag)[1], self._assembly.due(flag))
        return min((each for each in moments if each is not None), default=None)

    def _places(self, flag: FlagName) -> tuple[Arrivals, int, int, int]:
        arrivals, turn = self._ledger.arrivals.get(flag, NO_ARRIVALS), self._ledger.running
        runs_now = turn.raises if turn is not None and turn.flag == flag else 0
        return arrivals, runs_now, self._engine.held(flag)[0], self._engine.flags.count(flag)

    def _flag(self, flag: FlagName, pairs: list[tuple[Binding | None, Member]], now: float) -> dict[str, object]:
        turn = self._ledger.running
        runs_now = turn if turn is not None and turn.flag == flag else None
        raised, arrivals = self.count(flag)
        held = self._engine.held(flag)[0]
        due = self.due(flag)
        return {
            "name": flag,
            "trigger": self._trigger(flag, pairs),
            "raised": raised,
            **of_tally(self._ledger.tallies.get(flag, NO_RUNS), now),
            "ignored": arrivals.ignored,
            "merged": arrivals.merged,
            "held": held,
            "running": runs_now is not None,
            **self._since(runs_now, now),
            "next_due": None if due is None else rfc3339(time.time() + due - now),
            "next_due_in": None if due is None else rounded(max(0.0, due - now)),
            "actions": [of_action(member, now) for _, member in pairs],
        }


def _signal(name: str) -> str:
    """Return the trigger of a signal by one of its names; empty if it is none."""
    try:
        return name_of(number_of(name)).lower()
    except ValueError:
        return ""
