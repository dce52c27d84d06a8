"""Processes of a real flagman: their order, their readiness, their ends, and what flagman makes of these."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.driven import wait_for
from support.processes import SLEEPS, TELLS, python, shell
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.processes import Kept

    Keep = Callable[..., Kept]

GATE = 'read line < fifo; echo "$FLAGMAN_PROCESS opens"'


def test_in_order(keep: Keep) -> None:
    """Each one starts when those that it comes after are ready, whatever the order of the file; the end is reverse."""
    daemon = keep(
        {
            "last": {"command": python(TELLS, "last"), "after": ["web", "db"]},
            "web": {"command": python(TELLS, "web"), "after": ["db"], "ready": {"type": "delay", "for": "0.05s"}},
            "db": {"command": python(TELLS, "db"), "ready": {"type": "delay", "for": "0.05s"}},
        }
    )
    daemon.expect("db up", "web up", "last up").ready()
    daemon.stop("last TERM", "web TERM", "db TERM")


def test_one_that_ends_as_expected(keep: Keep, fifo: Path) -> None:
    """What comes after a process that ends waits for its good end, and the daemon goes on with the others."""
    migrate = {"command": shell(GATE), "ready": {"type": "exited"}, "restart": "on-failure"}
    daemon = keep({"web": {"command": shell("echo web; exec sleep 1000"), "after": ["migrate"]}, "migrate": migrate})
    daemon.served().until("migrate", state="starting")
    assert daemon.shown("web")["state"] == "waiting"
    assert daemon.shown("web")["blocked_by"][0]["name"] == "migrate"
    assert "READY=1" not in "\n".join(daemon.pending()).splitlines()
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("migrate opens", "web").ready()
    assert (daemon.shown("migrate")["state"], daemon.shown("migrate")["health"]) == ("exited", "down")
    daemon.stop()


def test_a_later_death_is_not_that_of_others(keep: Keep) -> None:
    """The death of a process leaves alone those that come after it; they wait for it at their own starts."""
    db, web = {"command": SLEEPS}, {"command": SLEEPS, "after": ["db"]}
    daemon = keep({"db": db, "web": web}).ready()
    first = daemon.pid("web")
    os.kill(daemon.pid("db"), signal.SIGKILL)
    daemon.until("db", state="backoff")
    assert daemon.pid("web") == first
    os.kill(first, signal.SIGKILL)
    daemon.until("web", restarts=1, state="ready")
    daemon.until("db", restarts=1, state="ready")
    daemon.stop()


def test_restarts_have_a_spacing(keep: Keep) -> None:
    """Two starts have a second between them, then two; each end is told with its last line."""
    crashes = {"command": shell("date +%s.%N; echo 'cannot lock' >&2; exit 3"), "output": "log"}
    daemon = keep({"web": crashes}, "-v")
    daemon.logged("Started `web`", "cannot lock")
    pause = float(daemon.expect_error("`web` is started again in").partition(" in ")[2].split()[0])
    assert 0 < pause < 1.2
    daemon.logged("Started `web`")
    assert float(daemon.expect_error("`web` is started again in").partition(" in ")[2].split()[0]) > 1
    shown = daemon.until("web", state="backoff")
    assert (shown["restarts"], shown["deaths"]["exit"], shown["backoff"]["n"]) == (2, 2, 2)
    assert shown["text"].startswith("in back-off (2), next start ")
    assert shown["text"].endswith(": exited with 3: cannot lock")
    assert shown["last"]["output"][-1] == "cannot lock"
    daemon.stop()


def test_what_has_run_for_a_while_is_back_at_once(keep: Keep) -> None:
    """The spacing is one of starts, not a pause."""
    daemon = keep({"web": {"command": SLEEPS}}).ready()
    wait_for(lambda: daemon.shown("web")["started_ago"] > 1.2)
    first = daemon.pid("web")
    os.kill(first, signal.SIGKILL)
    shown = daemon.until("web", restarts=1, state="ready")
    assert shown["pid"] != first
    assert (shown["last"]["signal"], shown["deaths"]["signal"], shown["deaths"]["exit"]) == ("KILL", 1, 0)
    daemon.stop()


@pytest.mark.parametrize(
    ("code", "restart", "state", "status"),
    [
        ("exit 0", "on-failure", "exited", 0),
        ("exit 4", "never", "failed", 1),
        ("kill -TERM $$", "on-failure", "exited", 0),
        ("kill -KILL $$", "never", "failed", 1),
    ],
)
def test_all_have_ended(keep: Keep, code: str, restart: str, state: str, status: int) -> None:
    """Then flagman ends: well if all have ended well."""
    daemon = keep({"a": {"command": ["true"]}, "b": {"command": shell(code), "restart": restart}})
    assert daemon.status() == status
    daemon = keep({"b": {"command": shell(code), "restart": restart}}, text="[flagman]\nkeep-alive = true")
    daemon.served().until("b", state=state)
    assert daemon.does("start", "b")["wish"]["outcome"] in {"reached", "failed"}
    daemon.until("b", state=state, instance=2)
    daemon.stop()


def test_a_success_that_is_not_0(keep: Keep, fifo: Path) -> None:
    """After a status that counts as a success nothing is started again, and flagman's status is 0."""
    good = {"success-exit-status": [2, 137]}
    daemon = keep(
        {
            "first": {"command": shell("kill -KILL $$"), **good},
            "main": {"command": shell(f"read line < {fifo}; exit 2"), "essential": True, **good},
        },
    ).ready()
    daemon.until("first", state="exited", restarts=0)
    fifo.write_text("go\n", encoding="ascii")
    assert daemon.status() == 0


