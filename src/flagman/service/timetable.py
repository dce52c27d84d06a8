"""What bindings need beyond their signals: triggers that are started, and flags that are held until it is quiet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from flagman.config.settings import Binding, Settings
    from flagman.engine.engine import Engine
    from flagman.triggers import Started
    from flagman.types import FlagName


class Timetable:
    """Starts triggers and holds flags as settings say; a timer that new settings do not change keeps its moments.

    :param engine: the engine of the flags
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # The triggers that have been started, each with its jitter in seconds.
        self._started: dict[FlagName, tuple[float, Started]] = {}
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
        if binding.flag not in self._started:
            return binding
        return binding.as_variant("~".join(filter(None, (binding.variant, str(self._generation)))))

    def follow(self, settings: Settings, running: Container[FlagName], *, pass_first: bool) -> None:
        """Start, keep and stop triggers, and hold flags, as the bindings say; the first binding of each flag decides.

        :param running: the flags that had actions so far
        :param pass_first: do not hold any flag the first time
        """
        first: dict[FlagName, Binding] = {}
        for binding in settings.bindings:
            first.setdefault(binding.flag, binding)
        held: dict[FlagName, float] = {}
        for flag, binding in first.items():
            own = settings.of(binding)
            spread = binding.source.spread()
            if binding.source.has_start:
                self._start(binding, own.jitter if spread == "jitter" else 0.0, had_actions=flag in running)
            if own.debounce and spread == "debounce":
                held[flag] = own.debounce
        for flag in self._started.keys() - first.keys():
            self._started.pop(flag)[1].cancel()
        for flag in self._held | held:
            if held.get(flag) != self._held.get(flag):
                self._engine.debounce(flag, held.get(flag, 0), pass_first=pass_first)
        self._held = held

    def _start(self, binding: Binding, jitter: float, *, had_actions: bool) -> None:
        """Start the trigger of a binding, unless the one that was started before goes on as it is."""
        old_jitter, old = self._started.get(binding.flag, (jitter, None))
        if old is not None:
            if binding.source.survives(is_same=jitter == old_jitter, had_actions=had_actions):
                return
            old.cancel()
        self._started[binding.flag] = (jitter, binding.source.start(self._engine, binding.flag, jitter))
