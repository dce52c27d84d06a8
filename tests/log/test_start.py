"""The first records of the log, and the one way in which mistakes are reported."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from flagman.log import start
from flagman.log.held import Held
from support.driven import DEADLINE, LIB, MODULE, run, script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

TALK = ("--usr1", "talkative:Talk")

LEVELS = {
    (): ["WARNING", "ERROR"],
    ("-v",): ["INFO", "WARNING", "ERROR"],
    ("-vv",): ["DEBUG", "INFO", "WARNING", "ERROR"],
    ("-q",): [],
    ("--log-level", "error"): ["ERROR"],
    ("--log-format", "plain"): ["WARNING", "ERROR"],
    ("-c", "/dev/null"): ["WARNING", "ERROR"],
}


@pytest.mark.parametrize("options", LEVELS)
def test_what_a_plugin_logs_at_its_import(start: Callable[..., Flagman], options: tuple[str, ...]) -> None:
    """Records of a plugin's import are kept and written first, once by each handler, by the level chosen later."""
    daemon = start(*TALK, "--usr1", "stop", *options, environment={"TALKATIVE": "own.log"}).ready()
    daemon.stop()
    lines = [line for line in daemon.err.rest() if "DEBUG:flagman" not in line]
    expected = [f"{level}:talkative:imported, ['{level}']" for level in LEVELS[options]]
    assert lines[: len(expected)] == expected
    assert not [line for line in lines[len(expected) :] if "imported" in line]


