"""Loggers and handlers: all that there are, and the one handler of the root logger that is ours."""

from __future__ import annotations

import logging

from flagman.log.standard_streams import is_ours

#: The name of the handler that writes the log.
HANDLER_NAME = "flagman"


def all_loggers() -> list[logging.Logger]:
    """Return every logger, the root first."""
    root = logging.getLogger()
    return [root, *(known for known in list(root.manager.loggerDict.values()) if isinstance(known, logging.Logger))]


def all_handlers() -> set[logging.Handler]:
    """Return every handler of every logger."""
    return {handler for known in all_loggers() for handler in known.handlers}


def enable_ours() -> None:
    """Enable flagman's own loggers, even if something has disabled them: the log must say what ends the daemon."""
    for known in all_loggers():
        if known.name.partition(".")[0] == "flagman":
            known.disabled = False


def install(handler: logging.Handler) -> None:
    """Replace flagman's handler of the root logger by this one, in one step, because threads may log meanwhile."""
    handler.set_name(HANDLER_NAME)
    root = logging.getLogger()
    root.handlers[:] = [*(other for other in root.handlers if other.name != HANDLER_NAME), handler]


def is_plain(handler: logging.Handler) -> bool:
    """Return whether a handler writes a plain log to a stream of ours."""
    return is_ours(handler) and type(handler.formatter) is logging.Formatter
