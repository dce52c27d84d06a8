"""Signals at every moment of a daemon's life: before it is ready, while actions run, while it stops.

A test that sends the same signal again as soon as it sees a line needs ``--overlap rerun``: the bundle that printed the
line may not have ended yet.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import LIB, MODULE, Flagman, inheriting, run, settle, wait_until_taken

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., Flagman]

USR1, USR2, HUP, TERM, INT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM, signal.SIGINT

RERUN = ("--overlap", "rerun")


def release(fifo: Path) -> None:
    """Release an action that waits at the FIFO."""
    fifo.write_text("go\n", encoding="utf-8")


def test_ignore_is_the_default(start: Start, fifo: Path) -> None:
    """By default a signal during its own bundle's run is ignored, and another one is served afterwards."""
    daemon: Flagman = start("--usr1", "acts:Gate", "gate", str(fifo), "--usr2", "print", "two", "-v").ready()
    daemon.expect("gate: init", "init")
    daemon.signal(USR1).expect("gate: begin")
    daemon.signal(USR1, USR2, USR1)
    release(fifo)
    daemon.expect("gate: end", "two")
    daemon.expect_error("Ignored `usr1` while its own bundle ran")
    daemon.stop("cleanup", "gate: cleanup")


def test_rerun_runs_once_more_however_many_arrived(start: Start, fifo: Path) -> None:
    """With --overlap rerun, signals during a run lead to exactly one more run, which begins after the last of them."""
    daemon: Flagman = start("--overlap", "rerun", "--usr1", "acts:Gate", "gate", str(fifo)).ready()
    daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    daemon.signal(USR1, USR1, USR1)
    release(fifo)
    daemon.expect("gate: end", "gate: begin")
    release(fifo)
    daemon.expect("gate: end").stop("gate: cleanup")


@pytest.mark.parametrize("order", [(USR1, USR2), (USR2, USR1)])
def test_oldest_first(start: Start, order: tuple[signal.Signals, signal.Signals]) -> None:
    """Flags are lowered in the order in which they were raised.

    The daemon sends the signals to itself: CPython notes two from outside within microseconds by number.
    """
    words = {USR1: "one", USR2: "two"}
    raising = (word for signum in order for word in ("--hup", "acts:Raises", signum.name))
    daemon: Flagman = start(*raising, "--usr1", "print", "one", "--usr2", "print", "two").ready().expect("init", "init")
    daemon.signal(HUP).expect(*(f"raising {signum.name}" for signum in order))
    daemon.expect(*(words[signum] for signum in order)).stop("cleanup", "cleanup")


def test_a_signal_during_set_up_is_answered_when_ready(start: Start, fifo: Path) -> None:
    """A signal during set_up neither kills the daemon nor gets lost."""
    daemon: Flagman = start("--usr1", "acts:SlowSetUp", "slow", str(fifo), "--usr1", "print", "hi")
    daemon.expect("slow: init", "slow: begin").signal(USR1, USR1)
    release(fifo)
    daemon.expect("slow: end", "init", "slow: begin")
    release(fifo)
    daemon.expect("slow: end", "hi").stop("cleanup", "slow: cleanup")


def test_a_signal_during_the_import_of_a_plugin_is_answered_when_ready(
    start: Start, fifo: Path, tmp_path: Path
) -> None:
    """A signal during an import is served later, because handlers are armed before argparse and any plugin."""
    (tmp_path / "slow_import.py").write_text(
        f"print('importing')\nopen({str(fifo)!r}).readline()\nfrom acts import Words\n", encoding="utf-8"
    )
    path = f"{tmp_path}:{LIB}"
    daemon: Flagman = start("--usr1", "slow_import:Words", "hi", environment={"PYTHONPATH": path})
    daemon.expect("importing").signal(USR1)
    release(fifo)
    daemon.ready().expect("'hi'").stop()


