"""What raises flags, one kind of trigger in a module.

What all kinds have in common is here and not in a module of its own, because every start would have to read that.

May import: engine, text, exceptions, types, version.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import ClassVar, Protocol

    from flagman.engine.engine import Engine
    from flagman.types import FlagName, SignalNumber

    class Trigger(Protocol):
        """What raises a flag by itself."""

        def begin(self, going: Collection[Trigger]) -> object:
            """Raise the flag from now on: its bundle is there.

            :param going: the triggers that are cancelled next, one of which this may replace
            """

        def follow(self, options: Mapping[str, float]) -> object:
            """Obey other options from now on, see :attr:`Source.options`."""

        def due(self) -> float | None:
            """Return the moment at which it raises the flag next, if that is known; safe in any thread."""

        def cancel(self) -> object:
            """Raise the flag no more, also if it has not begun to."""


class Source:
    """What raises the flag of a binding, as the command line or the file says it; each kind is a subclass.

    It is only the description, which settings hold; :meth:`arm` makes the trigger that runs.

    :param trigger: its name in messages and for commands; two sources with the same name are one
    """

    __slots__ = ("trigger",)

    #: The key in the file that tells this kind from the others.
    key: ClassVar[str]
    #: The option, if it is not the key with two dashes before it.
    option: ClassVar[str] = ""
    #: Whether it raises its flag only once: bindings that are added later need a flag of their own then.
    happens_once: ClassVar[bool] = False
    #: Whether it has to be started, because it does not come from outside.
    has_start: ClassVar[bool] = False
    #: Whether it raises its flag by the clock: no request is lost if a stop comes before such a run.
    ticks: ClassVar[bool] = False
    #: Whether it has a path, which :meth:`placed` makes absolute.
    has_path: ClassVar[bool] = False
    #: The settings that its trigger obeys, by name; their values are seconds.
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, trigger: FlagName) -> None:
        self.trigger = trigger

    def text(self) -> str:
        """Return what follows the option, in a form that can be read again."""
        return self.trigger

    def keys(self) -> Mapping[str, str]:
        """Return the keys by which the file says it, and the text of each."""
        return {self.key: self.text()}

    def words(self) -> list[str]:
        """Return the words that begin a binding on the command line."""
        return [self.option or f"--{self.key}", self.text()]

    def signals(self) -> tuple[SignalNumber, ...]:
        """Return the signals that raise its flag."""
        return ()

    def processes(self) -> tuple[str, ...]:
        """Return the names of the processes that it is about, which the configuration must have."""
        return ()

    def spread(self) -> str:
        """Return the name of the setting that moves its runs, ``jitter`` or ``debounce``; empty if nothing does."""
        return "jitter"

    def placed(self, absolute: Callable[[str], str]) -> Source:  # noqa: ARG002 - for kinds that have a path
        """Return the same source, with the same name, for a process that works in another directory.

        :param absolute: makes a path absolute
        """
        return self

    def notes(self) -> Iterable[str]:
        """Return what ``flagman --check`` tells about it, in lines."""
        return ()

    def arm(self, engine: Engine, flag: FlagName, options: Mapping[str, float], shared: dict[str, object]) -> Trigger:  # noqa: ARG002 - for kinds that have one
        """Make the trigger, before any new action is set up.

        It raises its flag only after its ``begin``, and while ``engine.bundles`` has the flag. This may fail, and the
        trigger may be cancelled instead of begun; ``begin`` must not fail, because it is a step of a reload.

        A trigger that may become due while the bundle of its own flag runs registers with ``engine.after_runs``:
        what it raises there is judged like a signal.

        :param options: the values of its :attr:`options`
        :param shared: what the triggers of one engine share, by a name for each kind; it is empty at first
        """
        raise RuntimeError(f"{flag} is raised from outside")

    def survives(self, *, is_same: bool, had_actions: bool) -> bool:
        """Return whether a trigger that has begun goes on through a reload, and none is armed in its place.

        :param is_same: its options have not changed
        :param had_actions: its flag has had actions until now
        """
        return is_same and had_actions
