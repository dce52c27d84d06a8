"""What one run is told to do."""

from __future__ import annotations

from argparse import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.actions.action import Action
    from flagman.engine.engine import Overlap
    from flagman.engine.member import OnError
    from flagman.types import ActionArgument, ActionName, FlagName


class Binding:
    """One action for one flag."""

    __slots__ = ("action", "arguments", "flag", "name")

    def __init__(
        self, flag: FlagName, name: ActionName, action: type[Action], arguments: tuple[ActionArgument, ...]
    ) -> None:
        #: The flag that runs it.
        self.flag = flag
        #: The name by which it was asked for.
        self.name = name
        #: The class, found and loaded.
        self.action = action
        #: As many as the action takes.
        self.arguments = arguments


class Settings(Namespace):
    """The options of one run, under the names that they have on the command line."""

    #: All bindings, in the order in which they were given.
    bindings: tuple[Binding, ...] = ()
    #: See :class:`flagman.Engine`.
    overlap: Overlap = "ignore"
    #: See :class:`flagman.Engine`.
    on_error: OnError = "continue"
    #: Seconds that the running action, and then each tear_down, may take once a stop was asked for.
    stop_timeout: float = 30.0
    #: Exit with status 0 instead of 1 when all actions have closed.
    successful_empty: bool = False
    #: Tell systemd about this process.
    systemd: bool = True
    #: Log critical messages only.
    quiet: bool = False
    #: 0 logs warnings, 1 also what is done, 2 also how.
    verbose: int = 0
    #: List the known actions instead of running.
    list: bool = False
