"""The guardian, with real processes: what is left when their daemon is killed."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.driven import descriptors, settle, wait_for
from support.guards import Guarded, state, switches

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("kind", ["plain", "leaving", "hiding"])
def test_nothing_is_left(tmp_path: Path, kind: str, *, is_told: bool) -> None:
    """Whatever is of the daemon is asked to end: in a group or not, with a mark or not, told of or not."""
    with Guarded(tmp_path) as daemon:
        daemon.begin()
        daemon.start(kind, is_told=is_told, count=2)
        daemon.kill()
        assert daemon.out.rest() == []


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
def test_what_ignores_the_signal_is_killed(tmp_path: Path, *, is_told: bool) -> None:
    """At the end of the grace."""
    with Guarded(tmp_path, grace=0.2) as daemon:
        daemon.begin()
        daemon.start("deaf", is_told=is_told, grace=0.2)
        daemon.kill()
        assert daemon.out.rest() == []


def test_the_leader_is_asked_first(tmp_path: Path) -> None:
    """As in a stop: the others belong to it, until it has ended."""
    with Guarded(tmp_path) as daemon:
        daemon.begin()
        daemon.order("start", "leading")
        ready = [daemon.out.next(), daemon.out.next()]
        assert "up" in ready
        daemon.kill()
        assert daemon.out.rest() == ["LEADER", "MEMBER"]


def test_a_group_outlives_its_leader(tmp_path: Path) -> None:
    """The lock is held until the last member has ended, which has its grace."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        pids = daemon.start("ending")
        daemon.kill()
        assert daemon.out.next() == "LEADER"
        (child,) = [pid for pid in pids if os.getpgid(pid) != pid]
        assert state(child)
        assert state(guardian)
        os.kill(child, signal.SIGKILL)
        assert daemon.out.rest() == []
        wait_for(lambda: not state(guardian))
        assert (tmp_path / "run" / "demo.guard").read_bytes() == b""


def test_two_hundred_processes(tmp_path: Path) -> None:
    """All end, and none wakes the guardian before."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        daemon.start("plain")
        wait_for(lambda: state(guardian) == "S" and "/dev/null" in descriptors(guardian).values())
        settle(guardian)
        before = switches(guardian)
        daemon.start("plain", count=199)
        assert switches(guardian) == before
        daemon.kill()
        assert daemon.out.rest() == []


def test_it_reports_what_it_does(tmp_path: Path) -> None:
    """On standard error, where a shell has said that the daemon was killed."""
    with Guarded(tmp_path) as daemon:
        daemon.begin()
        daemon.start("plain")
        daemon.kill()
        assert daemon.err.rest() == ["flagman: demo was killed, and its guardian ends what it has left"]


def test_an_end_without_a_word_is_a_death_as_well(tmp_path: Path) -> None:
    """A daemon that exits and has not ended its guardian leaves nothing either."""
    with Guarded(tmp_path) as daemon:
        daemon.begin()
        daemon.start("plain")
        daemon.order("exit")
        assert daemon.out.rest() == []


def test_an_orderly_end(tmp_path: Path) -> None:
    """The guardian has gone when the daemon goes on, and ends nothing."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        (pid,) = daemon.start("plain")
        assert (tmp_path / "run" / "demo.guard").exists()
        assert daemon.ask("close") == "closed"
        assert not Path(f"/proc/{guardian}").exists()
        assert not (tmp_path / "run" / "demo.guard").exists()
        daemon.order("exit")
        daemon.process.wait()
        assert state(pid)
        os.kill(pid, signal.SIGKILL)
        assert daemon.err.rest() == []


