"""Stops of the processes of a real flagman: the order, the graces, what is left, and what comes in between."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from flagman.children.reaping import has_members
from support.driven import wait_for
from support.guards import state
from support.processes import DEAF, SLEEPS, TELLS, python, shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.processes import Kept

    Keep = Callable[..., Kept]

TERM = signal.SIGTERM
GRACE = {"graceful-time": "0.2s"}
LONG = {"graceful-time": "60s"}


def test_levels_at_once(keep: Keep) -> None:
    """Those of a level are asked together: neither of these ends before the other one is asked."""
    ends = "echo go > {1} & read x < {0}; echo {0} ends; exit"
    meets = f'mkfifo {{0}}; trap "{ends}" TERM; echo {{0}} up; while :; do sleep 0.01; done'
    daemon = keep(
        {
            "db": {"command": python(TELLS, "db")},
            "a": {"command": shell(meets.format("a", "b")), "after": ["db"], **LONG},
            "b": {"command": shell(meets.format("b", "a")), "after": ["db"], **LONG},
        }
    ).ready()
    assert sorted(daemon.out.next() for _ in range(3)) == ["a up", "b up", "db up"]
    daemon.signal(TERM)
    assert sorted(daemon.out.next() for _ in range(2)) == ["a ends", "b ends"]
    daemon.expect("db TERM", "")
    assert (daemon.status(), daemon.left()) == (0, [])


def test_one_that_ignores_the_signal(keep: Keep) -> None:
    """It is killed at the end of its grace, and only then those that it comes after are asked."""
    daemon = keep(
        {"db": {"command": python(TELLS, "db")}, "deaf": {"command": python(DEAF, "deaf"), "after": ["db"], **GRACE}}
    )
    assert sorted(daemon.out.next() for _ in range(2)) == ["db up", "deaf up"]
    daemon.ready()
    daemon.signal(TERM)
    daemon.logged("`deaf` has not ended within 0.2 s", "Killing `deaf` and its process group")
    daemon.expect("db TERM", "")
    assert (daemon.status(), daemon.left()) == (0, [])


def test_the_second_signal_kills(keep: Keep) -> None:
    """All of them at once, also those that were not asked yet."""
    daemon = keep(
        {
            "db": {"command": python(TELLS, "db"), **LONG},
            "deaf": {"command": python(DEAF, "deaf"), "after": ["db"], **LONG},
        },
        "-v",
    )
    assert sorted(daemon.out.next() for _ in range(2)) == ["db up", "deaf up"]
    daemon.ready()
    daemon.signal(TERM)
    daemon.logged("Sent TERM to `deaf`")
    begin = time.monotonic()
    daemon.signal(TERM)
    lines = daemon.out.rest()
    assert lines in ([], ["db TERM"])
    assert (daemon.status(), daemon.left()) == (0, [])
    assert time.monotonic() - begin < 60


def test_bound_actions_come_first(keep: Keep, fifo: Path) -> None:
    """What is bound to TERM runs while the processes are still there."""
    daemon = keep(
        {"web": {"command": python(TELLS, "web")}},
        "--signal",
        "TERM",
        "sh",
        f"echo drains; read line < {fifo}; echo drained",
    )
    daemon.ready().expect("web up").signal(TERM).expect("drains")
    assert daemon.shown("web")["state"] == "ready"
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("drained", "web TERM", "")
    assert daemon.status() == 0


def test_a_grandchild_outlives_its_leader(keep: Keep, fifo: Path) -> None:
    """The rest of the group is asked after the leader's end, and killed; until then the process is not stopped."""
    leader = f'"$0" -ISc "$1" child & read line < {fifo}; exit 7'
    words = ("sh", "-c", leader, sys.executable, DEAF)
    daemon = keep(
        {"web": {"command": words, "restart": "never", "graceful-time": "0.3s"}, "other": {"command": SLEEPS}}, "-v"
    )
    daemon.ready().expect("child up")
    fifo.write_text("go\n", encoding="ascii")
    daemon.logged("The leader of `web` has ended", "`web` has not ended within 0.3 s", "Killing `web`")
    assert daemon.until("web", state="failed")["last"]["status"] == 7
    daemon.stop()


def test_a_stop_of_one(keep: Keep) -> None:
    """It is stopped when its group is empty, and stays so; others that come after it go on."""
    family = shell("trap 'exit 0' TERM; sleep 1000 & echo up; while :; do sleep 0.01; done")
    daemon = keep({"db": {"command": family}, "web": {"command": SLEEPS, "after": ["db"]}}).ready().expect("up")
    pid = daemon.pid("db")
    done = daemon.does("stop", "db")
    assert (done["wish"]["outcome"], done["state"]) == ("reached", "stopped")
    assert not has_members(pid)
    assert daemon.shown("web")["state"] == "ready"
    daemon.stop()


