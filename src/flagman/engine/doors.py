"""The doors of an engine: how the program around it reaches its flags, its loop and its turns."""

from __future__ import annotations

from flagman.engine.action import Host
from flagman.engine.flags import STOP
from flagman.engine.interrupt import Interrupter
from flagman.engine.lowering import Lowering
from flagman.engine.polling import Poller
from flagman.engine.roster import Roster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import ParamSpec

    from flagman.engine.bundle import Bundle
    from flagman.engine.calls import Call
    from flagman.engine.choices import Choices
    from flagman.engine.polling import Attachment, Wait
    from flagman.engine.signals import Signals
    from flagman.engine.turn import Turn
    from flagman.types import FlagName

    P = ParamSpec("P")


class Doors(Host):
    """What may be told to an engine, and asked of it, during its whole life.

    :param signals: its signal handlers
    :param contained: the exceptions that count as an action's failure
    :param clock: returns seconds that never go back
    :param wait: waits for descriptors; poll(2) by default
    """

    def __init__(
        self,
        signals: Signals,
        contained: tuple[type[BaseException], ...],
        clock: Callable[[], float],
        wait: Wait | None,
    ) -> None:
        super().__init__()
        self._signals = signals
        self.flags = signals.flags
        self.flags.clock = clock
        self.interrupter = Interrupter(signals.codes, signals.wakeup)
        self._roster = Roster(self.flags, self.interrupter, contained)
        self._lowering = Lowering(self.flags, self._roster, signals.keep_waking)
        self.clock = clock
        self._poller = Poller(signals.wakeup, self._make, clock=clock, wait=wait)
        self._once = False
        # What flags mean that have no actions.
        self._meanings: dict[FlagName, Callable[[], object]] = {}

    @property
    def bundles(self) -> Mapping[FlagName, Bundle]:
        """The bundles that have actions, by flag."""
        return self._lowering.by_flag

    @property
    def turn(self) -> Turn:
        """What the bundle that runs, or has run last, was lowered for."""
        return self._lowering.turn

    @property
    def stopping(self) -> bool:
        """Whether the engine has been asked to stop."""
        return STOP in self.flags

    def follow(self, choices: Choices, *, once: bool = False) -> None:
        """Obey other choices from now on; actions that are set up keep those that they have.

        :param once: stop after the first bundle that has run
        """
        self._choices = choices
        self._once = once

    def begin(self, turn: Turn) -> None:
        """Show this turn to actions; for tests of actions, which run them without the loop."""
        self._lowering.turn = turn

    def observe(self, observer: Callable[[Turn], None]) -> None:
        """Call ``observer`` after each run of a bundle; there may be several. It must not raise anything."""
        self._lowering.observers.append(observer)

    def on_flag(self, flag: FlagName, code: Callable[[], object]) -> None:
        """Give a flag a meaning of its own: ``code`` is called, in the loop, if it is lowered and has no actions."""
        self._meanings[flag] = code

    def after_runs(self, flag: FlagName, code: Callable[[], object]) -> Callable[[], None]:
        """Call ``code`` when the bundle of a flag has run, and before raises during that run are judged.

        A trigger needs it that may become due during the run: what it raises then is judged like a signal.

        :returns: what ends this when it is called
        """
        codes = self._lowering.after_runs.setdefault(flag, [])
        codes.append(code)
        return lambda: codes.remove(code) if code in codes else None

    def debounce(self, flag: FlagName, span: float, *, pass_first: bool = False) -> None:
        """Run the bundle of a flag once it has not been raised for ``span`` seconds; after ten times that, run it.

        :param span: 0 to end this, and to run a bundle that waits at once
        :param pass_first: run it at once when it is lowered the first time
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
        """Tell for how many raises the bundle of a flag is going to run; some may be held until it is quiet."""
        return self._lowering.pending(flag)

    def call_later(self, delay: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Let the loop call ``code`` in so many seconds, between two runs of bundles.

        It is safe in any thread, and in an action: one that wants to run again in a minute says
        ``self.engine.call_later(60, self.engine.raise_flag, self.engine.turn.flag)``.
        What the call raises is logged. No call is made after :meth:`run` has returned.

        :returns: the call, which has a method ``cancel()``
        """
        return self.call_at(self.clock() + delay, code, *args, **kwargs)

    def call_at(self, moment: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` as :meth:`call_later` does, at a moment on the engine's clock: of time.monotonic by default."""
        return self._poller.call_at(moment, lambda: code(*args, **kwargs))

    def attach(
        self, descriptor: int, code: Callable[[int], object], *, readable: bool = True, writable: bool = False
    ) -> Attachment:
        """Wait for a descriptor, too, and call ``code`` in the loop, between two runs of bundles, when it is ready.

        ``code`` gets the events of :meth:`select.poll.poll`. It is called again as long as the descriptor is ready, and
        also for a hang-up or an error. What it raises is logged, and then the descriptor is detached. Attach, change
        and detach descriptors in the loop's thread only; the loop may be running.

        :param readable: call it when there is something to read
        :param writable: call it when there is room to write
        :returns: the attachment, with methods ``expect(readable=..., writable=...)`` and ``detach()``; detach a
            descriptor before you close it
        :raises ValueError: if it has been attached already
        """
        return self._poller.attach(descriptor, code, readable=readable, writable=writable)

    def _make(self, code: Callable[[], object]) -> bool:
        is_good = self._roster.make(code)
        self._signals.keep_waking()
        return is_good

    def stop(self) -> None:
        """Let :meth:`run` return as soon as the running action has ended; safe in any thread, and in an action."""
        self.raise_flag(STOP)