def test_a_stop_is_no_death(tmp_path: Path) -> None:
    """A daemon that was stopped and goes on finds its processes and its guardian."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        (pid,) = daemon.start("plain")
        daemon.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: state(daemon.process.pid) == "T")
        settle(guardian)
        daemon.process.send_signal(signal.SIGCONT)
        assert daemon.guardian() == guardian
        assert state(guardian) == "S"
        assert state(pid)


def test_signals_do_not_end_it(tmp_path: Path) -> None:
    """Neither a terminal nor a service manager ends it: it is in a session of its own, and all signals are blocked."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        assert os.getsid(guardian) == guardian
        for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGTSTP, signal.SIGPIPE):
            os.kill(guardian, signum)
        daemon.start("plain")
        assert daemon.guardian() == guardian
        daemon.kill()
        assert daemon.out.rest() == []


def test_another_one_is_started_if_it_dies(tmp_path: Path) -> None:
    """And it knows all groups, those that have come in the meantime, too."""
    with Guarded(tmp_path) as daemon:
        first = daemon.begin()
        daemon.start("plain")
        os.kill(first, signal.SIGKILL)
        assert daemon.err.next() == "WARNING:The guardian has died, and another one is started"
        daemon.start("plain")
        wait_for(lambda: daemon.guardian() not in {0, first})
        daemon.kill()
        assert daemon.out.rest() == []


def test_a_guardian_that_is_stopped_holds_nothing_up(tmp_path: Path) -> None:
    """It finds all groups when it goes on, and then it does not know how long the daemon has been dead."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        os.kill(guardian, signal.SIGSTOP)
        wait_for(lambda: state(guardian) == "T")
        pids = daemon.start("plain", count=20)
        for pid in pids[10:]:
            assert daemon.ask("end", pid) == "ended"
        daemon.kill()
        assert all(map(state, pids[:10]))
        os.kill(guardian, signal.SIGCONT)
        assert daemon.out.rest() == []


def test_without_standard_streams(tmp_path: Path) -> None:
    """Its descriptors have the numbers that it expects, whichever numbers the daemon has closed."""
    with Guarded(tmp_path, is_closed=True) as daemon:
        guardian = daemon.begin()
        daemon.start("plain")
        settle(guardian)
        wait_for(lambda: len(descriptors(guardian)) == 8 or state(guardian) == "")  # the eighth is that of the daemon
        assert {descriptors(guardian)[number] for number in "012"} == {"/dev/null"}
        daemon.kill()
        assert daemon.out.rest() == []


def test_a_report_that_is_not_read(tmp_path: Path) -> None:
    """It does not wait for the reader of standard error."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(1024))
    os.set_blocking(writer, True)
    try:
        with Guarded(tmp_path, stderr=writer) as daemon:
            daemon.begin()
            daemon.start("plain")
            daemon.kill()
            assert daemon.out.rest() == []
    finally:
        os.close(reader)
        os.close(writer)


def test_without_a_lock(tmp_path: Path) -> None:
    """It needs none to end what is left."""
    with Guarded(tmp_path, has_lock=False) as daemon:
        daemon.begin()
        daemon.start("plain")
        daemon.kill()
        assert daemon.out.rest() == []


def test_it_holds_nothing_of_the_daemon(tmp_path: Path) -> None:
    """Neither its directory, nor what it has inherited, nor its variables that mark processes of another one."""
    with Guarded(tmp_path) as daemon:
        guardian = daemon.begin()
        wait_for(lambda: Path(f"/proc/{guardian}/cwd").samefile("/"))
        wait_for(lambda: sorted(map(int, descriptors(guardian))) == list(range(8)))
        assert b"FLAGMAN_GUARD" not in Path(f"/proc/{guardian}/environ").read_bytes()


def test_no_interpreter(tmp_path: Path) -> None:
    """That there is no guardian is told, and the daemon goes on."""
    with Guarded(tmp_path, executable="/no/such/python") as daemon:
        assert daemon.begin() == 0
        told = daemon.err.next()
        assert told.startswith("WARNING:There is no guardian, so processes would be left if this one was killed: ")
        (pid,) = daemon.start("plain")
        assert daemon.ask("end", pid) == "ended"
        assert daemon.ask("close") == "closed"
