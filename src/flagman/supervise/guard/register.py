"""The register: the groups of a daemon's processes, in a file in memory that its guardian has open, too.

The guardian reads it only when the daemon has died. So nothing is sent: an entry never waits for the guardian, never
wakes it, and is there for the next one if it dies.
"""

from __future__ import annotations

import os
from contextlib import suppress

from flagman.daemon.descriptors import above_standard, copy
from flagman.supervise.guard.guardian import ENTRY
from flagman.supervise.guard.seen import look_at

# The flags of memfd_create(2): closed in other programs, and nothing that can be run, which some systems insist on.
_CLOEXEC, _NOEXEC_SEAL = 1, 8
# Where a file without a name is in memory, if the system, or this Python, has no memfd_create(2).
_IN_MEMORY = "/dev/shm"  # noqa: S108 - it has no name
# Seconds: the longest grace that fits into an entry.
_LONGEST = 1e9


class Register:
    """The entries of the groups.

    :param random: what the marks of the processes begin with
    :raises OSError: if there can be no such file
    """

    def __init__(self, random: bytes) -> None:
        self.descriptor = _create()
        self._places: dict[int, int] = {}
        self._free: list[int] = []
        self._write(0, random)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, pid: int, grace: float, signum: int) -> None:
        """Enter a group, by its leader, which nothing has waited for yet.

        :raises OSError: if the file cannot grow
        """
        leader = look_at(pid)
        start = 0 if leader is None else leader.start
        place = self._places.get(pid) or (self._free.pop() if self._free else len(self._places) + 1)
        self._places[pid] = place
        self._write(place, b"%d %d %d %.3f" % (pid, start, signum, min(grace, _LONGEST)))

    def remove(self, pid: int) -> None:
        """Take a group out, when it is empty and before its leader is waited for; do nothing if it is not there."""
        place = self._places.pop(pid, 0)
        if place:
            self._free.append(place)
            with suppress(OSError):  # never: the file has this place
                self._write(place, b"")

    def close(self) -> None:
        """Forget all."""
        os.close(self.descriptor)

    def _write(self, place: int, text: bytes) -> None:
        os.pwrite(self.descriptor, text.ljust(ENTRY - 1) + b"\n", place * ENTRY)


def _create() -> int:
    """Open a file without a name, in memory if that can be."""
    for flags in (_CLOEXEC | _NOEXEC_SEAL, _CLOEXEC):  # an old kernel does not know the second one
        with suppress(AttributeError, OSError):
            return above_standard(os.memfd_create("flagman-guard", flags))
    import tempfile  # noqa: PLC0415 - only where there is no better file

    directory = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryFile(dir=directory) as file:
        return copy(file.fileno())
