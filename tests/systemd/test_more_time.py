"""The manager is asked for more time while a set_up is slow, but not while it hangs."""

from __future__ import annotations

import _thread
import threading
import time
from typing import TYPE_CHECKING

from flagman.systemd import more_time
from flagman.systemd.more_time import MoreTime
from flagman.systemd.notify import SystemdNotifier
from flagman.testing import DEADLINE
from support.driven import wait_for

if TYPE_CHECKING:
    import pytest


class Notifier(SystemdNotifier):
    """Keeps the messages."""

    def __init__(self) -> None:
        self._address = "/somewhere"
        self.watchdog = None
        self.messages: list[str] = []
        self.told = threading.Event()

    def notify(self, state: str) -> None:
        """Keep a message."""
        self.messages.append(state)
        self.told.set()


def test_a_slow_set_up() -> None:
    """A slow set_up is named in the messages again and again, and no message follows its end."""
    notifier = Notifier()
    before = _thread._count()
    with MoreTime(notifier, first=0.01, pause=0.01) as more:
        more.progress("Setting up", "exec")
        limit = time.monotonic() + DEADLINE
        while len(notifier.messages) < 3:
            assert time.monotonic() < limit
    assert set(notifier.messages) == {"EXTEND_TIMEOUT_USEC=15000000\nSTATUS=Setting up the action `exec`"}
    wait_for(lambda: _thread._count() <= before)


def test_a_set_up_that_hangs() -> None:
    """A set_up that hangs gets no more time, so that the manager may end it."""
    notifier = Notifier()
    with MoreTime(notifier, first=0.0, pause=0.001) as more:
        more.progress("Setting up", "exec")
        assert notifier.told.wait(DEADLINE)
        more.longest = -1.0
        with more._speaking:
            told = len(notifier.messages)
        time.sleep(0.05)  # time for more messages
        assert len(notifier.messages) == told


def test_without_a_manager_there_is_no_thread() -> None:
    """Without a manager no thread is started."""
    notifier = Notifier()
    notifier._address = ""
    before = _thread._count()
    with MoreTime(notifier):
        assert _thread._count() == before


def test_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, the start goes on without a request for more time."""

    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(more_time, "start_new_thread", fail)
    notifier = Notifier()
    with MoreTime(notifier) as more:
        more.progress("Setting up", "exec")
    assert not notifier.messages