def test_all_records_are_objects(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """All records are JSON objects in the log file, whether the command line or a file asks for that."""
    (tmp_path / "c.toml").write_text(f'[flagman]\nlog-format = "json"\nlog-file = "{tmp_path}/two"\n', encoding="utf-8")
    for options, log in ((("--log-format", "json", "--log-file", "one"), "one"), (("-c", "c.toml"), "two")):
        (tmp_path / "pid").write_text("4194000\n", encoding="utf-8")
        daemon = start(*TALK, *options, "--pid-file", str(tmp_path / "pid")).ready()
        daemon.stop()
        assert daemon.err.rest() == []
        records = [json.loads(line) for line in (tmp_path / log).read_text(encoding="utf-8").splitlines()]
        assert [record["message"] for record in records[:2]] == ["imported, ['WARNING']", "imported, ['ERROR']"]
        assert records[2]["message"].startswith(f"Took over the pid file {tmp_path}/pid: ")
        assert records[3]["message"] == f"PID: {daemon.process.pid}"


def test_the_table_gets_the_early_records_too(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The early records also pass the handlers, filters and levels of the table."""
    (tmp_path / "c.toml").write_text(
        """
        [logging]
        version = 1
        [logging.handlers.all]
        class = "logging.FileHandler"
        filename = "all.log"
        [logging.handlers.errors]
        class = "logging.FileHandler"
        filename = "errors.log"
        level = "ERROR"
        [logging.loggers.talkative]
        level = "INFO"
        handlers = ["errors"]
        [logging.root]
        handlers = ["all"]
        """,
        encoding="utf-8",
    )
    start(*TALK, "-c", "c.toml").ready().stop()
    found = {name: (tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("all.log", "errors.log")}
    assert [line for line in found["all.log"] if "imported" in line] == [
        f"imported, ['{level}']" for level in ("INFO", "WARNING", "ERROR")
    ]
    assert found["errors.log"] == ["imported, ['ERROR']"]


@pytest.mark.parametrize(
    "options",
    [
        ("--bogus",),
        ("--usr2", "bogus"),
        ("-c", "/no/such"),
        ("--log-file", "/no/such/log"),
        ("--pid-file", "/no/such/x"),
    ],
)
def test_a_start_that_fails(tmp_path: Path, options: tuple[str, ...]) -> None:
    """If a start fails, the early records are written to stderr before the mistake, in the format known by then."""
    done = run(*TALK, "--log-format", "json", *options, directory=str(tmp_path), PYTHONPATH=str(LIB))
    *records, mistake = done.stderr.splitlines()
    assert mistake.startswith("flagman: error: ")
    assert len(records) == 2
    if options != ("--usr2", "bogus"):  # all options have been read
        assert json.loads(records[0])["message"] == "imported, ['WARNING']"
    else:
        assert records[0] == "WARNING:talkative:imported, ['WARNING']"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_end_while_a_plugin_hangs(start: Callable[..., Flagman], signum: signal.Signals) -> None:
    """If a signal ends a start that hangs in a plugin, the plugin's records are written, as they may tell why."""
    daemon = start("-v", "--usr1", "hangs:X").expect("hangs")
    daemon.signal(signum)
    assert daemon.status() == -signum
    assert daemon.err.rest() == ["WARNING:hangs:it hangs"]


@pytest.mark.parametrize(
    ("options", "level"),
    [(("-v",), "INFO"), (("-vv",), "DEBUG"), (("--log-level", "error"), "WARNING"), (("--log-level=info",), "INFO")],
)
def test_a_handler_of_a_plugin(
    start: Callable[..., Flagman], tmp_path: Path, options: tuple[str, ...], level: str
) -> None:
    """While records are held, a plugin's own handler gets those that may be logged later, and not all."""
    daemon = start(*TALK, *options, environment={"TALKATIVE": "own.log"}).ready()
    daemon.stop()
    assert (tmp_path / "own.log").read_text(encoding="utf-8").startswith(f"imported, ['{level}']")


def test_what_is_only_printed(tmp_path: Path) -> None:
    """If flagman only prints something, the early records go to stderr at the end."""
    done = run(*TALK, "-v", "--check", directory=str(tmp_path), PYTHONPATH=str(LIB))
    assert done.stdout == "good: usr1 runs 1 action\n"
    assert done.stderr.splitlines()[-2:] == [
        f"{level}:talkative:imported, ['{level}']" for level in ("WARNING", "ERROR")
    ]


def test_a_plugin_that_never_stops_logging(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin that never stops logging does not fill the memory, and lost records are counted."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    try:
        log = start.Log(["flagman", "-v"], most=2)
        for number in range(5):
            root.warning("%d", number)
        root.warning("%d", "no number")
        log.known = {}
        log.release()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert capsys.readouterr().err.splitlines() == [
        "WARNING:root:0",
        "WARNING:root:1",
        "WARNING:flagman.cli:Only the first 2 records of this start were kept; 4 more are lost",
    ]


MISTAKES = {
    "--bogus": "unknown option '--bogus'; see flagman --help",
    "--timeout never": "--timeout: 'never' is not a span of time such as 90, 250ms, 5m, 1h30m or 1d",
    "--overlap maybe": "--overlap: 'maybe' is not one of ignore, rerun",
    "--usr2": "--usr2 takes an action and its arguments",
    "--usr2 bogus": "--usr2: unknown action 'bogus'",
    "--usr2 print": "--usr2 print: takes 1 argument",
    "--every 0 print x": "--every: '0' is too short",
    "-c /no/such": "/no/such: cannot be read",
    "--pid-file /no/such/pid": "pid file '/no/such/pid': cannot be written",
    "--log-file /no/such/log": "--log-file '/no/such/log': cannot be opened",
    "--chdir /no/such": "working directory '/no/such': cannot be entered",
    "--user no-such-user": "user: no such user 'no-such-user'",
    "--timer 1h": "--timer can only be used with --print-unit",
    "--usr2 acts:FailSetUp": "setting up `acts:FailSetUp` failed",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_goes_the_same_way(start: Callable[..., Flagman], tmp_path: Path, mistake: str) -> None:
    """Each mistake gives a journal line with its priority, a message to the manager, and the exit status in both."""
    script = f'exec 2>{tmp_path}/journal; JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"'
    daemon = start("--usr1", "print", "x", *mistake.split(), prefix=["sh", "-c", script, "sh"])
    status = daemon.status()
    assert status in (1, 2)
    lines = (tmp_path / "journal").read_text(encoding="utf-8").splitlines()
    mistakes = [line for line in lines if line.startswith("<3>flagman: error: ")]
    assert len(mistakes) == 1
    assert MISTAKES[mistake] in mistakes[0]
    assert all(line.startswith("<") for line in lines)
    told = daemon.pending()[-1].split("\n")
    assert told[0] == f"STATUS=Failed: {mistakes[0].removeprefix('<3>flagman: error: ')}"
    assert told[1] == f"EXIT_STATUS={status}"


def test_a_program_that_has_a_log(tmp_path: Path) -> None:
    """The log of a program that calls the command is left alone, and so is its level."""
    environment = {**os.environ, "PYTHONPATH": str(LIB)}
    done = subprocess.run(
        [MODULE[0], script("log_first")],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=tmp_path,
        check=True,
    )
    assert done.stdout == "good: usr1 runs 1 action\n0 40\n"
    assert done.stderr == "mine: imported, ['ERROR']\n"


@pytest.mark.parametrize("options", [(), ("-v",), ("-c", "/dev/null"), ("--log-format", "json")])
def test_a_plugin_that_adds_a_handler_to_the_root(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A plugin's handler on the root logger takes away none of flagman's records."""
    line = ["--usr1", "root_handler:Fails", "--run-at-start", "--once"]
    done = run(*options, *line, directory=str(tmp_path))
    for part in ("before", "after", "PID: ", ": failed after", "boom"):
        assert part in done.stderr
    done = run(*options, *line, "--bogus", directory=str(tmp_path))
    assert done.stderr.count("\n") == 3


@pytest.mark.parametrize("way", ["basicConfig", "dictConfig"])
def test_a_plugin_that_sets_the_log_up_itself(tmp_path: Path, way: str) -> None:
    """If a plugin configures logging itself, the early records and the reason for the end are still written."""
    line = ["--usr1", "silencing:Fails", "--run-at-start", "--max-failures", "1", "-v"]
    done = run(*line, directory=str(tmp_path), SILENCING=way)
    said = done.stderr + ((tmp_path / "theirs").read_text(encoding="utf-8") if way == "basicConfig" else "")
    for part in ("before", "PID: ", ": failed after", "Exiting because an action failed"):
        assert part in said


def test_other_handlers_get_a_record_as_it_is(tmp_path: Path) -> None:
    """Other handlers get the template and the arguments of a record, because some group records by templates."""
    done = run("-v", "--check", "--usr1", "templates:Talk", "x", directory=str(tmp_path))
    assert done.stdout.startswith("hello %s ('w',)\n")


def test_a_thread_that_logs_meanwhile(tmp_path: Path) -> None:
    """Each record of another thread during the start is written once, in order."""
    (tmp_path / "c.toml").write_text("[logging]\nversion = 1\n", encoding="utf-8")
    for options in (["-v"], ["-c", "c.toml"], ["--log-format", "plain", "--log-file", "log"]):
        done = run(
            *options,
            *("--usr1", "counting_early:Counts", "--run-at-start", "--once"),
            directory=str(tmp_path),
        )
        text = (tmp_path / "log").read_text(encoding="utf-8") if "log" in options else done.stderr
        numbers = [int(line.rpartition(":")[2]) for line in text.splitlines() if line.startswith("WARNING:p:")]
        assert sorted(numbers) == list(range(len(numbers)))
        assert numbers


class Slow:
    """Can be converted to a string when a test opens a gate."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gate = threading.Event()

    def __str__(self) -> str:
        """Wait, and return the text."""
        self.begun.set()
        assert self.gate.wait(DEADLINE)
        return "slow"


def test_a_thread_that_is_in_the_middle_of_a_record() -> None:
    """A record that another thread is just making at the change of handlers is neither lost nor written twice."""
    held, written, slow = Held(), logging.handlers.BufferingHandler(100), Slow()
    of = logging.getLogger("test-of-held-records")
    of.propagate = False
    of.addHandler(held)
    logs = threading.Thread(target=of.warning, args=(slow,))
    logs.start()
    assert slow.begun.wait(DEADLINE)
    of.handlers[:] = [written]
    hands_over = threading.Thread(target=held.hand_over, args=({held},))
    hands_over.start()
    hands_over.join(0.1)  # it waits, or else it has passed on nothing
    slow.gate.set()
    logs.join()
    hands_over.join()
    held.handle(logging.makeLogRecord({"name": of.name, "levelno": logging.WARNING, "msg": "late"}))
    assert [record.getMessage() for record in written.buffer] == ["slow", "late"]


@pytest.mark.parametrize("options", [("--bogus",), ("--usr2", "bogus"), ("--log-file", "/no/such/x"), ("--check",)])
def test_no_word_to_a_manager_that_is_not_to_be_told(start: Callable[..., Flagman], options: tuple[str, ...]) -> None:
    """With --no-systemd the manager gets no message, not even about a mistake."""
    daemon = start("--no-systemd", "--usr1", "print", "x", *options)
    daemon.status()
    assert daemon.pending() == []