def test_a_restart_while_waiting(keep: Keep) -> None:
    """It goes on waiting, and the wish is reached when it has started; a stop supersedes it."""
    daemon = keep({"db": {"command": SLEEPS, "wanted": "down"}, "web": {"command": SLEEPS, "after": ["db"]}}).served()
    daemon.until("web", state="waiting")
    first = daemon.ask("restart", "web")["wish"]
    second = daemon.ask("stop", "web")["wish"]
    assert second["id"] == first["id"] + 1
    assert daemon.until("web", state="stopped")["wish"]["outcome"] == "reached"
    daemon.ask("restart", "web")
    daemon.until("web", state="waiting")
    assert daemon.does("start", "db")["wish"]["outcome"] == "reached"
    shown = daemon.until("web", state="ready")
    assert (shown["wish"]["verb"], shown["wish"]["outcome"], shown["instance"]) == ("restart", "reached", 1)
    daemon.stop()


def test_a_stop_while_restarting(keep: Keep) -> None:
    """The later wish holds: it is stopped, and not started again."""
    daemon = (
        keep({"web": {"command": python(DEAF, "web"), "graceful-time": "0.5s"}, "other": {"command": SLEEPS}})
        .ready()
        .expect("web up")
    )
    first = daemon.pid("web")
    daemon.ask("restart", "web")
    assert daemon.shown("web")["state"] == "stopping"
    done = daemon.does("stop", "web")
    assert (done["state"], done["wish"]["outcome"]) == ("stopped", "reached")
    assert (daemon.shown("web")["instance"], state(first)) == (1, "")
    daemon.stop()


def test_a_restart_while_stopping(keep: Keep) -> None:
    """The later wish holds: it is started when nothing of the former instance is left."""
    daemon = keep({"web": {"command": python(DEAF, "web"), "graceful-time": "0.5s"}}).ready().expect("web up")
    first = daemon.pid("web")
    daemon.ask("stop", "web")
    assert daemon.does("restart", "web")["wish"]["outcome"] == "reached"
    assert (daemon.shown("web")["instance"], state(first)) == (2, "")
    daemon.expect("web up").signal(TERM, TERM).out.rest()
    assert daemon.status() == 0


def test_a_stop_while_fifty_start(keep: Keep) -> None:
    """Whatever has been started ends, nothing is started any more, and nothing is left."""
    names = [f"p{number}" for number in range(50)]
    daemon = keep({name: {"command": SLEEPS, "ready": {"type": "delay", "for": "0.2s"}} for name in names}, "-v")
    daemon.logged("Started `p10`")
    daemon.signal(TERM).out.rest()
    assert (daemon.status(), daemon.left()) == (0, [])
    lines = daemon.err.rest()
    assert not any("is not ready" in line or "Traceback" in line for line in lines)


@pytest.mark.parametrize("kill", ["group", "process"])
def test_a_stopped_process(keep: Keep, kill: str) -> None:
    """It gets CONT after the signal, so that it can end."""
    daemon = keep({"web": {"command": python(TELLS, "web"), "kill": kill, **LONG}}).ready().expect("web up")
    pid = daemon.pid("web")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state(pid) == "T")
    daemon.stop("web TERM")


def test_only_the_leader(keep: Keep) -> None:
    """With kill = "process" the rest of the group is left alone by a stop of one; the end of all names and ends it."""
    family = shell("trap 'exit 0' TERM; sleep 1000 & echo $!; while :; do sleep 0.01; done")
    daemon = keep({"web": {"command": family, "kill": "process"}, "other": {"command": SLEEPS}}).ready()
    child = int(daemon.out.next())
    assert daemon.does("stop", "web")["state"] == "stopped"
    assert state(child)
    wait_for(lambda: [stray["pid"] for stray in daemon.shown("web")["strays"]] == [child])
    daemon.stop()
    assert not state(child)


def test_the_signal_of_its_choice(keep: Keep) -> None:
    """The stop signal is that of the table."""
    code = shell("trap 'echo QUIT; exit 0' QUIT; trap '' TERM; echo up; while :; do sleep 0.01; done")
    daemon = keep({"web": {"command": code, "stop-signal": "QUIT", **LONG}}).ready().expect("up")
    daemon.stop("QUIT")


def test_what_leaves_the_group(keep: Keep) -> None:
    """One that forks away is named when its leader has ended, and killed at the end of flagman."""
    away = shell("setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.01; done' & sleep 0.2; exit 0")
    daemon = keep({"web": {"command": away, "restart": "never"}, "other": {"command": SLEEPS}}).served()
    stray = int(daemon.out.next())
    daemon.until("web", state="exited")
    wait_for(lambda: [each["pid"] for each in daemon.shown("web")["strays"]] == [stray])
    daemon.logged(str(stray))
    daemon.stop()
    assert (state(stray), daemon.left()) == ("", [])


def test_what_leaves_the_group_of_the_last_one(keep: Keep) -> None:
    """It is killed, too, if flagman ends because all have ended."""
    away = shell("setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.01; done' & sleep 0.2; exit 0")
    daemon = keep({"web": {"command": away, "restart": "never"}})
    stray = int(daemon.out.next())
    daemon.expect("")
    assert (daemon.status(), state(stray), daemon.left()) == (0, "", [])