@pytest.mark.parametrize(("code", "status"), [("exit 5", 5), ("exit 0", 0), ("kill -KILL $$", 137)])
def test_an_essential_one(keep: Keep, fifo: Path, code: str, status: int) -> None:
    """Its end for good ends all, and gives flagman its status."""
    daemon = keep(
        {
            "main": {"command": shell(f"read line < {fifo}; {code}"), "essential": True, "restart": "never"},
            "other": {"command": python(TELLS, "other")},
        },
        text="[flagman]\nkeep-alive = true",
    )
    daemon.ready().expect("other up")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("other TERM", "")
    assert daemon.status() == status
    assert daemon.left() == []


def test_an_optional_one_and_one_that_is_down(keep: Keep) -> None:
    """READY waits for neither; the one that is wanted down starts on request, and what comes after it waits."""
    daemon = keep(
        {
            "web": {"command": SLEEPS},
            "cache": {"command": ["/does/not/exist"], "optional": True},
            "debug": {"command": SLEEPS, "wanted": "down"},
            "late": {"command": SLEEPS, "after": ["debug"], "optional": True},
        }
    ).ready()
    assert request(daemon.control, "GET", "/ready")[0] == 200
    shown = daemon.all()
    assert {name: each["state"] for name, each in shown.items()} == {
        "web": "ready",
        "cache": "backoff",
        "debug": "stopped",
        "late": "waiting",
    }
    assert shown["late"]["text"] == "waiting: debug stopped"
    assert "No such file or directory" in shown["cache"]["text"]
    assert daemon.does("start", "debug")["wish"]["outcome"] == "reached"
    daemon.until("late", state="ready")
    daemon.stop()


def test_ready_and_status_for_a_manager(keep: Keep, fifo: Path) -> None:
    """READY comes after all; until then the manager is told what is waited for, and asked for more time."""
    daemon = keep(
        {
            "one": {"command": SLEEPS},
            "db": {"command": shell(GATE), "ready": {"type": "exited", "timeout": "60s"}},
            "web": {"command": SLEEPS, "after": ["db"]},
        }
    )
    said: list[str] = []
    while not any(line.startswith("STATUS=Waiting for db (") and line.endswith(", 1 of 3 ready") for line in said):
        said += daemon.notified().splitlines()
    while not any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in said):
        said += daemon.notified().splitlines()
    assert "READY=1" not in said
    assert request(daemon.control, "GET", "/ready")[0] == 503
    fifo.write_text("go\n", encoding="ascii")
    daemon.ready().expect("db opens")
    daemon.stop()


def test_all_mistakes_at_once(keep: Keep) -> None:
    """Unknown names, a circle, a bad verifier: status 2, and everything is told, by --check too."""
    processes = {
        "a": {"command": SLEEPS, "after": ["b"]},
        "b": {"command": SLEEPS, "after": ["a"]},
        "c": {"command": SLEEPS, "after": ["d"], "ready": {"type": "tpc"}},
        "e": {"commandx": SLEEPS},
    }
    for more in ((), ("--check",)):
        daemon = keep(processes, *more)
        assert daemon.status() == 2
        text = "\n".join(daemon.err.rest())
        assert "a -> b -> a" in text
        for part in ("there is no process 'd'", "tcp", "'command'"):
            assert part in text
