"""The handlers of the table [logging] that are there in the foreground only."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from flagman.log.foreground import fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.background import Background
    from support.driven import Flagman

TABLE: dict[str, object] = {
    "version": 1,
    "handlers": {"console": {"class": "x", "foreground-only": True}, "file": {"class": "y", "foreground-only": False}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"a": {"handlers": ["console", "file"]}, "b": {"level": "INFO"}, "c": {"handlers": []}, "d": 1},
}


def test_in_the_foreground() -> None:
    """All handlers are there, without the key."""
    handlers = {"console": {"class": "x"}, "file": {"class": "y"}}
    assert fit(TABLE, in_background=False) == {**TABLE, "handlers": handlers}


def test_in_the_background() -> None:
    """The handlers are left out, and a logger that had no other one names none, so that its records are not lost."""
    assert fit(TABLE, in_background=True) == {
        "version": 1,
        "handlers": {"file": {"class": "y"}},
        "root": {"level": "INFO"},
        "loggers": {"a": {"handlers": ["file"]}, "b": {"level": "INFO"}, "c": {"handlers": []}, "d": 1},
    }


@pytest.mark.parametrize("table", [{}, {"handlers": 1}, {"handlers": {"a": 1}}, {"handlers": {"a": {"class": "x"}}}])
def test_tables_without_the_key(table: dict[str, object]) -> None:
    """Any other table stays as it is, for logging to judge."""
    assert fit(table, in_background=True) == table


def test_a_wrong_value() -> None:
    """The key is true or false."""
    with pytest.raises(ValueError, match=r"handlers\.a: key 'foreground-only': 1 is neither true nor false"):
        fit({"handlers": {"a": {"foreground-only": 1}}}, in_background=False)


FILE = """
[logging]
version = 1

[logging.handlers.console]
class = "logging.StreamHandler"
foreground-only = true

[logging.root]
handlers = ["console"]

[[on]]
signal = "USR1"
action = "log"
args = ["warning", "noon"]
"""


def test_a_daemon_in_the_foreground(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The handler writes, also after a reload."""
    (tmp_path / "x.toml").write_text(FILE, encoding="utf-8")
    daemon = start("-c", "x.toml", "--overlap", "rerun").ready().signal(signal.SIGUSR1)
    assert daemon.expect_error("noon") == "noon"
    daemon.stop()


def test_a_daemon_in_the_background(background: Background) -> None:
    """The handler is left out, and the log goes where the options send it."""
    directory = background.directory
    (directory / "x.toml").write_text(FILE, encoding="utf-8")
    assert background.start("-c", "x.toml", "--log-file", "log").returncode == 0
    os.kill(background.pid(), signal.SIGUSR1)
    background.wait_for(lambda: "WARNING:flagman.log:noon" in (directory / "log").read_text(encoding="utf-8"))
    background.stop()


def test_a_mistake_in_a_file(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A wrong value is one line, and status 2."""
    (tmp_path / "x.toml").write_text(FILE.replace("true", '"yes"'), encoding="utf-8")
    daemon = start("-c", "x.toml")
    assert "x.toml: [logging]: handlers.console: key 'foreground-only': 'yes'" in daemon.expect_error("error")
    assert daemon.process.wait() == 2
