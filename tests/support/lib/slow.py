"""A plugin that waits at a FIFO when it is imported, or in a thread that delays the end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from flagman import Action


def wait() -> None:
    """Print that it waits, and wait until the test writes a line to the FIFO."""
    print("waiting", flush=True)
    with Path(os.environ["SLOW_FIFO"]).open(encoding="utf-8") as fifo:
        fifo.readline()


if os.environ["SLOW_WHEN"] == "import":
    wait()


class Slow(Action):
    """Does nothing, but leaves a thread behind."""

    def run(self) -> None:
        """Do nothing."""

    def tear_down(self) -> None:
        """Start the thread."""
        threading.Thread(target=wait).start()
