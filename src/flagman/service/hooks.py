"""Hooks: what a run asks of the command, which alone reads arguments and sets up the log."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from flagman.config.settings import Settings
    from flagman.engine.action import Action
    from flagman.engine.engine import Engine
    from flagman.systemd.more_time import MoreTime
    from flagman.types import ActionName

    class Hooks(Protocol):
        """The methods by which a run calls the command."""

        #: Whether the process had a controlling terminal before it changed its root directory.
        has_terminal: bool
        #: Whether the configuration file is outside of the new root directory.
        is_out_of_reach: bool

        @property
        def config(self) -> str:
            """The path of the configuration file in this process, absolute; empty if there is none."""

        def opened(self, path: str) -> int | None:
            """Return a descriptor of a file, which the caller closes, if only root could open that.

            Only before :meth:`ready`.
            """

        def streams(self) -> Mapping[int, int]:
            """Return descriptors, by the standard streams that are going to lead to them; only before :meth:`ready`.

            A stream that stays as it is is not among them. The caller closes the descriptors.
            """

        def watch(self, engine: Engine) -> None:
            """Take the engine of the run, so that the log can name the action that runs."""

        def find(self, name: ActionName) -> type[Action]:
            """Return the class of an action, for an action that adds it by name.

            :raises UsageError: if there is none, or it cannot be loaded
            """

        def ready(self) -> None:
            """Take note that all is ready.

            :raises FlagmanError: if the command has found that it is not
            """

        def read(self, more_time: MoreTime) -> Settings:
            """Read the settings again.

            :param more_time: is told about each step that may take long
            :raises UsageError: if they are wrong
            """

        def change_log(self, before: Settings, after: Settings) -> None:
            """Change the log from one set of settings to another.

            :raises UsageError: if it cannot be changed so; then nothing has changed
            :raises OSError: likewise
            """