@pytest.mark.parametrize("signum", [TERM, INT])
def test_a_stop_during_the_import_of_a_plugin_ends_it_at_once(
    start: Start, fifo: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    """A stop during an import ends the process at once without a traceback, because there is nothing to tear down."""
    (tmp_path / "slow_import.py").write_text(f"print('importing')\nopen({str(fifo)!r}).readline()\n", encoding="utf-8")
    daemon: Flagman = start("--usr1", "slow_import:X", environment={"PYTHONPATH": str(tmp_path)})
    daemon.expect("importing").signal(signum)
    assert daemon.status() == -signum
    assert daemon.err.rest() == []


def test_a_stop_during_set_up(start: Start, fifo: Path) -> None:
    """A stop during a set_up lets it finish, starts no other, and sends no READY."""
    daemon: Flagman = start("--usr1", "acts:SlowSetUp", "slow", str(fifo), "--usr1", "print", "hi")
    daemon.expect("slow: init", "slow: begin").signal(TERM)
    wait_until_taken(daemon, TERM)
    release(fifo)
    daemon.expect("slow: end", "slow: cleanup", "")
    assert daemon.status() == 0
    assert daemon.notified() == "STOPPING=1"


def test_a_second_stop_during_set_up_interrupts_it(start: Start, fifo: Path) -> None:
    """A second stop interrupts a set_up; its action is not torn down, but the others are."""
    daemon: Flagman = start("--usr1", "print", "hi", "--usr1", "acts:SlowSetUp", "slow", str(fifo))
    daemon.expect("init", "slow: init", "slow: begin")
    settle(daemon.process.pid)  # a signal in the very moment before a system call is handled after it (PEP 475)
    daemon.signal(TERM)
    wait_until_taken(daemon, TERM)
    daemon.signal(INT).expect("cleanup", "")  # another one, because two of a kind may become one
    assert daemon.status() == 0


@pytest.mark.parametrize("signum", [TERM, INT])
def test_the_first_stop_lets_the_action_finish(start: Start, fifo: Path, signum: signal.Signals) -> None:
    """The first stop lets the action finish, starts no other, and tears down everything in reverse order."""
    daemon: Flagman = start(
        *("--usr1", "acts:Gate", "gate", str(fifo), "--usr1", "print", "never"),
        *("--usr2", "print", "never", "-v"),
    ).ready()
    daemon.expect("gate: init", "init", "init").signal(USR1).expect("gate: begin")
    daemon.signal(USR2, signum)
    wait_until_taken(daemon, signum)
    release(fifo)
    daemon.expect("gate: end", "cleanup", "cleanup", "gate: cleanup", "")
    assert daemon.status() == 0
    daemon.expect_error("WARNING:flagman.core:Stopping; `usr2` is not lowered any more (raises: 1)")


def test_the_second_stop_interrupts_the_action(start: Start, fifo: Path) -> None:
    """The second stop interrupts an action that hangs in a system call, and its tear_down still runs."""
    daemon: Flagman = start("--usr1", "acts:Gate", "gate", str(fifo)).ready()
    daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    settle(daemon.process.pid)  # a signal in the very moment before a system call is handled after it (PEP 475)
    daemon.signal(TERM)
    wait_until_taken(daemon, TERM)
    daemon.signal(INT).expect("gate: cleanup", "")
    assert daemon.status() == 0
    daemon.expect_error(": a second stop signal arrived")


def test_the_stop_timeout_interrupts_the_action(start: Start, fifo: Path) -> None:
    """One TERM is enough, because the stop timeout interrupts the action."""
    daemon: Flagman = start("--usr1", "acts:Gate", "gate", str(fifo), "--stop-timeout", "50ms").ready()
    daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    settle(daemon.process.pid)
    daemon.signal(TERM).expect("gate: cleanup", "")
    assert daemon.status() == 0
    daemon.expect_error("it took longer than the stop timeout of 0.05 s")


def test_the_stop_timeout_bounds_a_tear_down_too(start: Start, fifo: Path) -> None:
    """The stop timeout also bounds a tear_down; the others are torn down, and the status is not 0."""
    daemon: Flagman = start(
        *("--usr1", "print", "hi", "--usr1", "acts:SlowTearDown", "slow", str(fifo), "--stop-timeout", "50ms"),
    ).ready()
    daemon.expect("init", "slow: init").signal(TERM).expect("slow: begin", "cleanup", "")
    assert daemon.status() == 1
    daemon.expect_error("tear_down was interrupted")


@pytest.mark.parametrize("last", [TERM, INT])
def test_the_third_stop_is_the_end(start: Start, fifo: Path, last: signal.Signals) -> None:
    """The third stop ends the process even if an action swallows every exception."""
    daemon: Flagman = start("--usr1", "acts:Stubborn", "mule", str(fifo)).ready().expect("mule: init")
    daemon.signal(USR1).expect("mule: begin")
    settle(daemon.process.pid)
    daemon.signal(TERM)
    wait_until_taken(daemon, TERM)
    daemon.signal(INT).expect("mule: ActionInterrupted").signal(last)
    assert daemon.status() == 128 + last


def test_unmapped_signals_are_a_warning(start: Start) -> None:
    """A signal without actions gives a warning, and the daemon lives on."""
    daemon: Flagman = start("--usr1", "print", "hi").ready().expect("init")
    daemon.signal(USR2)
    assert daemon.expect_error("usr2") == "WARNING:flagman.core:Received `usr2`, but no action is bound to it"
    daemon.signal(USR1).expect("hi").stop("cleanup")


def test_a_hangup_without_action_is_a_graceful_stop(start: Start) -> None:
    """A hangup without an action is a graceful stop, because the terminal is gone."""
    daemon: Flagman = start("--usr1", "print", "hi").ready().expect("init").signal(HUP).expect("cleanup", "")
    assert daemon.status() == 0


def test_a_hangup_during_set_up_is_a_stop(start: Start, fifo: Path) -> None:
    """A hangup during a set_up lets it finish and stops the daemon without READY."""
    daemon: Flagman = start("--usr1", "acts:SlowSetUp", "slow", str(fifo)).expect("slow: init", "slow: begin")
    daemon.signal(HUP)
    wait_until_taken(daemon, HUP)
    release(fifo)
    daemon.expect("slow: end", "slow: cleanup", "")
    assert daemon.status() == 0


def test_a_hangup_during_set_up_is_bounded(start: Start, fifo: Path) -> None:
    """The stop timeout bounds a set_up after a hangup, because a terminal that is gone sends no TERM."""
    daemon: Flagman = start("--usr1", "acts:SlowSetUp", "slow", str(fifo), "--stop-timeout", "50ms")
    daemon.expect("slow: init", "slow: begin")
    settle(daemon.process.pid)
    daemon.signal(HUP).expect("")
    assert daemon.status() == 0


def test_a_hangup_during_set_up_waits_for_its_action(start: Start, fifo: Path) -> None:
    """A hangup with an action is served after the set_up, as any signal."""
    daemon: Flagman = start("--usr1", "acts:SlowSetUp", "slow", str(fifo), "--hup", "print", "hup")
    daemon.expect("slow: init", "slow: begin").signal(HUP)
    wait_until_taken(daemon, HUP)
    release(fifo)
    daemon.expect("slow: end", "init", "hup").stop("cleanup", "slow: cleanup")


def test_several_hangups_do_not_insist(start: Start, fifo: Path) -> None:
    """Several hangups let the running action finish, because a closing terminal sends more than one."""
    daemon: Flagman = start("--usr1", "acts:Gate", "gate", str(fifo)).ready().expect("gate: init")
    daemon.signal(USR1).expect("gate: begin")
    for _ in range(4):
        daemon.signal(HUP)
        wait_until_taken(daemon, HUP)
    release(fifo)
    daemon.expect("gate: end", "gate: cleanup", "")
    assert daemon.status() == 0


def test_a_hangup_whose_last_action_has_closed_is_a_stop_again(start: Start) -> None:
    """A hangup that has lost its last action is a stop, as one that never had an action."""
    daemon: Flagman = (
        start(*RERUN, "--hup", "print_once", "hup", "--usr1", "print", "hi").ready().expect("init", "init")
    )
    daemon.signal(HUP).expect("hup", "cleanup")
    daemon.expect_error("ActionClosed: Only print once")
    daemon.signal(HUP).expect("cleanup", "")
    assert daemon.status() == 0


def test_nohup(start: Start) -> None:
    """An inherited ignored HUP stays ignored without an action, and is served with one."""
    nohup = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    daemon: Flagman = start("--usr1", "print", "hi", prefix=nohup).ready().expect("init")
    daemon.signal(HUP, USR1).expect("hi").stop("cleanup")
    daemon = start("--hup", "print", "hup", prefix=nohup).ready().expect("init")
    daemon.signal(HUP).expect("hup").stop("cleanup")


@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_mapped_signals_are_served_even_if_ignored_or_blocked(start: Start, how: str) -> None:
    """Signals with actions and stops are served even if they were inherited as blocked or ignored."""
    prefix = inheriting(**{how: [USR1, HUP, TERM, INT]})
    for stop in (TERM, INT):
        daemon: Flagman = start("--usr1", "print", "hi", "--hup", "print", "hup", prefix=prefix)
        daemon.ready().expect("init", "init").signal(USR1).expect("hi").signal(HUP).expect("hup")
        daemon.signal(stop).expect("cleanup", "cleanup", "")
        assert daemon.status() == 0


@pytest.mark.parametrize("error", ["ValueError", "MemoryError", "RecursionError", "SystemExit", "KeyboardInterrupt"])
def test_a_failing_action_does_not_end_the_daemon(start: Start, error: str) -> None:
    """A failing action is logged with its traceback, the bundle goes on, and the next signal works."""
    daemon: Flagman = (
        start(*RERUN, "--usr1", "acts:Fail", error, "--usr1", "print", "next").ready().expect("init", "init")
    )
    for _ in range(2):
        daemon.signal(USR1).expect("next")
        daemon.expect_error("ERROR:flagman.core:usr1: acts:Fail ")
        daemon.expect_error(f"{error}: on purpose")
    daemon.stop("cleanup", "cleanup")


def test_on_error_exit(start: Start) -> None:
    """With --on-error exit a failure tears down the rest and ends with status 1."""
    daemon: Flagman = start("--on-error", "exit", "--usr1", "acts:Fail", "ValueError", "--usr1", "print", "x").ready()
    daemon.expect("init", "init").signal(USR1).expect("cleanup", "cleanup", "")
    assert daemon.status() == 1
    daemon.expect_error("ERROR:flagman.service:Exiting because an action failed")


def test_on_error_close(start: Start) -> None:
    """With --on-error close a failed action is removed, and its bundle goes on."""
    daemon: Flagman = start(
        *RERUN, "--on-error", "close", "--usr1", "acts:Fail", "ValueError", "--usr1", "print", "next"
    )
    daemon.ready().expect("init", "init").signal(USR1).expect("cleanup", "next")
    daemon.signal(USR1).expect("next").stop("cleanup")


@pytest.mark.parametrize(("options", "status"), [((), 1), (("--successful-empty",), 0)])
def test_when_all_actions_have_closed_the_daemon_ends(start: Start, options: tuple[str, ...], status: int) -> None:
    """When all actions have closed, the daemon ends with status 1, or with 0 if that was requested."""
    daemon: Flagman = start("--usr1", "print_once", "a", "--usr2", "print_once", "b", *options).ready()
    daemon.expect("init", "init").signal(USR1).expect("a", "cleanup").signal(USR2).expect("b", "cleanup", "")
    assert daemon.status() == status
    daemon.expect_error("WARNING:flagman.service:All actions have closed; exiting")


def test_a_signal_raised_by_an_action_itself(start: Start) -> None:
    """A signal that an action sends to its own process is a signal like any other, even a stop."""
    daemon: Flagman = start("--usr1", "acts:Raises", "SIGUSR2", "--usr2", "acts:Raises", "SIGTERM").ready()
    daemon.signal(USR1).expect("raising SIGUSR2", "raising SIGTERM", "")
    assert daemon.status() == 0


def test_late_signals_do_not_change_the_status(start: Start, fifo: Path) -> None:
    """While a daemon stops, it ignores signals that would have run its actions."""
    daemon: Flagman = start("--usr1", "acts:SlowTearDown", "slow", str(fifo)).ready().expect("slow: init")
    daemon.signal(TERM).expect("slow: begin").signal(USR1, HUP, USR2)
    release(fifo)
    daemon.expect("slow: end", "")
    assert daemon.status() == 0


def test_ctrl_c_during_a_list_is_no_traceback(fifo: Path, tmp_path: Path) -> None:
    """INT ends --list as a shell expects, without a traceback, because there is nothing to tear down."""
    info = tmp_path / "slow-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[flagman.action]\nslow = slow_import:X\n", encoding="utf-8")
    (tmp_path / "slow_import.py").write_text(
        f"print('importing', flush=True)\nopen({str(fifo)!r}).readline()\n", encoding="utf-8"
    )
    with subprocess.Popen(
        [*MODULE, "--list"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout
        while process.stdout.readline() != "importing\n":
            pass
        process.send_signal(INT)
        assert process.wait(60) == -INT
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-fp", "true"], check=False, capture_output=True).returncode != 0,
    reason="no pid namespaces here",
)
@pytest.mark.parametrize("signum", [TERM, INT])
@pytest.mark.parametrize("when", ["import", "end"])
def test_process_1_can_be_stopped_at_any_moment(start: Start, fifo: Path, signum: signal.Signals, when: str) -> None:
    """Stop signals end process 1 at any moment, where the kernel ignores those without a handler."""
    daemon: Flagman = start(
        *("--usr1", "slow:Slow", "--after", "1ms", "stop"),
        prefix=["unshare", "-fp", "--kill-child"],
        environment={"SLOW_WHEN": when, "SLOW_FIFO": str(fifo)},
    ).expect("waiting")
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text(encoding="ascii")
    with suppress(ProcessLookupError):
        while daemon.process.poll() is None:  # at the end, the handlers are changed after the last output
            os.kill(int(children), signum)
            time.sleep(0.01)
    assert daemon.status() == 128 + signum


@pytest.mark.parametrize(("how", "status"), [("return", 1), ("exit", 1), ("signal", -TERM)])
def test_a_fork_in_an_action_never_makes_a_second_daemon(start: Start, how: str, status: int) -> None:
    """A forked child of an action ends, also by signals, and the daemon gets its own signals as before."""
    daemon: Flagman = start(*RERUN, "--usr1", "acts:Forks", how).ready()
    for _ in range(2):
        daemon.signal(USR1).expect(f"child {status}")
    daemon.stop()


def test_an_action_cannot_make_the_daemon_deaf(start: Start) -> None:
    """An action that resets the wake-up descriptor, as event loops do, does not keep signals from the daemon."""
    daemon: Flagman = start(*RERUN, "--usr1", "acts:Deafens").ready()
    for _ in range(3):
        daemon.signal(USR1).expect("deafened")
        settle(daemon.process.pid)
    daemon.stop()


def test_an_action_that_never_sets_itself_up_is_refused() -> None:
    """An action is refused early if its __init__ does not call the base's: its first run would be too late."""
    done = run("--usr1", "acts:NoSuper")
    assert done.returncode == 1
    assert "setting up `acts:NoSuper` failed: its __init__ does not call Action's" in done.stderr


def test_quit_shows_the_stacks_and_ends_nothing(start: Start, fifo: Path) -> None:
    """QUIT shows the stacks even while an action hangs, or if it was ignored before, as behind ``&`` in a script."""
    ignored = ["sh", "-c", 'trap "" QUIT; exec "$@"', "sh"]
    for prefix in ([], ignored):
        daemon: Flagman = start("--usr1", "acts:Gate", "gate", str(fifo), prefix=prefix).ready().expect("gate: init")
        daemon.signal(USR1).expect("gate: begin")
        settle(daemon.process.pid)
        daemon.signal(signal.SIGQUIT).expect_error("Current thread 0x")
        assert "in run" in daemon.expect_error("acts.py")
        release(fifo)
        daemon.expect("gate: end").stop("gate: cleanup")


def test_quit_without_a_place_to_write_to(start: Start) -> None:
    """Without a standard error QUIT has no effect, and with actions it is a signal like any other."""
    daemon: Flagman = start("--usr1", "print", "hi", prefix=["sh", "-c", 'exec "$@" 2>&-', "sh"]).ready().expect("init")
    daemon.signal(signal.SIGQUIT, USR1).expect("hi").stop("cleanup")
    daemon = start("--signal", "QUIT", "print", "quit").ready().expect("init")
    daemon.signal(signal.SIGQUIT).expect("quit").stop("cleanup")


def test_the_watchdog_is_fed_by_the_loop_alone(start: Start, fifo: Path) -> None:
    """The loop feeds the watchdog three times in its interval, and not while an action hangs."""
    daemon: Flagman = start(
        *("--usr1", "acts:Gate", "gate", str(fifo)),
        environment={"WATCHDOG_USEC": "150000"},
        prefix=["sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"],
    ).ready()
    for _ in range(5):
        assert daemon.notified() == "WATCHDOG=1"
    daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    settle(daemon.process.pid)
    daemon.pending()
    with pytest.raises(AssertionError, match="no notification"):  # for two intervals
        daemon.notified(time.monotonic() + 0.3)
    release(fifo)
    daemon.expect("gate: end")
    while daemon.notified() != "WATCHDOG=1":
        pass
    daemon.stop("gate: cleanup")


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}], ids=["none", "another's"])
def test_a_watchdog_that_watches_another_process(start: Start, environment: dict[str, str]) -> None:
    """A watchdog that watches another process is not fed."""
    daemon: Flagman = start("--usr1", "print", "hi", environment=environment).ready().expect("init")
    daemon.signal(USR1).expect("hi").stop("cleanup")
    messages = daemon.pending()
    assert messages[-1] == "STOPPING=1"
    assert "WATCHDOG" not in str(messages)


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (
            ["--usr1", "bogus"],
            ["STATUS=Failed: --usr1: unknown action 'bogus'; flagman --list shows all actions\nEXIT_STATUS=2"],
        ),
        (
            ["--usr1", "signal", "HUP", "4999999"],
            [
                "STOPPING=1",
                (
                    "STATUS=Failed: usr1: setting up `signal HUP 4999999` failed: "
                    "No such process: the process 4999999 cannot be found\nEXIT_STATUS=1\nERRNO=3"
                ),
            ],
        ),
        (
            ["--usr1", "stop", "--log-file", "/no/such"],
            [f"STATUS=Failed: --log-file '/no/such': cannot be opened: {os.strerror(2)}\nEXIT_STATUS=1\nERRNO=2"],
        ),
    ],
    ids=["usage", "set_up", "log"],
)
def test_the_manager_hears_of_a_failure(start: Start, arguments: list[str], messages: list[str]) -> None:
    """The manager gets the reason of a failure, which ``systemctl status`` shows."""
    daemon: Flagman = start(*arguments)
    daemon.status()
    assert daemon.pending() == messages


@pytest.mark.parametrize(
    "words",
    [["--bogus"], ["--timeout", "x"], ["--usr1", "bogus"], ["--usr1", "print", "x", "--log-file", "/no/such"]],
    ids=" ".join,
)
def test_without_systemd_the_manager_hears_of_nothing(start: Start, words: list[str]) -> None:
    """With --no-systemd the manager gets no message, wherever the mistake is."""
    for line in (
        ["--no-systemd", *words],
        [*words, ";", "--no-systemd"] if "--usr1" in words else [*words, "--no-systemd"],
    ):
        daemon: Flagman = start(*line)
        assert daemon.status() in (1, 2)
        assert daemon.pending() == []


def test_a_program_may_have_an_option_of_that_name(start: Start) -> None:
    """A program's own option --no-systemd is not taken for flagman's."""
    start("--usr1", "exec", "true", "--no-systemd", "-d").ready().stop()


@pytest.mark.parametrize("choice", [("--on-error", "exit"), ("--max-failures", "1")])
def test_a_failure_of_the_last_actions_counts(choice: tuple[str, str], start: Start) -> None:
    """An action that is bound to TERM and fails decides about the exit status as any other."""
    daemon = start(*choice, "--signal", "TERM", "exec", "false").ready()
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 1
