"""The metrics of processes."""

from __future__ import annotations

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from flagman.supervise.processes.machine import STATES
from flagman.supervise.processes.metrics import ProcessMetrics
from flagman.text.metrics import text
from support.keeping import Yard


@pytest.fixture
def yard() -> Yard:
    """Return no processes yet."""
    return Yard()


def values(yard: Yard, **labels: str) -> dict[str, float]:
    """Return all values that have these labels and no others, by their names."""
    together = yard.together
    families = parse(text(ProcessMetrics().families(together.by_name, together.clock())))
    return {each.name: each.value for family in families for each in family.samples if each.labels == labels}


def test_the_life_of_a_process(yard: Yard) -> None:
    """It is started, becomes ready, dies, and is started again; each instance has its own begin."""
    yard.follow(yard.plan("web", is_awaited=True))
    yard.loop.advance(3)
    starting = values(yard, process="web")
    assert starting == {
        "flagman_process_up": 1,
        "flagman_process_wanted": 1,
        "flagman_process_ready": 0,
        "flagman_process_starts_total": 1,
        "flagman_process_start_time_seconds": pytest.approx(time.time(), abs=60),
    }
    yard.answer("web")
    ready = values(yard, process="web")
    assert (ready["flagman_process_ready"], ready["flagman_process_last_start_duration_seconds"]) == (1, 3)
    yard.end("web", 4)  # it has lived long enough to be started again at once
    assert values(yard, process="web")["flagman_process_starts_total"] == 2
    yard.end("web", 4)
    dead = values(yard, process="web")
    assert (dead["flagman_process_up"], dead["flagman_process_ready"]) == (0, 0)
    assert dead["flagman_process_last_start_duration_seconds"] == 3
    assert dead["flagman_process_next_start_timestamp_seconds"] == pytest.approx(time.time(), abs=60)
    reasons = {name: values(yard, process="web", reason=name) for name in ("exit", "signal", "not_ready", "liveness")}
    assert [each["flagman_process_deaths_total"] for each in reasons.values()] == [2, 0, 0, 0]


def test_the_state_is_one_of_all(yard: Yard) -> None:
    """Exactly one state has the value 1."""
    yard.follow(yard.plan("web", restart="never"))
    for end in (None, 0, 3):
        if end is not None:
            yard.together.ask("web", "start")
            yard.end("web", end)
        found = {state: values(yard, process="web", state=state)["flagman_process_state"] for state in STATES}
        assert [state for state, value in found.items() if value] == [yard.together.by_name["web"].state]
        assert sum(found.values()) == 1
