"""Actions, triggers and flagmanctl on the processes of a real flagman."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.ctl import SCRIPT
from support.driven import DEADLINE
from support.processes import SLEEPS, TELLS, python, shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.processes import Kept

    Keep = Callable[..., Kept]

WEB = {"command": python(TELLS, "web")}
OTHER = {"command": SLEEPS}


def ctl(daemon: Kept, *words: str) -> tuple[int, str]:
    """Run flagmanctl, and return its status and what it has printed."""
    command = [SCRIPT, *words, "--control", str(daemon.control)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=DEADLINE, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_actions(keep: Keep) -> None:
    """Signals start, stop and restart a process, and reach it."""
    hears = shell("trap 'echo HUP' HUP; echo other; while :; do sleep 0.01; done")
    daemon = keep(
        {"web": WEB, "other": {"command": hears}},
        *("--usr1", "restart_process", "web", "--usr2", "stop_process", "web"),
        *("--signal", "WINCH", "start_process", "web", "--signal", "URG", "signal", "HUP", "process:other"),
    ).ready()
    assert sorted(daemon.out.next() for _ in range(2)) == ["other", "web up"]
    daemon.signal(signal.SIGUSR1).expect("web TERM", "web up")
    daemon.signal(signal.SIGUSR2).expect("web TERM").until("web", state="stopped")
    daemon.signal(signal.SIGWINCH).expect("web up")
    daemon.signal(signal.SIGURG).expect("HUP")
    daemon.stop("web TERM")


def test_the_triggers(keep: Keep) -> None:
    """Each event runs its actions; a stop of flagman raises none."""
    words: list[str] = []
    for event in ("ready", "exit", "fail"):
        words += ["--on-process", f"web:{event}", "sh", f"echo {event} $FLAGMAN_PROCESS $FLAGMAN_STATUS"]
    daemon = keep({"web": OTHER}, *words).ready().expect("ready web")
    os.kill(daemon.pid("web"), signal.SIGTERM)
    daemon.expect("exit web SIGTERM", "")
    assert daemon.status() == 0
    daemon = keep({"web": OTHER}, *words).ready().expect("ready web")
    os.kill(daemon.pid("web"), signal.SIGKILL)
    assert [daemon.out.next() for _ in range(2)] == ["exit web SIGKILL", "fail web SIGKILL"]
    daemon.expect("ready web")
    daemon.stop()


@pytest.mark.parametrize("is_essential", [True, False])
def test_the_last_event(keep: Keep, is_essential: bool) -> None:  # noqa: FBT001 - a parameter
    """When flagman ends because of an event, the actions that are bound to it run before, also after a debounce."""
    text = "[[on]]\nprocess = 'web'\nevent = 'exit'\ndebounce = '100ms'\naction = 'sh'\nargs = ['echo it ended']\n"
    table = {"command": ["false"], "restart": "never", "essential": is_essential}
    daemon = keep({"web": table}, "--on-process", "web:fail", "sh", "echo it failed", text=text)
    assert sorted(daemon.out.next() for _ in range(2)) == ["it ended", "it failed"]
    assert daemon.status() == 1


def test_an_action_that_hangs_does_not_keep_flagman(keep: Keep) -> None:
    """When the processes have ended, an action has no more time than after a stop signal."""
    table = {"command": ["false"], "restart": "never"}
    words = ("--on-process", "web:fail", "sh", "echo begins; sleep 1000")
    daemon = keep({"web": table}, *words, text='[flagman]\nstop-timeout = "200ms"')
    daemon.expect("begins", "")
    assert daemon.status() == 1


def test_an_action_that_runs_for_ever(keep: Keep, fifo: Path) -> None:
    """Meanwhile processes die and are started again, requests are answered, and a restart comes true."""
    daemon = keep({"web": WEB, "other": OTHER}, "--usr1", "sh", f"echo begins; read line < {fifo}; echo ends").ready()
    daemon.expect("web up").signal(signal.SIGUSR1).expect("begins")
    os.kill(daemon.pid("other"), signal.SIGKILL)
    daemon.until("other", state="ready", restarts=1)
    assert daemon.does("restart", "web")["wish"]["outcome"] == "reached"
    daemon.expect("web TERM", "web up")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("ends").stop("web TERM")


def test_flagmanctl(keep: Keep) -> None:
    """It shows, steers and reads the processes."""
    says = {"command": shell("echo hello; exec sleep 1000"), "output": "log"}
    daemon = keep({"web": OTHER, "says": says, "bad": {"command": ["/does/not/exist"], "optional": True}}).ready()
    status, text = ctl(daemon, "ps")
    rows = {name: state for name, state, *_ in (line.split() for line in text.splitlines() if len(line.split()) > 1)}
    assert (status, rows["web"], rows["says"]) == (0, "ready", "ready")
    assert ctl(daemon, "ready") == (0, ctl(daemon, "ready")[1])
    assert ctl(daemon, "stop", "web") == (0, "web: stopped\n")
    status, text = ctl(daemon, "ready", "web")
    assert (status, "stopped" in text) == (1, True)
    assert ctl(daemon, "start", "web") == (0, "web: ready\n")
    first = daemon.pid("web")
    assert ctl(daemon, "restart", "web") == (0, "web: ready\n")
    assert daemon.pid("web") != first
    assert ctl(daemon, "logs", "says") == (0, "hello\n")
    assert ctl(daemon, "start", "wep")[0] == 5
    status, text = ctl(daemon, "restart", "bad")
    assert (status, "No such file" in text) == (1, True)
    daemon.stop()
