"""What raises flags, one kind of trigger in a module.

What all kinds have in common is here, and not in a module of its own, which every start would have to read.

May import: engine, text, exceptions, types, version.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar, Protocol

    from flagman.engine.engine import Engine
    from flagman.types import FlagName, SignalNumber

    class Started(Protocol):
        """A trigger that raises its flag by itself."""

        def cancel(self) -> object:
            """Raise it no more."""


class Source:
    """What raises a flag, as it is written on the command line and in the file; each kind is a subclass.

    :param trigger: what messages and commands call it; two sources with the same name are one
    """

    __slots__ = ("trigger",)

    #: The key of the file that tells what follows; after two dashes, the option that does.
    key: ClassVar[str]
    #: It raises its flag only once, so bindings that are added later need a flag of their own.
    happens_once: ClassVar[bool] = False
    #: It has to be started, and does not come from outside.
    has_start: ClassVar[bool] = False

    def __init__(self, trigger: FlagName) -> None:
        self.trigger = trigger

    def text(self) -> str:
        """Write what follows the key, so that it can be read again."""
        return self.trigger

    def words(self) -> list[str]:
        """Write the beginning of a binding on the command line."""
        return [f"--{self.key}", self.text()]

    def signals(self) -> tuple[SignalNumber, ...]:
        """Tell which signals raise its flag."""
        return ()

    def spread(self) -> str:
        """Name the setting that moves its runs, ``jitter`` or ``debounce``; empty if nothing does."""
        return "jitter"

    def placed(self, absolute: Callable[[str], str]) -> Source:  # noqa: ARG002 - for kinds that have a path
        """Give the same source, which keeps its name, for a process that works elsewhere.

        :param absolute: makes a path absolute
        """
        return self

    def prepare(self, jitter: float) -> None:
        """Import what :meth:`start` needs: during a reload that must not fail."""

    def start(self, engine: Engine, flag: FlagName, jitter: float) -> Started:  # noqa: ARG002 - for kinds that have one
        """Begin to raise a flag, as long as ``engine.bundles`` has it.

        A trigger that may become due while the bundle of its own flag runs has itself called by ``engine.after_runs``:
        what it raises there is judged like a signal.

        :param jitter: seconds by which it may be late, at random; 0 for a kind that a jitter does not move
        """
        raise RuntimeError(f"{flag} is raised from outside")

    def survives(self, *, is_same: bool, had_actions: bool) -> bool:
        """Tell whether one that has been started goes on through a reload, and is not started anew.

        :param is_same: its jitter has not changed
        :param had_actions: its flag had actions until now
        """
        return is_same and had_actions
