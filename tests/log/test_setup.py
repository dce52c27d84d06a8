"""How log records look, and where they go."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from flagman.log.setup import JournalFormatter, JsonFormatter
from support.driven import DEADLINE, SCRIPT, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


def record(level: int, message: str, *, traceback: bool = False) -> logging.LogRecord:
    """Return a record."""
    error = ValueError("on\npurpose")
    info = (ValueError, error, None) if traceback else None
    return logging.LogRecord("acme", level, __file__, 1, message, None, info)


@pytest.mark.parametrize(
    ("level", "priority"),
    [(50, 2), (40, 3), (30, 4), (20, 6), (10, 7), (5, 7), (35, 4), (99, 2)],
)
def test_priorities(level: int, priority: int) -> None:
    """Levels are written as the priorities of syslog."""
    assert JournalFormatter().format(record(level, "hello")) == f"<{priority}>acme: hello"


def test_every_physical_line_has_its_priority() -> None:
    """Each line of a record has its priority, because the journal takes each as an entry of its own."""
    lines = JournalFormatter().format(record(logging.ERROR, "one\ntwo", traceback=True)).splitlines()
    assert lines[:3] == ["<3>acme: one", "<3>two", "<3>ValueError: on"]
    assert all(line.startswith("<3>") for line in lines)
    assert lines[-1] == "<3>purpose"


def test_json_is_one_line() -> None:
    """A record in JSON is one line with time, level, logger, message and exception."""
    line = JsonFormatter().format(record(logging.ERROR, 'a "b"\nc \udcff', traceback=True))
    assert "\n" not in line
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "logger", "message", "exception"]
    assert (entry["level"], entry["logger"], entry["message"]) == ("ERROR", "acme", 'a "b"\nc \udcff')
    assert entry["time"].endswith("+00:00")
    assert entry["exception"] == "ValueError: on\npurpose"


def test_json_of_a_daemon(start: Callable[..., Flagman]) -> None:
    """Records in JSON name the trigger and the action during its run only."""
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


def test_auto_notices_the_journal(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The format "auto" writes for the journal only if JOURNAL_STREAM names the file behind stderr."""
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


