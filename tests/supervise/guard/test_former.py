"""A start while the guardian of a former daemon still has something to do."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.guard.guardian import notes
from support.driven import wait_for
from support.guards import Guarded, state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def test_a_start_waits_for_the_guardian_of_the_former_daemon(tmp_path: Path) -> None:
    """And reports that, so that no process runs twice."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second:
        guardian = first.begin()
        (pid,) = first.start("deaf")
        first.kill()
        second.order("begin")
        assert second.err.next() == (
            f"WARNING:Waits for the guardian of a former daemon (process {guardian}), which ends what that has left"
        )
        os.kill(pid, signal.SIGKILL)
        assert second.out.next().startswith("guardian ")
        assert first.out.rest() == []
        assert second.err.next() == "INFO:The guardian of the former daemon has ended its processes"


def test_a_start_after_all_that(tmp_path: Path) -> None:
    """It waits for nothing and reports nothing."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second:
        guardian = first.begin()
        first.kill()
        wait_for(lambda: not state(guardian))
        second.begin()
        second.ask("close")
        second.order("exit")
        assert second.err.rest() == []


def test_a_daemon_of_the_same_name(tmp_path: Path) -> None:
    """It lives, so there is nothing to wait for, and its lock stays its own."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second:
        first.begin()
        second.begin()
        assert second.err.next() == (
            f"INFO:The process {first.process.pid} has the same name, so no lock shows a later start what is left"
        )
        assert second.ask("close") == "closed"
        assert (tmp_path / "run" / "demo.guard").exists()


def test_a_guardian_that_was_killed_with_its_daemon(tmp_path: Path) -> None:
    """The next start ends what both have left, and then begins."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second:
        guardian = first.begin()
        first.start("plain")
        first.start("leaving", is_told=False)
        first.process.send_signal(signal.SIGSTOP)
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: not state(guardian))
        first.kill()
        second.begin()
        assert second.err.next() == (
            "WARNING:A former daemon and its guardian were killed: what they have left is ended first"
        )
        assert first.out.rest() == []
        assert second.ask("close") == "closed"
        assert not (tmp_path / "run" / "demo.guard").exists()


def test_a_guardian_that_does_not_end(tmp_path: Path) -> None:
    """It has said how long it needs at most, and is not waited for any longer."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second:
        guardian = first.begin()
        os.kill(guardian, signal.SIGSTOP)
        first.kill()
        (tmp_path / "run" / "demo.guard").write_bytes(notes(0, 0, guardian, time.monotonic(), b"random"))
        second.begin()
        assert second.err.next() == (
            "WARNING:The guardian of a former daemon does not end, and is waited for no longer"
        )


def test_no_place_for_a_lock(tmp_path: Path) -> None:
    """It goes without."""
    (tmp_path / "run").write_bytes(b"")
    with Guarded(tmp_path) as daemon:
        daemon.begin()
        assert daemon.err.next().startswith("DEBUG:No lock shows a later start what this one may leave: ")
        daemon.start("plain")
        daemon.kill()
        assert daemon.out.rest() == []


def test_an_end_during_the_wait(tmp_path: Path) -> None:
    """It begins nothing."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second:
        first.begin()
        (pid,) = first.start("deaf")
        first.kill()
        second.order("begin")
        assert second.err.next().startswith("WARNING:Waits for")
        assert second.ask("close") == "closed"
        os.kill(pid, signal.SIGKILL)
        assert first.out.rest() == []
        assert second.guardian() == 0


def test_an_end_while_a_former_daemon_is_cleaned_up_after(tmp_path: Path) -> None:
    """The clean-up goes on, and a later start waits for it."""
    with Guarded(tmp_path) as first, Guarded(tmp_path) as second, Guarded(tmp_path) as third:
        guardian = first.begin()
        (pid,) = first.start("deaf")
        first.process.send_signal(signal.SIGSTOP)
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: not state(guardian))
        first.kill()
        second.order("begin")
        assert second.err.next().startswith("WARNING:A former daemon and its guardian were killed")
        wait_for(lambda: (tmp_path / "run" / "demo.guard").read_bytes().split()[0] == b"0")
        assert second.ask("close") == "closed"
        second.order("exit")
        third.order("begin")
        assert third.err.next().startswith("WARNING:Waits for the guardian")
        os.kill(pid, signal.SIGKILL)
        assert first.out.rest() == []
        assert third.out.next().startswith("guardian ")
