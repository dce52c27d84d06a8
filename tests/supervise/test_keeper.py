"""The keeper of a command, where the system denies it something."""

from __future__ import annotations

import os
import signal
import sys
from _thread import get_ident
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from flagman import cli
from flagman.engine.loop import Poller
from flagman.supervise import keeper
from flagman.supervise.instance import Instance
from flagman.supervise.passing import Passing
from support.driven import wait_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_what_cannot_be_killed_does_not_change_the_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the rest of the group cannot be killed, as that of another user, the exit status is still the leader's."""
    monkeypatch.setattr(keeper, "_PATIENCE", 0.1)
    monkeypatch.setattr(Instance, "send_to_group", lambda *_: None)
    path = tmp_path / "pid"
    line = f"sleep 600 >/dev/null 2>&1 & echo $! >{path}; exit 5"
    try:
        assert cli.main(["flagman", "--graceful-time", "0", "--", "sh", "-c", line]) == 5
    finally:
        os.kill(int(path.read_text(encoding="ascii")), signal.SIGKILL)


def test_the_command_ends_with_the_control_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the control loop cannot go on, the command is killed: nothing would keep it any more."""
    path = tmp_path / "pid"
    os.mkfifo(path)
    look, wait, main = Instance.has_ended, Poller.wait, get_ident()

    pids: list[int] = []

    def fail(self: Poller, *, at_once: bool = False) -> None:
        if get_ident() != main:
            raise MemoryError
        wait(self, at_once=at_once)

    def look_last(self: Instance) -> bool:
        pids.append(int(path.read_text(encoding="ascii")))
        monkeypatch.setattr(Poller, "wait", fail)
        return look(self)

    monkeypatch.setattr(Instance, "has_ended", look_last)
    assert cli.main(["flagman", "--", "sh", "-c", f"trap '' TERM; echo $$ >{path}; exec sleep 600"]) == 1
    try:
        wait_for(lambda: os.waitpid(pids[0], os.WNOHANG)[0])
    finally:
        with suppress(ProcessLookupError):
            os.kill(pids[0], signal.SIGKILL)


def test_a_signal_during_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that already runs gets a signal that comes before its start has returned."""
    path = tmp_path / "up"
    os.mkfifo(path)
    begin, pass_on = Instance.__init__, Passing.pass_on
    passed: list[None] = []

    def note(self: Passing) -> None:
        pass_on(self)
        passed.append(None)

    def begin_slowly(self: Instance, *arguments: object, **options: object) -> None:
        begin(self, *arguments, **options)  # type: ignore[arg-type]
        path.read_text(encoding="ascii")
        passed.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        wait_for(lambda: passed)

    monkeypatch.setattr(Passing, "pass_on", note)
    monkeypatch.setattr(Instance, "__init__", begin_slowly)
    line = f"trap 'exit 8' HUP; echo up >{path}; i=0; while [ $i -lt 200 ]; do sleep 0.01; i=$((i+1)); done"
    assert cli.main(["flagman", "--", "sh", "-c", line]) == 8
