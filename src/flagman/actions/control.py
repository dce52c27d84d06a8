"""The action that stops the daemon."""

from __future__ import annotations

from flagman.actions.action import Action


class StopAction(Action):
    """Stops flagman gracefully."""

    def run(self) -> None:
        """Stop the engine that runs this action."""
        self.engine.stop()
