"""kill -9 of a flagman with processes leaves nothing; kill -9 of its guardian is noticed; a new start waits."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.containers import NAMESPACE, child_of, needs_namespaces
from support.driven import wait_for
from support.guards import state
from support.processes import DEAF, SLEEPS, TELLS, python

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.processes import Kept

    Keep = Callable[..., Kept]

COUNT = 200
MANY = {f"p{number}": {"command": SLEEPS} for number in range(COUNT)}
# Without a service manager there is a guardian.
ALONE = {"NOTIFY_SOCKET": None}


def alone(keep: Keep, processes: dict[str, object], *arguments: str) -> Kept:
    """Start a flagman with a guardian, and wait until its processes are ready."""
    daemon = keep(processes, *arguments, environment=ALONE).served()
    for name in processes:
        daemon.until(name, state="ready")
    return daemon


def guardian_of(daemon: Kept) -> int:
    """Return the number of the guardian of a flagman, when it runs as such; 0 if there is none."""
    children = [
        path.read_text(encoding="ascii") for path in Path(f"/proc/{daemon.process.pid}/task").glob("*/children")
    ]
    for child in map(int, " ".join(children).split()):
        if b"flagman.supervise.guard.guardian" in Path(f"/proc/{child}/cmdline").read_bytes() and state(child):
            return child
    return 0


def guarded(daemon: Kept) -> int:
    """Wait for the guardian, and return its number."""
    wait_for(lambda: guardian_of(daemon))
    return guardian_of(daemon)


def test_by_the_guardian(keep: Keep) -> None:
    """It ends two hundred, and then itself."""
    daemon = keep(MANY, environment=ALONE).served()
    wait_for(lambda: len(daemon.all()) == COUNT and all(each["ready"] for each in daemon.all().values()))
    guardian = guarded(daemon)
    assert len(daemon.left()) > COUNT
    daemon.process.kill()
    daemon.expect("")
    wait_for(lambda: not daemon.left() and not state(guardian))


@needs_namespaces
def test_by_the_kernel(keep: Keep) -> None:
    """As process 1 of a namespace: its end, and that of the flagman behind it, ends all two hundred."""
    daemon = keep(MANY, prefix=NAMESPACE, environment=ALONE).served()
    wait_for(lambda: len(daemon.all()) == COUNT and all(each["ready"] for each in daemon.all().values()))
    behind = child_of(child_of(daemon.process.pid))
    os.kill(behind, signal.SIGKILL)
    daemon.expect("")
    wait_for(lambda: not daemon.left())
    assert daemon.status() == 128 + signal.SIGKILL


def test_one_that_ignores_the_signal(keep: Keep) -> None:
    """The guardian kills it at the end of its grace; the others may end in their own way."""
    deaf = {"command": python(DEAF, "deaf"), "graceful-time": "0.3s"}
    daemon = alone(keep, {"deaf": deaf, "web": {"command": python(TELLS, "web")}})
    assert sorted(daemon.out.next() for _ in range(2)) == ["deaf up", "web up"]
    guarded(daemon)
    daemon.process.kill()
    daemon.expect("web TERM", "")
    daemon.logged("was killed, and its guardian ends what it has left")
    wait_for(lambda: not daemon.left())


def test_the_guardian_is_killed(keep: Keep) -> None:
    """That is told, another one is started, and knows all processes."""
    daemon = alone(keep, {"web": {"command": SLEEPS}, "db": {"command": SLEEPS}})
    first, pids = guarded(daemon), {daemon.pid("web"), daemon.pid("db")}
    os.kill(first, signal.SIGKILL)
    daemon.logged("The guardian has died, and another one is started")
    wait_for(lambda: guardian_of(daemon) not in {0, first})
    assert {daemon.pid("web"), daemon.pid("db")} == pids
    daemon.process.kill()
    daemon.expect("")
    wait_for(lambda: not daemon.left())


def test_a_stop_is_no_death(keep: Keep) -> None:
    """STOP and CONT of flagman harm nothing; an end in order leaves no guardian."""
    daemon = alone(keep, {"web": {"command": SLEEPS}})
    guardian, pid = guarded(daemon), daemon.pid("web")
    daemon.signal(signal.SIGSTOP)
    wait_for(lambda: state(daemon.process.pid) == "T")
    assert state(pid)
    daemon.signal(signal.SIGCONT)
    assert (daemon.pid("web"), guardian_of(daemon)) == (pid, guardian)
    daemon.stop()
    assert (daemon.left(), state(guardian)) == ([], "")


def test_a_new_start_waits(keep: Keep) -> None:
    """No process runs twice: the next flagman says that it waits until nothing is left of the former one."""
    deaf = {"command": python(DEAF, "deaf"), "graceful-time": "2s"}
    former = alone(keep, {"deaf": deaf}).expect("deaf up")
    old = former.pid("deaf")
    guarded(former)
    former.process.kill()
    former.process.wait()
    new = keep({"deaf": deaf, "web": {"command": SLEEPS}}, "-v", environment=ALONE)
    new.logged("guardian")
    new.logged("Started `deaf`")
    assert not state(old)
    new.expect("deaf up").until("web", state="ready")
    new.process.send_signal(signal.SIGTERM)
    new.process.send_signal(signal.SIGTERM)
    new.expect("")
    assert (new.status(), new.left()) == (0, [])


@pytest.mark.parametrize("words", [("--no-guardian",), ()])
def test_without_a_guardian(keep: Keep, words: tuple[str, ...]) -> None:
    """There is none if that was asked for, or where a manager ends all."""
    daemon = keep({"web": {"command": SLEEPS}}, *words, environment=ALONE if words else {}).served()
    daemon.until("web", state="ready")
    assert guardian_of(daemon) == 0
    assert json.dumps(daemon.shown("web"))
    daemon.stop()
