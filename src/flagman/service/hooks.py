"""Hooks: what a run asks of the command, which alone reads arguments and sets up the log."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from flagman.config.settings import Settings
    from flagman.engine.engine import Engine
    from flagman.systemd.more_time import MoreTime

    class Hooks(Protocol):
        """What the command does for a run."""

        def watch(self, engine: Engine) -> None:
            """Learn whose actions the log tells about."""

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
