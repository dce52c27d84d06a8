"""The registry of children: which processes are flagman's own."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from flagman import Action, Engine
from flagman.actions import ShellAction
from flagman.children.registry import CHILDREN, Registry
from support.driven import DEADLINE

if TYPE_CHECKING:
    from flagman.children.process import Process


def test_a_process_is_ours_until_it_is_released() -> None:
    """A pid is registered until its owner releases it, and the release by an older owner has no effect."""
    registry = Registry()
    first, second = object(), object()
    assert registry.start(lambda: 7, first) == 7
    assert registry.owner(7) is first
    assert registry.strangers([7, 8]) == {8}
    assert registry.start(lambda: 7, second) == 7
    registry.release(7, first)
    assert registry.owner(7) is second
    registry.release(7, second)
    registry.release(7, second)
    assert registry.owner(7) is None
    assert repr(registry) == "<Registry of the children (none)>"


def test_a_start_that_fails_leaves_nothing() -> None:
    """A start that fails leaves neither an owner nor a held lock behind."""
    registry = Registry()

    def fail() -> int:
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        registry.start(fail, object())
    assert registry.strangers([7]) == {7}


def test_a_start_that_is_under_way_is_waited_for() -> None:
    """A look-up waits for a start in progress, because its child may end before its pid is registered."""
    registry = Registry()
    begun, goes_on = threading.Event(), threading.Event()

    def spawn() -> int:
        begun.set()
        assert goes_on.wait(DEADLINE)
        return 7

    starter = threading.Thread(target=registry.start, args=(spawn, object()))
    starter.start()
    assert begun.wait(DEADLINE)
    found: list[set[int]] = []
    asker = threading.Thread(target=lambda: found.append(registry.strangers([7])))
    asker.start()
    goes_on.set()
    starter.join()
    asker.join()
    assert found == [set()]


@pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_begins_anew() -> None:
    """A forked child has an empty registry, because the children of its parent are not its own."""
    registry = Registry()
    registry.start(lambda: 7, object())
    registry._lock.acquire()  # as another thread may hold it
    pid = os.fork()
    if pid == 0:
        os._exit(0 if registry.strangers([7]) == {7} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    registry._lock.release()
    assert registry.strangers([7]) == set()


@pytest.mark.parametrize("command", ["exit 0", "exit 3", "kill -9 $$", "sleep 1000"])
def test_every_command_is_registered_while_it_runs(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command is registered while it runs, and released however it ends."""
    seen: list[set[int]] = []
    real = os.posix_spawnp

    def note(*words: object, **options: object) -> int:
        pid: int = real(*words, **options)  # type: ignore[arg-type]
        started.append(pid)
        return pid

    class Look(Action):
        def run(self) -> None:
            seen.append({pid for pid in started if CHILDREN.owner(pid) is not None})

    started: list[int] = []
    monkeypatch.setattr(os, "posix_spawnp", note)
    with Engine(timeout=0.2) as engine:
        shell = engine.set_up("usr1", ShellAction, command)
        engine.set_up("usr1", Look)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        assert isinstance(shell, ShellAction)
        wait_for, owners = shell._wait_for, list[object]()

        def look(process: Process) -> int:
            owners.append(CHILDREN.owner(process.pid) is process)
            return wait_for(process)

        monkeypatch.setattr(shell, "_wait_for", look)
        engine.run()
    assert owners == [True]
    assert seen == [set()]
