"""Processes: what happens to one that flagman keeps raises a flag; :class:`Heard` is told of it by what keeps them."""

from __future__ import annotations

from _thread import allocate_lock

import flagman.engine.calls  # noqa: F401 - what a start needs is imported before
from flagman.exceptions import UsageError
from flagman.triggers import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flagman.engine.engine import Engine
    from flagman.engine.turn import Turn
    from flagman.triggers import Trigger
    from flagman.types import FlagName

#: What may happen to a process.
EVENTS = ("ready", "exit", "fail")
#: The request by which a trigger finds :class:`Heard`; what keeps processes answers it.
REQUEST = "what happens to processes"


class ProcessSource(Source):
    """Something that happens to a process.

    :param process: the name of the process
    :param event: one of :data:`EVENTS`
    """

    __slots__ = ("_event", "_process")

    key = "process"
    option = "--on-process"
    has_start = True

    def __init__(self, process: str, event: str) -> None:
        super().__init__(trigger_of(process, event))
        self._process = process
        self._event = event

    def text(self) -> str:
        """Return the process and the event."""
        return f"{self._process}:{self._event}"

    def keys(self) -> dict[str, str]:
        """Return the process and the event, each under its key."""
        return {self.key: self._process, "event": self._event}

    def processes(self) -> tuple[str, ...]:
        """Return the process."""
        return (self._process,)

    def spread(self) -> str:
        """Return ``debounce``."""
        return "debounce"

    def arm(self, engine: Engine, flag: FlagName, options: Mapping[str, float], shared: dict[str, object]) -> Trigger:  # noqa: ARG002 - it has no options, and shares nothing
        """Listen to what is heard of the process.

        :raises UsageError: if nothing here keeps processes
        """
        heard = engine.ask(REQUEST) if engine.offers(REQUEST) else None
        if not isinstance(heard, Heard):
            raise UsageError(f"{self.trigger}: nothing here keeps processes")
        return ProcessTrigger(engine, flag, self._process, self.trigger, heard)


def read(text: str) -> ProcessSource:
    """Read the name of a process, a colon and an event.

    :raises ValueError: if one of them is missing, or there is no such event
    """
    process, colon, event = text.rpartition(":")
    if not process or not event:
        name = process or (event if not colon else "") or "NAME"
        raise ValueError(f"{text!r} is not NAME:EVENT, such as {', '.join(f'{name}:{each}' for each in EVENTS)}")
    if event not in EVENTS:
        raise ValueError(f"{event!r} is not an event of a process; the events are {', '.join(EVENTS)}")
    return ProcessSource(process, event)


def trigger_of(process: str, event: str) -> str:
    """Return the name of the trigger of an event."""
    return f"process:{process}:{event}"


