"""The engine: flags, signals, bundles, roster and loop, joined into one object that a program can embed."""

from __future__ import annotations

import time
from contextlib import ExitStack

from flagman.engine.choices import Choices
from flagman.engine.doors import Doors
from flagman.engine.flags import STOP, check_name
from flagman.engine.loop import Loop
from flagman.engine.lowering import warn_unmapped
from flagman.engine.signals import Signals, flag_of
from flagman.engine.turn import Outcome
from flagman.exceptions import TearDownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from flagman.engine.action import Action
    from flagman.engine.bundle import Bundle, Member
    from flagman.engine.choices import OnError, Output, Overlap
    from flagman.engine.flags import Raises
    from flagman.engine.loop import Wait
    from flagman.types import ActionName, FlagName, SignalNumber


class Engine(Doors):
    """Runs bundles of actions when their flags are raised.

    Instances share nothing but the process's one alarm clock: if an action runs another engine, the timeouts of the
    inner one replace those of the outer one. Close an engine, best as a context manager: that tears its actions down.

    :meth:`set_up` adds one action. A program that replaces all bundles at once, as a reload does, uses ``create()`` for
    each new action, then ``replace()`` for the bundles, and ``discard()`` for actions that are in no bundle any more.

    :param overlap: what it means when a flag is raised while its own bundle runs: ``ignore`` forgets it, because the
        run in progress stands for it; ``rerun`` runs the bundle once more afterwards, however often the flag was
        raised; ``restart`` interrupts the run and begins anew, and has to hold for all actions of a bundle
    :param on_error: what a failed run means beyond its record in the log: ``continue``, nothing; ``skip``, the
        actions after it in the bundle are left out this time; ``close``, the action
        is torn down and leaves its bundle; ``exit``, :meth:`run` returns :attr:`Outcome.FAILED`
    :param timeout: seconds that one run of an action may take before it is interrupted and counts as failed; None, the
        default, for the action's own :attr:`flagman.Action.default_timeout`. It needs SIGALRM: only actions that are
        set up and run in the main thread can be interrupted
    :param max_failures: how many runs of one action in a row may fail before :meth:`run` returns
        :attr:`Outcome.FAILED`; 0, the default, for no limit
    :param output: what becomes of the output of commands that actions run: ``inherit`` passes it on, line by line, to
        the streams of this process, ``log`` logs each line, ``null`` drops it
    :param find: returns the class of the action that has a name, and raises an exception if there is none; without it,
        actions cannot be given by name. ``flagman.KNOWN_ACTIONS.__getitem__`` finds those of the command
    :param last_flags: flags that are lowered after the loop has stopped, if they have been raised
    :param needs_actions: whether :meth:`run` returns when no action is left
    :param signals: handlers that have been armed already; the engine does not close them
    :param unmapped: called with a raised flag that has neither actions nor a meaning of its own; by default, a warning
        is logged
    :param contained: the exceptions that count as an action's failure; all others leave :meth:`run`
    :param clock: returns the seconds of a clock that never goes back
    :param wait: waits for descriptors as :meth:`select.poll.poll` does; for tests
    :raises ValueError: if a choice is unknown, or a number is out of its range
    """

    def __init__(  # noqa: PLR0913 - each keyword is one documented choice
        self,
        *,
        overlap: Overlap = "ignore",
        on_error: OnError = "continue",
        timeout: float | None = None,
        max_failures: int = 0,
        output: Output = "inherit",
        find: Callable[[ActionName], type[Action]] | None = None,
        last_flags: Iterable[FlagName] = (),
        needs_actions: bool = True,
        signals: Signals | None = None,
        unmapped: Callable[[FlagName], None] | None = None,
        contained: tuple[type[BaseException], ...] = (Exception,),
        clock: Callable[[], float] = time.monotonic,
        wait: Wait | None = None,
    ) -> None:
        self._owns_signals = signals is None
        choices = Choices(overlap=overlap, on_error=on_error, timeout=timeout, max_failures=max_failures, output=output)
        super().__init__(choices, Signals() if signals is None else signals, contained, clock, wait)
        self._find = find
        self._last_flags = frozenset(last_flags)
        self._needs_actions = needs_actions
        self._unmapped = unmapped or warn_unmapped
        self._loop = Loop(self.flags, self._poller, self._lower)
        self._is_closed = self._is_running = False
        self._outcome = Outcome.STOPPED

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "running" if self._is_running else "open"
        return f"<Engine ({state}) with bundles for {', '.join(map(repr, self.bundles)) or 'no flag'}>"

    def set_up(
        self,
        flag: FlagName,
        action: type[Action] | ActionName,
        *arguments: str,
        name: ActionName | None = None,
        choices: Choices | None = None,
    ) -> Action:
        """Set an action up and add it to the bundle of a flag.

        :param action: its class; or its name, if the engine has a ``find``
        :param name: the action's name, which commands that it runs are told; by default the name by which it was given,
            or that of its class
        :param choices: the choices for this action; by default those of the engine
        :raises ValueError: if no flag can have this name, or the action is given by name and the engine has no ``find``
        :raises SetUpError: if the action's ``set_up`` raised, or the class cannot work as an action
        :raises RuntimeError: if the engine has been closed
        """
        check_name(flag)
        member = self.create(action, *arguments, name=name, choices=choices)
        self._lowering.add(flag, member)
        return member.action

    def create(
        self,
        action: type[Action] | ActionName,
        *arguments: str,
        name: ActionName | None = None,
        choices: Choices | None = None,
    ) -> Member:
        """Set an action up as :meth:`set_up` does, but add it to no bundle yet.

        :meth:`replace` puts it into one, together with all others of a reload; or else :meth:`discard` tears it down.
        """
        self._check_that_it_is_open()
        if isinstance(action, str):
            if self._find is None:
                raise ValueError(f"this engine cannot find actions by name, such as {action!r}: it has no find=")
            name = name or action
            action = self._find(action)
        own = choices or self._choices
        before, self._choices = self._choices, own  # set_up() sees the action's own, and adds actions with these
        try:
            member = self._roster.set_up(self, name, own, action, arguments)
        finally:
            self._choices = before
        if member.timeout is not None or own.overlap == "restart":
            self._signals.handle_alarm(self.interrupter.on_alarm)
        return member

    def replace(self, bundles: Mapping[FlagName, Bundle]) -> None:
        """Replace all bundles by these at once, as a reload does; not while one runs.

        Actions that are in no bundle any more go on existing until :meth:`discard` tears them down.
        """
        self._lowering.replace(bundles)

    def reloaded(self, members: Iterable[Member]) -> None:
        """Report to actions that :attr:`settings` have been replaced; not while a bundle runs."""
        for member in members:
            if not member.action._closed:  # noqa: SLF001 - the loop's half of Action
                self._roster.reloaded(member)
        self._signals.keep_waking()

    def discard(self, members: Iterable[Member]) -> None:
        """Tear down actions that are in no bundle, the last first; actions that have closed are skipped.

        They have left with :meth:`replace`, or were made by :meth:`create` and are not used after all.
        """
        self._roster.discard(members)

    def arm(self, signums: Iterable[SignalNumber]) -> None:
        """Handle those of these signals that have actions, until the engine is closed; call it before run().

        :raises RuntimeError: if it has been closed
        """
        self._check_that_it_is_open()
        self._signals.arm(signum for signum in signums if flag_of(signum) in self.bundles)

    def run(self) -> Outcome:
        """Lower flags until there is a reason to stop, and return that reason.

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
            self._lowering.finish(self._last_flags, lambda: self.interrupter.insisted, is_planned=self._once)
            return Outcome.FAILED if self._roster.failed else self._outcome
        finally:
            self._is_running = False

    def _lower(self, flag: FlagName, raised: Raises) -> None:
        if flag in self._lowering.by_flag:
            if self._lowering.lower(flag, raised, self._choices.overlap) and self._once:
                self.flags.add(STOP)
        else:
            self._meanings.get(flag, lambda: self._unmapped(flag))()
            self._signals.keep_waking()
        self._check()

    def _check_that_it_is_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the engine has been closed")

    def _check_that_it_does_not_run(self) -> None:
        if self._is_running:
            raise RuntimeError("the engine is running")

    def _check(self) -> None:
        """Stop the loop if there is nothing left to run."""
        if self._needs_actions and not self.bundles and STOP not in self.flags:
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
            stack.callback(self._lowering.replace, {})
            stack.callback(self._roster.close_all)
        if self._roster.torn_down_badly is not None:
            error = TearDownError("a tear_down failed; the log shows which")
            error.hidden = tuple(self._roster.hidden)
            raise error from self._roster.torn_down_badly

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except TearDownError:
            # It has been logged; the exception in progress says more about the cause.
            if error is None:
                raise
