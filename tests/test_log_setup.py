"""How log records look, and where they go."""

from __future__ import annotations

import json
import logging
import signal
from typing import TYPE_CHECKING

import pytest
from daemon import run, settle

from flagman.log_setup import JournalFormatter, JsonFormatter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon import Daemon

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


def record(level: int, message: str, *, traceback: bool = False) -> logging.LogRecord:
    """Make a record."""
    error = ValueError("on\npurpose")
    info = (ValueError, error, None) if traceback else None
    return logging.LogRecord("acme", level, __file__, 1, message, None, info)


@pytest.mark.parametrize(
    ("level", "priority"),
    [(50, 2), (40, 3), (30, 4), (20, 6), (10, 7), (5, 7), (35, 4), (99, 2)],
)
def test_priorities(level: int, priority: int) -> None:
    """Those of syslog."""
    assert JournalFormatter().format(record(level, "hello")) == f"<{priority}>acme: hello"


def test_every_physical_line_has_its_priority() -> None:
    """The journal takes each as an entry of its own."""
    lines = JournalFormatter().format(record(logging.ERROR, "one\ntwo", traceback=True)).splitlines()
    assert lines[:3] == ["<3>acme: one", "<3>two", "<3>ValueError: on"]
    assert all(line.startswith("<3>") for line in lines)
    assert lines[-1] == "<3>purpose"


def test_json_is_one_line() -> None:
    """With all that there is to tell."""
    line = JsonFormatter().format(record(logging.ERROR, 'a "b"\nc \udcff', traceback=True))
    assert "\n" not in line
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "logger", "message", "exception"]
    assert (entry["level"], entry["logger"], entry["message"]) == ("ERROR", "acme", 'a "b"\nc \udcff')
    assert entry["time"].endswith("+00:00")
    assert entry["exception"] == "ValueError: on\npurpose"


def test_json_of_a_daemon(start: Callable[..., Daemon]) -> None:
    """The trigger and the action, while it runs and no longer."""
    daemon = start(
        "--log-format", "json", "-v", "--usr1", "acts:Fail", "ValueError", "--usr1", "log", "info", "x"
    ).ready()
    daemon.expect("init").signal(USR1)
    failed = json.loads(daemon.expect_error("failed"))
    assert (failed["trigger"], failed["action"]) == ("usr1", "acts:Fail")
    assert failed["exception"].endswith("ValueError: on purpose")
    assert json.loads(daemon.expect_error('"x"'))["action"] == "log"
    daemon.signal(USR2)
    assert "action" not in json.loads(daemon.expect_error("no action is bound"))
    daemon.stop("cleanup")


