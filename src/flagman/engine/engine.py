"""The engine: flags, signals, bundles, roster and loop, joined into one object that a program can embed."""

from __future__ import annotations

import time
from _thread import allocate_lock
from contextlib import ExitStack

from flagman.engine.action import Host
from flagman.engine.flags import STOP, check_name
from flagman.engine.interrupt import Interrupter
from flagman.engine.limits import Limits, check_choice
from flagman.engine.loop import Loop
from flagman.engine.lowering import Lowering, warn_unmapped
from flagman.engine.roster import Roster
from flagman.engine.signals import Signals, flag_of
from flagman.engine.turn import Outcome
from flagman.exceptions import TearDownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import ParamSpec, Self

    from flagman.engine.action import Action
    from flagman.engine.bundle import Bundle, Member
    from flagman.engine.calls import Call, Calls
    from flagman.engine.flags import Raises
    from flagman.engine.limits import OnError, Output, Overlap
    from flagman.engine.loop import Wait
    from flagman.engine.turn import Turn
    from flagman.types import ActionName, FlagName, SignalNumber

    P = ParamSpec("P")


class Engine(Host):
    """Runs bundles of actions when their flags are raised.

    Instances share nothing but the process's one alarm clock: where an action runs another engine, the timeouts of the
    inner one replace those of the outer one. Close an engine, best as a context manager: that tears its actions down.

    :param overlap: what a flag means that is raised while its own bundle runs: ``ignore`` forgets it, for the run under
        way stands for it; ``rerun`` runs the bundle once more afterwards, however often the flag was raised
    :param on_error: what a failed run means beyond its record in the log: ``continue``, nothing; ``close``, the action
        is torn down and leaves its bundle; ``exit``, :meth:`run` returns :attr:`Outcome.FAILED`
    :param timeout: seconds that one run of an action may take before it is interrupted and counts as failed; None, the
        default, for the action's own :attr:`flagman.Action.default_timeout`. It needs SIGALRM: only actions that are
        set up and run in the main thread can be interrupted
    :param max_failures: how many runs of one action in a row may fail before :meth:`run` returns
        :attr:`Outcome.FAILED`; 0, the default, for any number
    :param output: what becomes of the output of commands that actions run: ``inherit`` passes it on, line by line, to
        the streams of this process, ``log`` logs each line, ``null`` drops it
    :param signals: handlers that have been armed already; the engine does not close them
    :param unmapped: called with a flag that was raised and has no actions; by default, a warning is logged
    :param contained: the exceptions that count as an action's failure; all others leave :meth:`run`
    :param clock: seconds on a clock that never goes back
    :param wait: waits for descriptors as :meth:`select.poll.poll` does; for tests
    :raises ValueError: if a choice is none of those that there are, or a number is out of its range
    """

    def __init__(  # noqa: PLR0913 - each keyword is one documented choice
        self,
        *,
        overlap: Overlap = "ignore",
        on_error: OnError = "continue",
        timeout: float | None = None,
        max_failures: int = 0,
        output: Output = "inherit",
        signals: Signals | None = None,
        unmapped: Callable[[FlagName], None] | None = None,
        contained: tuple[type[BaseException], ...] = (Exception,),
        clock: Callable[[], float] = time.monotonic,
        wait: Wait | None = None,
    ) -> None:
        self._owns_signals = signals is None
        self._signals = Signals() if signals is None else signals
        self.flags = self._signals.flags
        self.flags.clock = clock
        self.interrupter = Interrupter(self._signals.codes, self._signals.wakeup)
        self._roster = Roster(self.flags, self.interrupter, contained)
        self._lowering = Lowering(self.flags, self._roster, self._signals.keep_waking)
        self.limits = Limits(on_error, timeout, max_failures, overlap)
        check_choice("output", output, ("inherit", "log", "null"))
        self.output = output
        self.clock = clock
        #: What raises a flag once more whose timer was due while its own bundle ran, by flag.
        self.timers = self._lowering.timers
        self._unmapped = unmapped or warn_unmapped
        self._loop = Loop(self.flags, [self._signals.wakeup], self._lower, clock=clock, wait=wait)
        self._is_closed = self._is_running = False
        self._lock = allocate_lock()
        self._calls: Calls | None = None
        self._outcome = Outcome.STOPPED
        #: Flags whose bundles, if they have been raised, run after the loop has stopped.
        self.last_flags: frozenset[FlagName] = frozenset()
        #: Stop after the first bundle that has run.
        self.once = False

    @property
    def bundles(self) -> Mapping[FlagName, Bundle]:
        """The bundles that have actions, by flag."""
        return self._lowering.by_flag

    @property
    def turn(self) -> Turn:
        """What the bundle that runs, or has run last, was lowered for."""
        return self._lowering.turn

    @turn.setter
    def turn(self, turn: Turn) -> None:
        self._lowering.turn = turn

    def observe(self, observer: Callable[[Turn], None]) -> None:
        """Call this when a bundle has run."""
        self._lowering.observers.append(observer)

    def set_up(
        self,
        flag: FlagName,
        action: type[Action],
        *arguments: str,
        name: ActionName | None = None,
        limits: Limits | None = None,
    ) -> Action:
        """Set an action up and add it to the bundle of a flag.

        :param name: what to call the action towards the commands that it runs; the name of its class by default
        :param limits: its own; those of the engine by default
        :raises ValueError: if there cannot be such a flag
        :raises SetUpError: if the action's ``set_up`` raised, or the class cannot work as an action
        :raises RuntimeError: if the engine has been closed
        """
        check_name(flag)
        member = self.create(action, *arguments, name=name, limits=limits)
        self._lowering.add(flag, member)
        return member.action

    def create(
        self, action: type[Action], *arguments: str, name: ActionName | None = None, limits: Limits | None = None
    ) -> Member:
        """Do as :meth:`set_up` does, but add the action to no bundle yet."""
        self._check_that_it_is_open()
        own = limits or self.limits
        before, self.limits = self.limits, own  # set_up() sees its own, and adds actions with the same
        try:
            member = self._roster.set_up(self, name, own, action, arguments)
        finally:
            self.limits = before
        if member.timeout is not None:
            self._signals.handle_alarm(self.interrupter.on_alarm)
        return member

    def replace(self, bundles: Mapping[FlagName, Bundle]) -> None:
        """Let flags have these bundles, and no others, from now on; not while one runs."""
        self._lowering.replace(bundles)

    def discard(self, members: Iterable[Member]) -> None:
        """Tear down actions that are in no bundle, the last first; those that have closed are passed over."""
        self._roster.discard(members)

    def debounce(self, flag: FlagName, span: float, *, pass_first: bool = False) -> None:
        """Run the bundle of a flag once it has not been raised for ``span`` seconds; after ten times that, run it.

        :param span: 0 to end this, and to run a bundle that waits at once
        :param pass_first: run it at once when it is lowered the first time
        """
        self._lowering.debounce(flag, span, self.call_at, pass_first=pass_first)

    def arm(self, signums: Iterable[SignalNumber]) -> None:
        """Handle those of these signals whose flags have actions, until the engine is closed; call it before run().

        :raises RuntimeError: if it has been closed
        """
        self._check_that_it_is_open()
        self._signals.arm(signum for signum in signums if flag_of(signum) in self.bundles)

    def raise_flag(self, flag: FlagName) -> None:
        """Raise a flag; safe in any thread, and in an action."""
        self.flags.add(flag)
        self._signals.wakeup.wake()

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
        """Do as :meth:`call_later` does, at a moment on the engine's clock: :func:`time.monotonic` by default."""
        from flagman.engine.calls import Calls  # noqa: PLC0415 - for those who need them

        with self._lock:
            if self._calls is None:
                self._calls = Calls(self.clock, self._make)
                self._loop.add(self._calls)
        call = self._calls.add(moment, lambda: code(*args, **kwargs))
        self._signals.wakeup.wake()  # the loop may be about to wait for longer
        return call

    def _make(self, code: Callable[[], object]) -> None:
        self._roster.make(code)
        self._signals.keep_waking()

    def stop(self) -> None:
        """Let :meth:`run` return as soon as the running action has ended; safe in any thread, and in an action."""
        self.raise_flag(STOP)

    def run(self) -> Outcome:
        """Lower flags until there is a reason to stop.

        :raises RuntimeError: if the engine has been closed, or runs already
        """
        self._check_that_it_is_open()
        self._check_that_it_does_not_run()
        self._is_running = True
        try:
            self._outcome = Outcome.STOPPED
            self._roster.failed = False
            self._check()
            self._signals.keep_waking()
            self._loop.run()
            # A HUP that follows TERM, as systemd may send it, does not cut the last bundles off; a second TERM does.
            self._lowering.finish(self.last_flags, lambda: self.interrupter.insisted)
            return Outcome.FAILED if self._roster.failed else self._outcome
        finally:
            self._is_running = False

    def _lower(self, flag: FlagName, raised: Raises) -> None:
        if flag not in self.bundles:
            self._unmapped(flag)
            self._signals.keep_waking()
        elif self._lowering.lower(flag, raised, self.limits.overlap) and self.once:
            self.flags.add(STOP)
        self._check()

    def _check_that_it_is_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the engine has been closed")

    def _check_that_it_does_not_run(self) -> None:
        if self._is_running:
            raise RuntimeError("the engine is running")

    def _check(self) -> None:
        """Notice that there is nothing left to run."""
        if not self.bundles and STOP not in self.flags:
            self._outcome = Outcome.EMPTY
            self.flags.add(STOP)

    def close(self) -> None:
        """Tear down all actions, the youngest first, and put signal handlers back.

        :raises TearDownError: at the end, if a tear_down has failed since the engine was created
        :raises RuntimeError: during :meth:`run`; :meth:`stop` ends that
        """
        self._check_that_it_does_not_run()
        self._is_closed = True
        with ExitStack() as stack:
            if self._owns_signals:
                self._owns_signals = False
                stack.callback(self._signals.close)
            stack.callback(self._lowering.by_flag.clear)
            stack.callback(self._roster.close_all)
        if self._roster.torn_down_badly is not None:
            raise TearDownError("a tear_down failed; the log tells which") from self._roster.torn_down_badly

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except TearDownError:
            # It has been logged; the exception under way tells more about the cause.
            if error is None:
                raise
