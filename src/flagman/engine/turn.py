"""A turn, which is one run of the bundle behind a flag; and what has come of all turns."""

from __future__ import annotations

from enum import Enum

from flagman.engine.choices import Choices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import ActionName, FlagName


_DEFAULTS = Choices()


class Turn:
    """What a bundle runs for: a flag that was lowered."""

    __slots__ = ("action", "choices", "failures", "flag", "ignored", "raises", "timeout", "trigger")

    def __init__(self, flag: FlagName, raises: int, trigger: FlagName = "") -> None:
        #: The flag.
        self.flag = flag
        #: What has raised it: the name of the flag, unless one trigger has several.
        self.trigger = trigger or flag
        #: How often it had been raised, until it was lowered.
        self.raises = raises
        #: The name of the action that runs; empty when none does any more.
        self.action: ActionName = ""
        #: The choices for that action.
        self.choices = _DEFAULTS
        #: Seconds that it may take; None for no end.
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
    #: A run failed, and ``on_error`` or ``max_failures`` does not let that pass.
    FAILED = "failed"
