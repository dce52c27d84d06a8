"""What an engine knows about one action beyond the action itself: its name, its limits, its record of failures."""

from __future__ import annotations

from flagman.text.spans import LONGEST, is_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from flagman.actions.action import Action
    from flagman.types import ActionName, FlagName

    #: What happens after a failed run, see :class:`flagman.Engine`.
    OnError = Literal["continue", "close", "exit"]
    #: What a flag means that is raised while its own bundle runs, see :class:`flagman.Engine`.
    Overlap = Literal["ignore", "rerun"]


#: What comes before the part of a flag's name that sets it apart from others of the same trigger: ``usr1~2s``.
VARIANT = "~"


def trigger_of(flag: FlagName) -> FlagName:
    """Give what raises a flag: its name without what sets it apart."""
    return flag.partition(VARIANT)[0]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the values that there are.

    :raises ValueError: if it is none
    """
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is none of {', '.join(choices)}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Limits:
    """What an action may do to the engine that runs it.

    :param on_error: what a failed run means, see :class:`flagman.Engine`
    :param timeout: seconds that one run may take; None for no end
    :param max_failures: how many runs in a row may fail before the engine stops; 0 for no end
    :param overlap: what a raise during its own run means, see :class:`flagman.Engine`
    :raises ValueError: if one of them is not what it may be
    """

    __slots__ = ("max_failures", "on_error", "overlap", "timeout")

    def __init__(
        self,
        on_error: OnError = "continue",
        timeout: float | None = None,
        max_failures: int = 0,
        overlap: Overlap = "ignore",
    ) -> None:
        check_choice("on_error", on_error, ("continue", "close", "exit"))
        check_choice("overlap", overlap, ("ignore", "rerun"))
        if timeout is not None and not is_span(timeout):
            raise ValueError(f"timeout: {timeout!r} is neither None nor a number of seconds from 0 to {LONGEST:.0f}")
        if not _is_count(max_failures):
            raise ValueError(f"max_failures: {max_failures!r} is not a whole number from 0 on")
        self.on_error = on_error
        self.overlap = overlap
        self.timeout = timeout
        self.max_failures = max_failures


class Member:
    """One action in its bundle.

    :param action: set up, and not yet torn down
    :param name: by which it was asked for
    :param limits: its own
    """

    __slots__ = ("action", "failures", "limits", "name", "timeout")

    def __init__(self, action: Action, name: ActionName, limits: Limits) -> None:
        self.action = action
        self.name = name
        self.limit(limits)
        #: How many runs in a row have failed.
        self.failures = 0

    def limit(self, limits: Limits) -> None:
        """Let these limits hold from the next run on."""
        self.limits = limits
        #: Seconds that one run may take.
        self.timeout = self.action.default_timeout if limits.timeout is None else limits.timeout


class Turn:
    """What a bundle runs for: a flag that was lowered."""

    __slots__ = ("action", "failures", "flag", "ignored", "raises", "timeout", "trigger")

    def __init__(self, flag: FlagName, raises: int) -> None:
        #: The flag.
        self.flag = flag
        #: What has raised it.
        self.trigger = trigger_of(flag)
        #: How often it had been raised, until it was lowered.
        self.raises = raises
        #: The name of the action that runs; empty when none does any more.
        self.action: ActionName = ""
        #: Seconds that it may take; None for no end.
        self.timeout: float | None = None
        #: How often the flag was raised during this turn, which stands for these raises, too.
        self.ignored = 0
        #: How many actions have failed in this turn.
        self.failures = 0
