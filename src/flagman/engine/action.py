"""The base class of all actions: one life of set_up, runs and tear_down; and what an action may ask of its engine."""

from __future__ import annotations

import time
from _warnings import warn  # the one that warnings has; to import that takes time
from abc import ABC, abstractmethod
from types import MappingProxyType

from flagman.engine.interrupt import Interrupter
from flagman.engine.turn import Turn
from flagman.exceptions import ActionClosed, ActionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any, ParamSpec

    from flagman.engine.calls import Call
    from flagman.engine.choices import Choices
    from flagman.engine.loop import Attachment
    from flagman.types import ActionName, FlagName, SignalNumber

    P = ParamSpec("P")
    #: Answers an action's request; it is called with the arguments that follow the request's name.
    Answer = Callable[[tuple[str, ...]], object]


_ALONE = "this action has no engine"


class Host:
    """What an action may ask of the engine that runs it, which is a :class:`flagman.Engine`.

    A plain ``Host`` stands in for the engine of an action that has none: it cannot raise flags or run actions, and it
    interrupts nothing.
    """

    #: Returns the seconds of a clock that never goes back.
    clock: Callable[[], float] = time.monotonic

    def __init__(self, interrupter: Interrupter | None = None, choices: Choices | None = None) -> None:
        self._turn = Turn("", 0)
        self._choices = choices or self._turn.choices
        self._settings: Mapping[str, object] = MappingProxyType({})
        # What answers the requests of actions, by name.
        self._answers: dict[str, Answer] = {}
        #: Interrupts the code of an action when it has to end, see ``flagman.engine.interrupt``.
        self.interrupter = interrupter or Interrupter()

    def __repr__(self) -> str:
        return "<Host without an engine>"

    @property
    def agent(self) -> str:
        """The name of this program that actions give to others, such as web servers: ``flagman/1.0.0``."""
        from flagman.version import __version__  # noqa: PLC0415 - few actions ask

        return f"flagman/{__version__}"

    def offer(self, request: str, answer: Answer) -> None:
        """Offer something that actions can :meth:`ask` for by name.

        :param answer: called in the loop's thread with all arguments
        """
        self._answers[request] = answer

    def offers(self, request: str) -> bool:
        """Return whether :meth:`ask` knows a request; an action checks this in ``set_up``."""
        return request in self._answers

    def ask(self, request: str, *arguments: str) -> object:
        """Ask the program around the engine for something, such as ``reload``.

        :returns: what the answering part of the program returns
        :raises LookupError: if nothing answers such a request
        """
        if request not in self._answers:
            raise LookupError(f"nothing here offers {request!r}")
        return self._answers[request](arguments)

    @property
    def turn(self) -> Turn:
        """The turn of the bundle that runs, or has run last."""
        return self._turn

    @property
    def choices(self) -> Choices:
        """The choices for actions that have none of their own; during ``set_up``, those of the action."""
        return self._choices

    @property
    def settings(self) -> Mapping[str, object]:
        """The table ``[settings]`` of the configuration file, which belongs to actions; empty if there is none.

        It is read-only, with all that is in it, and a reload replaces it as a whole.
        """
        return self._settings

    @property
    def stopping(self) -> bool:
        """Whether the engine has been asked to stop."""
        return False

    @property
    def bundles(self) -> Mapping[FlagName, Collection[object]]:
        """The bundles that have actions, by flag."""
        return MappingProxyType({})

    def set_up(
        self,
        flag: FlagName,
        action: type[Action] | ActionName,
        *arguments: str,
        name: ActionName | None = None,
        choices: Choices | None = None,
    ) -> Action:
        """Set an action up and add it to the bundle of a flag."""
        raise RuntimeError(_ALONE)

    def debounce(self, flag: FlagName, span: float, *, pass_first: bool = False) -> None:
        """Hold a flag until it has not been raised for ``span`` seconds; then run its bundle."""
        raise RuntimeError(_ALONE)

    def arm(self, signums: Iterable[SignalNumber]) -> None:
        """Handle, from now on, those of these signals that have actions."""
        raise RuntimeError(_ALONE)

    def raise_flag(self, flag: FlagName, times: int = 1) -> None:
        """Raise a flag; safe in any thread."""
        raise RuntimeError(_ALONE)

    def call_later(self, delay: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` in the loop after ``delay`` seconds, between two runs of bundles."""
        raise RuntimeError(_ALONE)

    def call_at(self, moment: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` as :meth:`call_later` does, at a moment on :attr:`clock`."""
        raise RuntimeError(_ALONE)

    def attach(  # noqa: PLR0913 - the events, each by its name
        self,
        descriptor: int,
        code: Callable[[int], object],
        *,
        readable: bool = True,
        writable: bool = False,
        urgent: bool = False,
        on_failure: Callable[[], object] | None = None,
    ) -> Attachment:
        """Call ``code`` in the loop, between two runs of bundles, when a descriptor is ready."""
        raise RuntimeError(_ALONE)

    def stop(self) -> None:
        """Stop the engine as soon as the running action has ended."""
        raise RuntimeError(_ALONE)


class Action(ABC):
    """Something that flagman does when a flag is raised.

    A subclass defines :meth:`run`, and :meth:`set_up` and :meth:`tear_down` where it needs them; it does not define
    ``__init__``. All three run in the main thread, one action at a time, and may do anything.

    Creating an instance sets it up.

    :param args: the arguments of the action, as strings, handed to :meth:`set_up`
    """

    #: The seconds that one run may take if there is no ``--timeout``; None for no limit.
    default_timeout: float | None = None

    #: Whether words that begin with a dash may be arguments of an action that takes any number of them. If not, such a
    #: word on the command line is refused, unless ``--`` comes after the action's name, or the action and its arguments
    #: are quoted as one word.
    takes_dashes: bool = True

    #: Whether it runs commands: only then may it have ``output``, ``directory``, ``environment`` and ``umask`` as keys.
    #: An action that is not derived from ``ExecAction`` obeys them itself, see ``self.engine.turn.choices``.
    runs_commands: bool = False

    #: An example for ``flagman --list NAME``: the action and its arguments, as they are typed in a shell.
    example: str = ""

    #: The names of parameters of :meth:`set_up` that take secrets: messages show ``***`` instead of the arguments.
    secret_arguments: Collection[str] = ()

    #: What a message adds if the number of arguments is wrong, such as how to write an argument with spaces.
    usage_hint: str = ""

    #: The engine of this action, already in :meth:`set_up`; an action without an engine has a plain ``Host``.
    engine: Host

    # Whether the action itself logs what a successful run was.
    _logs_itself = False
    # True before set_up has succeeded and after tear_down has begun: what was never set up is never torn down.
    _closed = True

    def __init__(self, *args: str) -> None:
        if "engine" not in vars(self):
            vars(self)["engine"] = Host()  # works even if the class has a property of this name
        self.set_up(*args)
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' (closed)' if self._closed else ''}>"

    # Any allows a subclass to name its own arguments without contradicting this class.
    def set_up(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[explicit-any]  # noqa: ANN401
        """Prepare for runs; the parameters of a subclass are the arguments that its users type.

        An exception means that the action cannot be used: flagman does not start, and :meth:`tear_down` is not called.
        """

    @classmethod
    def check_arguments(cls, *args: Any, **kwargs: Any) -> None:  # type: ignore[explicit-any]  # noqa: ANN401 - as above
        """Look at the arguments as they were typed, before anything is set up; ``flagman --check`` does no more.

        It must have no effect. It need not count the arguments: it is not called if :meth:`set_up` does not take them.

        :raises ValueError: if they cannot be used; the message becomes the user's one line
        """

    @classmethod
    def check_settings(cls, settings: Mapping[str, object]) -> None:
        """Look at the table ``[settings]`` of the configuration file before anything is set up or replaced.

        It is called at the start, for a reload and for ``flagman --check``, once for each class of action that is
        bound, also if there is no such table. It must have no effect.

        :param settings: what :attr:`flagman.Host.settings` is going to be
        :raises ValueError: if the action could not work with them; the message becomes the user's one line
        """

    def reloaded(self) -> None:
        """Take note that a reload has replaced ``self.engine.settings``, and that this action goes on.

        What it raises is logged, and the action goes on.
        """

    @abstractmethod
    def run(self) -> None:
        """Do the work.

        :raises ActionClosed: if this was the last run; the action is then removed from its bundle
        :raises SkipRest: to leave out the actions after this one, this time
        :raises ActionFailed: if the run failed and the message says why; any other exception is a failure, too, and is
            logged with its traceback
        """

    def statistics(self) -> Mapping[str, float]:
        """Return numbers about the action by name, such as how many files it has sent; integers are numbers, too.

        Status and metrics show them. It is called in the main thread after each run, and what it raises is logged.
        """
        return {}

    def state(self) -> Mapping[str, object]:
        """Return what is worth knowing about the action, as it can be written in JSON; see :meth:`statistics`.

        Return no secrets: the status shows it to each client that may control the daemon.
        """
        return {}

    @property
    def _offers(self) -> list[str]:
        """The names of those of these two methods that the class has; a plugin may mean something else by a name."""
        found = {name: getattr(type(self), name) for name in ("statistics", "state")}
        return [name for name, code in found.items() if callable(code) and code is not getattr(Action, name)]

    def tear_down(self) -> None:
        """Release what :meth:`set_up` took; runs exactly once for every action that was set up successfully."""

    def _close(self) -> None:
        """Tear the action down, unless that has been done; every later run raises :exc:`~flagman.ActionClosed`."""
        if not self._closed:
            self._closed = True
            self.tear_down()

    def _run(self) -> None:
        """Run once, as the loop does.

        :raises ActionClosed: if the action was closed before
        :raises ActionFailed: if its run() turns out to be async, which cannot always be seen before
        """
        if self._closed:
            raise ActionClosed(f"{type(self).__name__} was closed before this run")
        result: object = self.run()
        if hasattr(result, "__await__"):
            raise ActionFailed("run() has returned an awaitable, which flagman does not await; it must not be async")

    def __del__(self) -> None:
        if not self._closed:
            try:
                warn(f"unclosed action {self!r}", ResourceWarning, stacklevel=1, source=self)
            finally:
                self._close()
