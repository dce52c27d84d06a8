"""All loggers that there are, and their handlers."""

from __future__ import annotations

import logging


def all_loggers() -> list[logging.Logger]:
    """Give every logger, the root first."""
    root = logging.getLogger()
    return [root, *(known for known in root.manager.loggerDict.values() if isinstance(known, logging.Logger))]


def all_handlers() -> set[logging.Handler]:
    """Give every handler of a logger."""
    return {handler for known in all_loggers() for handler in known.handlers}
