"""The reload: reads the configuration again and applies it completely or not at all."""

from __future__ import annotations

import time
from signal import SIGHUP

from flagman.engine import loggers
from flagman.engine.reports import log_cause
from flagman.exceptions import ActionInterrupted, FlagmanError, UsageError, mistakes_of, one_line, reason_of
from flagman.service import hangup
from flagman.systemd.more_time import MoreTime
from flagman.text.shown import counted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flagman.config.binding import Binding
    from flagman.config.settings import Settings
    from flagman.engine.bundle import Member
    from flagman.engine.engine import Engine
    from flagman.service.assembly import Assembly, Plan
    from flagman.service.dispositions import Dispositions
    from flagman.service.hooks import Hooks
    from flagman.service.parts import Site
    from flagman.systemd import Manager

logger = loggers.get("flagman.reload")


class Change:
    """What a reload has changed: its bindings, as they are in the status.

    :param before: the bindings that held before
    :param plan: what has been adopted
    :param of_parts: what has changed for the parts
    """

    __slots__ = ("added", "kept", "of_parts", "removed")

    def __init__(self, before: Iterable[tuple[Binding, Member]], plan: Plan, of_parts: Mapping[str, object]) -> None:
        self.of_parts = of_parts
        new, old = set(plan.new), set(plan.old)
        self.kept = [_shown(binding, member) for binding, member in plan.members if member not in new]
        self.added = [_shown(binding, member) for binding, member in plan.members if member in new]
        self.removed = [_shown(binding, member) for binding, member in before if member in old]


def _shown(binding: Binding, member: Member) -> dict[str, object]:
    return {"flag": binding.flag, "name": member.name, "arguments": list(member.open_arguments)}


class Reloader:
    """Reads the settings again when it is asked to, between two runs of bundles.

    :param engine: the engine that runs the actions
    :param assembly: exchanges the actions
    :param dispositions: exchanges the handlers of signals
    :param hooks: reads the settings, and sets up the log
    :param manager: the service manager, to which the reload is reported
    :param announce: reports what holds after a reload; called with what has gone wrong, or an empty text
    :param site: the parts that plug into the run, if there are any
    """

    def __init__(  # noqa: PLR0913, PLR0917 - it joins all of these
        self,
        engine: Engine,
        assembly: Assembly,
        dispositions: Dispositions,
        hooks: Hooks,
        manager: Manager,
        announce: Callable[[str], None],
        site: Site | None,
    ) -> None:
        #: The flag that asks for a reload; no signal and no timer has this name.
        self.flag = "reload"
        self._engine = engine
        self._ledger = engine.ledger
        self._assembly = assembly
        self._dispositions = dispositions
        self._hooks = hooks
        self._manager = manager
        self._announce = announce
        self._site = site
        self._has_failed = False

    def ask(self) -> None:
        """Ask for a reload as soon as the bundle that runs has ended, before any other."""
        known = self._engine.flags.count(self.flag)
        # First, so that the reload comes even if this method is interrupted here.
        self._engine.raise_first(self.flag)
        if not known:
            self._say_so()

    def _say_so(self) -> None:
        """Report to the manager that a reload begins, see :manpage:`sd_notify(3)`."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._manager.notify(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def reload(self) -> None:
        """Reload; on any error nothing changes, and the log and the manager are told."""
        if self._engine.turn.ignored:
            self._say_so()  # once more: a manager that has asked in the meantime does not accept an older report
        self._ledger.note("reloading")
        problems: list[str] = []
        change: Change | None = None
        try:
            change = self._change()
        except ActionInterrupted as interruption:
            problems = [f"it was interrupted: {interruption}"]
        except (FlagmanError, OSError) as error:
            problems = [printable(one_line(mistake)) for mistake in mistakes_of(error)]
            log_cause(error)
        except BaseException as error:  # sys.exit() in a plugin, too: the daemon is stopped by signals
            problems = [printable(one_line(reason_of(error)))]
            logger.exception("An unexpected error ended the reload")
        self._has_failed = bool(problems)
        if problems:
            self._ledger.note("reload-failed", tuple(problems))
        elif change is not None:
            self._ledger.note("reloaded", change)
        for problem in problems:
            logger.error("Reload failed, the old configuration stays: %s", problem)
        if not self._engine.stopping:
            self._announce(f"reload failed at {time.strftime('%H:%M:%S')}: {'; '.join(problems)}" if problems else "")

    def _change(self) -> Change | None:
        """Change what the new settings say; return what that was, or None if a stop was asked for meanwhile."""
        before, members = self._assembly.settings, self._assembly.members
        with MoreTime(self._manager) as more_time:
            # It imports plugins and opens a file, both of which may hang: a second TERM ends that.
            try:
                settings = self._engine.interrupter.call(self._hooks.read, more_time)
            finally:
                self._dispositions.rearm()
            if settings.tables.keys() != before.tables.keys():
                names = ", ".join(f"[{name}]" for name in sorted(settings.tables.keys() ^ before.tables.keys()))
                raise UsageError(f"{names}: to add or remove such a table, restart flagman")
            if self._site is not None:
                self._site.accept(settings)
            plan = self._assembly.plan(settings)
            try:
                complete = self._set_up(plan, more_time)
            except BaseException:
                self._assembly.undo(plan)
                raise
            if not complete:
                self._assembly.undo(plan)
                return None
            self._swap(plan)
            if before.for_actions != plan.settings.for_actions:
                self._assembly.report(plan)
                self._dispositions.rearm()
            for member in reversed(plan.old):
                more_time.progress("Tearing down", member.name)
                self._engine.discard([member])
        new = counted(len(plan.new), "action is", "actions are")
        level = loggers.WARNING if self._has_failed else loggers.INFO  # the failure is not the last word
        logger.log(level, "Reloaded: %s new, %s removed", new, counted(len(plan.old), "was", "were"))
        self._warn(before, plan.settings)
        parts = self._site.parts if self._site is not None else ()
        return Change(members, plan, {k: v for part in parts for k, v in part.change(before, plan.settings).items()})

    def _warn(self, before: Settings, after: Settings) -> None:
        """Warn of what a configuration takes away, because its author may not have meant that."""
        hup = self._dispositions.hangup
        if before.reloads() and not after.reloads() and hup != hangup.RELOAD:
            logger.warning("The new configuration has no action `reload`: restart flagman to load later changes")
        if SIGHUP in before.by_signal() and SIGHUP not in after.by_signal():
            logger.warning("HUP has no actions any more: from now on it %s", hup)

    def _set_up(self, plan: Plan, more_time: MoreTime) -> bool:
        """Take all steps that can fail; return whether to go on."""
        try:
            complete = self._assembly.set_up(plan, lambda name: more_time.progress("Setting up", name))
        finally:
            self._dispositions.rearm()
        if complete:
            self._engine.interrupter.call(self._hooks.change_log, self._assembly.settings, plan.settings)
        return complete

    def _swap(self, plan: Plan) -> None:
        """Make a plan hold from now on. Nothing in here can fail."""
        self._dispositions.expect(binding.flag for binding, _ in plan.members)
        self._dispositions.follow(plan.settings.by_signal())
        self._assembly.adopt(plan)
        self._dispositions.expect(())
        self._dispositions.stop.follow(plan.settings.time_to_stop())
        if self._site is not None:
            self._site.follow(plan.settings)
