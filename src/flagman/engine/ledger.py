"""The ledger of an engine: what was raised, what ran and what came of it, as records that are only replaced whole.

The main thread writes it; events are noted in any thread. Any thread may read it: a record is never changed after it
can be seen.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from collections import deque

from flagman.engine.tally import NO_ARRIVALS, NO_RUNS, Arrivals, Report, Tally
from flagman.exceptions import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flagman.engine.bundle import Member
    from flagman.engine.tally import Came
    from flagman.engine.turn import Result, Turn
    from flagman.types import ActionArgument, ActionName, FlagName

    #: An action in the run of its bundle: its name, its arguments without secrets, and how it went.
    Part = tuple[ActionName, tuple[ActionArgument, ...], Report]

# The most runs and events that are kept.
_MOST_RUNS, _MOST_EVENTS = 1024, 1024
# Characters of an error.
_LONGEST = 500
# What came of the run of a bundle is what came of the action with the greatest weight.
_WEIGHT: dict[Came, int] = {"skipped": 0, "closed": 1, "succeeded": 2, "interrupted": 3, "timed-out": 4, "failed": 4}
_BAD = ("failed", "timed-out", "interrupted")


class Run(Report):
    """One run of a bundle.

    :param number: runs are numbered from 1 on
    :param turn: the turn, which is over
    :param result: what came of it: a failure, if one of the actions has failed
    :param error: that of the action
    :param actions: the actions of the bundle: their names, their arguments without secrets, and how they went
    """

    __slots__ = ("actions", "flag", "ignored", "is_partial", "number", "raised", "trigger")

    def __init__(self, number: int, turn: Turn, result: Came, error: str, actions: Sequence[Part]) -> None:
        # Not by super(): one is made after each run, and this is faster.
        self.at = turn.at
        self.began = turn.began
        self.seconds = turn.seconds
        self.result = result
        self.error = error
        self.number = number
        self.flag = turn.flag
        self.trigger = turn.trigger
        self.raised = turn.raises
        self.ignored = turn.ignored
        self.is_partial = turn.is_partial
        self.actions = actions


class Event:
    """Something that has happened; it is never changed, and complete in itself.

    :param number: events are numbered from 1 on, without gaps
    :param at: when it happened, in seconds since the epoch
    :param moment: when it happened, on the engine's clock
    :param kind: ``begun`` or ``run`` (of a bundle), ``held``, ``ready``, ``readiness``, ``reloading``, ``reloaded``,
        ``reload-failed``, ``process``, ``state`` (of a process), ``processes`` (there are other ones) or ``stopping``
    :param what: more about it: the flag that has begun or is held, the :class:`Run`, the name of the process that has
        another state, or what has changed
    """

    __slots__ = ("at", "kind", "moment", "number", "what")

    def __init__(self, number: int, at: float, moment: float, kind: str, what: object) -> None:
        self.number = number
        self.at = at
        self.moment = moment
        self.kind = kind
        self.what = what


class Ledger:
    """Records the turns of an engine, and what the program around it notes.

    :param clock: the engine's clock
    """

    __slots__ = (
        "_clock",
        "_events",
        "_last_event",
        "_lock",
        "_number",
        "_runs",
        "arrivals",
        "begun",
        "followers",
        "latest",
        "listeners",
        "running",
        "tallies",
    )

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._runs: deque[Run] = deque(maxlen=_MOST_RUNS)
        self._number = self._last_event = 0
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        # Held for a moment while an event gets its number: no code of an action runs meanwhile.
        self._lock = allocate_lock()
        #: The moment from which the records are, since the epoch and on the clock.
        self.begun = (time.time(), clock())
        #: The turn that runs, or is about to be recorded; None between two runs. The engine sets it.
        self.running: Turn | None = None
        #: By flag, also of flags that have no actions any more.
        self.tallies: dict[FlagName, Tally] = {}
        #: By flag, likewise.
        self.arrivals: dict[FlagName, Arrivals] = {}
        #: The last event of each kind.
        self.latest: dict[str, Event] = {}
        #: What reads the begins of runs and the holding of flags. They are events only if something does, because they
        #: cost time before a run.
        self.followers: set[object] = set()
        #: Called with each event in the thread that notes it; they must not raise anything.
        self.listeners: list[Callable[[Event], None]] = []

    def runs(self) -> tuple[Run, ...]:
        """Return the last 1,024 runs, the oldest first."""
        return tuple(self._runs)

    def events(self) -> tuple[Event, ...]:
        """Return the last 1,024 events, the oldest first."""
        return tuple(self._events)

    @property
    def last_event(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._last_event

    def begin(self, turn: Turn) -> None:
        """Note that a turn begins."""
        self.running = turn
        if self.followers:
            self.note("begun", turn.flag)

    def hold(self, flag: FlagName) -> None:
        """Note that a flag was raised and waits until it is quiet."""
        if self.followers:
            self.note("held", flag)

    def end(self, turn: Turn) -> None:
        """Note that the actions of a turn have run."""
        now = self._clock()
        turn.began = turn.began or now  # if none of them has
        turn.seconds = now - turn.began
        turn.at = time.time() - turn.seconds  # only now: each step before a run makes its signal wait

    def take(self, turn: Turn, members: Iterable[Member]) -> None:
        """Record a turn that is over.

        :param members: the actions of its bundle when it began
        """
        results = {result.member: result for result in turn.results}
        actions: list[Part] = []
        result: Came = "skipped"
        error = ""
        for member in members:
            report = _record(member, results.get(member), turn)
            actions.append((member.name, member.open_arguments, report))
            if _WEIGHT[report.result] > _WEIGHT[result]:  # the first of equal weight counts
                result = report.result
                error = f"{member.name}: {report.error}"[:_LONGEST] if result in _BAD else ""
        self._number += 1
        run = Run(self._number, turn, result, error, actions)
        self._runs.append(run)
        self.running = None  # another thread finds the turn here or among the runs, and its raises never twice
        flag = turn.flag
        self.tallies[flag] = self.tallies.get(flag, NO_RUNS).after(run)
        self.arrivals[flag] = self.arrivals.get(flag, NO_ARRIVALS).after(turn.raises, turn.ignored)
        self._add("run", run, turn.at + turn.seconds, turn.began + turn.seconds)

    def note(self, kind: str, what: object = None, *, since: float | None = None) -> None:
        """Record an event; safe in any thread.

        :param kind: see :class:`Event`
        :param what: likewise; it must not be changed any more
        :param since: when it has happened, on the clock; None for now
        """
        now = self._clock()
        moment = now if since is None else since
        self._add(kind, what, time.time() - (now - moment), moment)

    def _add(self, kind: str, what: object, at: float, moment: float) -> None:
        with self._lock:
            number = self._last_event + 1
            event = Event(number, at, moment, kind, what)
            self._events.append(event)
            self.latest[kind] = event
            self._last_event = number  # last: what reads it finds the event
        for listener in self.listeners:
            listener(event)


def _record(member: Member, result: Result | None, turn: Turn) -> Report:
    """Return how an action went in a turn, and count that; one that has no result was left out."""
    if result is None:
        report = Report(turn.at + turn.seconds, turn.began + turn.seconds, 0.0, "skipped", _why_skipped(turn))
    else:
        began = turn.at + result.began - turn.began
        ending = result.ending
        error = "" if ending == "succeeded" else one_line(result.reason)[:_LONGEST]
        report = Report(began, result.began, result.seconds, "timed-out" if result.timed_out else ending, error)
    member.tally = member.tally.after(report)
    return report


def _why_skipped(turn: Turn) -> str:
    last = turn.results[-1] if turn.results else None
    return f"{last.title} failed"[:_LONGEST] if last is not None and last.ending == "failed" else ""
