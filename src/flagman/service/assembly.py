"""From settings to actions in the bundles of an engine; and how new settings take the place of old ones."""

from __future__ import annotations

from flagman.engine import loggers
from flagman.engine.bundle import Bundle
from flagman.engine.choices import Choices
from flagman.engine.flags import in_log
from flagman.exceptions import ActionInterrupted, SetUpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.config.binding import Binding
    from flagman.config.settings import Settings
    from flagman.engine.bundle import Member
    from flagman.engine.engine import Engine
    from flagman.service.timetable import Timetable
    from flagman.types import ActionArgument, ActionName, FlagName

    #: Bindings of two configurations are the same if these are equal.
    Identity = tuple[FlagName, ActionName, tuple[ActionArgument, ...]]

logger = loggers.get("flagman.assembly")


class Plan:
    """The difference between the bindings that hold and new settings.

    :meth:`Assembly.plan` makes it, :meth:`Assembly.set_up` sets its new actions up; then it is adopted or undone.

    :param settings: the new settings
    :param steps: every new binding, with the running action that it keeps; None if one has to be set up
    :param old: the actions that are not needed any more, in the order in which they were set up
    :param before: all actions that are in bundles when the plan is made
    """

    def __init__(
        self,
        settings: Settings,
        steps: list[tuple[Binding, Member | None]],
        old: list[Member],
        before: set[Member],
    ) -> None:
        self.settings = settings
        self.steps = steps
        self.old = old
        self.before = before
        #: Every binding with its action.
        self.members: list[tuple[Binding, Member]] = []
        #: The actions that have been set up for this plan.
        self.new: list[Member] = []


