"""The register: what the daemon writes, and its guardian reads."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from flagman.supervise.guard.guardian import ENTRY, read_groups
from flagman.supervise.guard.register import Register
from flagman.supervise.guard.seen import Process

if TYPE_CHECKING:
    import pytest

ME = os.getpid()


def leaders(register: Register) -> set[int]:
    """Return the leaders that the guardian would find."""
    random, groups = read_groups(register.descriptor)
    assert random == b"random"
    return {group.leader for group in groups}


def test_an_entry() -> None:
    """It has all that the guardian has to know."""
    register = Register(b"random")
    register.add(ME, 1e300, signal.SIGQUIT)
    _, (group,) = read_groups(register.descriptor)
    assert (group.leader, group.start, group.signum) == (ME, Process(ME).start, signal.SIGQUIT)
    register.close()


def test_places_are_used_again() -> None:
    """The file grows with the number of groups at a time, and not with that of all groups."""
    register = Register(b"random")
    assert leaders(register) == set()
    for pid in range(1, 101):
        register.add(pid, 10, signal.SIGTERM)
    for pid in range(1, 100):
        register.remove(pid)
        register.remove(pid)
    assert leaders(register) == {100}
    assert len(register) == 1
    for pid in range(1, 100):
        register.add(pid, 10, signal.SIGTERM)
        register.add(pid, 20, signal.SIGTERM)
    assert leaders(register) == set(range(1, 101))
    assert os.fstat(register.descriptor).st_size == 101 * ENTRY
    register.close()


def test_a_system_without_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a name does as well; no other program gets it."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    register = Register(b"random")
    register.add(ME, 10, signal.SIGTERM)
    assert leaders(register) == {ME}
    assert os.fstat(register.descriptor).st_nlink == 0
    assert not os.get_inheritable(register.descriptor)
    register.close()
