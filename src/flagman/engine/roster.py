"""The roster: every action that is set up, in order; here actions are set up, run and torn down.

All code of actions is called from this module, through the interrupter, and what it raises is handled here.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from flagman.engine import loggers, reports
from flagman.engine.bundle import Member
from flagman.engine.flags import STOP, in_log
from flagman.exceptions import (
    ActionClosed,
    ActionFailed,
    ActionInterrupted,
    SetUpError,
    SkipRest,
    reason_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flagman.engine.action import Action, Host
    from flagman.engine.bundle import Verdict
    from flagman.engine.choices import Choices
    from flagman.engine.flags import Flags
    from flagman.engine.interrupt import Interrupter
    from flagman.engine.turn import Turn
    from flagman.types import ActionArgument, ActionName

# The engine logs as flagman.core, the name that is documented.
logger = loggers.get("flagman.core")


class Roster:
    """Sets actions up, runs them, and tears each of them down exactly once.

    :param flags: the raised flags; a failure that has to end the daemon adds the stop flag
    :param interrupter: calls all code of actions
    :param contained: the exceptions that are an action's failure and not the end of the program
    :param clock: measures how long runs take
    """

    def __init__(
        self,
        flags: Flags,
        interrupter: Interrupter,
        contained: tuple[type[BaseException], ...],
        clock: Callable[[], float],
    ) -> None:
        self._flags = flags
        self._call = interrupter.call
        self._call_within = interrupter.call_within
        self._concerns_caller = interrupter.concerns_caller
        self._contained = contained
        # News of an action is no failure of the program, whatever is contained.
        news = (ActionClosed, ActionFailed, ActionInterrupted, SkipRest)
        self._handled: tuple[type[BaseException], ...] = (*contained, *news)
        self._clock = clock
        self._pid = os.getpid()
        # A dictionary, so that removing costs the same for each.
        self._open: dict[Member, None] = {}
        #: The secret arguments of all actions that have been set up.
        self.hidden: dict[ActionArgument, None] = {}
        #: Whether an action has failed in a way that ends the daemon.
        self.failed = False
        #: The exception of the first tear_down that has failed.
        self.torn_down_badly: BaseException | None = None

    def set_up(
        self, engine: Host, name: ActionName | None, choices: Choices, action: type[Action], arguments: tuple[str, ...]
    ) -> Member:
        """Create an action, which sets it up.

        :param name: by default that of its class
        :raises SetUpError: if it raised or was interrupted, or could never run
        """
        name = name or action.__name__
        if defect := defect_in(action):
            raise SetUpError(f"the action {getattr(action, '__name__', action)} is broken: {defect}")
        made: list[Action] = []
        try:
            self._call(_create, engine, action, arguments, made)
        except self._contained + (ActionInterrupted,) as error:  # noqa: RUF005 - the type checker reads only this form
            if self._is_for_caller(error):
                if made and not made[0]._closed:  # noqa: SLF001 - the engine's side of Action
                    self._keep(Member(made[0], name, choices, arguments))
                raise
            raise reports.set_up_failed(name, action, arguments, reason_of(error)) from error
        if made[0]._closed:  # noqa: SLF001
            raise reports.set_up_failed(
                name, action, arguments, "its __init__ does not call Action's; rename it to set_up"
            )
        return self._keep(Member(made[0], name, choices, arguments))

    def _keep(self, member: Member) -> Member:
        self._open[member] = None
        self.hidden |= dict.fromkeys(member.secrets)
        return member

    def _is_for_caller(self, error: BaseException) -> bool:
        """Return whether an interruption is meant for the action that made this engine call code of another one."""
        return isinstance(error, ActionInterrupted) and self._concerns_caller(error)

    def run(self, member: Member, turn: Turn, is_outdated: Callable[[], bool] | None = None) -> Verdict:
        """Run an action once, log how that went, and note it in the turn.

        :param is_outdated: see :meth:`flagman.engine.interrupt.Interrupter.call_within`
        """
        began = self._clock()
        turn.began = turn.began or began
        error = self._attempt(member, is_outdated)
        seconds = self._clock() - began
        self._check_process()
        if isinstance(error, ActionClosed):
            self.close(member)
            text = f"Received `ActionClosed`; removing action `{type(member.action).__name__}`"
            reports.log_traceback(loggers.WARNING, text, error, member.secrets)
        ending = reports.note(member, turn, error, began, seconds)
        if member.offers and not member.action._closed:  # noqa: SLF001 - the engine's side of Action
            self.make(lambda: self._look_at(member), f"look at `{member.title}`")
        if ending == "failed":
            return self._after_failure(member, f"{in_log(turn.trigger)}: {member.title}")
        if ending == "succeeded":
            member.failures = 0
        return "gone" if isinstance(error, ActionClosed) else "skip" if isinstance(error, SkipRest) else "stays"

    @staticmethod
    def _look_at(member: Member) -> None:
        """Take what an action says about itself."""
        from flagman.engine.offered import look_at  # noqa: PLC0415 - only for actions that say something

        member.offered = look_at(member.action, member.secrets)

    def reloaded(self, member: Member) -> None:
        """Report to an action that the settings have been replaced; what it raises is logged."""
        try:
            self._call(member.action.reloaded)
        except ActionInterrupted as interruption:
            logger.warning("%s: reloaded() was interrupted: %s", member.title, interruption)
        except self._contained as error:
            reports.log_failure(f"{member.title}: reloaded() failed", member, error)
        self._check_process()

    def make(self, call: Callable[[], object], what: str) -> bool:
        """Make a call of the loop; log what it raises, and return whether it raised nothing.

        :param what: what the log calls it
        """
        is_good = False
        try:
            self._call(call)
            is_good = True
        except ActionInterrupted as interruption:
            logger.warning("Interrupted a %s: %s", what, interruption)
        except self._contained as error:
            reports.log_traceback(loggers.ERROR, f"A {what} failed", error, self.hidden)
        self._check_process()
        return is_good

    def _check_process(self) -> None:
        """End a child process that an action has forked and that came back here: there must be no second daemon."""
        if os.getpid() != self._pid:
            os._exit(1)

    def _attempt(self, member: Member, is_outdated: Callable[[], bool] | None) -> BaseException | None:
        """Run an action once; return what it has raised, if that is to be handled here."""
        try:
            self._call_within(member.timeout, member.action._run, is_outdated)  # noqa: SLF001 - the engine's side of Action
        except self._handled as error:
            return reports.what_ended(error)
        except BaseExceptionGroup as group:
            interruption = reports.what_ended(group)
            if not isinstance(interruption, ActionInterrupted):
                raise
            return interruption
        return None

    def _after_failure(self, member: Member, what: str) -> Verdict:
        choices = member.choices
        member.failures += 1
        if STOP in self._flags:
            return "stays"  # a stop was asked for, and a command that was stopped fails, too
        if choices.max_failures and member.failures >= choices.max_failures:
            times = "once" if member.failures == 1 else f"{member.failures} times in a row"
            logger.error("%s: has failed %s", what, times)
        elif choices.on_error == "close":
            logger.warning("%s: removed because it failed", what)
            self.close(member)
            return "gone"
        elif choices.on_error == "continue":
            return "stays"
        elif choices.on_error == "skip":
            return "skip"
        self.failed = True
        self._flags.add(STOP)
        return "stays"

    def close(self, member: Member) -> None:
        """Tear an action down, unless that has been done, and forget it; what it raises is logged."""
        self._open.pop(member, None)
        action = member.action
        if action._closed:  # noqa: SLF001 - the engine's side of Action
            return
        # As Action._close() does, but the mark is set where no interruption can come in between.
        action._closed = True  # noqa: SLF001
        try:
            self._call(action.tear_down)
        except ActionInterrupted as interruption:
            if self._is_for_caller(interruption):
                raise
            logger.warning("%s: tear_down was interrupted: %s", member.title, interruption)
            self.torn_down_badly = self.torn_down_badly or interruption
        except self._contained as error:
            reports.log_failure(f"{member.title}: tear_down failed", member, error)
            self.torn_down_badly = self.torn_down_badly or error

    def close_all(self) -> None:
        """Tear down all actions that are still open, the youngest first."""
        self.discard(self._open)

    def discard(self, members: Iterable[Member]) -> None:
        """Tear these down, the last first; an exception that is not contained is raised after all of them."""
        with ExitStack() as stack:
            for member in members:
                stack.callback(self.close, member)


def defect_in(action: type[Action]) -> str:
    """Return why a class cannot work as an action; empty if no defect is known, as in our own: a test looks at them."""
    if str(getattr(action, "__module__", "")).startswith("flagman."):
        return ""
    from flagman.engine.defects import defect_of  # noqa: PLC0415 - only for actions of plugins and programs

    return defect_of(action)


def _create(engine: Host, action: type[Action], arguments: tuple[str, ...], made: list[Action]) -> None:
    """Create an action as a call of its class does, but give it its engine before it is set up.

    :param made: receives the action before it is set up
    """
    instance = action.__new__(action, *arguments)
    made.append(instance)
    vars(instance)["engine"] = engine  # works even if the class has a property of this name
    instance.__init__(*arguments)  # type: ignore[misc]
