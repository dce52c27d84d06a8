"""The pipe through which everything that is measured tells when it did its work."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Record(NamedTuple):
    """One piece of work: when it began, in nanoseconds of CLOCK_MONOTONIC, and the process that did it."""

    when: int
    pid: int


class Records:
    """A FIFO; each line is a record, written at once and so never torn.

    :param path: where it is made
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # Open for both, so that it never ends and that each writer finds a reader.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""
        # What a shell has instead of the monotonic clock.
        self._offset = time.monotonic_ns() - time.time_ns()

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._descriptor)

    def read(self, seconds: float) -> list[Record]:
        """Return what has been written since, and wait for it if there is nothing."""
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            if not select.select([self._descriptor], [], [], max(seconds, 0))[0]:
                return []
            data = os.read(self._descriptor, 1 << 16)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return [self._record(line) for line in lines]

    def _record(self, line: bytes) -> Record:
        when, _, pid = line.partition(b" ")
        if b"." in when:
            seconds, _, micros = when.partition(b".")
            return Record(int(seconds) * 10**9 + int(micros) * 1000 + self._offset, int(pid))
        return Record(int(when), int(pid))

    def drain(self) -> None:
        """Forget what has been written."""
        while self.read(0):
            pass

    def after(self, when: int, seconds: float) -> Record | None:
        """Return the first record of work that began at a time or later, or None if there is none in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for record in self.read(left):
                if record.when >= when:
                    return record
        return None

    def some(self, number: int, seconds: float) -> list[Record]:
        """Return a number of records, or fewer if the time is over."""
        found: list[Record] = []
        end = time.monotonic() + seconds
        while len(found) < number and (left := end - time.monotonic()) > 0:
            found += self.read(left)
        return found
