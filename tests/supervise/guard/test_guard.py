"""Whether a guardian is needed."""

from __future__ import annotations

import os

import pytest

from flagman.children import front
from flagman.supervise.guard.guard import is_needed


@pytest.fixture(autouse=True)
def _in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYSTEMD_EXEC_PID", raising=False)


def test_in_a_shell() -> None:
    """Nothing else would end the processes."""
    assert is_needed(manager_is_open=False)


def test_in_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager ends all of its control group; that it has started an ancestor, such as a terminal, is no unit."""
    assert not is_needed(manager_is_open=True)
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    assert not is_needed(manager_is_open=False)
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getppid()))
    assert is_needed(manager_is_open=False)


def test_behind_process_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel ends all of the namespace."""
    monkeypatch.setattr(front, "pid", lambda: 1)
    assert not is_needed(manager_is_open=False)
