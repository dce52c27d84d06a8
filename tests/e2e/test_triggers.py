"""Triggers beyond the three signals, and how bundles run: real processes, in lockstep."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flagman import cli
from flagman.text.signames import name_of
from support.driven import DEADLINE, LIB, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

USR1, USR2, HUP, TERM, INT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM, signal.SIGINT

REFUSED = {"KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "TTOU", "CHLD", "PIPE", "ALRM"}
BINDABLE = [number for number in sorted(signal.valid_signals()) if name_of(number) not in REFUSED]


def test_every_catchable_signal(start: Callable[..., Flagman]) -> None:
    """All bindable signals work in one daemon, each with its own action."""
    words = [word for number in BINDABLE for word in ("--signal", name_of(number), "print", name_of(number))]
    daemon = start(*words).ready().expect(*["init"] * len(BINDABLE))
    for number in BINDABLE:
        if number not in (TERM, INT):
            daemon.signal(signal.Signals(number) if number in list(signal.Signals) else number).expect(name_of(number))
    daemon.signal(INT).expect("INT", *["cleanup"] * len(BINDABLE), "")
    assert daemon.status() == 0


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_signals_that_cannot_be_bound(name: str) -> None:
    """A signal that cannot be bound is refused in one line with the reason, and status 2."""
    done = run("--signal", name, "print", "x")
    assert done.returncode == 2
    assert done.stderr.startswith(f"flagman: error: --signal: '{name}' cannot be bound: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("signum", [TERM, INT], ids=["TERM", "INT"])
def test_stop_signals_with_actions(start: Callable[..., Flagman], fifo: Path, signum: signal.Signals) -> None:
    """At a stop signal the running action ends, the signal's own actions run, and all are torn down."""
    name = name_of(signum)
    line = ["--usr1", "acts:Gate", "a", str(fifo), "--usr1", "print", "no", "--usr2", "print", "neither"]
    daemon = start(*line, "--signal", name, "print", "bye", "--signal", name, "print", "bye bye").ready()
    daemon.expect("a: init", *["init"] * 4).signal(USR1).expect("a: begin").signal(USR2, signum)
    settle(daemon.process.pid)
    fifo.write_text("\n", encoding="utf-8")
    daemon.expect("a: end", "bye", "bye bye", *["cleanup"] * 4, "a: cleanup", "")
    assert daemon.status() == 0


def test_a_second_term_ends_the_actions_of_the_first(start: Callable[..., Flagman], fifo: Path) -> None:
    """A second TERM interrupts the actions of the first."""
    daemon = start("--signal", "TERM", "acts:Gate", "a", str(fifo), "--signal", "TERM", "print", "no").ready()
    daemon.expect("a: init", "init").signal(TERM).expect("a: begin")
    settle(daemon.process.pid)
    daemon.signal(TERM).expect("cleanup", "a: cleanup", "")
    assert daemon.status() == 0


def test_the_stop_timeout_holds_for_the_actions_of_term(start: Callable[..., Flagman], fifo: Path) -> None:
    """The stop timeout also bounds the actions of TERM."""
    daemon = start("--signal", "TERM", "acts:Gate", "a", str(fifo), "--stop-timeout", "0").ready().expect("a: init")
    daemon.signal(TERM).expect("a: begin", "a: cleanup", "")
    assert daemon.status() == 0


def test_hup_does_not_cut_the_actions_of_term_off(start: Callable[..., Flagman], fifo: Path) -> None:
    """HUP right after TERM, as systemd may send it, does not interrupt the actions of TERM."""
    line = [
        "--signal",
        "TERM",
        "acts:Gate",
        "a",
        str(fifo),
        "--signal",
        "TERM",
        "stop",
        "--signal",
        "TERM",
        "print",
        "b",
    ]
    daemon = start(*line).ready().expect("a: init", "init").signal(TERM).expect("a: begin").signal(HUP)
    settle(daemon.process.pid)
    fifo.write_text("\n", encoding="utf-8")
    daemon.expect("a: end", "b", "cleanup", "a: cleanup", "")
    assert daemon.status() == 0


def test_term_before_ready_is_a_stop_and_no_more(start: Callable[..., Flagman], fifo: Path) -> None:
    """TERM before the daemon is ready stops it without running the actions of TERM."""
    line = ["--signal", "TERM", "print", "no", "--usr1", "acts:SlowSetUp", "a", str(fifo)]
    daemon = start(*line).expect("init", "a: init", "a: begin").signal(TERM)
    settle(daemon.process.pid)
    fifo.write_text("\n", encoding="utf-8")
    daemon.expect("a: end", "a: cleanup", "cleanup", "")
    assert daemon.status() == 0


def test_every(start: Callable[..., Flagman]) -> None:
    """A timer of --every ticks again and again beside other triggers."""
    daemon = start("--every", "20ms", "print", "tick", "--usr1", "print", "hi").ready().expect("init", "init")
    daemon.expect("tick", "tick", "tick")
    daemon.signal(USR1)
    while (line := daemon.out.next()) == "tick":
        pass
    assert line == "hi"
    daemon.signal(TERM)
    assert set(daemon.out.rest()) <= {"tick", "cleanup"}
    assert daemon.status() == 0


