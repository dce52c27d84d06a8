"""A turn, which is one run of the bundle behind a flag; its results; and the outcome of all turns."""

from __future__ import annotations

from enum import Enum

from flagman.engine.choices import Choices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from flagman.types import ActionName, FlagName

    #: How a run of an action has ended: ``closed`` is its last success, and ``interrupted`` is no failure.
    Ending = Literal["succeeded", "failed", "interrupted", "closed"]


_DEFAULTS = Choices()
# Seconds from which on a hundredth does not matter.
_LONG = 10.0


class Result:
    """How one run of an action went; it is never changed.

    :param title: the action and its arguments, without secrets, as they would be typed
    :param ending: how it has ended
    :param seconds: how long it took
    :param reason: why it has ended so; may be empty, and may have several lines
    :param began: when it began, on the engine's clock
    :param timed_out: whether it has failed because it took longer than its timeout
    :param member: the action in its bundle
    """

    __slots__ = ("began", "ending", "member", "reason", "seconds", "timed_out", "title")

    def __init__(  # noqa: PLR0913, PLR0917 - what there is to tell
        self,
        title: str,
        ending: Ending,
        seconds: float,
        reason: str,
        began: float = 0.0,
        timed_out: bool = False,  # noqa: FBT001, FBT002 - as above
        member: object = None,
    ) -> None:
        self.title = title
        self.ending = ending
        self.seconds = seconds
        self.reason = reason
        self.began = began
        self.timed_out = timed_out
        self.member = member

    def __repr__(self) -> str:
        return f"<Result: {self}>"

    def __str__(self) -> str:
        precision = 2 if self.seconds < _LONG else 0
        preposition = "in" if self.ending == "succeeded" else "after"
        text = f"{self.title}: {self.ending} {preposition} {self.seconds:.{precision}f} s"
        return f"{text}: {self.reason}" if self.reason else text


class Turn:
    """One run of a bundle: the flag that was lowered for it, and how the run goes."""

    __slots__ = (
        "action",
        "at",
        "began",
        "choices",
        "details",
        "flag",
        "ignored",
        "is_partial",
        "raises",
        "remark",
        "results",
        "seconds",
        "timeout",
        "trigger",
    )

    def __init__(self, flag: FlagName, raises: int, trigger: FlagName = "") -> None:
        #: The flag.
        self.flag = flag
        #: The name of what has raised it: the flag's own name, unless one trigger has several flags.
        self.trigger = trigger or flag
        #: What the trigger says about this turn, as texts: ``file`` and ``change`` for a file that has changed;
        #: ``process``, ``event``, ``status``, ``process_pid`` and ``reason`` for what has happened to a process.
        self.details: dict[str, str] = {}
        #: How often it was raised before it was lowered.
        self.raises = raises
        #: The name of the action that runs; empty after the last one.
        self.action: ActionName = ""
        #: The choices for that action.
        self.choices = _DEFAULTS
        #: The seconds that a run of that action may take; None for no limit.
        self.timeout: float | None = None
        #: What that action, which may set this, says about its run: the log shows it if the run succeeds.
        self.remark = ""
        #: How often the flag was raised during this turn, which stands for these raises, too.
        self.ignored = 0
        #: Whether it is only for the actions of the bundle with ``overlap="rerun"``.
        self.is_partial = False
        #: How the actions that have run went, in their order.
        self.results: list[Result] = []
        #: When its first action began, on the engine's clock; 0 before that.
        self.began = 0.0
        #: The same in seconds since the epoch, and how long its actions took; when all of them have run.
        self.at = self.seconds = 0.0

    @property
    def failed(self) -> list[Result]:
        """The results of the actions that have failed."""
        return [result for result in self.results if result.ending == "failed"]

    def __repr__(self) -> str:
        action = f", in {self.action}" if self.action else ""
        return f"<Turn of {self.flag!r} (raises: {self.raises}, failures: {len(self.failed)}{action})>"


class Outcome(Enum):
    """Why :meth:`flagman.Engine.run` returned."""

    #: The stop flag was raised.
    STOPPED = "stopped"
    #: Every action has closed; there is nothing left to do.
    EMPTY = "empty"
    #: A run failed, and ``on_error`` or ``max_failures`` makes the engine stop then.
    FAILED = "failed"
