"""Hooks: what a run asks of the command, which alone reads arguments and sets up the log."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from flagman.config.settings import Settings
    from flagman.engine.action import Action
    from flagman.engine.engine import Engine
    from flagman.systemd.more_time import MoreTime
    from flagman.types import ActionName

    class Hooks(Protocol):
        """What the command does for a run."""

        def watch(self, engine: Engine) -> None:
            """Learn whose actions the log tells about."""

        def find(self, name: ActionName) -> type[Action]:
            """Return the class of an action that an action names.

            :raises UsageError: if there is none, or it cannot be loaded
            """

        def ready(self) -> None:
            """Learn that all is ready.

            :raises FlagmanError: if it is not, though
            """

        def read(self, more_time: MoreTime) -> Settings:
            """Read the settings again.

            :param more_time: is told what takes its time
            :raises UsageError: if they are wrong
            """

        def change_log(self, before: Settings, after: Settings) -> None:
            """Write the log as other settings say.

            :raises UsageError: if it cannot be written so; then nothing has changed
            :raises OSError: likewise
            """
