"""The process that other processes signal: this one, or the init that stands in front of it and forwards."""

from __future__ import annotations

import os

# The number of the init; 0 if there is none.
_front = 0


def stand_behind(pid: int) -> None:
    """Note that a process forwards its signals to this one."""
    global _front  # noqa: PLW0603 - a process has one place
    _front = pid


def pid() -> int:
    """Return the number of the process to which signals for this one are sent."""
    return _front or os.getpid()
