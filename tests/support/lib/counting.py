"""A plugin with a thread that logs numbers, one after the other, from its set_up to its tear_down."""

from __future__ import annotations

import logging
import threading
import time

from flagman import Action

logger = logging.getLogger("p")


class Counts(Action):
    """Does nothing in its runs."""

    def set_up(self) -> None:
        """Start the thread."""
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.log)
        self.thread.start()

    def log(self) -> None:
        """Log numbers."""
        number = 0
        while not self.done.is_set():
            logger.error("%d", number)
            number += 1
            time.sleep(0.0002)

    def run(self) -> None:
        """Do nothing."""

    def tear_down(self) -> None:
        """End the thread."""
        self.done.set()
        self.thread.join()
