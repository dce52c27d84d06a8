"""The metrics of processes."""

from __future__ import annotations

import time

from flagman.supervise.processes.machine import STATES
from flagman.text.metrics import Family, labels, labels_of_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.supervise.processes.record import Record

_PROCESS = ("process",)
_STATES = {state: labels(state=state) for state in STATES}


class ProcessMetrics:
    """The metrics of all processes; safe in any thread."""

    def __init__(self) -> None:
        self.up = Family("flagman_process_up", "gauge", "Whether an instance of the process runs.", _PROCESS)
        self.wanted = Family("flagman_process_wanted", "gauge", "Whether the process is meant to run.", _PROCESS)
        self.ready = Family(
            "flagman_process_ready",
            "gauge",
            "Whether the process is ready, or has ended well.",
            _PROCESS,
        )
        self.state = Family(
            "flagman_process_state",
            "gauge",
            "1 for the state that the process is in, 0 for all others.",
            ("process", "state"),
        )
        self.starts = Family("flagman_process_starts_total", "counter", "How often the process was started.", _PROCESS)
        self.deaths = Family(
            "flagman_process_deaths_total",
            "counter",
            "How often the process has failed or ended by itself, by reasons.",
            ("process", "reason"),
        )
        self.started = Family(
            "flagman_process_start_time_seconds",
            "gauge",
            "When the present or last instance of the process was started, since the epoch.",
            _PROCESS,
        )
        self.next_start = Family(
            "flagman_process_next_start_timestamp_seconds",
            "gauge",
            "When the process is started again, since the epoch; only in the state backoff.",
            _PROCESS,
        )
        self.start_duration = Family(
            "flagman_process_last_start_duration_seconds",
            "gauge",
            "How long the process took to become ready, the last time that it did.",
            _PROCESS,
        )

    def families(self, processes: Mapping[str, Record], now: float) -> tuple[Family, ...]:
        """Return the families, with the values of these processes.

        :param now: the present moment of their clock
        """
        for name, label in labels_of_all("process", processes).items():
            self._tell(processes[name], label, now)
        return (
            *(self.up, self.wanted, self.ready, self.state, self.starts, self.deaths),
            *(self.started, self.next_start, self.start_duration),
        )

    def _tell(self, process: Record, label: str, now: float) -> None:
        self.up.add(process.life is not None, label)
        self.wanted.add(process.wanted == "up", label)
        self.ready.add(process.is_satisfied, label)
        present = process.state
        for state, own in _STATES.items():
            self.state.add(state == present, f"{label},{own}")
        self.starts.add(process.number, label)
        for reason, number in dict(process.deaths).items():
            self.deaths.add(number, f"{label},{labels(reason=reason)}")
        if process.started_at is not None:
            self.started.add(process.started_at, label)
        if present == "backoff":
            # In milliseconds, because it is found out anew each time, and is to stay the same.
            self.next_start.add(round(time.time() + process.next_start - now, 3), label)
        if process.start_duration is not None:
            self.start_duration.add(process.start_duration, label)
