"""HUP without actions: what it means is decided at the start, by the file, the terminal and what was inherited."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.driven import inheriting, on_terminal, settle, wait_for, wait_until_taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.background import Background
    from support.driven import Flagman

    Start = Callable[..., Flagman]

HUP, TERM, USR1 = signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1
IGNORED = inheriting(ignored=[HUP])
STOPS = "WARNING:flagman.service:Stopping because HUP arrived, as if the terminal had been closed"


def binding(message: str) -> str:
    """Return the text of a binding that prints a message."""
    return f'[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["{message}"]\n'


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> Path:
    path = tmp_path / "flagman.toml"
    path.write_text(binding("old"), encoding="utf-8")
    return path


@pytest.mark.parametrize("prefix", [[], IGNORED], ids=["", "ignored"])
def test_a_file_and_no_terminal(start: Start, config: Path, prefix: list[str]) -> None:
    """With a file and without a terminal, HUP reloads, even if it was inherited as ignored."""
    daemon = start("-v", "-c", str(config), prefix=prefix).ready().expect("init")
    config.write_text(binding("new"), encoding="utf-8")
    daemon.signal(HUP).expect("init", "cleanup").signal(USR1).expect("new")
    config.write_text("[[on]]", encoding="utf-8")
    daemon.signal(HUP).expect_error("ERROR:flagman.reload:Reload failed, the old configuration stays: ")
    daemon.signal(USR1).expect("new").stop("cleanup")
    assert not [line for line in daemon.err.rest() if ":Ready" in line]


@pytest.mark.parametrize(
    ("has_file", "prefix"), [(True, on_terminal()), (False, on_terminal()), (False, [])], ids=["both", "tty", "neither"]
)
def test_a_hang_up(start: Start, config: Path, has_file: bool, prefix: list[str]) -> None:  # noqa: FBT001 - a parameter of the test
    """With a terminal or without a file, HUP is a graceful stop, at WARNING."""
    words = ["-c", str(config)] if has_file else ["--usr1", "print", "old"]
    daemon = start(*words, prefix=prefix).ready().expect("init").signal(HUP).expect("cleanup")
    daemon.expect_error(STOPS)
    assert daemon.status() == 0


@pytest.mark.parametrize(
    ("has_file", "prefix"), [(True, on_terminal(*IGNORED)), (False, IGNORED)], ids=["terminal", "no file"]
)
def test_under_nohup(start: Start, config: Path, has_file: bool, prefix: list[str]) -> None:  # noqa: FBT001 - as above
    """If HUP was inherited as ignored, and there is a terminal or no file, it has no effect."""
    words = ["-c", str(config)] if has_file else ["--usr1", "print", "old"]
    daemon = start("-v", *words, prefix=prefix).ready().expect("init").signal(HUP, USR1).expect("old")
    daemon.stop("cleanup")
    assert not [line for line in daemon.err.rest() if "HUP" in line or "Reloaded" in line]


def test_a_stop_is_not_for_a_reload(start: Start, config: Path, fifo: Path) -> None:
    """During a stop HUP has no effect, and nothing says that it was dropped."""
    config.write_text(f'[[on]]\nsignal = "USR1"\naction = "acts:Gate"\nargs = ["gate", "{fifo}"]\n', encoding="utf-8")
    daemon = start("-c", str(config)).ready().expect("gate: init").signal(USR1).expect("gate: begin")
    settle(daemon.process.pid)  # else TERM may come right before the wait, and be seen only after HUP
    daemon.signal(TERM)
    wait_until_taken(daemon, TERM)
    daemon.signal(HUP)
    wait_until_taken(daemon, HUP)
    fifo.write_text("go\n", encoding="utf-8")
    daemon.expect("gate: end", "gate: cleanup")
    assert daemon.status() == 0
    assert not [line for line in daemon.err.rest() if "hup" in line.lower()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the root directory")
def test_a_file_outside_of_the_root(background: Background, config: Path) -> None:
    """If the file is outside of the new root directory, HUP gives a warning, and the daemon goes on."""
    jail = background.directory / "jail"
    jail.mkdir()
    done = background.start("-c", str(config), "--chroot", "jail", "--log-file", "log")
    assert (done.returncode, done.stdout) == (0, "init\n"), done.stderr
    os.kill(background.pid(), HUP)
    wait_for(lambda: "WARNING:flagman.service:HUP cannot reload" in (jail / "log").read_text(encoding="utf-8"))
    background.stop()
