"""A plugin that writes down the pid of the process at its exit."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from flagman.actions import PrintAction as Farewell

__all__ = ["Farewell"]


def note() -> None:
    """Write the pid down."""
    with Path("farewell").open("a", encoding="utf-8") as file:
        print(os.getpid(), file=file)


atexit.register(note)
