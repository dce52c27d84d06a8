"""A daemon of the library exits like a Python program, and leaves its parent's exit functions to its parent."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec

import pytest

from flagman.daemon import read_pid
from support.driven import wait_for
from support.programs import exits, starved
from support.starter import UNMEASURED

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from support.starter import Starter

P = ParamSpec("P")
both_ways = pytest.mark.parametrize("way", ["start", "activate"])


def run(
    starter: Starter, program: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> subprocess.CompletedProcess[str]:
    """Run a program and its daemon to their ends."""
    done = starter.run(program, *args, **kwargs)
    wait(starter)
    return done


def wait(starter: Starter) -> None:
    """Wait until the daemon has removed its pid file, its last step before flushing."""
    starter.wait_for_the_end()
    assert not (starter.directory / "d.pid").exists()


def end(starter: Starter) -> None:
    """Send TERM to the daemon, which has reported its pid, until it ends."""
    pid = starter.told()["pid"]
    assert isinstance(pid, int)

    def has_ended() -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        return not (starter.directory / "d.pid").exists()

    wait_for(has_ended)
    starter._pids.clear()


def notes(starter: Starter) -> list[str]:
    """Return all notes in alphabetical order."""
    return sorted((starter.directory / "notes").read_text(encoding="utf-8").splitlines())


def left(starter: Starter) -> list[str]:
    """Return the names of all files that do not belong to the harness."""
    return sorted({path.name for path in starter.directory.iterdir()} - {"said", "err", "notes"})


@both_ways
def test_each_does_what_it_has_registered_itself(starter: Starter, way: str) -> None:
    """What was registered before the fork runs in the parent, and what was registered after it in the daemon."""
    done = run(starter, exits.registers, way)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(starter) == []
    assert notes(starter) == [
        "finalized after daemon",
        "finalized before caller",
        "kept daemon",
        "registered after daemon",
        "registered before caller",
    ]
    assert (starter.directory / "err").read_text(encoding="utf-8") == ""


def test_what_is_registered_by_the_fork_itself(starter: Starter) -> None:
    """What a fork hook registers in the daemon runs in the daemon."""
    assert run(starter, exits.registers_by_the_fork).returncode == 0
    assert notes(starter) == ["forked daemon"]


def test_log_records_that_are_held(starter: Starter) -> None:
    """Logging is shut down at the exit of a daemon, even if it was imported before the fork."""
    assert run(starter, exits.holds_records).returncode == 0
    assert (starter.directory / "log").read_text(encoding="utf-8") == "held\n"


def test_children_of_multiprocessing(starter: Starter) -> None:
    """A daemon ends or waits for its own multiprocessing children, and leaves those of its parent alone."""
    assert run(starter, exits.has_children).returncode == 0
    starter._pids.clear()
    starter._lines.next()
    number, *others = notes(starter)
    assert others == ["lives caller", "waited for daemon"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.split()[0]), 0)


@both_ways
def test_workers_that_python_stops(starter: Starter, way: str) -> None:
    """At its end a daemon stops the threads of an executor that was not shut down, as Python does."""
    assert run(starter, exits.has_workers, way).returncode == 0
    assert notes(starter) == ["worked daemon"]


@both_ways
@pytest.mark.parametrize("is_second", [False, True], ids=["the first", "the second"])
def test_term_ends_the_wait_for_threads(starter: Starter, way: str, is_second: bool) -> None:  # noqa: FBT001
    """TERM ends the wait for threads, whether or not a TERM has ended run(), and exit functions still run."""
    done = starter.run(exits.waits_for_a_thread, way, is_second=is_second)
    assert done.returncode == 0
    end(starter)
    assert notes(starter) == ["done daemon"]
    assert left(starter) == [], "no last words: nothing has gone wrong"


@both_ways
def test_term_ends_an_exit_function_that_hangs(starter: Starter, way: str) -> None:
    """TERM ends one exit function that hangs, and the others run."""
    assert starter.run(exits.hangs_at_the_exit, way).returncode == 0
    end(starter)
    assert notes(starter) == ["the first daemon", "the last daemon"]
    assert left(starter) == []


@both_ways
@pytest.mark.parametrize("where", exits.HANGS)
def test_term_ends_a_clean_up_that_hangs(starter: Starter, way: str, where: str) -> None:
    """A clean-up that hangs is ended by a TERM that comes more than a second after the first."""
    done = starter.run(exits.hangs_in_a_clean_up, way, where)
    assert done.returncode == 0
    end(starter)
    assert notes(starter) == ["done daemon"]
    assert left(starter) == []


@pytest.mark.parametrize("names", [["TERM"], ["TERM", "INT"]], ids=", ".join)
def test_a_storm_of_term_at_the_end(starter: Starter, names: list[str]) -> None:
    """Many TERMs at the end, with a thread that could get them, remove the pid file and look like no crash."""
    # Not measured, because the exit functions of coverage are not made for that.
    assert starter.run_under(UNMEASURED, exits.ends_in_a_storm, names).returncode == 0
    wait(starter)
    assert left(starter) == []
    assert (starter.directory / "err").read_text(encoding="utf-8") == ""


def test_another_term_does_not_disturb_the_clean_up_of_run(starter: Starter) -> None:
    """Any number of TERMs within a second does not disturb the clean-up of run()."""
    assert run(starter, exits.cleans_up).returncode == 0
    assert notes(starter) == ["cleaned up daemon"]
    assert left(starter) == []


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("late", [False, True], ids=["run has returned", "the pid file is removed"])
def test_term_at_the_last_moment(starter: Starter, detach: bool, late: bool) -> None:  # noqa: FBT001
    """A TERM at the last moment is no crash, and the pid file is removed."""
    done = starter.run(exits.gets_term_at_the_last_moment, detach=detach, late=late)
    wait(starter)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(starter) == []


def test_an_activated_program_in_the_foreground(starter: Starter) -> None:
    """An activated program in the foreground stays the same process, and removes its pid file too."""
    done = starter.run(exits.in_the_foreground)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "daemons can only be started once\n" * 2 + "True\n"
    assert left(starter) == []


@pytest.mark.parametrize("detach", [True, False])
def test_an_activation_that_fails(starter: Starter, detach: bool) -> None:  # noqa: FBT001
    """A failed activation is one line in the process that asked for it, and no second process runs the program on."""
    done = starter.run(exits.fails_to_activate, detach=detach)
    message = "working directory '/no/such': cannot be entered: No such file or directory\n"
    assert (done.returncode, done.stdout) == (0, message)
    assert notes(starter) == ["here caller"]
    assert left(starter) == []


def test_stages_by_hand_clean_up_as_well(starter: Starter) -> None:
    """A daemon that runs its stages by hand and reports ready itself cleans up as well."""
    assert run(starter, exits.stages_by_hand).returncode == 0


@pytest.mark.parametrize("way", exits.MONITORS)
def test_a_monitor_that_does_not_monitor(starter: Starter, way: str) -> None:
    """If monitor() of a subclass does not monitor, the parent is told so, and no daemon is left behind."""
    done = starter.run(exits.does_not_monitor, way)
    assert (done.returncode, done.stderr) == (0, "")
    told = "why" if way == "fails" else "Wrong.monitor() does not call that of Daemon; the daemon is stopped"
    assert done.stdout == f"{told} True\n"
    wait(starter)


def test_a_block_around_a_daemon(starter: Starter) -> None:
    """In the foreground a block keeps the pid file; a detached daemon cannot have a lock that the parent has sealed."""
    done = starter.run(exits.in_a_block)
    assert (done.returncode, done.stderr) == (0, "")
    said = "this process has sealed the pid file; only acquire() it, and the daemon seals it"
    assert done.stdout == f"ran\nTrue\n{said}\nTrue\n"
    assert left(starter) == []


@both_ways
@pytest.mark.parametrize("how", exits.LEAVES)
def test_a_start_that_ends_of_something_else(starter: Starter, way: str, how: str) -> None:
    """A start that ends by an exit or an error is one line for the parent, and cleans up as any other end."""
    done = run(starter, exits.leaves_too_early, way, how)
    said = "no directory\n" if how == "exits" else "the daemon ended before it was ready\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert left(starter) == []


def test_an_error_after_the_activation(starter: Starter) -> None:
    """An error after the activation is written down like that of a target."""
    done = starter.run(exits.fails_when_it_is_active)
    assert done.returncode == 0
    wait(starter)
    assert left(starter) == ["named.errors"]
    assert "KeyError: 'last words'" in (starter.directory / "named.errors").read_text(encoding="utf-8")
    wait_for(lambda: "KeyError" in (starter.directory / "err").read_text(encoding="utf-8"))


def test_int_at_the_end(starter: Starter) -> None:
    """INT at the end means the same as TERM, and every remaining exit function runs."""
    assert run(starter, exits.gets_int_at_the_end).returncode == 0
    assert notes(starter) == ["done daemon"]


def test_last_words_that_are_not_read(starter: Starter) -> None:
    """TERM ends the wait for a reader of standard error."""
    os.mkfifo(starter.directory / "full")
    assert starter.run(exits.speaks_to_nobody).returncode == 0
    end(starter)
    assert left(starter) == ["full"]


def test_a_program_that_closes_everything(starter: Starter) -> None:
    """A daemon that has closed all descriptors, its lock too, does not go on in its caller's program."""
    done = starter.run(exits.closes_everything)
    wait_for(lambda: read_pid(starter.directory / "d.pid") is None)
    assert (done.returncode, done.stderr) == (0, "")
    assert notes(starter) == ["here caller"]


