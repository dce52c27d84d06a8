"""The documented session, and what a user sees around it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import MODULE, SCRIPT, Flagman, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Start = Callable[..., Flagman]

ARGUMENTS = (
    *("--usr1", "print", "a fun message", "--usr1", "print", "another message"),
    *("--usr2", "print_once", "will be printed once"),
)


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
def test_the_documented_session(start: Start, command: Sequence[str]) -> None:
    """The session is the documented one to the letter, apart from the pid, even if both streams go to a pipe."""
    daemon: Flagman = start(*ARGUMENTS, command=command, merged=True)
    daemon.expect(f"INFO:flagman.cli:PID: {daemon.process.pid}", "INFO:flagman.cli:Setting loglevel to WARNING")
    daemon.expect("init", "init", "init")
    daemon.signal(signal.SIGUSR1).expect("a fun message", "another message")
    daemon.signal(signal.SIGUSR2).expect("will be printed once", "cleanup")
    daemon.expect("WARNING:flagman.core:Received `ActionClosed`; removing action `PrintOnceAction`")
    daemon.expect("Traceback (most recent call last):")
    assert daemon.expect_error("flagman.exceptions.ActionClosed") == "flagman.exceptions.ActionClosed: Only print once"
    daemon.signal(signal.SIGUSR1).expect("a fun message", "another message")
    daemon.stop("cleanup", "cleanup")


def test_the_session_into_a_file(tmp_path: Path, start: Start) -> None:
    """Both streams into one file keep their order too."""
    daemon = start(*ARGUMENTS, prefix=["sh", "-c", f'exec "$@" >{tmp_path}/log 2>&1', "sh"]).ready()
    daemon.signal(signal.SIGUSR2)
    settle(daemon.process.pid)
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 0
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert lines[2:8] == [
        *["init"] * 3,
        *["will be printed once", "cleanup"],
        "WARNING:flagman.core:Received `ActionClosed`; removing action `PrintOnceAction`",
    ]
    assert lines[-3:] == ["flagman.exceptions.ActionClosed: Only print once", "cleanup", "cleanup"]


def test_the_signal_is_served_by_its_name_in_a_shell(start: Start) -> None:
    """A signal that a user sends by name in a shell is served."""
    daemon: Flagman = start(*ARGUMENTS).ready().expect("init", "init", "init")
    assert os.system(f"kill -USR1 {daemon.process.pid}") == 0
    daemon.expect("a fun message", "another message").stop("cleanup", "cleanup", "cleanup")


def test_ready_comes_after_every_set_up_and_stopping_before_every_tear_down(start: Start, fifo: Path) -> None:
    """READY comes after each set_up, with a status in plain words, and STOPPING before each tear_down."""
    daemon: Flagman = start(*ARGUMENTS, "--hup", "acts:SlowTearDown", "slow", str(fifo))
    ready = daemon.notified().splitlines()
    assert ready[0] == "READY=1"
    assert ready[1] == "STATUS=Ready: usr1 runs 2 actions, usr2 runs 1 action, hup runs 1 action"
    daemon.expect("init", "init", "init", "slow: init")
    daemon.signal(signal.SIGTERM)
    assert daemon.notified() == "STOPPING=1"
    daemon.expect("slow: begin")
    fifo.write_text("go\n", encoding="utf-8")
    daemon.expect("slow: end", "cleanup", "cleanup", "cleanup", "")
    assert daemon.status() == 0


def test_no_systemd_sends_nothing(start: Start) -> None:
    """With --no-systemd neither READY nor STOPPING is sent."""
    daemon: Flagman = start("--usr1", "print", "hi", "--no-systemd").expect("init")
    daemon.stop("cleanup")
    daemon._socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        daemon.notified()


def test_children_do_not_see_the_manager(start: Start) -> None:
    """The manager's variables are gone before an action is set up."""
    hidden = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1", "LISTEN_FDS": "1", "LISTEN_PID": "1"}
    daemon: Flagman = start("--usr1", "acts:Environment", environment=hidden).ready()
    daemon.signal(signal.SIGUSR1).expect("[]").stop()


@pytest.mark.parametrize(
    ("options", "level", "ready"),
    [((), "WARNING", False), (("-v",), "INFO", True), (("-vv",), "DEBUG", True), (("-v", "-v", "-v"), "DEBUG", True)],
)
def test_verbosity(start: Start, options: tuple[str, ...], level: str, ready: bool) -> None:  # noqa: FBT001
    """Each step of verbosity logs its level, and more records."""
    daemon: Flagman = start("--usr1", "print", "hi", *options).ready()
    daemon.signal(signal.SIGTERM)
    lines = daemon.err.rest()
    assert lines[:2] == [
        f"INFO:flagman.cli:PID: {daemon.process.pid}",
        f"INFO:flagman.cli:Setting loglevel to {level}",
    ]
    assert ("INFO:flagman.service:Ready: usr1 runs 1 action" in lines) is ready


