"""What an engine knows about one action beyond the action itself: its name, its limits, its record of failures."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from flagman.actions.action import Action
    from flagman.types import ActionName, FlagName

    #: What happens after a failed run, see :class:`flagman.Engine`.
    OnError = Literal["continue", "close", "exit"]


class Limits:
    """What an action may do to the engine that runs it.

    :param on_error: what a failed run means, see :class:`flagman.Engine`
    :param timeout: seconds that one run may take; None for no end
    :param max_failures: how many runs in a row may fail before the engine stops; 0 for no end
    """

    __slots__ = ("max_failures", "on_error", "timeout")

    def __init__(self, on_error: OnError = "continue", timeout: float | None = None, max_failures: int = 0) -> None:
        self.on_error = on_error
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
        self.limits = limits
        #: Seconds that one run may take.
        self.timeout = action.default_timeout if limits.timeout is None else limits.timeout
        #: How many runs in a row have failed.
        self.failures = 0


class Turn:
    """What a bundle runs for: a flag that was lowered."""

    __slots__ = ("action", "flag", "raises", "timeout")

    def __init__(self, flag: FlagName, raises: int) -> None:
        #: The flag.
        self.flag = flag
        #: How often it had been raised, until it was lowered.
        self.raises = raises
        #: The name of the action that runs.
        self.action: ActionName = ""
        #: Seconds that it may take; None for no end.
        self.timeout: float | None = None
