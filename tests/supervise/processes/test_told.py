"""A process in words and as JSON."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest

from flagman.supervise.guard.seen import Process as Seen
from flagman.supervise.guard.strays import Stray
from flagman.supervise.processes.told import shown, told
from support.keeping import GRACE, Yard


@pytest.fixture
def yard() -> Yard:
    """Return no processes yet."""
    return Yard()


def words(yard: Yard, name: str = "web") -> str:
    """Return a process in words."""
    return told(yard.together.by_name[name], yard.together)


def picture(yard: Yard, name: str = "web") -> dict[str, object]:
    """Return a process as JSON."""
    found: dict[str, object] = json.loads(json.dumps(shown(yard.together.by_name[name], yard.together)))
    return found


def test_each_state_in_words(yard: Yard) -> None:
    """The state, and what it waits for or how it has come about."""
    yard.follow(yard.plan("db", is_awaited=True), yard.plan("web", after=("db",), restart="never"))
    yard.loop.advance(3)
    assert words(yard) == "web waiting: db starting for 3 s"
    yard.answer("db")
    assert words(yard) == "web ready"
    yard.end("web", 0)
    assert words(yard) == "web exited with 0"
    yard.together.ask("web", "start")
    yard.end("web", 4)
    assert words(yard) == "web failed: exited with 4"
    yard.together.ask("web", "start")
    yard.end("web", -9)
    assert words(yard) == "web failed: killed by KILL"
    yard.failing.add("web")
    yard.together.ask("web", "start")
    assert words(yard) == "web failed: cannot start 'web': No such file or directory"
    yard.failing.clear()
    yard.obeys["web"] = "stuck"
    yard.together.ask("web", "restart")
    yard.together.ask("web", "stop")
    yard.loop.advance(2)
    assert words(yard) == "web stopping, killed in 8 s"
    yard.loop.advance(GRACE)
    assert words(yard) == "web stopping"
    yard.loop.advance(GRACE)
    assert words(yard) == "web stopping: it was killed, and hangs in the kernel"
    yard.body("web").end_rest()
    yard.loop.advance(0)
    assert words(yard) == "web stopped"


def test_what_a_verifier_says(yard: Yard) -> None:
    """The last error while it tries, and the reason when it has failed."""
    yard.follow(yard.plan("web", is_awaited=True, restart="never"))
    verification = yard.together.by_name["web"].verification
    assert verification is not None
    verification.last_error = "Connection refused"
    yard.loop.advance(75)
    assert words(yard) == "web failed: was not ready: fake: no answer within 30s: Connection refused"
    yard.together.ask("web", "start")
    verification = yard.together.by_name["web"].verification
    assert verification is not None
    verification.last_error = "Connection refused"
    yard.loop.advance(12)
    assert words(yard) == "web starting for 12 s: Connection refused (1 try)"
    verification.tries = 1200
    yard.end("web", 1)
    assert words(yard) == "web failed: exited with 1 before it was ready"


def test_the_whole_chain(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it waits for, what that waits for, and why in the end."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: 12 * 3600.0 + 1)
    yard.follow(
        yard.plan("db", is_awaited=True),
        yard.plan("cache", is_awaited=True),
        yard.plan("app", after=("db", "cache")),
        yard.plan("web", after=("app",)),
    )
    yard.end("db", 1)
    left = yard.together.by_name["db"].next_start - yard.loop.now
    at = time.strftime("%H:%M:%S", time.gmtime(12 * 3600 + 1 + left))
    assert words(yard) == (
        f"web waiting: app waiting: db (and 1 more) in back-off (1), next start {at}: exited with 1 before it was ready"
    )
    assert picture(yard)["blocked_by"] == [
        {"name": "app", "why": words(yard, "app").removeprefix("app ")},
    ]
    monkeypatch.undo()
    time.tzset()


def test_a_long_chain(yard: Yard) -> None:
    """It is told whole, and not limited by Python's stack; a circle, which only a moment of a reload has, ends it."""
    number = 2000
    yard.follow(
        yard.plan("p0", wanted="down"), *(yard.plan(f"p{each}", after=(f"p{each - 1}",)) for each in range(1, number))
    )
    text = words(yard, f"p{number - 1}")
    assert text.startswith(f"p{number - 1} waiting: p{number - 2} waiting: ")
    assert text.endswith(" waiting: p1 waiting: p0 stopped")
    yard.together.by_name["p0"].state = "waiting"
    yard.together.by_name["p0"].plan = yard.plan("p0", after=("p2",))
    assert words(yard, "p2") == "p2 waiting: p1 waiting: p0 waiting"


def test_json_of_one_that_was_never_started(yard: Yard) -> None:
    """Every key is there from the beginning."""
    yard.follow(yard.plan("web", wanted="down", after=("db",)), yard.plan("db", wanted="down"))
    yard.loop.advance(5)
    found = picture(yard)
    assert datetime.fromisoformat(str(found.pop("since"))).timestamp() == pytest.approx(time.time() - 5, abs=60)
    assert found == {
        "name": "web",
        "wanted": "down",
        "state": "stopped",
        "health": "down",
        "ready": False,
        "since_ago": 5.0,
        "pid": None,
        "instance": 0,
        "started": None,
        "started_ago": None,
        "ready_at": None,
        "ready_at_ago": None,
        "restarts": 0,
        "deaths": {"exit": 0, "signal": 0, "not_ready": 0, "liveness": 0},
        "backoff": None,
        "blocked_by": [],
        "last": None,
        "wish": None,
        "text": "stopped",
        "command": ["web", "0"],
        "after": ["db"],
        "essential": False,
        "verifier": None,
        "strays": [],
    }


def test_json_of_a_life(yard: Yard) -> None:
    """It goes from up to failing, with numbers, moments and the last end."""
    yard.follow(yard.plan("web", is_awaited=True))
    assert picture(yard)["health"] == "changing"
    assert picture(yard)["verifier"] == {"type": "fake", "last_error": "", "tries": 1}
    yard.answer("web")
    yard.loop.advance(0.5)
    seen = Seen.__new__(Seen)
    seen.pid, seen.start, seen.name = 7, 7, b"sleep\x1b"
    yard.backstop.strays.append(Stray(seen, "web"))
    found = picture(yard)
    assert (found["health"], found["ready"], found["pid"], found["instance"]) == ("up", True, yard.body("web").pid, 1)
    assert (found["started_ago"], found["ready_at_ago"]) == (0.5, 0.5)
    assert found["wish"] == {"id": 1, "verb": "start", "by_uid": None, "outcome": "reached"}
    assert found["strays"] == [{"pid": 7, "name": "sleep\\x1b"}]
    yard.end("web", -11)
    yard.loop.advance(0.25)
    found = picture(yard)
    assert (found["health"], found["ready"], found["pid"], found["restarts"]) == ("failing", False, None, 1)
    assert found["deaths"] == {"exit": 0, "signal": 1, "not_ready": 0, "liveness": 0}
    backoff, last = found["backoff"], found["last"]
    assert isinstance(backoff, dict)
    assert isinstance(last, dict)
    assert backoff["n"] == 1
    assert 1 <= backoff["delay"] <= 1.1
    assert backoff["next_start_in"] == pytest.approx(backoff["delay"] - 0.75, abs=1e-5)
    assert set(last) == {"status", "signal", "core", "reason", "text", "at", "at_ago", "output"}
    assert (last["status"], last["signal"], last["reason"]) == (None, "SEGV", "signal")
    assert (last["text"], last["at_ago"], last["output"]) == ("killed by SEGV", 0.25, [])