def test_a_log_file_that_is_rotated(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """After a rotation of the log file the next record goes to a new file."""
    path = tmp_path / "flagman.log"
    line = ["--usr1", "log", "warning", "one", "--usr1", "print", "done", "--overlap", "rerun"]
    daemon = (
        start(*line, "--log-format", "plain", "--log-file", str(path))
        .ready()
        .expect("init")
        .signal(USR1)
        .expect("done")
    )
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
def test_levels(start: Callable[..., Flagman], options: tuple[str, ...], shown: set[str]) -> None:
    """The most verbose option decides about the level, except that --quiet beats all."""
    words = [word for level in ("info", "warning", "error") for word in ("--usr1", "log", level, f"<{level}>")]
    daemon = start(*words, "--usr1", "print", "done", *options).ready().expect("init").signal(USR1).expect("done")
    daemon.stop("cleanup")
    text = "\n".join(daemon.err.rest())
    assert {level for level in ("info", "warning", "error") if f"<{level}>" in text} == shown


def test_the_table_of_the_file(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The table [logging] is handed to logging.config."""
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
    assert "own: Lowering `usr1`" in text  # its level was set last


def test_mistakes(tmp_path: Path) -> None:
    """A mistake about the log is reported in one line."""
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


def test_a_full_disk_does_not_end_the_daemon(start: Callable[..., Flagman]) -> None:
    """A full disk behind the log file does not end the daemon."""
    daemon = start("--log-file", "/dev/full", "--usr1", "log", "error", "x", "--usr1", "print", "done").ready()
    daemon.expect("init").signal(USR1).expect("done").stop("cleanup")


def test_a_log_file_that_cannot_be_opened_again(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """If the log file cannot be opened again, the daemon lives, and logs again when it can."""
    place = tmp_path / "logs"
    place.mkdir()
    line = ["--usr1", "log", "warning", "one", "--usr1", "print", "done", "--overlap", "rerun"]
    daemon = (
        start(*line, "--log-format", "plain", "--log-file", f"{place}/x.log")
        .ready()
        .expect("init")
        .signal(USR1)
        .expect("done")
    )
    place.rename(tmp_path / "gone")
    daemon.signal(USR1).expect("done")
    place.mkdir()
    daemon.signal(USR1).expect("done").stop("cleanup")
    assert (place / "x.log").read_text(encoding="utf-8") == "WARNING:flagman.log:one\n"


def test_a_log_file_that_is_something_else_by_now(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """If the log file's path is no regular file now, the old file gets all records, and one that gives the reason."""
    path, old = tmp_path / "log", tmp_path / "log.1"
    line = ["--usr1", "log", "warning", "one", "--usr1", "print", "done", "--overlap", "rerun"]
    daemon = start(*line, "--log-format", "plain", "--log-file", str(path)).ready().expect("init")
    for kind in ("directory", "FIFO"):
        path.rename(old)
        if kind == "FIFO":
            os.mkfifo(path)
        else:
            path.mkdir()
        for _ in range(2):
            daemon.signal(USR1).expect("done")
        text = old.read_text(encoding="utf-8")
        assert (
            text.count(f"WARNING:flagman.rotation:--log-file '{path}': cannot be opened again, the old file stays in")
            == 1
        )
        assert text.count("WARNING:flagman.log:one\n") == 2
        if kind == "FIFO":
            path.unlink()
        else:
            path.rmdir()
        daemon.signal(USR1).expect("done")
        assert path.read_text(encoding="utf-8") == "WARNING:flagman.log:one\n"
        path.write_text("", encoding="utf-8")
        old.unlink()
    daemon.stop("cleanup")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_streams_that_are_rotated(start: Callable[..., Flagman], tmp_path: Path, name: str) -> None:
    """After a rotation of a stream, output of actions, commands and log goes to the new file."""
    path, old = tmp_path / "file", tmp_path / "file.1"
    action = ["print", "x"] if name == "stdout" else ["log", "warning", "x"]
    command = "echo command" if name == "stdout" else "echo command >&2"
    daemon = start(
        "--usr1", *action, "--usr1", "sh", command, "--usr1", "touch", "done", f"--{name}", str(path)
    ).ready()

    def run_once() -> None:
        daemon.signal(USR1)
        limit = time.monotonic() + DEADLINE
        while not (tmp_path / "done").exists():
            assert time.monotonic() < limit
        (tmp_path / "done").unlink()
        settle(daemon.process.pid)

    expected = "x\ncommand\n" if name == "stdout" else "WARNING:flagman.log:x\ncommand\n"
    run_once()
    path.rename(old)
    run_once()
    assert old.read_text(encoding="utf-8") == expected
    assert path.read_text(encoding="utf-8") == expected
    old.unlink()
    path.rename(old)
    path.mkdir()
    run_once()
    warning = (
        f"WARNING:flagman.rotation:--{name} '{path}': cannot be opened again, the old file stays in use: Is a directory"
    )
    if name == "stderr":
        assert old.read_text(encoding="utf-8").splitlines()[2:] == [warning, *expected.splitlines()]
    else:
        assert old.read_text(encoding="utf-8") == 2 * expected
        assert daemon.expect_error("rotation") == warning
    path.rmdir()
    run_once()
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 0
    assert path.read_text(encoding="utf-8").startswith(expected)


@pytest.mark.parametrize("name", ["/dev/stderr", "/dev/stdout", "/dev/fd/2", "/proc/self/fd/1"])
def test_names_of_descriptors(tmp_path: Path, name: str) -> None:
    """The name of a standard stream means its descriptor, because a socket or a foreign pipe cannot be opened."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        streams = {"stdout" if "1" in name or "out" in name else "stderr": theirs}
        status = os.fstat(theirs.fileno())
        done = subprocess.run(
            [*SCRIPT, "--log-file", name, "--usr1", "log", "warning", "x", "--run-at-start", "--once"],
            check=False,
            cwd=tmp_path,
            timeout=DEADLINE,
            env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams},  # type: ignore[call-overload]
        )
        theirs.close()
        assert done.returncode == 0
        assert ours.makefile(encoding="utf-8").read().endswith("<4>flagman.log: x\n")


STREAMS = {
    "--stdout /dev/stderr": ("", "out\nerr\n", None),
    "--stderr /dev/stdout": ("out\nerr\n", "", None),
    "--stdout /dev/stdout --stderr /dev/stderr": ("out\n", "err\n", None),
    "--stdout /dev/stderr --stderr /dev/stdout": ("err\n", "out\n", None),
    "--stdout file --stderr /dev/stdout": ("", "", "out\nerr\n"),
    "--stdout /dev/stderr --stderr file": ("", "", "out\nerr\n"),
}


@pytest.mark.parametrize("options", STREAMS)
def test_streams_that_lead_to_each_other(tmp_path: Path, options: str) -> None:
    """A stream may lead to the place of the other one, or to the other one's file."""
    line = ["--usr1", "sh", "echo out; echo err >&2", "--run-at-start", "--once", "-q"]
    done = run(*options.split(), *line, directory=str(tmp_path))
    out, err, file = STREAMS[options]
    assert (done.stdout, done.stderr) == (out, err)
    assert (tmp_path / "file").exists() is (file is not None)
    assert file is None or (tmp_path / "file").read_text(encoding="utf-8") == file


@pytest.mark.parametrize("silences", ["", "disable_existing_loggers = true"])
def test_a_table_silences_no_logger_of_flagman(start: Callable[..., Flagman], tmp_path: Path, silences: str) -> None:
    """A table never disables flagman's own loggers, and others only if it says so."""
    (tmp_path / "c.toml").write_text(
        f"""
        [[on]]
        signal = "USR1"
        action = "talkative:Fail"
        [logging]
        version = 1
        {silences}
        [logging.handlers.console]
        class = "logging.StreamHandler"
        [logging.root]
        handlers = ["console"]
        """,
        encoding="utf-8",
    )
    daemon = start("-c", "c.toml", "--max-failures", "1").ready().signal(USR1)
    assert daemon.status() == 1
    lines = daemon.err.rest()
    assert "usr1: talkative:Fail: has failed once" in lines
    assert "Exiting because an action failed" in lines
    assert ("about to fail" in lines) is not bool(silences)


TABLES = {
    "only its version": "",
    "a level": 'root.level = "INFO"\n',
    "a logger": 'loggers.other.level = "ERROR"\n',
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_names_no_handler_keeps_the_log_file(
    start: Callable[..., Flagman], tmp_path: Path, table: str
) -> None:
    """A table without a handler keeps the log file, at the start and after a reload."""
    path = tmp_path / "c.toml"
    bindings = (
        '[[on]]\nsignal = "HUP"\naction = "reload"\n[[on]]\nsignal = "USR1"\naction = "log"\nargs = ["error", "x"]\n'
    )
    texts = [f"{bindings}[logging]\nversion = 1\n{TABLES[table]}", bindings]
    for first, second in (texts, texts[::-1]):
        path.write_text(first, encoding="utf-8")
        daemon = start("-c", "c.toml", "--log-file", "log").ready()
        for number in (1, 2):
            daemon.signal(USR1)
            limit = time.monotonic() + DEADLINE
            while (tmp_path / "log").read_text(encoding="utf-8").count("ERROR:flagman.log:x") < number:
                assert time.monotonic() < limit
            settle(daemon.process.pid)
            if number == 1:
                path.write_text(second, encoding="utf-8")
                daemon.signal(signal.SIGHUP).ready()
        daemon.stop()
        assert daemon.err.rest() == []
        (tmp_path / "log").unlink()


def test_a_table_leaves_open_what_plugins_have_opened(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A table leaves handlers and filters of plugins alone, at the start and at a reload."""
    path = tmp_path / "c.toml"
    binding = '[[on]]\nsignal = "USR1"\naction = "own_files:Log"\n[logging]\nversion = 1\n'
    path.write_text(binding, encoding="utf-8")
    daemon = start("-c", "c.toml", "--hup", "reload", "--usr1", "print", "done").ready()
    daemon.expect("init").signal(USR1).expect("done")
    path.write_text(f'{binding}loggers.other.level = "ERROR"\nroot.filters = []\n', encoding="utf-8")
    daemon.signal(signal.SIGHUP).ready().signal(USR1).expect("done").stop("cleanup")
    for name in ("file", "memory"):
        assert (tmp_path / name).read_text(encoding="utf-8").splitlines() == ["first", "later", "later"]
    assert "secret" not in "".join(daemon.err.rest())


FAILING = {"version": "version = 2", "class": 'version = 1\nhandlers.x.class = "no.Such"'}


@pytest.mark.parametrize("failing", FAILING)
def test_a_reload_that_fails_closes_nothing(start: Callable[..., Flagman], tmp_path: Path, failing: str) -> None:
    """A reload that fails closes no handler, not even one that only another handler writes to."""
    path = tmp_path / "c.toml"
    on = '[[on]]\nsignal = "HUP"\naction = "reload"\n[[on]]\nsignal = "USR1"\naction = "log"\nargs = ["error", "x"]\n'
    table = """[logging]
version = 1
handlers.file = {class = "logging.FileHandler", filename = "file", mode = "w"}
handlers.memory = {class = "logging.handlers.MemoryHandler", capacity = 1, target = "file"}
root.handlers = ["memory"]
"""
    path.write_text(on + table, encoding="utf-8")
    daemon = start("-c", "c.toml").ready()
    path.write_text(f"{on}[logging]\n{FAILING[failing]}\n", encoding="utf-8")
    for number in (1, 2):
        daemon.signal(signal.SIGHUP).ready().signal(USR1)
        settle(daemon.process.pid)
        text = (tmp_path / "file").read_text(encoding="utf-8")
        assert text.count("Reload failed, the old configuration stays") == number
        assert text.endswith("\nx\n")
    daemon.stop()


def test_a_thread_that_logs_during_reloads(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """No record of another thread is lost in a reload that changes only the level, or that fails."""
    path = tmp_path / "c.toml"
    on = '[[on]]\nsignal = "HUP"\naction = "reload"\n[[on]]\nsignal = "USR1"\naction = "counting:Counts"\n'
    texts = [
        f'[flagman]\nlog-level = "info"\n{on}',
        f'[flagman]\nlog-level = "warning"\n{on}',
        f"{on}[logging]\n{FAILING['class']}\n",
    ]
    path.write_text(texts[0], encoding="utf-8")
    daemon = start("-c", "c.toml", "--log-file", "log").ready()
    for number in range(15):
        path.write_text(texts[(number + 1) % 3], encoding="utf-8")
        daemon.signal(signal.SIGHUP).ready()
    daemon.stop()
    assert daemon.err.rest() == []
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    numbers = [int(line.removeprefix("ERROR:p:")) for line in lines if line.startswith("ERROR:p:")]
    assert numbers == list(range(len(numbers)))


def test_standard_error_that_was_closed(tmp_path: Path) -> None:
    """A standard error that was closed is opened, and the log goes there."""
    run(
        *("--stderr", "err", "--stdout", "out", "--usr1", "log", "error", "x", "--usr1", "print", "y"),
        *("--run-at-start", "--once"),
        command=["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *SCRIPT],
        directory=str(tmp_path),
    )
    assert "ERROR:flagman.log:x" in (tmp_path / "err").read_text(encoding="utf-8")
    assert "y\n" in (tmp_path / "out").read_text(encoding="utf-8")


def test_stacks_after_a_rotation(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """After a rotation the stacks are written to the new file."""
    daemon = start("--usr1", "print", "x", "--stderr", "err").ready().expect("init")
    daemon.signal(USR1)  # once it is answered, the streams lead to their files
    settle(daemon.process.pid)
    (tmp_path / "err").rename(tmp_path / "err.1")
    daemon.signal(signal.SIGQUIT)
    limit = time.monotonic() + DEADLINE
    while not (tmp_path / "err").exists() or "most recent call first" not in (tmp_path / "err").read_text("utf-8"):
        assert time.monotonic() < limit
    daemon.stop("x", "cleanup")


def test_a_log_that_flagman_keeps_has_times(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """Each record in a file of flagman's own begins with the local time; on stderr it does so only if that is asked."""
    line = ("--usr1", "log", "warning", "x", "--usr1", "stop")
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30 "
    for options, form in (
        (("--log-file", "log"), time),
        (("--log-format", "time"), time),
        (("--log-file", "/dev/stderr"), ""),
        ((), ""),
    ):
        daemon = start(*options, *line, environment={"TZ": "XYZ-05:30"}).ready().signal(USR1).expect("")
        written = (tmp_path / "log").read_text(encoding="utf-8") if "log" in options else "\n".join(daemon.err.rest())
        assert re.search(f"^{form}WARNING:flagman.log:x$", written, re.MULTILINE), options
