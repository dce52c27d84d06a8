"""Strays: what has left the group of its instance."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from flagman.supervise.guard.strays import Strays
from support.driven import wait_for
from support.fake_loop import FakeLoop
from support.guards import Guarded, state

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def start(daemon: Guarded, kind: str, count: int = 1) -> tuple[list[int], list[int]]:
    """Start processes; return the leaders, and the others, which have left their groups."""
    pids = daemon.start(kind, count=count)
    leaders = [pid for pid in pids if os.getpgid(pid) == pid and parent(pid) == daemon.process.pid]
    return leaders, [pid for pid in pids if pid not in leaders]


def parent(pid: int) -> int:
    """Return the number of the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def test_they_are_named(tmp_path: Path) -> None:
    """One look is for all ends that come together; what has ended is not named."""
    with Guarded(tmp_path) as daemon:
        leaders, others = start(daemon, "straying", 3)
        assert len(leaders) == len(others) == 3
        os.kill(others[2], signal.SIGKILL)
        wait_for(lambda: not state(others[2]))
        for pid in leaders:
            assert daemon.ask("end", pid) == "ended"
        left = set(map(str, others[:2]))
        kind, name, *pids = daemon.out.next().split()
        assert (kind, name, set(pids)) == ("strays", "web", left)
        told = daemon.err.next()
        assert told.startswith("WARNING:web: has left 2 processes behind: sleep (")
        assert set(daemon.ask("known").split()) == {"known", *left}
        os.kill(others[0], signal.SIGKILL)
        wait_for(lambda: daemon.ask("known") == f"known {others[1]}")


def test_an_end_that_leaves_nothing(tmp_path: Path) -> None:
    """Nothing is named; what was found before is not named again."""
    with Guarded(tmp_path) as daemon:
        (leader,), (stray,) = start(daemon, "straying")
        (plain,) = daemon.start("plain")
        daemon.ask("end", leader)
        assert daemon.out.next() == f"strays web {stray}"
        daemon.ask("end", plain)
        (leader,), (another,) = start(daemon, "straying")
        daemon.ask("end", leader)
        assert daemon.out.next() == f"strays web {another}"


def test_they_are_ended(tmp_path: Path) -> None:
    """At the end, with all that none has looked for yet; what ignores the signal is killed."""
    with Guarded(tmp_path) as daemon:
        (leader,), (stray,) = start(daemon, "straying-deaf")
        daemon.ask("end", leader)
        daemon.order("sweep", 0.2)
        assert daemon.out.next() == "over"
        assert not state(stray)
        assert daemon.err.next() == f"WARNING:Ends what its processes have left behind: sleep ({stray})"


def test_an_end_without_strays(tmp_path: Path) -> None:
    """It is over at once."""
    with Guarded(tmp_path) as daemon:
        assert daemon.ask("sweep", 600) == "over"


@pytest.fixture(name="strays")
def _strays(loop: FakeLoop) -> Strays:
    return Strays(f"mark{os.getpid()}".encode(), loop)


@pytest.fixture(name="loop")
def _loop() -> FakeLoop:
    return FakeLoop()


AGES = 1e9  # seconds after which all that was planned has been done


def test_those_that_have_ended_are_forgotten(strays: Strays, loop: FakeLoop) -> None:
    """An instance that leaves something each time makes nothing grow."""
    environment = {**os.environ, "FLAGMAN_GUARD": f"mark{os.getpid()}:web:1"}
    with subprocess.Popen(["sleep", "600"], env=environment) as process:
        strays.ended("web", 1)
        loop.advance(AGES)
        assert [stray.pid for stray in strays.of("web")] == [process.pid]
        process.kill()
        process.wait()
        strays.ended("web", 2)
        loop.advance(AGES)
    assert not strays._known


def test_a_look_that_is_not_possible_now(strays: Strays, loop: FakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many open files it is made later, and what has ended meanwhile is not forgotten."""
    environment = {**os.environ, "FLAGMAN_GUARD": f"mark{os.getpid()}:web:1"}
    with subprocess.Popen(["sleep", "600"], env=environment) as process:
        listings = Mock(side_effect=[OSError(errno.EMFILE, "Too many open files"), os.listdir("/proc")])  # noqa: PTH208 - as the code does
        monkeypatch.setattr(os, "listdir", listings)
        strays.ended("web", 1)
        loop.advance(AGES)
        assert listings.call_count == 2
        assert [stray.pid for stray in strays.of("web")] == [process.pid]
        process.kill()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOENT])
def test_an_end_that_cannot_look(
    number: int, strays: Strays, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop does not wait for good if there are too many open files, or nothing shows processes."""

    def fail(_path: str) -> list[str]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "listdir", fail)
    if number == errno.ENOENT:
        monkeypatch.setattr(os, "readlink", fail)
    over: list[bool] = []
    strays.end(1.0, lambda: over.append(True))
    assert over == [True]
    told = ["Cannot look for what its processes have left behind: Too many open files"]
    assert caplog.messages == (told if number == errno.EMFILE else [])
