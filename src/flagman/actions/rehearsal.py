"""An action that stands in for another: for ``--dry-run``."""

from __future__ import annotations

from flagman.engine import loggers
from flagman.engine.action import Action
from flagman.engine.flags import in_log
from flagman.text.shown import shown

logger = loggers.get("flagman.actions.rehearsal")


class RehearsedAction(Action):
    """Logs what would run."""

    _logs_itself = True

    def set_up(self, name: str, *arguments: str) -> None:
        """Keep the action's name and its arguments.

        :param name: of the action that it stands for
        :param arguments: of that action
        """
        import shlex  # noqa: PLC0415 - only for a rehearsal

        self._line = shown(shlex.join([name, *arguments]))

    def run(self) -> None:
        """Log the action that would run."""
        turn = self.engine.turn
        logger.info("Would run `%s` for `%s` (raises: %d)", self._line, in_log(turn.flag), turn.raises)
