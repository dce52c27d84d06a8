"""A plugin that adds a handler to the root logger when it is imported."""

from __future__ import annotations

import logging

from flagman import Action

logger = logging.getLogger("p")
logger.warning("before")
logging.getLogger().addHandler(logging.NullHandler())
logger.warning("after")


class Fails(Action):
    """Fails."""

    def run(self) -> None:
        """Fail."""
        raise ValueError("boom")
