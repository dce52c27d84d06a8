"""The actions that control the daemon itself."""

from __future__ import annotations

from flagman.engine.action import Action
from flagman.exceptions import UsageError


class StopAction(Action):
    """Stops flagman gracefully."""

    def run(self) -> None:
        """Stop the engine that runs this action."""
        self.engine.stop()


class ReloadAction(Action):
    """Reads the configuration file again.

    It does so after the other actions of the same signal have run.
    """

    def set_up(self) -> None:
        """Check that there is a file to reload.

        :raises UsageError: if there is none
        """
        if not self.engine.offers("reload"):
            raise UsageError("there is no configuration file; give one with --config")

    def run(self) -> None:
        """Ask the engine for a reload."""
        self.engine.ask("reload")
