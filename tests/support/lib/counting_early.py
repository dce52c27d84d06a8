"""A plugin with a thread that logs numbers, one after the other, from its import to its first run."""

from __future__ import annotations

import logging
import threading
import time

from flagman import Action

logger = logging.getLogger("p")
done = threading.Event()


def log() -> None:
    """Log numbers."""
    number = 0
    while not done.is_set():
        logger.warning("%d", number)
        number += 1
        time.sleep(0.0001)


thread = threading.Thread(target=log, daemon=True)
thread.start()


class Counts(Action):
    """Ends the thread in its first run."""

    def run(self) -> None:
        """End the thread."""
        done.set()
        thread.join()
