"""The log of the command, and the standard streams that it and the actions write to.

What all modules need is here, and not in a module of its own, which every start would have to read.

May import: config, daemon, actions, web, triggers, children, engine, text, exceptions, types, version.
"""

from __future__ import annotations

import logging

#: The name of the handler that writes the log.
HANDLER_NAME = "flagman"


def all_loggers() -> list[logging.Logger]:
    """Give every logger, the root first."""
    root = logging.getLogger()
    return [root, *(known for known in root.manager.loggerDict.values() if isinstance(known, logging.Logger))]


def all_handlers() -> set[logging.Handler]:
    """Give every handler of a logger."""
    return {handler for known in all_loggers() for handler in known.handlers}


def enable_ours() -> None:
    """Let flagman's own loggers speak, whatever has silenced them: what ends the daemon must be told."""
    for known in all_loggers():
        if known.name.partition(".")[0] == "flagman":
            known.disabled = False


def install(handler: logging.Handler) -> None:
    """Let the root logger have this handler in the place of the one that it had from here, in one step for threads."""
    handler.set_name(HANDLER_NAME)
    root = logging.getLogger()
    root.handlers[:] = [*(other for other in root.handlers if other.name != HANDLER_NAME), handler]
