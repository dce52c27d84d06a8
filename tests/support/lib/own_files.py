"""A plugin that has files for its own records, and a filter for those of others."""

from __future__ import annotations

import logging
import logging.handlers

from flagman import Action

logger = logging.getLogger("mine")
memory = logging.handlers.MemoryHandler(1000, target=logging.FileHandler("memory", "w", encoding="utf-8"))
for handler in (logging.FileHandler("file", "w", encoding="utf-8"), memory):
    logger.addHandler(handler)


class Filter:
    """Rejects records with secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record has no secret."""
        return "secret" not in record.getMessage()


logging.getLogger().addFilter(Filter())
logger.warning("first")


class Log(Action):
    """Logs one public and one secret message."""

    def run(self) -> None:
        """Log both messages."""
        logger.warning("later")
        logging.getLogger().warning("secret")
