"""The metrics of a run: counts, moments and durations, for programs that collect them over time."""

from __future__ import annotations

import time

from flagman.engine.tally import NO_RUNS, RESULTS
from flagman.text.metrics import Family, labels, labels_of_all, text
from flagman.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.engine.engine import Engine
    from flagman.service.parts import Site
    from flagman.service.status import Status
    from flagman.types import FlagName

_FLAG = ("flag",)


class Metrics:
    """Shows a run to programs that collect metrics; safe in any thread.

    :param site: the doors of the run
    :param name: that of the daemon
    """

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self._name = name

    def text(self, *, is_named: bool = False) -> str:
        """Return all metrics in the text format.

        :param is_named: give each the label ``daemon``, so that those of several daemons can stand side by side
        """
        common = labels(daemon=self._name) if is_named else ""
        return text(self.families(), common)

    def families(self) -> Iterator[Family]:
        """Yield the families of the run, and then those of its parts; some may have no value yet."""
        site = self._site
        yield from _of_run(site, self._name)
        yield from _Flags(site.status, site.engine).families()
        for part in site.parts:
            yield from part.metrics()


def _of_run(site: Site, name: str) -> Iterator[Family]:
    info = Family("flagman_info", "gauge", "The daemon; always 1.", ("version", "name"))
    info.add(1, labels(version=__version__, name=name))
    yield info
    started = Family("flagman_start_time_seconds", "gauge", "When the daemon was started, since the epoch.")
    started.add(site.engine.ledger.begun[0])
    yield started
    ready = Family("flagman_ready", "gauge", "Whether all is set up, all processes are ready, and it does not stop.")
    ready.add(site.status.is_ready and not site.is_unready())
    yield ready
    is_loaded = Family(
        "flagman_config_last_reload_successful",
        "gauge",
        "Whether the last attempt to load the configuration file was a success; only if there is one.",
    )
    loaded = Family(
        "flagman_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration file was last loaded with success, since the epoch; only if there is one.",
    )
    if site.status.config_file:
        at, _, mistakes = site.status.loaded()
        is_loaded.add(not mistakes)
        loaded.add(at)
    yield is_loaded
    yield loaded


class _Flags:
    """The metrics of all flags that have actions."""

    def __init__(self, status: Status, engine: Engine) -> None:
        self._status = status
        self._ledger = engine.ledger
        self._now = engine.clock()
        self.raised = Family("flagman_flag_raised_total", "counter", "How often the flag was raised.", _FLAG)
        self.ignored = Family(
            "flagman_flag_ignored_total", "counter", "How many raises of the flag a run under way stood for.", _FLAG
        )
        self.merged = Family(
            "flagman_flag_merged_total",
            "counter",
            "How many raises of the flag had no run of their own, because one run stood for several.",
            _FLAG,
        )
        self.runs = Family(
            "flagman_runs_total",
            "counter",
            "How often the actions of the flag ran, by what came of it.",
            ("flag", "result"),
        )
        self.duration = Family("flagman_run_duration_seconds", "summary", "How long the runs of the flag took.", _FLAG)
        self.longest = Family(
            "flagman_run_duration_seconds_max", "gauge", "How long the longest run of the flag took.", _FLAG
        )
        self.last_run = Family(
            "flagman_last_run_timestamp_seconds",
            "gauge",
            "When the last run of the flag began, also one that goes on, since the epoch; 0 before the first.",
            _FLAG,
        )
        self.success = Family(
            "flagman_last_success_timestamp_seconds",
            "gauge",
            "When the last run of the flag ended that succeeded, since the epoch; 0 before the first.",
            _FLAG,
        )
        self.in_a_row = Family(
            "flagman_failures_in_a_row",
            "gauge",
            "How many failures there were since the last success of the flag.",
            _FLAG,
        )
        self.running = Family("flagman_running", "gauge", "Whether the actions of the flag run now.", _FLAG)
        self.due = Family(
            "flagman_next_due_timestamp_seconds",
            "gauge",
            "When a timer raises the flag, or its debounce lets it go, since the epoch; only if that is planned.",
            _FLAG,
        )

    def families(self) -> tuple[Family, ...]:
        """Return the families, with the values of all flags."""
        results = {result: labels(result=result) for result in RESULTS}
        for flag, label in labels_of_all("flag", self._status.bound()).items():
            tally = self._ledger.tallies.get(flag, NO_RUNS)
            self._count(flag, label)
            for result, number in tally.results().items():
                self.runs.add(number, f"{label},{results[result]}")
            self.duration.add(tally.seconds, label, "_sum")
            self.duration.add(tally.runs, label, "_count")
            self.longest.add(tally.longest, label)
            self.in_a_row.add(tally.failures_in_a_row, label)
            success = tally.last_success
            self.success.add(0 if success is None else success.at + success.seconds, label)
            self._tell_now(flag, label, 0 if tally.last is None else tally.last.at)
        return (
            *(self.raised, self.ignored, self.merged, self.runs, self.duration, self.longest),
            *(self.last_run, self.success, self.in_a_row, self.running, self.due),
        )

    def _count(self, flag: FlagName, label: str) -> None:
        raised, arrivals = self._status.count(flag)
        self.raised.add(raised, label)
        self.ignored.add(arrivals.ignored, label)
        self.merged.add(arrivals.merged, label)

    def _tell_now(self, flag: FlagName, label: str, last: float) -> None:
        """Add what holds at this moment.

        :param last: when the last run began that has ended
        """
        turn = self._ledger.running
        is_running = turn is not None and turn.flag == flag
        self.running.add(is_running, label)
        # In milliseconds, because it is found out anew each time, and is to stay the same.
        self.last_run.add(round(self._status.begun(turn)[0], 3) if turn is not None and is_running else last, label)
        due = self._status.due(flag)
        if due is not None:
            self.due.add(round(time.time() + due - self._now, 3), label)
