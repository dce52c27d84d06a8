"""A plugin that logs a record of each level at its import, also to a handler of its own if there is a file."""

from __future__ import annotations

import logging
import os

from flagman import Action, ActionFailed

logger = logging.getLogger("talkative")
if path := os.environ.get("TALKATIVE"):
    logger.addHandler(logging.FileHandler(path, encoding="utf-8"))
for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
    name = [logging.getLevelName(level)]
    logger.log(level, "imported, %s", name)
    name[0] = "changed since"


class Talk(Action):
    """Does nothing."""

    def run(self) -> None:
        """Do nothing."""


class Fail(Action):
    """Logs a warning, and fails."""

    def run(self) -> None:
        """Fail."""
        logger.warning("about to fail")
        raise ActionFailed("as it should")