def test_auto_notices_the_journal(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """Only if stderr is what JOURNAL_STREAM names."""
    path = tmp_path / "journal"
    script = f'exec 2>{path}; JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"'
    daemon = start("--usr1", "log", "warning", "hi", "--usr1", "print", "done", prefix=["sh", "-c", script, "sh"])
    daemon.ready().expect("init").signal(USR1).expect("done").stop("cleanup")
    assert path.read_text(encoding="utf-8").splitlines()[1:] == [
        "<6>flagman.cli: Setting loglevel to WARNING",
        "<4>flagman.log: hi",
    ]
    daemon = start("--usr1", "bogus", prefix=["sh", "-c", script, "sh"])
    assert daemon.status() == 2
    assert path.read_text(encoding="utf-8").startswith("<3>flagman: error: --usr1: unknown action 'bogus'")
    for stream in ("1:2", "nonsense", ""):
        daemon = start("--usr1", "log", "warning", "hi", environment={"JOURNAL_STREAM": stream}).ready().signal(USR1)
        assert daemon.expect_error("hi") == "WARNING:flagman.log:hi"
        daemon.stop()


def test_a_log_file_that_is_rotated(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """The next record goes to a new one."""
    path = tmp_path / "flagman.log"
    line = ["--usr1", "log", "warning", "one", "--usr1", "print", "done", "--overlap", "rerun"]
    daemon = start(*line, "--log-file", str(path)).ready().expect("init").signal(USR1).expect("done")
    path.rename(tmp_path / "flagman.log.1")
    daemon.signal(USR1).expect("done").stop("cleanup")
    assert path.read_text(encoding="utf-8") == "WARNING:flagman.log:one\n"
    assert (tmp_path / "flagman.log.1").read_text(encoding="utf-8").count("one") == 1
    assert daemon.err.rest() == []


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--log-level", "info"), {"info", "warning", "error"}),
        (("--log-level", "error"), {"error"}),
        (("--log-level", "error", "-v"), {"info", "warning", "error"}),
        ((), {"warning", "error"}),
        (("--log-level", "debug", "-q"), set()),
    ],
)
def test_levels(start: Callable[..., Daemon], options: tuple[str, ...], shown: set[str]) -> None:
    """More words never mean less, except for --quiet."""
    words = [word for level in ("info", "warning", "error") for word in ("--usr1", "log", level, f"<{level}>")]
    daemon = start(*words, "--usr1", "print", "done", *options).ready().expect("init").signal(USR1).expect("done")
    daemon.stop("cleanup")
    text = "\n".join(daemon.err.rest())
    assert {level for level in ("info", "warning", "error") if f"<{level}>" in text} == shown


def test_the_table_of_the_file(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """It belongs to logging.config."""
    (tmp_path / "flagman.toml").write_text(
        f"""
        [[on]]
        signal = "USR1"
        action = "log"
        args = ["warning", "hi"]
        [logging]
        version = 1
        disable_existing_loggers = false
        [logging.formatters.own]
        format = "own: %(message)s"
        [logging.handlers.file]
        class = "logging.FileHandler"
        filename = "{tmp_path}/own.log"
        formatter = "own"
        [logging.root]
        level = "DEBUG"
        handlers = ["file"]
        """,
        encoding="utf-8",
    )
    daemon = start("-c", "flagman.toml").ready().signal(USR1)
    settle(daemon.process.pid)
    daemon.stop()
    text = (tmp_path / "own.log").read_text(encoding="utf-8")
    assert "own: hi\n" in text
    assert "own: Lowering `usr1`" in text  # its level comes last


def test_mistakes(tmp_path: Path) -> None:
    """One line each."""
    path = tmp_path / "flagman.toml"
    path.write_text("[logging]\nversion = 1\nroot.handlers = ['nobody']", encoding="utf-8")
    done = run("-c", str(path), "--usr1", "stop")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        f"flagman: error: {path}: [logging]: Unable to configure root logger"
    )
    assert "Traceback" not in done.stderr
    done = run("--log-file", f"{tmp_path}/no/log", "--usr1", "stop")
    assert done.returncode == 1
    assert done.stderr.endswith("/no/log': cannot be opened: No such file or directory\n")


def test_a_full_disk_does_not_end_the_daemon(start: Callable[..., Daemon]) -> None:
    """It cannot be told, but it can be lived with."""
    daemon = start("--log-file", "/dev/full", "--usr1", "log", "error", "x", "--usr1", "print", "done").ready()
    daemon.expect("init").signal(USR1).expect("done").stop("cleanup")


def test_a_log_file_that_cannot_be_opened_again(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """The daemon lives, and logs again when it can."""
    place = tmp_path / "logs"
    place.mkdir()
    line = ["--usr1", "log", "warning", "one", "--usr1", "print", "done", "--overlap", "rerun"]
    daemon = start(*line, "--log-file", f"{place}/x.log").ready().expect("init").signal(USR1).expect("done")
    place.rename(tmp_path / "gone")
    daemon.signal(USR1).expect("done")
    place.mkdir()
    daemon.signal(USR1).expect("done").stop("cleanup")
    assert (place / "x.log").read_text(encoding="utf-8") == "WARNING:flagman.log:one\n"
