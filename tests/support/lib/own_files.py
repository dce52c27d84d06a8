"""A plugin that has files for its own records, and filters those of others."""

from __future__ import annotations

import logging
import logging.handlers

from flagman import Action

logger = logging.getLogger("mine")
memory = logging.handlers.MemoryHandler(1000, target=logging.FileHandler("memory", "w", encoding="utf-8"))
for handler in (logging.FileHandler("file", "w", encoding="utf-8"), memory):
    logger.addHandler(handler)


class Filter:
    """Keeps secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is none."""
        return "secret" not in record.getMessage()


logging.getLogger().addFilter(Filter())
logger.warning("first")


class Log(Action):
    """Logs something that may be known, and something that may not."""

    def run(self) -> None:
        """Log both."""
        logger.warning("later")
        logging.getLogger().warning("secret")
