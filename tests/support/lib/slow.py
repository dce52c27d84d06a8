"""A plugin that waits at a FIFO when it is imported, or lets a thread that does so hold up the end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from flagman import Action


def wait() -> None:
    """Say so, and wait for somebody to write there."""
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
