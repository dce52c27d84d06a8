"""How a daemon of the library ends, and what its parent learns: never in the caller's code, and never unnoticed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.daemon import Daemon, read_pid
from support.driven import DEADLINE, descriptors, in_terminal, marked, run, wait_for
from support.programs import ends, words
from support.starter import Starter

if TYPE_CHECKING:
    from collections.abc import Callable

# Runs a command with the standard streams closed.
CLOSED = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (ends.exits_with_a_list, "0 True ''"),
        (ends.exits_with_a_large_number, "0 True ''"),
        (ends.exits_too_early, "1 True \"['why']\\n\""),
        (ends.exits_too_early_with_a_number, "7 True ''"),
        (ends.fails_too_early, "ZeroDivisionError: division by zero\\n'"),
        (ends.fails_without_stderr, "ZeroDivisionError: division by zero\\n'"),
        (ends.breaks_stdout, "flush\\'\\n'"),
        (ends.fails_detached, "ZeroDivisionError: division by zero\\n'"),
        (ends.detaches_twice, "RuntimeError: detach() has run already\\n'"),
        (ends.loses_a_stage, "has been replaced by something that does not call it\\n'"),
        (ends.with_an_impossible_root, "cannot be entered: "),
        (ends.with_an_impossible_signal, "signal 9: cannot be handled: [Errno 22] Invalid argument\\n'"),
    ],
)
def test_a_daemon_never_returns_to_its_caller(starter: Starter, program: Callable[[], None], said: str) -> None:
    """Whatever ends a daemon, it does not go on in the program that has started it."""
    done = starter.run(program)
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert lines[0][1:].startswith(" True ")


def test_what_goes_wrong_with_a_report() -> None:
    """A report that cannot be printed does not turn a good start into a failed one."""
    command = words(ends.reports_too_early)
    done = run(command=command, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ü" * 100 + "\n", "")
    assert run(command=["sh", "-c", '"$@" >/dev/full', "sh", *command], PYTHONIOENCODING="utf-8").returncode == 0


def test_streams_that_lead_to_those_of_the_caller(starter: Starter) -> None:
    """Streams that lead to the caller's descriptors, even exchanged, lead to those of the time before the start."""
    done = starter.run(ends.exchanges_streams)
    assert done.returncode == 0
    starter.wait_for_the_end()
    assert (starter.directory / "out").read_text(encoding="utf-8") == "to out\n"
    assert (starter.directory / "err").read_text(encoding="utf-8") == "to err\n"


def test_standard_streams_that_are_closed(starter: Starter) -> None:
    """If standard streams are closed, what the daemon opens does not get their numbers, and its lock holds."""
    done = starter.run_under(CLOSED, ends.without_streams)
    assert done.returncode == 0
    pid = read_pid(starter.directory / "d.pid")
    assert pid
    starter._pids.append(pid)
    links = descriptors(pid)
    assert {links[name] for name in "012"} == {"/dev/null"}


def test_a_failed_start_leaves_the_caller_as_it_was(tmp_path: Path) -> None:
    """A failed start without detaching leaves no signal blocked and no pid file."""
    daemon = Daemon(
        detach=False, user="no such user", pid_file=tmp_path / "d.pid", prevent_core=False, working_directory=None
    )
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(Exception, match="no such user"):
        daemon.start()
    daemon = Daemon(
        detach=False, chroot="/no/such", pid_file=tmp_path / "d.pid", prevent_core=False, working_directory=None
    )
    with pytest.raises(Exception, match="/no/such"):
        daemon.start()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert not list(tmp_path.iterdir())


def test_a_lock_of_the_caller(starter: Starter) -> None:
    """A lock that the caller holds passes to the daemon if the start succeeds, and is removed otherwise."""
    done = starter.run(ends.with_a_lock, "no such user")
    assert done.returncode == 1
    assert [path.name for path in starter.directory.iterdir()] == ["said"]
    assert starter.run(ends.with_a_lock, None).returncode == 0
    assert read_pid(starter.directory / "d.pid") == starter.told()["pid"]


@needs_root
def test_what_a_failed_start_has_left_to_root(starter: Starter) -> None:
    """The watcher, which is still root, removes a pid file that the failed daemon may not remove any more."""
    done = starter.run(ends.nobody_fails)
    assert done.returncode == 1
    assert [path.name for path in starter.directory.iterdir()] == ["said"]


