"""Descriptors of processes, see :manpage:`pidfd_open(2)`: what they name cannot be confused with another process."""

from __future__ import annotations

import os


def open_pidfd(pid: int) -> int:
    """Open a descriptor of a process; it becomes readable when the process ends.

    :returns: the descriptor; -1 where there are none: another system, an old kernel, a filter of system calls, no room
    :raises ProcessLookupError: if there is no such process
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return -1
