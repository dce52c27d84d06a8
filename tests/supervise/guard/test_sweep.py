"""The sweep: what is ended, and above all what is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.guard import sweep
from flagman.supervise.guard.seen import Process, send
from flagman.supervise.guard.sweep import Group, Sweep, end_without_proc
from support.guards import state

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

# Other tests run at the same time.
RANDOM = f"random{os.getpid()}"
MARKED = {**os.environ, "FLAGMAN_GUARD": f"{RANDOM}:web:1"}


@contextmanager
def group(line: str, **options: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a process group, and yield its leader with the number that it prints; kill all in the end."""
    process = subprocess.Popen(
        ["sh", "-c", line],
        stdout=subprocess.PIPE,
        encoding="ascii",
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process, int(process.stdout.readline())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def found(*groups: Group, random: str = RANDOM, since: int = 0, is_prompt: bool = True) -> set[int]:
    """Return the numbers of the processes that a sweep finds."""
    others = Group(0, 0, signal.SIGCONT, time.monotonic() + 600)
    return {process.pid for process in Sweep(random.encode(), list(groups), others, since, is_prompt=is_prompt).look()}


def harmless(leader: int, start: int) -> Group:
    """Return a group that is not asked to end."""
    return Group(leader, start, signal.SIGCONT, time.monotonic() + 600)


PLAIN = "echo $$; exec sleep 600"
# The leader ends, and the other process stays.
LEADERLESS = "sleep 600 & echo $!"


def test_a_group_that_was_told_of() -> None:
    """It is found by the number and the start of its leader."""
    with group(PLAIN) as (process, pid):
        assert found(harmless(process.pid, Process(pid).start)) == {pid}


def test_a_number_that_was_given_again() -> None:
    """A process with the number of a leader, and another start, is not touched, whatever the deadline is."""
    with group(PLAIN) as (process, pid):
        for start in (Process(pid).start - 1, 0):
            late = Group(process.pid, start, signal.SIGKILL, 0)
            assert found(late) == set()
        assert state(pid)


def test_a_group_that_has_lost_its_leader() -> None:
    """It is still ours if the daemon has just died; if that was long ago, the number may mean another group."""
    with group(LEADERLESS) as (process, pid):
        start = Process(process.pid).start
        process.wait()
        assert found(harmless(process.pid, start)) == {pid}
        assert found(harmless(process.pid, start), is_prompt=False) == set()


def test_a_group_that_shows_a_mark() -> None:
    """A mark is proof, at any time."""
    with group(LEADERLESS, env=MARKED) as (process, pid):
        process.wait()
        assert found(harmless(process.pid, 1), is_prompt=False) == {pid}
        assert found() == {pid}


def test_other_marks() -> None:
    """What has the mark of another daemon, or is older than this one, is not touched."""
    with group(PLAIN, env=MARKED) as (_, pid):
        assert found() == {pid}
        assert found(since=Process(pid).start) == {pid}
        assert found(since=Process(pid).start + 1) == set()
        assert found(random=RANDOM[:-1]) == set()
        assert found(random=f"{RANDOM}:web") == {pid}
        assert found(random="other") == set()


def test_a_number_that_is_given_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right before a signal is sent, the process is looked at once more."""
    with group(PLAIN, env=MARKED) as (_, pid):
        seen = Process(pid)
        seen.start -= 1
        assert send(seen, signal.SIGKILL)
        monkeypatch.delattr(os, "pidfd_open")
        assert send(seen, signal.SIGKILL)
        assert state(pid)


@pytest.mark.parametrize("has_pidfd", [True, False])
def test_signals(monkeypatch: pytest.MonkeyPatch, *, has_pidfd: bool) -> None:
    """They reach the process, with or without a descriptor of it; a process that has gone is no trouble."""
    if not has_pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    with group(PLAIN) as (process, pid):
        seen = Process(pid)
        assert send(seen, signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
        assert send(seen, signal.SIGTERM)


def test_processes_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be signalled is not waited for, and is reported while it is there."""

    def deny(*_: object) -> None:
        raise PermissionError

    with group(PLAIN, env=MARKED) as (process, pid):
        monkeypatch.setattr(signal, "pidfd_send_signal", deny)
        others = Group(0, 0, signal.SIGTERM, time.monotonic())
        denied = Sweep(RANDOM.encode(), [], others, 0, is_prompt=True)
        assert [each.pid for each in denied.run()] == [pid]
        process.kill()
        process.wait()
        assert denied.denied == []


def test_what_does_not_end_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits for a broken device may never end."""
    monkeypatch.setattr(sweep, "PATIENCE", 0.0)
    monkeypatch.setattr(sweep, "send", lambda *_: True)
    with group(PLAIN, env=MARKED) as (_, pid):
        others = Group(0, 0, signal.SIGTERM, time.monotonic())
        assert [each.pid for each in Sweep(RANDOM.encode(), [], others, 0, is_prompt=True).run()] == [pid]


@pytest.mark.parametrize(("line", "status"), [(PLAIN, signal.SIGTERM), (f"trap '' TERM; {PLAIN}", signal.SIGKILL)])
def test_where_nothing_shows_processes(line: str, status: int) -> None:
    """The groups that were told of are ended by their numbers."""
    with group(line) as (process, _):
        waiting = threading.Thread(target=process.wait)  # a zombie would answer
        waiting.start()
        deadline = time.monotonic() + (600 if status == signal.SIGTERM else 0.05)
        end_without_proc([Group(process.pid, 0, signal.SIGTERM, deadline)])
        waiting.join()
        assert process.returncode == -status
