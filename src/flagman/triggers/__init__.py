"""What raises flags, one kind of trigger in a module.

What all kinds have in common is here and not in a module of its own, because every start would have to read that.

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
            """Stop raising the flag."""


class Source:
    """What raises the flag of a binding, as the command line or the file says it; each kind is a subclass.

    It is only the description, which settings hold; :meth:`start` makes the trigger that runs.

    :param trigger: its name in messages and for commands; two sources with the same name are one
    """

    __slots__ = ("trigger",)

    #: The key in the file for what :meth:`text` returns; with two dashes before it, the option.
    key: ClassVar[str]
    #: Whether it raises its flag only once: bindings that are added later need a flag of their own then.
    happens_once: ClassVar[bool] = False
    #: Whether it has to be started, because it does not come from outside.
    has_start: ClassVar[bool] = False

    def __init__(self, trigger: FlagName) -> None:
        self.trigger = trigger

    def text(self) -> str:
        """Return what follows the key, in a form that can be read again."""
        return self.trigger

    def words(self) -> list[str]:
        """Return the words that begin a binding on the command line."""
        return [f"--{self.key}", self.text()]

    def signals(self) -> tuple[SignalNumber, ...]:
        """Return the signals that raise its flag."""
        return ()

    def spread(self) -> str:
        """Return the name of the setting that moves its runs, ``jitter`` or ``debounce``; empty if nothing does."""
        return "jitter"

    def placed(self, absolute: Callable[[str], str]) -> Source:  # noqa: ARG002 - for kinds that have a path
        """Return the same source, with the same name, for a process that works in another directory.

        :param absolute: makes a path absolute
        """
        return self

    def prepare(self, jitter: float) -> None:
        """Import what :meth:`start` needs: an import can fail, and :meth:`start` must not, during a reload."""

    def start(self, engine: Engine, flag: FlagName, jitter: float) -> Started:  # noqa: ARG002 - for kinds that have one
        """Begin to raise a flag, while ``engine.bundles`` has it.

        A trigger that may become due while the bundle of its own flag runs registers with ``engine.after_runs``:
        what it raises there is judged like a signal.

        :param jitter: seconds by which it may be late, at random; 0 for a kind that a jitter does not move
        """
        raise RuntimeError(f"{flag} is raised from outside")

    def survives(self, *, is_same: bool, had_actions: bool) -> bool:
        """Return whether a trigger that has been started goes on through a reload, and is not started anew.

        :param is_same: its jitter has not changed
        :param had_actions: its flag had actions until now
        """
        return is_same and had_actions
