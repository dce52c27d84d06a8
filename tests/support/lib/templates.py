"""A plugin with a handler that looks at the templates of records, not at the messages."""

from __future__ import annotations

import logging

from flagman.actions import PrintAction as Talk

__all__ = ["Talk"]


class Handler(logging.Handler):
    """Prints the template and the arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print both."""
        print(record.msg, record.args)


logging.getLogger().addHandler(Handler())
logging.getLogger("p").warning("hello %s", "w")
