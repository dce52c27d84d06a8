"""What one run is told to do."""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.actions.action import Action
    from flagman.engine.engine import Output, Overlap
    from flagman.engine.member import OnError
    from flagman.types import ActionArgument, ActionName, FlagName, SignalNumber


class Source:
    """What raises a flag: a signal, or a timer.

    :param flag: the flag; the same for all bindings of one bundle
    :param signum: the signal
    :param every: seconds from one tick to the next
    :param after: seconds from the start to the only tick
    """

    __slots__ = ("after", "every", "flag", "signum")

    def __init__(
        self,
        flag: FlagName,
        *,
        signum: SignalNumber | None = None,
        every: float | None = None,
        after: float | None = None,
    ) -> None:
        self.flag = flag
        self.signum = signum
        self.every = every
        self.after = after


class Binding:
    """One action for one flag."""

    __slots__ = ("action", "arguments", "name", "source")

    def __init__(
        self, source: Source, name: ActionName, action: type[Action], arguments: tuple[ActionArgument, ...]
    ) -> None:
        #: What raises its flag.
        self.source = source
        #: The name by which it was asked for.
        self.name = name
        #: The class, found and loaded.
        self.action = action
        #: As many as the action takes.
        self.arguments = arguments

    @property
    def flag(self) -> FlagName:
        """The flag that runs it."""
        return self.source.flag


class Settings(SimpleNamespace):
    """The options of one run, under the names that they have on the command line."""

    #: All bindings, in the order in which they were given.
    bindings: tuple[Binding, ...] = ()
    #: See :class:`flagman.Engine`.
    overlap: Overlap = "ignore"
    #: See :class:`flagman.Engine`.
    on_error: OnError = "continue"
    #: See :class:`flagman.Engine`.
    timeout: float | None = None
    #: See :class:`flagman.Engine`.
    max_failures: int = 0
    #: See :class:`flagman.Engine`.
    output: Output = "inherit"
    #: Seconds by which timers may come later, at random.
    jitter: float = 0.0
    #: Seconds of quiet after a signal before its bundle runs; 0 runs it at once.
    debounce: float = 0.0
    #: Run every bundle once when all is ready.
    run_at_start: bool = False
    #: Stop after the first bundle that has run.
    once: bool = False
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
    #: Look at everything, but do not run.
    check: bool = False
    #: Run, but log what each action would do instead of letting it.
    dry_run: bool = False

    def everything(self) -> dict[str, object]:
        """Give all options, also those that nobody has set."""
        return {name: getattr(self, name) for name in type(self).__annotations__}
