"""The small actions: touch, log, stop, and the rehearsal of any."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest

from flagman import ActionFailed, Engine
from flagman.actions import LogAction, StopAction, TouchAction
from flagman.actions.rehearsal import RehearsedAction
from flagman.engine.turn import Outcome
from flagman.testing import ActionDriver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

USR1 = signal.SIGUSR1


def test_touch_creates_a_file_and_sets_its_times(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The action touch creates a file, or sets the times of an existing one and keeps its content."""
    path = tmp_path / "stamp"
    daemon = start("--usr1", "touch", str(path), "--usr1", "print", "done", "--overlap", "rerun").ready()
    daemon.expect("init").signal(USR1).expect("done")
    assert path.read_bytes() == b""
    path.write_text("kept", encoding="utf-8")
    os.utime(path, (0, 0))
    daemon.signal(USR1).expect("done")
    assert path.stat().st_mtime > 0
    assert path.read_text(encoding="utf-8") == "kept"
    daemon.stop("cleanup")


def test_touch_takes_directories_and_fifos(tmp_path: Path) -> None:
    """The action touch sets the times of directories and FIFOs without opening them."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        os.utime(path, (0, 0))
        with ActionDriver(TouchAction, str(path)) as driver:
            driver.run()
        assert path.stat().st_mtime > 0


def test_touch_fails_where_it_cannot(tmp_path: Path) -> None:
    """If touch cannot set the times of a file, the failure names the path."""
    with ActionDriver(TouchAction, f"{tmp_path}/no/file") as driver:
        with pytest.raises(ActionFailed, match=r"cannot touch .*/no/file: No such file or directory"):
            driver.run()
        (tmp_path / "no").mkdir()
        driver.run()
    for path in ("", "a\0b"):
        with pytest.raises(ValueError, match="is not a path"):
            TouchAction.check_arguments(path)


def test_log(start: Callable[..., Flagman]) -> None:
    """The action log writes its text at its level, and leaves percent signs as they are."""
    daemon = start("--usr1", "log", "warning", "100 %d full", "--usr1", "log", "INFO", "hidden").ready().signal(USR1)
    assert daemon.expect_error("full") == "WARNING:flagman.log:100 %d full"
    daemon.stop()
    assert not [line for line in daemon.err.rest() if "hidden" in line]


@pytest.mark.parametrize("level", ["", "loud", "warn", "notset", "10"])
def test_log_knows_five_levels(level: str) -> None:
    """The action log refuses a level that is not one of the five."""
    with pytest.raises(ValueError, match="is not a log level; the levels are debug, info, warning, error, critical"):
        LogAction.check_arguments(level, "hi")


def test_stop_is_graceful(start: Callable[..., Flagman]) -> None:
    """After stop the rest of the bundle does not run, all actions are torn down, and the status is 0."""
    daemon = start("--usr1", "print", "a", "--usr1", "stop", "--usr1", "print", "b").ready().expect("init", "init")
    daemon.signal(USR1).expect("a", "cleanup", "cleanup", "")
    assert daemon.status() == 0
    assert daemon.pending()[-1] == "STOPPING=1"


def test_a_tear_down_after_stop_is_bounded(start: Callable[..., Flagman], fifo: Path) -> None:
    """After the action stop a tear_down has as much time as after TERM."""
    daemon = start("--usr1", "acts:SlowTearDown", "a", str(fifo), "--usr1", "stop", "--stop-timeout", "0")
    daemon.ready().expect("a: init").signal(USR1).expect("a: run", "a: begin", "")
    daemon.expect_error("tear_down was interrupted")
    assert daemon.status() == 1


def test_stop_in_an_engine() -> None:
    """The action stop also works in an engine without a daemon."""
    with Engine() as engine:
        engine.set_up("usr1", StopAction)
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.STOPPED


def test_a_rehearsal(caplog: pytest.LogCaptureFixture) -> None:
    """A rehearsal logs what would run, quoted for a shell."""
    caplog.set_level(logging.INFO)
    with ActionDriver(RehearsedAction, "exec", "rm", "-rf", "two words") as driver:
        driver.run(flag="hup", raises=2)
    assert caplog.messages == ["Would run `exec rm -rf 'two words'` for `hup` (raises: 2)"]
