"""The action that logs statistics."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import pytest

from flagman import Engine
from flagman.actions.counts import LogStatisticsAction
from flagman.exceptions import SetUpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman
    from support.processes import Kept

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2
SAID = "WARNING:flagman.statistics:"


def flag(name: str, runs: int, *, failures: int = 0, statistics: dict[str, float] | None = None) -> dict[str, object]:
    """Return a flag of a status, with runs of a second each."""
    return {
        "name": name,
        "runs": runs,
        "failures": failures,
        "raised": runs,
        "ignored": 0,
        "merged": 0,
        "mean_duration": 1.0 if runs else None,
        "actions": [{"name": "sh", "statistics": statistics}],
    }


def test_what_has_been_added(caplog: pytest.LogCaptureFixture) -> None:
    """Each number has what it has gained since the last time; what has not changed, and its own flag, are left out."""
    status: dict[str, object] = {}
    caplog.set_level(logging.INFO, "flagman.statistics")
    with Engine() as engine:
        engine.offer("status", lambda _: status)
        action = engine.set_up("every-1h", LogStatisticsAction)
        engine.turn.flag = "every-1h"
        for flags in (
            [flag("usr1", 3), flag("hup", 0, statistics={"files": 2, "seconds": 0.5}), flag("every-1h", 7)],
            [flag("usr1", 5, failures=1), flag("hup", 0, statistics={"files": 2, "seconds": 0.5})],
            [flag("usr1", 5, failures=1), flag("hup", 0, statistics={"files": 1, "seconds": 0.75})],
            [flag("usr1", 5, failures=1), flag("hup", 0, statistics={"files": 1, "seconds": 0.75})],
        ):
            status["flags"] = flags
            action.run()
    assert [record.getMessage() for record in caplog.records] == [
        "usr1: runs 3 (+3), raised 3 (+3), took 3.00 s (+3.00 s)",
        "hup: sh: files 2 (+2), seconds 0.5 (+0.5)",
        "usr1: runs 5 (+2), failures 1 (+1), raised 5 (+2), took 5.00 s (+2.00 s)",
        "hup: sh: files 1 (-1), seconds 0.75 (+0.25)",
        "nothing has run since the last time",
    ]


def test_in_a_daemon(start: Callable[..., Flagman]) -> None:
    """A daemon logs what has run at the level that was asked for; an optional level does not swallow an option."""
    words = [
        "--overlap",
        "rerun",
        "--usr2",
        "log_statistics",
        "WARNING",
        "--hup",
        "log_statistics",
        "--usr1",
        "sh",
        "echo ran; exit 3",
    ]
    daemon = start(*words).ready().signal(USR1).expect("ran")
    daemon.expect_error("failed after")
    daemon.signal(USR2)
    line = daemon.expect_error(SAID)
    assert line.startswith(f"{SAID}usr1: runs 1 (+1), failures 1 (+1), raised 1 (+1), took ")
    daemon.signal(USR2)
    assert daemon.expect_error(SAID) == f"{SAID}nothing has run since the last time"
    daemon.stop()


def test_processes(keep: Callable[..., Kept]) -> None:
    """The starts of a process, and its deaths by reason, are told, too."""
    daemon = keep(
        {"web": {"command": ["false"], "restart": "never"}}, "--usr2", "log_statistics", "error", "--keep-alive"
    )
    daemon.served().until("web", state="failed")
    daemon.signal(USR2)
    said = "ERROR:flagman.statistics:process web: starts 1 (+1), deaths by exit 1 (+1)"
    assert daemon.expect_error("flagman.statistics") == said


@pytest.mark.parametrize("level", ["", "loud", "10"])
def test_unknown_levels(level: str) -> None:
    """What is no level is refused before anything starts."""
    with pytest.raises(ValueError, match="is not a log level"):
        LogStatisticsAction.check_arguments(level)


def test_without_a_daemon() -> None:
    """In a program that embeds the engine there may be no status."""
    with Engine() as engine, pytest.raises(SetUpError, match="only the command flagman has statistics"):
        engine.set_up("usr2", LogStatisticsAction)
