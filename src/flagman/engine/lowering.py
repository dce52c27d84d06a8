"""The bundles of an engine, and their turns: what happens when a flag that has a bundle is lowered."""

from __future__ import annotations

from flagman.engine import loggers
from flagman.engine.bundle import Bundle, Overlaps
from flagman.engine.flags import STOP, in_log
from flagman.engine.reports import log_traceback
from flagman.engine.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from flagman.engine.alongside import Alongside
    from flagman.engine.bundle import Member, Verdict
    from flagman.engine.calls import Call
    from flagman.engine.choices import Overlap
    from flagman.engine.debounce import Debounce
    from flagman.engine.flags import Flags, Raises
    from flagman.engine.ledger import Ledger
    from flagman.engine.roster import Roster
    from flagman.types import FlagName

# The engine logs as flagman.core, the name that is documented.
logger = loggers.get("flagman.core")


class Lowering:
    """Lowers flags that have actions.

    :param flags: the raised flags
    :param roster: runs the actions
    :param keep_waking: called after each run, which may have taken the wake-up descriptor
    :param look_alongside: see :meth:`flagman.engine.interrupt.Interrupter.look_alongside`
    :param ledger: records the turns
    """

    def __init__(
        self,
        flags: Flags,
        roster: Roster,
        keep_waking: Callable[[], None],
        look_alongside: Callable[[Alongside | None], None],
        ledger: Ledger,
    ) -> None:
        self._flags = flags
        self._roster = roster
        self._keep_waking = keep_waking
        self._look_alongside = look_alongside
        self._overlaps = Overlaps(flags)
        self._ledger = ledger
        self._debounced: dict[FlagName, Debounce] = {}
        #: The bundles that have actions, by flag; replaced as a whole, because other threads read it.
        self.by_flag: dict[FlagName, Bundle] = {}
        #: The turn of the bundle that runs, or has run last.
        self.turn = Turn("", 0)
        #: Called when a bundle has run.
        self.observers: list[Callable[[Turn], None]] = []
        #: Whether the last bundles run.
        self.is_finishing = False
        #: Called by flag with its turn, before the first action of its bundle runs.
        self.before_runs: dict[FlagName, list[Callable[[Turn], object]]] = {}
        #: What is looked at by flag while an action of its bundle waits, if a raise makes the bundle run anew.
        self.alongside: dict[FlagName, list[Alongside]] = {}
        #: Called by flag when its bundle has run, before raises during that run are judged.
        self.after_runs: dict[FlagName, list[Callable[[], object]]] = {}

    def add(self, flag: FlagName, member: Member) -> None:
        """Add an action to the bundle of a flag."""
        if flag not in self.by_flag:
            self.by_flag = {**self.by_flag, flag: Bundle()}
        self.by_flag[flag].add(member)

    def replace(self, bundles: Mapping[FlagName, Bundle]) -> None:
        """Replace all bundles by these; not while one runs."""
        self.by_flag = dict(bundles)
        self._overlaps.forget()

    def debounce(
        self,
        flag: FlagName,
        span: float,
        call_at: Callable[[float, Callable[[], object]], Call],
        *,
        pass_first: bool,
    ) -> None:
        """Hold a flag until it is quiet, see :meth:`flagman.Engine.debounce`."""
        from flagman.engine.debounce import Debounce  # noqa: PLC0415 - only if a flag is debounced

        before = self._debounced.pop(flag, None)
        if before is not None and (held := before.cancel()):
            self._flags.join(flag, held)
        if span:
            passes = pass_first or bool(before and before.passes)
            self._debounced[flag] = Debounce(
                self._flags, flag, span, call_at, lambda: flag in self.by_flag, pass_first=passes
            )

    def pending(self, flag: FlagName) -> int:
        """Return for how many raises the bundle of a flag is going to run; some may be held until it is quiet."""
        return self._flags.count(flag) + self.held(flag)

    def held(self, flag: FlagName) -> int:
        """Return how many raises of a flag wait until it is quiet; safe in any thread."""
        debounce = self._debounced.get(flag)
        held = debounce.held if debounce is not None else None
        return held[0] if held else 0

    def held_until(self, flag: FlagName) -> float | None:
        """Return the moment at which a flag that is held is let go, unless it is raised again; safe in any thread."""
        debounce = self._debounced.get(flag)
        return debounce.due if debounce is not None and debounce.held else None

    def lower(self, flag: FlagName, raised: Raises, overlap: Overlap) -> bool:
        """Run the bundle of a flag, unless the flag is held until it is quiet.

        :param overlap: the policy if no action is left
        :returns: whether the bundle has run, and need not begin anew
        """
        if flag in self._debounced:
            admitted = self._debounced[flag].admit(raised)
            if admitted is None:
                self._ledger.hold(flag)
                logger.debug("Holding `%s` until it is quiet", in_log(flag))
                return False
            raised = admitted
        bundle = self.by_flag[flag]
        members = bundle.members
        raises = raised[0]
        partly = self._overlaps.is_partial(flag, raises)
        if bundle.restarts:
            whole = self._run_anew(flag, raises)
            if not self.turn.results and flag in self._flags and STOP not in self._flags:
                # It was raised again before its first action began: there is one run for all of these raises.
                self._flags.join(flag, raised)
                self._ledger.running = None
                return False
        else:
            whole = self._run(flag, raises, lambda: STOP in self._flags, partly=partly)
        if bundle and flag in self.after_runs:
            for code in tuple(self.after_runs[flag]):
                self._roster.make(code, f"call after a run for `{in_log(flag)}`")
        if flag in self._flags:
            self.turn.ignored = self._overlaps.judge(flag, bundle, overlap, whole=whole and not partly)
        if not bundle:
            self.by_flag = {name: other for name, other in self.by_flag.items() if name != flag}
        self._report(members)
        return not (bundle.restarts and flag in self._flags)

    def _run_anew(self, flag: FlagName, raises: int) -> bool:
        """Run a bundle until it is done, or its flag is raised again."""

        def is_outdated() -> bool:
            return flag in self._flags and STOP not in self._flags

        self._flags.watched = flag
        for alongside in self.alongside.get(flag, ())[:1]:  # a trigger has one flag
            self._look_alongside(alongside)
        try:
            return self._run(flag, raises, lambda: STOP in self._flags or is_outdated(), is_outdated=is_outdated)
        finally:
            self._look_alongside(None)
            self._flags.watched = None

    def _run(
        self,
        flag: FlagName,
        raises: int,
        is_over: Callable[[], bool],
        *,
        partly: bool = False,
        is_outdated: Callable[[], bool] | None = None,
    ) -> bool:
        """Run a bundle; return whether no action has ended its turn."""
        bundle = self.by_flag[flag]
        if logger.isEnabledFor(loggers.DEBUG):  # each step before a run makes its signal wait
            logger.debug("Lowering `%s` (raises: %d, actions: %d)", in_log(flag), raises, len(bundle))
        self.turn = turn = Turn(flag, raises, bundle.trigger)
        turn.is_partial = partly
        self._ledger.begin(turn)
        if codes := self.before_runs.get(flag):
            self._roster.make(lambda: [code(turn) for code in codes], f"call before a run for `{in_log(flag)}`")

        def run(member: Member) -> Verdict:
            if partly and member.choices.overlap == "ignore":
                return "stays"
            turn.action = member.name
            turn.choices = member.choices
            turn.timeout = member.timeout
            turn.remark = ""
            verdict = self._roster.run(member, turn, is_outdated)
            self._keep_waking()  # also for the waits of the next action
            if verdict == "skip" and not bundle.ends_with(member) and turn.results[-1].ending == "failed":
                what = "%s: the actions after `%s` are left out because it failed"
                logger.warning(what, in_log(turn.trigger), turn.results[-1].title)
            return verdict

        whole = bundle.run(run, is_over)
        turn.action = ""
        self._ledger.end(turn)
        return whole

    def _report(self, members: Iterable[Member]) -> None:
        """Record the turn that is over, and show it to the observers.

        :param members: the actions of its bundle when it began
        """
        self._ledger.take(self.turn, members)
        for observer in self.observers:
            try:
                observer(self.turn)
            except Exception as error:  # noqa: BLE001 - it is logged
                log_traceback(loggers.ERROR, "An observer of the turns failed", error, self._roster.hidden)

    def finish(self, last_flags: Container[FlagName], is_over: Callable[[], bool], *, is_planned: bool) -> None:
        """Run the last bundles after the loop has stopped, and log which flags are not lowered any more.

        :param last_flags: the flags that may still be lowered
        :param is_over: returns whether nothing may run any more
        :param is_planned: whether dropping flags is as planned, and no reason to warn
        """
        self._ledger.note("stopping", since=self._flags.since(STOP))
        last: list[tuple[FlagName, int]] = []
        for _ in range(len(self._flags)):  # not until it is empty: a flood of signals may go on
            flag, (raises, _, _) = self._flags.pop()
            if flag in last_flags and flag in self.by_flag:
                last.append((flag, raises))
            elif flag != STOP:
                self._log_dropped(flag, raises, is_planned=is_planned)
        for flag, debounce in self._debounced.items():
            if debounce.held:
                self._log_dropped(flag, debounce.held[0], is_planned=is_planned)
        self.is_finishing = True
        try:
            for flag, raises in last:
                members = self.by_flag[flag].members
                self._run(flag, raises, is_over)
                self._report(members)
        finally:
            self.is_finishing = False

    def _log_dropped(self, flag: FlagName, raises: int, *, is_planned: bool) -> None:
        """Log that a raised flag is dropped: a warning, if a run was asked for that will not come."""
        bundle = self.by_flag.get(flag)
        level = loggers.INFO if is_planned or (bundle is not None and bundle.ticks) else loggers.WARNING
        logger.log(level, "Stopping; `%s` is not lowered any more (raises: %d)", in_log(flag), raises)


def warn_unmapped(flag: FlagName) -> None:
    """Log that a flag without actions was raised."""
    logger.warning("Received `%s`, but no action is bound to it", in_log(flag))