class Heard:
    """What has happened to processes: what keeps them reports it here, and triggers raise their flags.

    It belongs to a run, and is there before the first trigger is armed. A flag is raised between two runs of bundles,
    whatever ``overlap`` says: a run that began before something happened never stands for it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # What has happened last, by trigger; other threads read it, so it is only replaced.
        self._latest: dict[FlagName, _Event] = {}
        # The triggers that the main loop is about to look at; for each the moment of the first event it was not told.
        self._planned: dict[FlagName, float] = {}
        self._triggers: tuple[ProcessTrigger, ...] = ()

    def happened(self, process: str, event: str, *, status: str = "", pid: int = 0, reason: str = "") -> None:
        """Report that something has happened; safe in any one thread, such as that of the control loop.

        It never waits for a run. Once the engine has been asked to stop, it does nothing.

        :param event: one of :data:`EVENTS`
        :param status: the exit status of the process, or the signal that has ended it: ``1``, ``SIGKILL``
        :param pid: the number of the process in question; 0 if there is none
        :param reason: in words, for people
        """
        if self._engine.stopping:
            return
        trigger = trigger_of(process, event)
        now = self._engine.clock()
        number = self.latest(trigger).number + 1
        details = {"event": event, "status": status, "process_pid": str(pid or ""), "reason": reason}
        self._latest[trigger] = _Event(number, now, details)
        for each in self.of(trigger):
            each.interrupt()
        # After it is noted: the main loop first forgets that it is about to look, and then looks at what is noted.
        if trigger not in self._planned:
            self._planned[trigger] = now
            self._engine.call_later(0, self._look, trigger)

    def _look(self, trigger: FlagName) -> None:
        since = self._planned.pop(trigger)
        for each in self.of(trigger):
            each.look(since)

    def latest(self, trigger: FlagName) -> _Event:
        """Return what has happened last, of all that raises a trigger; its number is 0 if nothing has."""
        return self._latest.get(trigger, _NOTHING)

    def of(self, trigger: FlagName) -> list[ProcessTrigger]:
        """Return the triggers of this name: each flag has one, and bindings with other delays have other flags."""
        return [each for each in self._triggers if each.trigger == trigger]

    def add(self, trigger: ProcessTrigger) -> Callable[[], None]:
        """Add a trigger that is told of events, too; return a function that ends this."""
        self._triggers = (*self._triggers, trigger)

        def end() -> None:
            self._triggers = tuple(each for each in self._triggers if each is not trigger)

        return end


class _Event:
    """Something that has happened.

    :param number: of its kind, from 1 on
    :param at: when, on the engine's clock
    :param details: what a run for it is told
    """

    __slots__ = ("at", "details", "number")

    def __init__(self, number: int, at: float, details: Mapping[str, str]) -> None:
        self.number = number
        self.at = at
        self.details = details


_NOTHING = _Event(0, 0.0, {"event": "", "status": "", "process_pid": "", "reason": ""})


class ProcessTrigger:
    """Raises a flag when something has happened to a process.

    :param flag: the flag
    :param process: the name of the process
    :param trigger: the name of what may happen to it
    """

    def __init__(self, engine: Engine, flag: FlagName, process: str, trigger: FlagName, heard: Heard) -> None:
        #: The name of what it waits for.
        self.trigger = trigger
        self._engine = engine
        self._flag = flag
        self._process = process
        self._heard = heard
        # Events up to these numbers: those for which the flag was raised, of which a run was told when it began, and
        # for which a run has gone to its end.
        self._raised = self._told = self._done = heard.latest(trigger).number
        # Held to compare these numbers and raise the flag: a run must not begin in between, which would be told of it.
        self._lock = allocate_lock()
        self._ends: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<ProcessTrigger of {self.trigger!r}>"

    def begin(self, going: Collection[Trigger]) -> None:  # noqa: ARG002 - also those that stay matter
        """Raise the flag from now on.

        What another flag of the same trigger still has to tell, this one has to tell, too: a reload passes its raises
        on.
        """
        for other in self._heard.of(self.trigger):
            self._go_on_with(other)
        self._ends = [
            self._engine.before_runs(self._flag, self._describe),
            self._engine.after_runs(self._flag, self._after_run),
            self._heard.add(self),
        ]

    def _go_on_with(self, other: ProcessTrigger) -> None:
        if other._done < self._done:
            self._raised, self._told, self._done = other._raised, other._told, other._done

    def follow(self, options: Mapping[str, float]) -> None:
        """Go on, because it has no options."""

    def due(self) -> None:
        """Return None, because nothing tells what is going to happen."""

    def cancel(self) -> None:
        """Listen no longer."""
        while self._ends:
            self._ends.pop()()

    def interrupt(self) -> None:
        """Raise the flag at once if its bundle is to begin anew; in another thread."""
        bundle = self._engine.bundles.get(self._flag)
        if bundle is not None and bundle.restarts:
            with self._lock:
                latest = self._heard.latest(self.trigger)
                if times := self._count(latest):
                    self._engine.raise_flag(self._flag, times)

    def look(self, since: float) -> None:
        """Raise the flag if a run for it has to be told something; between two runs.

        :param since: the moment of the first event of which it may not have been told
        """
        with self._lock:
            latest = self._heard.latest(self.trigger)
            if self._flag not in self._engine.bundles:  # all of its actions have closed
                self._raised = self._told = self._done = latest.number
            elif times := self._count(latest):
                # Not by raise_flag(): a flag that is held until it is quiet counts from the moments of the events.
                self._engine.flags.join(self._flag, (times, since, latest.at))

    def _count(self, latest: _Event) -> int:
        """Return for how many events the flag has to be raised, and take note that it is."""
        times = max(0, latest.number - max(self._told, self._raised))
        self._raised = max(self._raised, latest.number)
        return times

    def _describe(self, turn: Turn) -> None:
        """Fill in the details of a turn, which stands for all that has happened until now.

        One for only some of the actions stands for nothing that has happened: it answers another raise.
        """
        with self._lock:
            latest = self._heard.latest(self.trigger)
            is_news = latest.number > self._done and not turn.is_partial
            if is_news:
                turn.raises += self._count(latest)
                self._told = latest.number
        turn.details.update(process=self._process, **(latest if is_news else _NOTHING).details)

    def _after_run(self) -> None:
        """Note that a run is over; one that begins anew has to tell the same as the one that was interrupted."""
        if all(result.ending != "interrupted" for result in self._engine.turn.results):
            self._done = self._told
