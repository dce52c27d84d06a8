"""How an instance has ended, in words and as JSON; and wishes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.processes.end import End, how, is_failure, is_success
from flagman.supervise.processes.wish import Wishes

if TYPE_CHECKING:
    from flagman.supervise.processes.end import Reason

OUTPUT = ["starting", "FATAL: no lock", " "]


@pytest.mark.parametrize(
    ("reason", "status", "why", "verdict", "text"),
    [
        ("exit", 1, "", None, "exited with 1: FATAL: no lock"),
        ("exit", 1, "before it was ready", None, "exited with 1 before it was ready: FATAL: no lock"),
        ("exit", 0, "", None, "exited with 0"),
        ("exit", 0, "", "", "exited with 0"),
        (
            "exit",
            0,
            "",
            "exited with status 0, and not with status 3",
            "exited with status 0, and not with status 3: FATAL: no lock",
        ),
        ("exit", None, "", None, "its exit status was lost"),
        ("signal", -9, "", None, "killed by KILL: FATAL: no lock"),
        ("requested", -15, "", None, "killed by TERM"),
        ("config-changed", 1, "", None, "exited with 1"),
        ("not-ready", -15, "tcp :1: no answer", None, "was not ready: tcp :1: no answer"),
        ("liveness", -15, "no answer", None, "was not well: no answer"),
        ("watchdog", -15, "watchdog: nothing", None, "was not well: watchdog: nothing"),
        ("cannot-start", None, "'x': No such file", None, "cannot start 'x': No such file"),
    ],
)
def test_an_end_in_words(reason: Reason, status: int | None, why: str, verdict: str | None, text: str) -> None:
    """Why it has ended, and its last line if that may tell more."""
    assert End(reason, status, why, OUTPUT, 0.0, verdict).text == text


@pytest.mark.parametrize(
    ("reason", "status", "verdict", "expected"),
    [
        ("exit", 0, None, False),
        ("exit", 1, None, True),
        ("signal", -15, None, False),
        ("signal", -9, None, True),
        ("exit", None, None, True),
        ("exit", 3, "", False),
        ("exit", 0, "exited with status 0, and not with status 3", True),
        ("liveness", 0, None, True),
        ("cannot-start", None, None, True),
    ],
)
def test_what_is_a_failure(reason: Reason, status: int | None, verdict: str | None, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """What has not ended by itself as it may."""
    end = End(reason, status, "", [], 0.0, verdict)
    assert is_failure(end, ()) is expected
    assert is_success(end, (), was_ready=True) is (verdict == "" or (verdict is None and status == 0))


def test_a_status_that_counts_as_a_success() -> None:
    """It is no failure, and what comes after may start; a verdict of the verifier counts for more."""
    end = End("exit", 2, "", [], 0.0)
    assert not is_failure(end, (2,))
    assert is_success(end, (2,), was_ready=True)
    assert not is_success(end, (2,), was_ready=False)
    killed = End("signal", -signal.SIGSEGV, "", [], 0.0)
    assert not is_failure(killed, (128 + signal.SIGSEGV,))
    assert is_failure(killed, (signal.SIGSEGV,))
    judged = End("exit", 2, "", [], 0.0, "exited with status 2, and not with status 0")
    assert is_failure(judged, (2,))
    assert not is_success(judged, (2,), was_ready=True)


def test_an_end_as_json() -> None:
    """Either a status or the name of a signal."""
    assert how(None) == "its exit status was lost"
    found = End("exit", 7, "", OUTPUT, 100.0).shown(101.5)
    assert (found["status"], found["signal"], found["at_ago"], found["output"]) == (7, None, 1.5, OUTPUT)
    found = End("signal", -6, "", [], 100.0).shown(101.5)
    assert (found["status"], found["signal"]) == (None, "ABRT")


def test_wishes() -> None:
    """They are numbered, decided once, and tell it to all that wait; what waits no longer is not told."""
    wishes = Wishes()
    first, second = wishes.make(None, "start", None, merges=True), wishes.make(None, "stop", 1000, merges=True)
    assert (first.number, second.number, second.text) == (1, 2, "stop (#2)")
    assert repr(first) == "<Wish #1 start: pending>"
    told: list[str] = []
    first.when_decided(lambda: told.append("a"))
    end = first.when_decided(lambda: told.append("b"))
    end()
    end()
    first.decide("reached")
    first.decide("failed")
    end()
    assert (first.outcome, told) == ("reached", ["a"])
    first.when_decided(lambda: told.append("c"))()
    assert told == ["a", "c"]
    assert second.shown() == {"id": 2, "verb": "stop", "by_uid": 1000, "outcome": ""}
