"""Reloads of a real flagman with processes: what has changed is started again, and nothing else."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from support.driven import wait_for
from support.guards import state
from support.processes import DEAF, SLEEPS, TELLS, python, shell
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.processes import Kept

    Keep = Callable[..., Kept]

ON = '[[on]]\nprocess = "web"\nevent = "{}"\naction = "sh"\nargs = ["echo {} $FLAGMAN_STATUS"]\n'


def test_what_has_changed(keep: Keep) -> None:
    """One is changed, one added, one removed, one left alone, and one stays stopped that was stopped on purpose."""
    same, other = {"command": SLEEPS}, {"command": ("sleep", "1001")}
    daemon = keep({"same": same, "changed": same, "removed": same, "stopped": same}, "-v").ready()
    assert daemon.does("stop", "stopped")["state"] == "stopped"
    pids = {name: daemon.pid(name) for name in ("same", "changed", "removed")}
    daemon.write({"same": same, "changed": other, "stopped": other, "added": same})
    status, told = request(daemon.control, "POST", "/reload?wait")
    assert (status, told["processes"]) == (
        200,
        {"kept": ["same"], "changed": ["changed", "stopped"], "added": ["added"], "removed": ["removed"]},
    )
    daemon.logged("Processes added: added", "Processes changed: changed, stopped", "Processes removed: removed")
    daemon.until("added", state="ready")
    assert daemon.until("changed", state="ready", instance=2)["last"]["reason"] == "config-changed"
    wait_for(lambda: "removed" not in daemon.all())
    assert daemon.pid("same") == pids["same"]
    assert (daemon.shown("stopped")["state"], daemon.shown("stopped")["command"]) == ("stopped", ["sleep", "1001"])
    assert not state(pids["changed"])
    assert not state(pids["removed"])
    assert daemon.does("start", "stopped")["wish"]["outcome"] == "reached"
    daemon.stop()


def test_a_broken_file(keep: Keep) -> None:
    """It changes nothing, and all its mistakes are told."""
    table = {"command": SLEEPS}
    daemon = keep({"web": table}).ready()
    pid = daemon.pid("web")
    daemon.reload({"web": {"command": ("sleep", "1001"), "after": ["dbb"]}, "db": {"commandx": SLEEPS}})
    daemon.logged("dbb")
    assert daemon.pid("web") == pid
    assert list(daemon.all()) == ["web"]
    daemon.reload({"web": {"command": SLEEPS, "user": "no-such-user"}})
    daemon.logged("no-such-user")
    assert daemon.pid("web") == pid
    daemon.reload({"web": table, "db": table})
    daemon.until("db", state="ready")
    assert daemon.pid("web") == pid
    daemon.stop()


def test_a_removal_that_takes_long(keep: Keep) -> None:
    """It goes on to stop while another reload brings it back; then it is started anew."""
    deaf = {"command": python(DEAF, "deaf"), "graceful-time": "0.5s"}
    daemon = keep({"web": {"command": SLEEPS}, "deaf": deaf}).ready().expect("deaf up")
    first = daemon.pid("deaf")
    daemon.reload({"web": {"command": SLEEPS}})
    daemon.until("deaf", state="stopping")
    daemon.reload({"web": {"command": SLEEPS}, "deaf": deaf})
    daemon.expect("deaf up").until("deaf", state="ready")
    assert daemon.pid("deaf") != first
    assert not state(first)
    daemon.signal(signal.SIGTERM, signal.SIGTERM).expect("")
    assert (daemon.status(), daemon.left()) == (0, [])


def test_wanted_changes(keep: Keep) -> None:
    """A process is started, or stopped, if that is what has changed."""
    up, down = {"command": python(TELLS, "web")}, {"command": python(TELLS, "web"), "wanted": "down"}
    daemon = keep({"web": down, "other": {"command": SLEEPS}}).ready()
    daemon.reload({"web": up, "other": {"command": SLEEPS}})
    daemon.expect("web up")
    daemon.reload({"web": down, "other": {"command": SLEEPS}})
    daemon.expect("web TERM").until("web", state="stopped")
    daemon.stop()


def test_a_crash_is_mended(keep: Keep) -> None:
    """A process in back-off is started at once when its table has changed, and its failures are forgotten."""
    daemon = keep({"web": {"command": shell("exit 1")}, "other": {"command": SLEEPS}}).served()
    daemon.until("web", state="backoff", restarts=2)
    daemon.reload({"web": {"command": SLEEPS}, "other": {"command": SLEEPS}})
    assert daemon.until("web", state="ready")["backoff"] is None
    daemon.ready().stop()


def test_bindings_of_processes(keep: Keep) -> None:
    """The triggers of a process follow a reload; one without a process is refused."""
    table = {"command": SLEEPS}
    daemon = keep({"web": table}, text=ON.format("fail", "one")).ready()
    os.kill(daemon.pid("web"), signal.SIGKILL)
    daemon.expect("one SIGKILL")
    daemon.until("web", state="ready", restarts=1)
    daemon.reload({"web": table, "db": table}, ON.format("exit", "two"))
    daemon.until("db", state="ready")
    os.kill(daemon.pid("web"), signal.SIGKILL)
    daemon.expect("two SIGKILL")
    daemon.reload({"db": table})
    daemon.logged("there is no process 'web'")
    daemon.stop()