def test_timers_of_one_span_share_a_bundle(start: Callable[..., Flagman]) -> None:
    """Timers of the same span share a bundle however it is written, also with the = form."""
    daemon = start("-v", "--every", "60s", "print", "a", "--every=1m print b", "--after", "0", "print", "now").ready()
    daemon.expect("init", "init", "init", "now")
    daemon.expect_error("Ready: every-1m runs 2 actions, after-0s runs 1 action")
    daemon.stop("cleanup", "cleanup", "cleanup")


def test_after_runs_once(start: Callable[..., Flagman]) -> None:
    """A timer of --after ticks once, and then the daemon sleeps."""
    daemon = start("--after", "10ms", "print", "late", "--after", "30ms", "print", "later", "--jitter", "5ms").ready()
    daemon.expect("init", "init", "late", "later")
    settle(daemon.process.pid)
    daemon.stop("cleanup", "cleanup")


def test_run_at_start(start: Callable[..., Flagman]) -> None:
    """With --run-at-start each bundle runs once in order when all is ready, except those of stop signals."""
    line = [
        "--usr1",
        "print",
        "a",
        "--every",
        "1d",
        "print",
        "b",
        "--usr1",
        "print",
        "c",
        "--signal",
        "TERM",
        "print",
        "d",
    ]
    daemon = start(*line, "--run-at-start", "--debounce", "1d").ready()
    daemon.expect(*["init"] * 4, "a", "c", "b").stop("d", *["cleanup"] * 4)


def test_once(start: Callable[..., Flagman]) -> None:
    """With --once the daemon ends after all actions of the first flag that has any."""
    daemon = start("--usr1", "print", "a", "--usr1", "print", "b", "--hup", "print", "c", "--once").ready()
    daemon.expect(*["init"] * 3).signal(USR2).expect_error("no action is bound to it")
    daemon.signal(USR1).expect("a", "b", *["cleanup"] * 3, "")
    assert daemon.status() == 0


def test_once_at_start() -> None:
    """--run-at-start with --once makes a job for cron."""
    done = run("--usr1", "sh", "echo did it", "--run-at-start", "--once")
    assert (done.returncode, done.stdout) == (0, "did it\n")


def test_max_failures(start: Callable[..., Flagman]) -> None:
    """Too many failures in a row end the daemon with status 1, which a supervisor sees."""
    daemon = start("--usr1", "sh", "echo run; false", "--max-failures", "2", "--overlap", "rerun").ready()
    daemon.signal(USR1).expect("run").expect_error("failed")
    daemon.signal(USR1).expect("run").expect_error("has failed 2 times in a row")
    assert daemon.status() == 1


@pytest.mark.parametrize("policy", ["exit", "close"])
def test_a_timeout_counts_as_a_failure(start: Callable[..., Flagman], fifo: Path, policy: str) -> None:
    """A timeout counts as a failure, also for --on-error."""
    line = ["--usr1", "acts:Gate", "a", str(fifo), "--timeout", "30ms", "--on-error", policy]
    daemon = start(*line).ready().expect("a: init").signal(USR1).expect("a: begin", "a: cleanup", "")
    daemon.expect_error(": it took longer than the timeout of 0.03 s")
    assert daemon.status() == 1


def test_debounce_in_a_storm(start: Callable[..., Flagman]) -> None:
    """A debounced storm of signals gives few runs, one of them after the last signal."""
    daemon = start("--usr1", "acts:Counter", "runs", "--usr1", "print", "done", "--debounce", "30ms").ready()
    daemon.expect("init")
    began = time.monotonic()
    for _ in range(5000):
        os.kill(daemon.process.pid, USR1)
    seconds = time.monotonic() - began
    daemon.expect("done")
    # After ten spans at the latest there is a run; a storm that was longer than that has had several.
    runs = 1
    limit = time.monotonic() + DEADLINE
    while time.monotonic() < limit:
        daemon.signal(USR2)  # it is answered at once: with a warning
        daemon.expect_error("Received `usr2`")
        if runs >= seconds / 0.3:
            break
        daemon.expect("done")
        runs += 1
    daemon.signal(TERM)
    rest = daemon.out.rest()
    assert rest[-1].startswith("runs: ") or rest[-2].startswith("runs: ")
    assert daemon.status() == 0
    total = int(next(line for line in rest if line.startswith("runs: ")).removeprefix("runs: "))
    assert 1 <= total <= 2 + seconds / 0.03


