"""Processes as /proc shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.guard.seen import Process, is_alive, look_at, look_at_all, mark_of, shows_us
from support.driven import hide_proc, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def test_this_process() -> None:
    """It is alive, and one of all."""
    me = Process(os.getpid())
    assert (me.parent, me.group) == (os.getppid(), os.getpgid(0))
    assert not me.is_zombie
    assert me.start > 0
    assert look_at_all()[me.pid].start == me.start
    assert is_alive(me.pid, me.start)
    assert not is_alive(me.pid, me.start + 1)


def test_a_zombie() -> None:
    """It is there, and not alive."""
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie = Process(child.pid)
    assert zombie.is_zombie
    assert not is_alive(child.pid, zombie.start)
    child.wait()
    assert look_at(child.pid) is None


def test_any_name_of_a_program(tmp_path: Path) -> None:
    """Brackets and spaces in it hide nothing."""
    name = tmp_path / ") S 1 (x"
    name.symlink_to("/bin/cat")
    with subprocess.Popen([str(name)], stdin=subprocess.PIPE) as child:
        wait_for(lambda: Process(child.pid).name == b") S 1 (x")  # it gets its name during its start
        seen = Process(child.pid)
    assert seen.name == b") S 1 (x"
    assert seen.parent == os.getpid()


@pytest.mark.parametrize(
    ("variables", "mark"),
    [
        ({"FLAGMAN_GUARD": "r:web:1"}, b"r:web:1"),
        ({"A": "b", "FLAGMAN_GUARD": "r:web:1", "C": "d"}, b"r:web:1"),
        ({"A": "FLAGMAN_GUARD=r:web:1", "XFLAGMAN_GUARD": "r:web:1"}, b""),
        ({}, b""),
    ],
)
def test_marks(variables: dict[str, str], mark: bytes) -> None:
    """It is the value of one variable, at any place."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=variables) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\n")
        child.stdout.read(1)  # right after its start a program shows no environment yet
        found = mark_of(child.pid)
    assert found == mark


def test_no_process() -> None:
    """A process that is not there has no mark."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert mark_of(child.pid) == b""


def test_whether_it_shows_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not be mounted, or belong to another namespace."""
    assert shows_us()
    hide_proc(monkeypatch)
    assert not shows_us()