def test_signals_of_children_that_are_ignored(starter: Starter) -> None:
    """If signals of children are ignored, the parent still learns the daemon's exit status."""
    done = starter.run(ends.ignores_children)
    assert done.stdout == "3 ''\n"


def test_a_child_that_outlives_its_start(starter: Starter) -> None:
    """A child of the daemon that lives on does not hide from the parent that the daemon has died."""
    done = starter.run(ends.leaves_a_child)
    assert done.stdout == "3\n"
    starter.told()


def test_a_watcher_that_is_killed(starter: Starter) -> None:
    """If the watcher is killed, the start has failed and the daemon is stopped."""
    done = starter.run(ends.loses_its_watcher)
    assert done.stdout == "1 the state of the daemon is unknown\n\n"
    starter.wait_for_the_end()
    assert not (starter.directory / "d.pid").exists()


def test_a_parent_that_is_killed(starter: Starter) -> None:
    """If the waiting parent is killed, the daemon is stopped."""
    done = starter.run(ends.is_killed)
    assert done.returncode == -signal.SIGKILL
    assert starter.told()["got"] == signal.SIGTERM
    starter._pids.clear()


def test_threads_are_waited_for(starter: Starter) -> None:
    """At its end a daemon waits for its threads like any program, except for daemon threads."""
    done = starter.run(ends.with_threads)
    assert done.returncode == 0
    starter.wait_for_the_end()
    assert (starter.directory / "late").exists()


@needs_root
def test_last_words_in_another_root(starter: Starter) -> None:
    """The last traceback in another root needs no import, because its modules were imported before."""
    done = starter.run(ends.dies_in_another_root)
    assert (done.returncode, done.stderr) == (0, "")
    starter.wait_for_the_end()
    text = (starter.directory / "jail" / "var" / "log" / "jailed.errors").read_text(encoding="utf-8")
    assert text.endswith("KeyError: 'last words'\n")


def test_a_terminal(starter: Starter) -> None:
    """A daemon that is started from a terminal has no terminal."""
    command = words(ends.leaves_its_terminal)
    process, terminal = in_terminal(*command, environment={**os.environ, **marked(starter.directory)})
    facts = starter.told()
    assert facts["tty"] == 0
    assert process.wait(DEADLINE) == 0
    os.close(terminal)


def test_no_daemon_outlives_its_test(open_path: Path) -> None:
    """The harness ends a daemon even if the test has failed before it learnt the daemon's pid."""
    starter = Starter(open_path)
    starter.run(ends.unheard)
    pid = read_pid(open_path / "d.pid")
    assert pid
    starter.close()
    starter.wait_for_the_end()
    wait_for(lambda: not Path(f"/proc/{pid}/fd/0").exists())


def test_a_class_that_forgets_its_base() -> None:
    """A subclass that does not call the base's constructor gets an error that says so."""

    class Forgets(Daemon):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match=r"Daemon.__init__\(\) has not been called"):
        Forgets().start()


@pytest.mark.parametrize("way", ["exits", "fails", "returns"])
def test_children_of_the_target(starter: Starter, way: str) -> None:
    """A child of the target does not return to the caller; its failure is its own, and it leaves the pid file alone."""
    done = starter.run(ends.with_a_child, way)
    assert done.stdout == "here\n"
    starter.wait_for_the_end()
    expected = {"exits": "3", "fails": "1", "returns": "0"}[way]
    assert (starter.directory / "status").read_text(encoding="ascii") == expected
    assert not (starter.directory / "d.pid").exists()


def test_a_daemon_that_ignores_the_stop(starter: Starter) -> None:
    """A daemon that ignores the stop during its start ends when it is ready and finds that its parent is gone."""
    done = starter.run(ends.ignores_the_stop)
    assert done.stdout == "1\n"
    assert "no process waits for this daemon any more" in (starter.directory / "err").read_text(encoding="utf-8")
    assert not (starter.directory / "d.pid").exists()


@needs_root
def test_a_daemon_that_has_been_taken_over(starter: Starter) -> None:
    """The watcher, which is still root, does not remove a file that a hijacked daemon names."""
    done = starter.run(ends.is_taken_over)
    assert done.returncode == 5
    assert (starter.directory / "secret" / "victim").exists()
