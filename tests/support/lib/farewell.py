"""A plugin that writes down, at the exit, which process that is."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from flagman.actions import PrintAction as Farewell

__all__ = ["Farewell"]


def note() -> None:
    """Write it down."""
    with Path("farewell").open("a", encoding="utf-8") as file:
        print(os.getpid(), file=file)


atexit.register(note)
