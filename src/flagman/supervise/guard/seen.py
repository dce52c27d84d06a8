"""Processes as /proc shows them, and signals that reach no other process.

A process is known by its number and its start, see :manpage:`proc_pid_stat(5)`: a number can be given again.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

#: The variable that marks all processes of a daemon.
VARIABLE = b"FLAGMAN_GUARD"


class Process:
    """A process as /proc shows it.

    :raises OSError: if there is none
    :raises ValueError: if it cannot be understood
    """

    __slots__ = ("group", "is_zombie", "name", "parent", "pid", "start")

    def __init__(self, pid: int) -> None:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs 5 ms
            # The name of the program, in brackets, may contain anything.
            head, _, rest = file.read().rpartition(b")")
        fields = rest.split()
        self.pid = pid
        self.name = head.partition(b"(")[2]
        self.is_zombie = fields[0] in (b"Z", b"X")
        self.parent, self.group = int(fields[1]), int(fields[2])
        #: The clock ticks from the start of the system to its own.
        self.start = int(fields[19])


def look_at(pid: int) -> Process | None:
    """Return a process; None if there is none, or it cannot be seen."""
    try:
        return Process(pid)
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int, start: int) -> bool:
    """Return whether a process that was seen has not ended yet."""
    seen = look_at(pid)
    return seen is not None and seen.start == start and not seen.is_zombie


def look_at_all() -> dict[int, Process]:
    """Return all processes, by their numbers."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    return {pid: process for pid in pids if (process := look_at(pid)) is not None}


def mark_of(pid: int) -> bytes:
    """Return the mark of a process, ``RANDOM:NAME:INSTANCE``; empty if it has none, or its environment is not shown."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            text = b"\0" + file.read()
    except OSError:
        return b""
    return text.partition(b"\0%b=" % VARIABLE)[2].partition(b"\0")[0]


def send(process: Process, *signums: int) -> bool:
    """Send signals to a process, and never to another one that has got its number; return whether that is allowed."""
    pidfd = -1
    with suppress(ProcessLookupError):
        try:
            with suppress(AttributeError, OSError):  # this system has none
                pidfd = os.pidfd_open(process.pid)
            seen = look_at(process.pid)
            if seen is None or seen.start != process.start:
                return True
            for signum in signums:
                if pidfd >= 0:
                    signal.pidfd_send_signal(pidfd, signum)
                else:
                    os.kill(process.pid, signum)
        except PermissionError:
            return False
        finally:
            if pidfd >= 0:
                os.close(pidfd)
    return True


def shows_us() -> bool:
    """Return whether /proc shows the processes of this one's own namespace, see :manpage:`pid_namespaces(7)`."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115
    except OSError:
        return False
