"""The doors of an engine: how the program around it reaches its flags, its loop and its turns."""

from __future__ import annotations

from flagman.engine.action import Host
from flagman.engine.flags import STOP
from flagman.engine.interrupt import Interrupter
from flagman.engine.ledger import Ledger
from flagman.engine.loop import Poller
from flagman.engine.lowering import Lowering
from flagman.engine.roster import Roster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import ParamSpec, TypeVar

    from flagman.engine.alongside import Alongside
    from flagman.engine.bundle import Bundle
    from flagman.engine.calls import Call
    from flagman.engine.choices import Choices
    from flagman.engine.loop import Attachment, Wait
    from flagman.engine.signals import Signals
    from flagman.engine.turn import Turn
    from flagman.types import FlagName

    P = ParamSpec("P")
    T = TypeVar("T")


class Doors(Host):
    """What a program may tell an engine, and ask of it, during its whole life.

    :param choices: how actions are run that have none of their own
    :param signals: its signal handlers
    :param contained: the exceptions that count as an action's failure
    :param clock: returns the seconds of a clock that never goes back
    :param wait: waits for descriptors; poll(2) by default
    """

    def __init__(
        self,
        choices: Choices,
        signals: Signals,
        contained: tuple[type[BaseException], ...],
        clock: Callable[[], float],
        wait: Wait | None,
    ) -> None:
        super().__init__(Interrupter(signals.codes, signals.wakeup), choices)
        self._signals = signals
        self.flags = signals.flags
        self.flags.clock = clock
        self._roster = Roster(self.flags, self.interrupter, contained, clock)
        #: What was raised, what ran and what came of it; for any thread.
        self.ledger = Ledger(clock)
        self._lowering = Lowering(
            self.flags, self._roster, signals.keep_waking, self.interrupter.look_alongside, self.ledger
        )
        self.flags.nudge = self.interrupter.nudge
        self.clock = clock
        self._poller = Poller(signals.wakeup, self._make, clock=clock, wait=wait)
        self._once = False
        # What is called for flags that have no actions, but a meaning of their own.
        self._meanings: dict[FlagName, Callable[[], object]] = {}

    @property
    def bundles(self) -> Mapping[FlagName, Bundle]:
        """The bundles that have actions, by flag."""
        return self._lowering.by_flag

    @property
    def turn(self) -> Turn:
        """The turn of the bundle that runs, or has run last."""
        return self._lowering.turn

    @property
    def stopping(self) -> bool:
        """Whether the engine has been asked to stop."""
        return STOP in self.flags or self._lowering.is_finishing

    @property
    def is_waiting(self) -> bool:
        """Whether the loop waits: then what :meth:`on_wake` has set is called before anything else is done."""
        return self._poller.is_waiting

    def on_wake(self, code: Callable[[], object]) -> None:
        """Call ``code``, which must be short and raise nothing, in the loop after each of its waits, first of all."""
        self._poller.on_wake = code

    def follow(self, choices: Choices, *, once: bool = False) -> None:
        """Obey other choices from now on; actions that are set up keep their own.

        :param once: stop after the first run of a bundle
        """
        self._choices = choices
        self._once = once

    @property
    def settings(self) -> Mapping[str, object]:
        """What actions have as their settings; see :meth:`provide`."""
        return self._settings

    def provide(self, settings: Mapping[str, object]) -> None:
        """Replace :attr:`settings`; ``reloaded()`` reports that to actions."""
        self._settings = settings

    def begin(self, turn: Turn) -> None:
        """Make this the current turn; for tests, which run actions without the loop."""
        self._lowering.turn = turn

    def observe(self, observer: Callable[[Turn], None]) -> None:
        """Call ``observer``, which must not raise anything, after each run of a bundle; there may be several."""
        self._lowering.observers.append(observer)

    def on_flag(self, flag: FlagName, code: Callable[[], object]) -> None:
        """Call ``code`` in the loop when a flag is lowered that has no actions: it has a meaning of its own then."""
        self._meanings[flag] = code

    def before_runs(self, flag: FlagName, code: Callable[[Turn], object]) -> Callable[[], None]:
        """Call ``code`` with each turn of a flag, before its first action runs; it may fill ``turn.details``.

        :returns: a function that ends this
        """
        return _entered(self._lowering.before_runs, flag, code)

    def after_runs(self, flag: FlagName, code: Callable[[], object]) -> Callable[[], None]:
        """Call ``code`` when the bundle of a flag has run, and before raises during that run are judged.

        A trigger that may become due during the run needs this: what it raises then is judged like a signal.

        :returns: a function that ends this
        """
        return _entered(self._lowering.after_runs, flag, code)

    def during_runs(self, flag: FlagName, alongside: Alongside) -> Callable[[], None]:
        """Look at something while actions of a flag wait, if their bundle begins anew when the flag is raised.

        :param alongside: what to look at; it raises the flag itself
        :returns: a function that ends this
        """
        return _entered(self._lowering.alongside, flag, alongside)

    def debounce(self, flag: FlagName, span: float, *, pass_first: bool = False) -> None:
        """Hold a flag until it has not been raised for ``span`` seconds, or for ten times that; then run its bundle.

        :param span: 0 to end this; a bundle that waits runs at once then
        :param pass_first: do not hold the flag the first time
        """
        self._lowering.debounce(flag, span, self.call_at, pass_first=pass_first)

    def raise_flag(self, flag: FlagName, times: int = 1) -> None:
        """Raise a flag; safe in any thread, and in an action."""
        self.flags.add(flag, times)
        self._signals.wakeup.wake()

    def raise_first(self, flag: FlagName) -> None:
        """Raise a flag as the oldest of all; safe in an action."""
        now = self.clock()
        self.flags.put_back(flag, (1, now, now))

    def pending(self, flag: FlagName) -> int:
        """Return for how many raises the bundle of a flag is going to run; some may be held until it is quiet."""
        return self._lowering.pending(flag)

    def held(self, flag: FlagName) -> tuple[int, float | None]:
        """Return for how many raises a flag is held until it is quiet, and until when; safe in any thread."""
        return self._lowering.held(flag), self._lowering.held_until(flag)

    def call_later(self, delay: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` in the loop after ``delay`` seconds, between two runs of bundles.

        It is safe in any thread, and in an action: one that wants to run again in a minute calls
        ``self.engine.call_later(60, self.engine.raise_flag, self.engine.turn.flag)``.
        What the call raises is logged. No call is made after :meth:`run` has returned.

        :returns: the call, which has a method ``cancel()``
        """
        return self.call_at(self.clock() + delay, code, *args, **kwargs)

    def call_at(self, moment: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` as :meth:`call_later` does, at a moment on the engine's clock, by default time.monotonic."""
        return self._poller.call_at(moment, lambda: code(*args, **kwargs))

    def attach(  # noqa: PLR0913 - the events, each by its name
        self,
        descriptor: int,
        code: Callable[[int], object],
        *,
        readable: bool = True,
        writable: bool = False,
        urgent: bool = False,
        on_failure: Callable[[], object] | None = None,
    ) -> Attachment:
        """Wait for a descriptor, too, and call ``code`` in the loop, between two runs of bundles, when it is ready.

        ``code`` gets the events of :meth:`select.poll.poll`. It is called again as long as the descriptor is ready, and
        also for a hang-up or an error. What it raises is logged, and then the descriptor is detached. Attach, change
        and detach descriptors in the loop's thread only; the loop may be running.

        :param readable: call it when there is something to read
        :param writable: call it when there is room to write
        :param urgent: call it for an exceptional condition, see ``POLLPRI`` in :manpage:`poll(2)`
        :param on_failure: called after ``code`` has raised an exception and the descriptor was detached
        :returns: the attachment, with methods ``expect(readable=..., writable=..., urgent=...)`` and ``detach()``;
            detach a descriptor before you close it
        :raises ValueError: if it has been attached already
        """
        return self._poller.attach(
            descriptor, code, readable=readable, writable=writable, urgent=urgent, on_failure=on_failure
        )

    def _make(self, code: Callable[[], object], what: str) -> bool:
        is_good = self._roster.make(code, what)
        self._signals.keep_waking()
        return is_good

    def stop(self) -> None:
        """Make :meth:`run` return as soon as the running action has ended; safe in any thread, and in an action."""
        self.raise_flag(STOP)


def _entered(table: dict[FlagName, list[T]], flag: FlagName, code: T) -> Callable[[], None]:
    """Add ``code`` to the list of a flag; return a function that removes it."""
    codes = table.setdefault(flag, [])
    codes.append(code)
    return lambda: codes.remove(code) if code in codes else None
