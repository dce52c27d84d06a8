"""A plugin that configures logging itself, when it is imported and again when it is set up."""

from __future__ import annotations

import logging
import logging.config
import os

from flagman import Action


def silence() -> None:
    """Configure logging in the way that the environment names."""
    if os.environ["SILENCING"] == "basicConfig":
        logging.basicConfig(force=True, filename="theirs", encoding="utf-8")
    else:
        logging.config.dictConfig({"version": 1})


logging.getLogger("p").warning("before")
silence()


class Fails(Action):
    """Fails."""

    def set_up(self) -> None:
        """Configure logging once more."""
        silence()

    def run(self) -> None:
        """Fail."""
        raise ValueError("boom")
