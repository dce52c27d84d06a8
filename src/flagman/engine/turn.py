"""A turn, which is one run of the bundle behind a flag; and the outcome of all turns."""

from __future__ import annotations

from enum import Enum

from flagman.engine.choices import Choices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import ActionName, FlagName


_DEFAULTS = Choices()


class Turn:
    """One run of a bundle: the flag that was lowered for it, and how the run goes."""

    __slots__ = ("action", "choices", "details", "failures", "flag", "ignored", "raises", "timeout", "trigger")

    def __init__(self, flag: FlagName, raises: int, trigger: FlagName = "") -> None:
        #: The flag.
        self.flag = flag
        #: The name of what has raised it: the flag's own name, unless one trigger has several flags.
        self.trigger = trigger or flag
        #: What the trigger says about this turn, as texts: ``file`` and ``change`` for a file that has changed.
        self.details: dict[str, str] = {}
        #: How often it was raised before it was lowered.
        self.raises = raises
        #: The name of the action that runs; empty after the last one.
        self.action: ActionName = ""
        #: The choices for that action.
        self.choices = _DEFAULTS
        #: The seconds that a run of that action may take; None for no limit.
        self.timeout: float | None = None
        #: How often the flag was raised during this turn, which stands for these raises, too.
        self.ignored = 0
        #: How many actions have failed in this turn.
        self.failures = 0

    def __repr__(self) -> str:
        action = f", in {self.action}" if self.action else ""
        return f"<Turn of {self.flag!r} (raises: {self.raises}, failures: {self.failures}{action})>"


class Outcome(Enum):
    """Why :meth:`flagman.Engine.run` returned."""

    #: The stop flag was raised.
    STOPPED = "stopped"
    #: Every action has closed; there is nothing left to do.
    EMPTY = "empty"
    #: A run failed, and ``on_error`` or ``max_failures`` makes the engine stop then.
    FAILED = "failed"
