"""Strays: what has left the group of its instance."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from support.driven import wait_for
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
