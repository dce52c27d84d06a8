"""One look at all processes for many groups."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flagman.children import reaping
from flagman.children.reaping import groups, members
from flagman.supervise import census
from flagman.supervise.census import Census
from support.driven import wait_for
from support.fake_loop import FakeLoop

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(name="looks")
def _looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the looks: at all processes, and at those of one group."""
    made: list[str] = []

    def at_all() -> dict[int, list[int]]:
        made.append("all")
        return {1: [1, 2]}

    def at_one(group: int) -> list[int]:
        made.append(f"one: {group}")
        return [group]

    monkeypatch.setattr(census, "groups", at_all)
    monkeypatch.setattr(census, "members", at_one)
    return made


def ask(counting: Census, group: int, found: list[object]) -> Callable[[], object]:
    """Return a function that asks for the members of a group."""
    return lambda: found.append(counting.members(group))


def test_many_ends_are_one_look(looks: list[str]) -> None:
    """All that have asked before the look share it; one alone looks only for its own group."""
    loop = FakeLoop()
    counting = Census(loop, loop.clock)
    found: list[object] = []
    counting.ask(ask(counting, 7, found))
    loop.advance(0)
    assert (looks, found) == (["one: 7"], [[7]])
    for group in (1, 2):
        counting.ask(ask(counting, group, found))
    loop.advance(0)
    assert (looks[1:], found[1:]) == (["all"], [[1, 2], []])
    assert counting.members(8) == [8]


def test_looks_leave_time_for_others(monkeypatch: pytest.MonkeyPatch, looks: list[str]) -> None:
    """After a look that has taken long, the next one waits twice as long."""
    loop = FakeLoop()
    counting = Census(loop, loop.clock)

    def slow() -> dict[int, list[int]]:
        loop.now += 0.5  # the end of the call sets it back
        looks.append("slow")
        return {}

    monkeypatch.setattr(census, "groups", slow)
    for _ in range(2):
        counting.ask(list)
    loop.advance(0)
    for _ in range(2):
        counting.ask(list)
    loop.advance(1.4)
    assert looks == ["slow"]
    loop.advance(0.2)
    assert looks == ["slow", "slow"]


def test_what_asks_may_fail(looks: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """An exception in one concerns no other, and one that asks again is called again."""
    loop = FakeLoop()
    counting = Census(loop, loop.clock)
    found: list[object] = []

    def again() -> None:
        counting.ask(ask(counting, 3, found))

    for code in (again, lambda: 1 / 0, ask(counting, 1, found)):
        counting.ask(code)
    loop.advance(1)
    assert found == [[1, 2], [3]]
    assert looks == ["all", "one: 3"]
    assert [record.message for record in caplog.records] == ["A look at a process that has ended failed"]


def test_too_many_open_files(monkeypatch: pytest.MonkeyPatch, looks: list[str]) -> None:
    """If all cannot be looked at, each looks for itself, and finds out what the trouble is."""

    def fail() -> dict[int, list[int]]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(census, "groups", fail)
    loop = FakeLoop()
    counting = Census(loop, loop.clock)
    found: list[object] = []
    for group in (4, 5):
        counting.ask(ask(counting, group, found))
    loop.advance(0)
    assert (looks, found) == (["one: 4", "one: 5"], [[4], [5]])


def test_the_groups_that_there_are() -> None:
    """All members are found but zombies, and those of each group as if it was looked for alone."""
    leader = subprocess.Popen(
        [sys.executable, "-c", "import os, time; os.fork(); time.sleep(1000)"], start_new_session=True
    )
    try:
        wait_for(lambda: len(members(leader.pid) or ()) == 2)
        assert sorted((groups() or {})[leader.pid]) == sorted(members(leader.pid) or ())
        leader.kill()
        os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
        found = (groups() or {})[leader.pid]
        assert leader.pid not in found
        assert len(found) == 1
    finally:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
    wait_for(lambda: leader.pid not in (groups() or {}))


def test_only_members_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read what /proc shows of each process would take many times as long as the start of one."""
    looked_at: list[int] = []
    group_of = reaping._group_of

    def look(process: str) -> int:
        looked_at.append(int(process))
        return group_of(process)

    monkeypatch.setattr(reaping, "_group_of", look)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as leader:
        try:
            assert members(leader.pid) == looked_at == [leader.pid]
        finally:
            leader.kill()
    assert members(leader.pid) == []
    assert looked_at == [leader.pid]


def test_a_group_that_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A security module may refuse to tell the group of a process; /proc may show it all the same."""

    def refuse(_pid: int) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "getpgid", refuse)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as leader:
        try:
            assert members(leader.pid) == [leader.pid]
        finally:
            leader.kill()
