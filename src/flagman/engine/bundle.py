"""The bundle behind a flag: its actions, in the order in which they were added."""

from __future__ import annotations

from flagman.engine.flags import STOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.actions.action import Action
    from flagman.engine.flags import Flags


class Bundle:
    """An ordered list of actions that run together, one at a time."""

    __slots__ = ("_actions",)

    def __init__(self) -> None:
        self._actions: list[Action] = []

    def __len__(self) -> int:
        return len(self._actions)

    def add(self, action: Action) -> None:
        """Add an action behind the others; during a run, for the next one."""
        self._actions.append(action)

    def run(self, run: Callable[[Action], bool], flags: Flags) -> None:
        """Run every action in order, up to the moment at which the stop flag is raised.

        :param run: runs one action and tells whether it stays
        """
        gone: set[int] = set()
        for action in tuple(self._actions):
            if STOP in flags:
                break
            if not run(action):
                gone.add(id(action))
        if gone:  # one pass, however many have left
            self._actions = [action for action in self._actions if id(action) not in gone]
