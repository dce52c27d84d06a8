"""What bindings need beyond their signals: triggers that are started, and flags that are held until it is quiet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.binding import Binding
    from flagman.config.settings import Settings
    from flagman.engine.engine import Engine
    from flagman.triggers import Trigger
    from flagman.types import FlagName


class Timetable:
    """Starts triggers and holds flags as settings say; a timer that new settings do not change keeps its moments.

    :param engine: the engine of the flags
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # The triggers that have begun, each with its options.
        self._begun: dict[FlagName, tuple[dict[str, float], Trigger]] = {}
        # Those that have been armed, and what all of them share, by kind.
        self._armed: dict[FlagName, Trigger] = {}
        self._shared: dict[str, object] = {}
        # The flags that are held, and for how many seconds.
        self._held: dict[FlagName, float] = {}
        # How often the settings have been replaced.
        self._generation = 0

    def begin(self) -> None:
        """Begin to place the bindings of other settings; call it before the first :meth:`place`.

        It counts generations of settings. An ``after`` that a reload adds has the number in its flag: the flag of an
        equal timer from an earlier generation may have been raised already.
        """
        self._generation += 1

    def place(self, binding: Binding, was: Binding | None) -> Binding:
        """Return the binding with the flag that it is going to have.

        A trigger that happens once raises its flag for the bindings that were there when it was started: a binding that
        is added later needs a flag of its own.

        :param binding: a binding of the new settings
        :param was: the same binding in the settings that hold; None if it is new
        """
        if not binding.source.happens_once:
            return binding
        if was is not None:
            return binding.as_variant(was.variant)
        if binding.flag not in self._begun:
            return binding
        return binding.as_variant("~".join(filter(None, (binding.variant, str(self._generation)))))

    def arm(self, settings: Settings) -> None:
        """Make the triggers that are new, before the actions of the same settings are set up.

        They may fail, and need what has happened since; :meth:`disarm` takes this back.
        """
        running = self._engine.bundles
        for flag, binding in _first(settings).items():
            if binding.source.has_start:
                options = _options(settings, binding)
                old_options, old = self._begun.get(flag, (options, None))
                is_same = options == old_options
                if old is None or not binding.source.survives(is_same=is_same, had_actions=flag in running):
                    self._armed[flag] = binding.source.arm(self._engine, flag, options, self._shared)

    def due(self, flag: FlagName) -> float | None:
        """Return the moment at which a trigger raises this flag next, if that is known; safe in any thread."""
        begun = self._begun.get(flag)
        return begun[1].due() if begun is not None else None

    def disarm(self) -> None:
        """Cancel the triggers that have been armed and have not begun."""
        while self._armed:
            self._armed.popitem()[1].cancel()

    def close(self) -> None:
        """Cancel all triggers."""
        self.disarm()
        while self._begun:
            self._begun.popitem()[1][1].cancel()

    def follow(self, settings: Settings, *, pass_first: bool) -> None:
        """Begin, keep and cancel triggers, and hold flags, as the bindings say; the first binding of each flag decides.

        :param pass_first: do not hold any flag the first time
        """
        first = _first(settings)
        going = [trigger for flag, (_, trigger) in self._begun.items() if flag in self._armed or flag not in first]
        begun: dict[FlagName, tuple[dict[str, float], Trigger]] = {}
        held: dict[FlagName, float] = {}
        for flag, binding in first.items():
            if binding.source.has_start:
                options = _options(settings, binding)
                new = self._armed.pop(flag, None)
                trigger = new or self._begun[flag][1]
                if new is not None:
                    new.begin(going)
                trigger.follow(options)
                begun[flag] = (options, trigger)
            debounce = settings.of(binding).debounce
            if debounce and binding.source.spread() == "debounce":
                held[flag] = debounce
        for trigger in going:
            trigger.cancel()
        self._begun = begun
        for flag in self._held | held:
            if held.get(flag) != self._held.get(flag):
                self._engine.debounce(flag, held.get(flag, 0), pass_first=pass_first)
        self._held = held


def _first(settings: Settings) -> dict[FlagName, Binding]:
    first: dict[FlagName, Binding] = {}
    for binding in settings.bindings:
        first.setdefault(binding.flag, binding)
    return first


def _options(settings: Settings, binding: Binding) -> dict[str, float]:
    own = settings.of(binding)
    return {name: getattr(own, name) for name in binding.source.options}