class Assembly:
    """The actions of an engine that follows settings.

    :param engine: has no actions yet
    :param settings: the first settings
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._members: list[tuple[Binding, Member]] = []
        self._timetable: Timetable | None = None
        #: The settings that hold.
        self.settings = settings

    @property
    def members(self) -> list[tuple[Binding, Member]]:
        """Every binding that holds, with its action, which may have closed; only replaced as a whole."""
        return self._members

    def due(self, flag: FlagName) -> float | None:
        """Return the moment at which a trigger raises this flag next, if that is known; safe in any thread."""
        return self._timetable.due(flag) if self._timetable is not None else None

    def plan(self, settings: Settings) -> Plan:
        """Find out what is new in settings, what stays and what goes."""
        self._prepare(settings)
        if self._timetable is not None:
            self._timetable.begin()
        spare: dict[Identity, list[tuple[Binding, Member]]] = {}
        for binding, member in self._members:
            spare.setdefault(_identity(binding), []).append((binding, member))
        steps: list[tuple[Binding, Member | None]] = []
        for binding in settings.bindings:
            kept = spare.get(_identity(binding))
            was, member_ = kept.pop(0) if kept else (None, None)
            steps.append((self._timetable.place(binding, was) if self._timetable is not None else binding, member_))
        settings = settings.changed(bindings=tuple(binding for binding, _ in steps))
        unused = {member for members in spare.values() for _, member in members}
        before = {member for bundle in self._engine.bundles.values() for member in bundle}
        return Plan(settings, steps, [member for _, member in self._members if member in unused], before)

    def set_up(self, plan: Plan, progress: Callable[[ActionName], object] = str) -> bool:
        """Set up what is new in a plan, one action after the other; running actions go on as they are.

        If that fails or is stopped, ``plan.new`` has the actions that have been set up so far.

        :param progress: called with the name of each action before it is set up
        :returns: False if a stop was asked for meanwhile
        :raises SetUpError: if one could not be set up
        """
        self._follow(plan.settings)
        if self._timetable is not None:
            self._timetable.arm(plan.settings)
        try:
            for binding, kept in plan.steps:
                if self._engine.stopping:
                    return False
                member = kept
                if member is None:
                    progress(binding.name)
                    member = self._create(plan.settings, binding)
                    plan.new.append(member)
                plan.members.append((binding, member))
        except SetUpError as error:
            if not isinstance(error.__cause__, ActionInterrupted):
                raise
            logger.warning("%s", error)
        return not self._engine.stopping

    def _create(self, settings: Settings, binding: Binding) -> Member:
        if settings.dry_run:
            from flagman.actions.rehearsal import RehearsedAction  # noqa: PLC0415 - only for a dry run, as the next
            from flagman.engine.titles import open_arguments  # noqa: PLC0415

            arguments = open_arguments(binding.action, binding.arguments)
            return self._engine.create(RehearsedAction, binding.name, *arguments)
        choices = _choices(settings.of(binding))
        before = self._engine.settings
        self._engine.provide(settings.for_actions)
        try:
            return self._engine.create(binding.action, *binding.arguments, name=binding.name, choices=choices)
        except SetUpError as error:
            error.args = (f"{in_log(binding.title)}: {error}",)
            raise
        finally:
            self._engine.provide(before)

    def adopt(self, plan: Plan, *, pass_first: bool = False) -> None:
        """Make a plan hold from now on; the actions in ``plan.old`` are still to be torn down.

        :param pass_first: do not hold any flag the first time
        """
        settings = plan.settings
        bundles: dict[FlagName, Bundle] = {}
        for binding, member in plan.members:
            if not settings.dry_run:
                member.follow(_choices(settings.of(binding)))
            if not member.action._closed:  # noqa: SLF001 - the loop's half of Action
                bundles.setdefault(binding.flag, _bundle(binding)).add(member)
        before = self._engine.bundles
        known = {member for _, member in self._members}
        for flag, bundle in before.items():  # actions that other actions have added
            for stranger in (member for member in bundle if member not in known):
                bundles.setdefault(flag, Bundle()).add(stranger)
        waiting = {flag: self._engine.pending(flag) for flag in before}
        old, self._members = self._members, plan.members
        self._engine.replace(bundles)
        self._engine.provide(settings.for_actions)
        self.settings = settings
        if self._timetable is not None:
            self._timetable.follow(settings, pass_first=pass_first)
        self._pass_on(waiting, old)

    def report(self, plan: Plan) -> None:
        """Report to the actions that a plan has kept that the settings for actions have been replaced."""
        kept = [member for bundle in self._engine.bundles.values() for member in bundle if member not in plan.new]
        self._engine.reloaded(kept)

    def _follow(self, settings: Settings) -> None:
        self._engine.follow(_choices(settings), once=settings.once)

    def _pass_on(self, waiting: Mapping[FlagName, int], old: list[tuple[Binding, Member]]) -> None:
        """Pass raises from before the swap on to bindings that have another flag since.

        :param waiting: the number of raises for which the bundle of each flag was going to run
        :param old: the bindings before the swap, with their actions
        """
        flags, bundles = self._engine.flags, self._engine.bundles
        was = {member: binding.flag for binding, member in old}
        names = {binding.flag: binding.source.trigger for binding, _ in [*old, *self._members]}
        triggers: dict[FlagName, int] = {}
        for flag, raises in waiting.items():
            trigger = names.get(flag, flag)
            triggers[trigger] = max(raises, triggers.get(trigger, 0))
        for binding, member in self._members:
            flag = binding.flag
            if member in was:
                raises = waiting.get(was[member], 0) if was[member] != flag else 0
            else:
                raises = triggers.get(names[flag], 0) if flag not in waiting else 0
            if raises and flag in bundles and not self._engine.pending(flag):
                flags.add(flag, raises)
        signals = {binding.flag for binding, _ in old if binding.source.signals()}
        answered = {names.get(flag, flag) for flag in bundles}
        for flag in waiting.keys() - bundles.keys():
            raises = flags.discard(flag)
            if raises and flag in signals and names[flag] not in answered:
                flags.add(names[flag], raises)  # the loop will log that it has no actions

    def undo(self, plan: Plan) -> None:
        """Tear down actions that were set up for a plan that is not adopted, and actions that these have added."""
        self._follow(self.settings)
        if self._timetable is not None:
            self._timetable.disarm()
        strangers = [
            member for bundle in self._engine.bundles.values() for member in bundle if member not in plan.before
        ]
        if strangers:
            kept = {
                flag: Bundle([member for member in bundle if member in plan.before], bundle.trigger, ticks=bundle.ticks)
                for flag, bundle in self._engine.bundles.items()
            }
            self._engine.replace({flag: bundle for flag, bundle in kept.items() if bundle})
        self._engine.discard([*plan.new, *strangers])

    def close(self) -> None:
        """Cancel all triggers."""
        if self._timetable is not None:
            self._timetable.close()

    def _prepare(self, settings: Settings) -> None:
        """Make a timetable if bindings need one beyond their signals."""
        for binding in settings.bindings:
            own = settings.of(binding)
            if self._timetable is None and (binding.source.has_start or own.debounce):
                from flagman.service.timetable import Timetable  # noqa: PLC0415 - only if a binding needs it

                self._timetable = Timetable(self._engine)


def _choices(settings: Settings) -> Choices:
    same = {name: getattr(settings, name) for name in Choices.__slots__ if name not in ("output", "umask")}
    # The setting "umask" is that of this process.
    return Choices(**same, output=settings.output_of_commands(), umask=settings.command_umask)


def _bundle(binding: Binding) -> Bundle:
    return Bundle(trigger=binding.source.trigger, ticks=binding.source.ticks)


def _identity(binding: Binding) -> Identity:
    return (binding.source.trigger, binding.name, binding.arguments)
