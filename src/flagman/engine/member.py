"""What an engine knows about one action beyond the action itself: its name, its limits, its record of failures."""

from __future__ import annotations

from flagman.engine.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.action import Action
    from flagman.engine.limits import Limits
    from flagman.types import ActionName

# By this module programs have always known the turn.
__all__ = ["Member", "Turn"]


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
