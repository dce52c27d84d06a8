"""The process around a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flagman.daemon import Daemon
from flagman.engine.signals import Signals
from flagman.service.own_process import OwnProcess

if TYPE_CHECKING:
    import pytest


def test_no_constructor_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only begin() forks: code that makes the object goes on in the process that it began in."""

    def fork() -> int:
        raise AssertionError("a constructor has forked")

    monkeypatch.setattr(os, "fork", fork)
    OwnProcess(Signals(), detach=True)
    Daemon(list, detach=True)