def test_quiet_overrides_verbose(start: Start) -> None:
    """--quiet overrides --verbose, and leaves only critical messages."""
    daemon: Flagman = start("-vv", "-q", "--usr1", "acts:Fail", "ValueError").ready().expect("init")
    daemon.signal(signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
    assert daemon.err.rest() == []
    assert daemon.status() == 0


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["--bogus"], 2, "unknown option '--bogus'"),
        ([], 2, "no actions are configured"),
        (["--usr1", "print"], 2, "--usr1 print: takes 1 argument (message: str), got none"),
        (["--usr1", "print", "first", "--hup", "bogus"], 2, "--hup: unknown action 'bogus'"),
        (["--usr1", "print", "first", "--hup", "broken_plugin:X"], 2, "RuntimeError: this plugin is broken on purpose"),
        (["--usr1", "acts:FailSetUp"], 1, "setting up `acts:FailSetUp` failed: RuntimeError: no set-up today"),
        (["--usr1", "delay_print", "x", "soon"], 2, "the delay 'soon' is not a number of seconds"),
    ],
)
def test_mistakes(command: Sequence[str], arguments: list[str], status: int, error: str) -> None:
    """A mistake gives one line and the documented status and sets nothing up, for both ways to start."""
    done = run(*arguments, command=command)
    assert (done.returncode, done.stdout) == (status, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("flagman: error: ")
    assert error in line
    is_defect = "acts:FailSetUp" in arguments  # the author of the action has to see where it is
    assert done.stderr.count("Traceback") == is_defect


def test_a_failed_set_up_tears_down_the_others() -> None:
    """A failed set_up tears down the other actions; a defect is shown with its traceback."""
    done = run("--usr1", "print", "a", "--usr1", "acts:FailSetUp")
    assert done.returncode == 1
    assert done.stdout == "init\ncleanup\n"
    line = "usr1: setting up `acts:FailSetUp` failed: RuntimeError: no set-up today\n"
    assert f"ERROR:flagman.core:{line}Traceback" in done.stderr
    assert "RuntimeError: no set-up\ntoday" in done.stderr
    assert done.stderr.endswith(f"flagman: error: {line}")


def test_a_failed_tear_down_is_said_and_changes_the_status(start: Start) -> None:
    """A failed tear_down is reported and changes the status, and all others are torn down."""
    daemon: Flagman = start("--usr1", "print", "a", "--usr1", "acts:FailTearDown", "--usr1", "print", "b").ready()
    daemon.signal(signal.SIGTERM).expect("init", "init", "cleanup", "cleanup", "")
    assert daemon.status() == 1
    daemon.expect_error("RuntimeError: no tear-down today")
    daemon.expect_error("flagman: error: a tear_down failed")


def test_the_current_directory_is_no_place_for_plugins(tmp_path: Path) -> None:
    """No plugin is loaded from the current directory, because other users may be able to write there."""
    (tmp_path / "local.py").write_text("raise SystemExit('taken over')\n", encoding="utf-8")
    for command in (SCRIPT, MODULE):
        done = run("--usr1", "local:X", command=["sh", "-c", f'cd {tmp_path} && exec "$@"', "sh", *command])
        assert done.returncode == 2
        assert "unknown action 'local:X'" in done.stderr


def test_closed_standard_streams(start: Start) -> None:
    """A daemon without standard streams runs, and none of its own files takes their place."""
    daemon: Flagman = start("--usr1", "acts:Counter", "runs", prefix=["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"])
    daemon.ready()
    links = {str(Path(f"/proc/{daemon.process.pid}/fd/{number}").readlink()) for number in range(3)}
    assert links == {"/dev/null"}
    daemon.signal(signal.SIGUSR1).signal(signal.SIGTERM)
    assert daemon.status() == 0


def test_a_reader_that_leaves_is_the_actions_failure_only(start: Start) -> None:
    """A broken pipe on stdout is logged as the action's failure; the daemon lives, and its status is 0."""
    daemon: Flagman = start("--overlap", "rerun", "--usr1", "print", "hi").ready().expect("init")
    assert daemon.process.stdout
    daemon.process.stdout.close()
    daemon.signal(signal.SIGUSR1)
    daemon.expect_error("ERROR:flagman.core:usr1: print hi: failed after ")
    daemon.signal(signal.SIGUSR1)
    daemon.expect_error(" s: Broken pipe")
    daemon.signal(signal.SIGTERM)
    daemon.expect_error("WARNING:flagman.actions.print:Cannot print `cleanup`: Broken pipe")
    assert daemon.status() == 0


def test_what_cannot_be_written_at_the_end_does_not_change_the_status(start: Start) -> None:
    """Output that cannot be written at the end does not change the status, which the interpreter would make 120."""
    daemon: Flagman = start("--usr1", "acts:Unfinished").ready()
    assert daemon.process.stdout
    daemon.process.stdout.close()
    daemon.signal(signal.SIGUSR1).expect_error("written")
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 0
    assert daemon.err.rest() == []


def test_any_character_can_be_printed(start: Start) -> None:
    """Any character can be printed in any locale."""
    daemon: Flagman = start("--usr1", "print", "grün ☂", environment={"LC_ALL": "C"}).ready()
    daemon.expect("init").signal(signal.SIGUSR1).expect("grün ☂").stop("cleanup")


def test_words_with_dashes_arrive(start: Start) -> None:
    """Words with dashes arrive at an action unchanged."""
    daemon: Flagman = start("--usr1", "acts:Words", "-l", "--foo", "-", ";", "--hup=acts:Words --list -v ';' --")
    daemon.ready().signal(signal.SIGUSR1).expect("'-l'", "'--foo'", "'-'")
    daemon.signal(signal.SIGHUP).expect("'--list'", "'-v'", "';'", "'--'").stop()
