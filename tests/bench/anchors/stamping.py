"""An action for the measures: each run writes the time as a record."""

from __future__ import annotations

import os
import time

from flagman import Action


class Stamp(Action):
    """Writes a record to the FIFO that BENCH_FIFO names."""

    def set_up(self) -> None:
        """Open the FIFO."""
        self._fifo = os.open(os.environ["BENCH_FIFO"], os.O_WRONLY | os.O_CLOEXEC)
        self._pid = os.getpid()

    def run(self) -> None:
        """Write the time."""
        os.write(self._fifo, b"%d %d\n" % (time.monotonic_ns(), self._pid))

    def tear_down(self) -> None:
        """Close the FIFO."""
        os.close(self._fifo)
