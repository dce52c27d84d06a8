"""The action that writes a message to the log."""

from __future__ import annotations

from flagman.engine import loggers
from flagman.engine.action import Action

# Not the numbers, the aliases and the levels that other modules have added.
_LEVELS = ("debug", "info", "warning", "error", "critical")

logger = loggers.get("flagman.log")


class LogAction(Action):
    """Logs a message."""

    example = "log info 'it is noon'"

    def set_up(self, level: str, message: str) -> None:
        """Keep the message.

        :param level: debug, info, warning, error or critical
        :param message: what every run logs
        """
        self.check_arguments(level)
        self._level: int = getattr(loggers, level.upper())
        self._message = message

    @classmethod
    def check_arguments(cls, level: str, *_: str) -> None:
        """Refuse other levels."""
        if level.lower() not in _LEVELS:
            raise ValueError(f"{level!r} is not a log level; the levels are {', '.join(_LEVELS)}")

    def run(self) -> None:
        """Log the message."""
        logger.log(self._level, "%s", self._message)