@pytest.mark.parametrize("way", ["run", "exit"])
def test_an_error_when_nothing_can_be_imported(starter: Starter, way: str) -> None:
    """Without free descriptors an error is one line, because a traceback needs files, and no error repeats itself."""
    assert starter.run_under(UNMEASURED, starved.without_files, way).returncode == 0
    wait(starter)
    said = (starter.directory / "err").read_text(encoding="utf-8")
    assert len(said.splitlines()) < 50, said[:1000]
    assert ("no files" if way == "run" else "Error") in said


@both_ways
def test_an_own_clean_up(starter: Starter, way: str) -> None:
    """A daemon's own clean-up is called once, in the daemon, and an error in it has no effect."""
    done = run(starter, exits.fails_to_clean_up, way)
    assert (done.returncode, done.stderr) == (0, "")
    assert notes(starter) == ["cleaned up daemon"]


def test_children_of_a_clean_up(starter: Starter) -> None:
    """TERM ends a child of a clean-up, even if the daemon got its own TERM only just before."""
    assert run(starter, exits.has_a_child_in_its_clean_up).returncode == 0
    assert notes(starter) == ["5 daemon"]


def test_a_handler_that_only_notes_it(starter: Starter) -> None:
    """If a handler only notes TERM, TERM still ends the waits after run()."""
    assert starter.run(exits.only_notes_term).returncode == 0
    end(starter)
    assert left(starter) == []


def test_multiprocessing_before_the_fork(starter: Starter) -> None:
    """Helpers of multiprocessing stay the parent's: the daemon starts its own, and its files get none of their data."""
    done = run(starter, exits.has_helpers)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    assert notes(starter) == ["0 daemon", "status 0 daemon"]
