"""The metrics of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from flagman import Action, ActionFailed
from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.engine.engine import Engine
from flagman.engine.tally import RESULTS
from flagman.service.assembly import Assembly
from flagman.service.metrics import Metrics
from flagman.service.parts import Part, Site
from flagman.service.status import Status
from flagman.testing import FakeTime
from flagman.text.metrics import Family
from flagman.triggers.by_clock import every
from flagman.triggers.by_signal import SignalSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Fails(Action):
    """Fails as long as it is told to, and takes 2 s."""

    time: FakeTime
    error: Exception | None = None
    during: Callable[[], object] = bool

    def run(self) -> None:
        """Take time."""
        self.time.now += 2
        type(self).during()
        if self.error is not None:
            raise self.error


class Extra(Part):
    """A part with a metric."""

    def metrics(self) -> Iterable[Family]:
        """Return it."""
        family = Family("extra", "gauge", "Extra.")
        family.add(7)
        return [family]


class Run:
    """An engine with bindings and a part, as a service has them, in time that stands still."""

    def __init__(self, config: str = "") -> None:
        self.time = Fails.time = FakeTime()
        self.engine = Engine(clock=self.time, wait=self.time.wait)
        bindings = [Binding(source, "fails", Fails, (), {}) for source in (SignalSource(10), every("1h"))]
        settings = Settings(bindings=tuple(bindings))
        assembly = Assembly(self.engine, settings)
        status = Status(self.engine, assembly, config, dict)
        plan = assembly.plan(settings)
        assembly.set_up(plan)
        assembly.adopt(plan)
        self.metrics = Metrics(Site(self.engine, settings, [Extra()], (), status), 'we"b')

    def lower(self, error: Exception | None = None) -> None:
        """Raise the flag and run."""
        Fails.error = error
        self.engine.raise_flag("usr1")
        self.engine._lower(*self.engine.flags.pop())

    def values(self, **labels: str) -> dict[str, float]:
        """Return all values that have these labels and no others, by their names."""
        families = parse(self.metrics.text())
        return {each.name: each.value for family in families for each in family.samples if each.labels == labels}


@pytest.fixture(name="run")
def _run() -> Iterator[Run]:
    """Yield a run with a configuration file."""
    run = Run("/etc/web.toml")
    yield run
    run.engine.close()
    Fails.error, Fails.during = None, bool


def test_the_metrics_of_a_flag(run: Run) -> None:
    """All is counted from 0 on, and the last success stays when a failure follows."""
    before = run.values(flag="usr1")
    assert set(before.values()) == {0.0}
    run.lower()
    good = run.values(flag="usr1")
    run.lower(ActionFailed("no luck"))
    run.lower(ActionFailed("no luck"))
    bad = run.values(flag="usr1")
    assert before.keys() == good.keys() == bad.keys()
    run_of = [run.engine.ledger.runs()[number] for number in (0, -1)]
    assert good["flagman_last_success_timestamp_seconds"] == run_of[0].at + 2
    assert bad == {
        "flagman_flag_raised_total": 3,
        "flagman_flag_ignored_total": 0,
        "flagman_flag_merged_total": 0,
        "flagman_run_duration_seconds_sum": 6,
        "flagman_run_duration_seconds_count": 3,
        "flagman_run_duration_seconds_max": 2,
        "flagman_last_run_timestamp_seconds": run_of[1].at,
        "flagman_last_success_timestamp_seconds": good["flagman_last_success_timestamp_seconds"],
        "flagman_failures_in_a_row": 2,
        "flagman_running": 0,
    }
    counts = [run.values(flag="usr1", result=result)["flagman_runs_total"] for result in RESULTS]
    assert counts == [1, 2, 0, 0, 0, 0]


def test_a_run_that_goes_on(run: Run) -> None:
    """It can be seen, with its begin; so can the next tick of a timer."""
    seen: list[dict[str, float]] = []
    Fails.during = lambda: seen.append(run.values(flag="usr1"))
    run.lower()
    (during,) = seen
    after = run.values(flag="usr1")
    assert (during["flagman_running"], after["flagman_running"]) == (1, 0)
    assert during["flagman_last_run_timestamp_seconds"] == pytest.approx(
        after["flagman_last_run_timestamp_seconds"], abs=1
    )
    due = run.values(flag="every-1h")["flagman_next_due_timestamp_seconds"]
    assert due == pytest.approx(after["flagman_last_run_timestamp_seconds"] + 3600, abs=5)


def test_the_metrics_of_the_run(run: Run) -> None:
    """It is ready or not, its file has mistakes or not; parts add what is theirs."""
    first = run.values()
    ledger = run.engine.ledger
    ledger.note("ready")
    assert (first["flagman_ready"], run.values()["flagman_ready"], first["extra"]) == (0, 1, 7)
    assert first["flagman_start_time_seconds"] == ledger.begun[0]
    assert first["flagman_config_last_reload_success_timestamp_seconds"] == ledger.begun[0]
    ledger.note("reload-failed", ("a mistake",))
    then = run.values()
    assert (first["flagman_config_last_reload_successful"], then["flagman_config_last_reload_successful"]) == (1, 0)
    run.engine.stop()
    assert run.values()["flagman_ready"] == 0


def test_a_run_without_a_file() -> None:
    """It says nothing of reloads, because there can be none."""
    run = Run()
    assert not [name for name in run.values() if "config" in name]
    run.engine.close()


def test_the_name_of_the_daemon(run: Run) -> None:
    """It is in the labels of one metric, or of all, so that those of several daemons can stand in one place."""
    names = [each.labels for family in parse(run.metrics.text(is_named=True)) for each in family.samples]
    assert {labels["daemon"] for labels in names} == {'we"b'}
    assert "daemon=" not in run.metrics.text()