def test_dry_run(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A dry run sets nothing up, runs nothing, and logs what would run."""
    path = tmp_path / "file"
    daemon = start("--usr1", "touch", str(path), "--usr1", "print", "two words", "--dry-run").ready().signal(USR1)
    daemon.expect_error(f"INFO:flagman.actions.rehearsal:Would run `touch {path}` for `usr1` (raises: 1)")
    daemon.expect_error("Would run `print 'two words'` for `usr1` (raises: 1)")
    daemon.stop()
    assert not path.exists()


def test_check(tmp_path: Path) -> None:
    """--check looks at everything and does nothing."""
    path = tmp_path / "file"
    line = ["--usr1", "acts:FailSetUp", "--every", "5m", "touch", str(path), "--signal", "RTMIN+3", "stop", "--check"]
    done = run(*line, NOTIFY_SOCKET=f"{tmp_path}/nobody")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "good: usr1 runs 1 action, every-5m runs 1 action, rtmin+3 runs 1 action\n"
    assert not path.exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--check", "no actions are configured"),
        ("--check --usr1 prnt x", "--usr1: unknown action 'prnt'; did you mean 'print'?"),
        ("--check --usr1 print", "--usr1 print: takes 1 argument (message: str), got none"),
        ("--check --usr1 broken_plugin:Gone", "the action 'broken_plugin:Gone' is broken"),
        ("--check --every 5x print x", "--every: '5x' is not a span of time"),
        ("--every 0 print x", "--every: '0' is too short; the shortest is 1ms"),
        ("--every 2000d print x", "--every: '2000d' is too long"),
        ("--every", "--every takes a SPAN, an action and its arguments"),
        ("--every --usr1", "--every takes a SPAN, an action and its arguments"),
        ("--every 5m", "--every 5m takes an action and its arguments, but nothing follows"),
        ("--every=5m print x", "--every 5m takes an action and its arguments, but nothing follows"),
        ("--after soon print x", "--after: 'soon' is not a span of time"),
        ("--after 1s print", "--after 1s print: takes 1 argument"),
        ("--signal", "--signal takes a NAME, an action and its arguments"),
        ("--signal USR3 print x", "--signal: 'USR3' is not a signal; did you mean"),
        ("--signal WINCH", "--signal WINCH takes an action and its arguments, but nothing follows"),
        ("--usr1 log loud x", "--usr1 log: 'loud' is not a log level"),
        ("--usr1 touch ''", "--usr1 touch: '' is not a path"),
        ("--usr1 exec ''", "--usr1 exec: the name of the program is empty"),
        ("--usr1 stop now", "--usr1 stop: takes no arguments, got 1: 'now'"),
        ("--usr1 stop --timeout 0", "--timeout: '0' is too short; the shortest is 1ms"),
        ("--usr1 stop --timeout never", "--timeout: 'never' is not a span"),
        ("--usr1 stop --max-failures 0", "--max-failures: must be at least 1, not 0"),
        ("--usr1 stop --max-failures ²", "--max-failures: '²' is not a whole number"),
        ("--usr1 stop --output tee", "--output: 'tee' is not one of inherit, log, null"),
        ("--usr1 stop --debounce x", "--debounce: 'x' is not a span"),
        ("--usr1 stop --jitter -1", "--jitter"),
        ("--usr1 stop --once=1", "--once takes no value"),
        ("--usr1 acts:Picky wrong", "--usr1 acts:Picky: 'wrong' is not right"),
        ("--usr1 sh ''", "--usr1 sh: the command is empty"),
        ("--usr1 acts:Picky exit", "--usr1 acts:Picky: checking its arguments failed: SystemExit: now"),
        ("--usr1 acts:Picky crash", "--usr1 acts:Picky: checking its arguments failed: ZeroDivisionError: "),
    ],
)
def test_mistakes(line: str, message: str) -> None:
    """A mistake is reported in one line with status 2, and nothing is set up."""
    done = run(*[word.strip("'") for word in line.split()])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("flagman: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


WORDS = st.one_of(
    st.sampled_from(
        [
            "--usr1",
            "--hup",
            "--signal",
            "--every",
            "--after",
            "--timeout",
            "--jitter",
            "--debounce",
            "--max-failures",
            "--output",
            "--once",
            "--dry-run",
            "--run-at-start",
            "--overlap",
            "--on-error",
            "-v",
            "-q",
            "--",
            ";",
            "=",
            "5m",
            "1ms",
            "0",
            "-1",
            "WINCH",
            "KILL",
            "rtmin+1",
            "print",
            "stop",
            "log",
            "exec",
            "sh",
            "http",
            "signal",
            "touch",
            "delay_print",
            "print_once",
            "info",
            "rerun",
            "null",
            "GET",
            "http://x/",
            "header=A:",
            "nope",
            "pidfile:x",
            "acts:Words",
        ]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, max_size=9))
def test_any_command_line_is_checked_without_a_traceback(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking any command line reports that it is good, or one line."""
    monkeypatch.syspath_prepend(str(LIB))
    status = cli.main(["flagman", "--check", *words])
    captured = capsys.readouterr()
    if any(word.startswith(("-h", "--help", "--version", "-l", "--list")) for word in words) and status == 0:
        return
    assert status in (0, 2)
    if status == 0:
        assert captured.out.startswith("good: ")
    else:
        assert captured.err.startswith("flagman: error: ")
        assert captured.err.count("\n") == 1
