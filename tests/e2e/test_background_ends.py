"""flagman --daemon: starts that are cut short, and daemons that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from background import Background, status_of
from daemon import DEADLINE, LIB, SCRIPT

from flagman.daemon import Daemon

if TYPE_CHECKING:
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# The command, killed as soon as one of its stages is done.
DIES = """
import os, signal, sys
from flagman import surroundings
from flagman.__main__ import main
Process = surroundings._Process
stage = sys.argv.pop(1)
def die(self):
    getattr(Process, stage)(self)
    os.kill(os.getpid(), signal.SIGKILL)
surroundings._Process = type("Dies", (Process,), {stage: die})
sys.exit(main())
"""
# The command, with a mistake that only shows when it is ready.
MISTAKEN = """
import sys
from flagman.console import Console
from flagman import cli
from flagman.daemon import crash
from flagman.__main__ import main
crash._SYSTEM = "/no/such"
class Mistaken(cli._Console):
    def ready(self):
        super().ready()
        raise KeyError("a mistake")
cli._Console = Mistaken
sys.exit(main())
"""


@pytest.mark.parametrize("stage", Daemon.STAGES)
def test_killed_after_any_stage(background: Background, stage: str) -> None:
    """The parent tells, and returns no success; the next start works, and leaves nothing of the one before."""
    words = ["--pid-file", str(background.pid_file), "--usr1", "print", "x"]
    done = background.run(sys.executable, "-c", DIES, stage, "--daemon", *words)
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stderr.endswith("the daemon was killed by signal 9 before it was ready\n")
    assert "Traceback" not in done.stderr
    assert background.start("--usr1", "print", "x").returncode == 0
    assert background.pid_file.read_text(encoding="ascii") == f"{background.pid()}\n"
    assert list(background.pid_file.parent.iterdir()) == [background.pid_file]


class SlowStart:
    """A daemon that waits in the set_up of its action, and the process that waits for it."""

    def __init__(self, background: Background, fifo: Path) -> None:
        words = ["-q", "--pid-file", str(background.pid_file), "--usr1", "acts:SlowSetUp", "a", str(fifo)]
        self.parent = subprocess.Popen(
            [*SCRIPT, "--daemon", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(LIB), "NOTIFY_SOCKET": ""},
        )
        self._gate = os.open(fifo, os.O_WRONLY)  # waits until the action reads there
        self.pid = background.pid()

    def go(self) -> None:
        """Let the set_up end."""
        os.write(self._gate, b"go\n")

    def end(self) -> tuple[str, str]:
        """Wait until the parent ends; give what it has said."""
        output, error = self.parent.communicate(timeout=DEADLINE)
        os.close(self._gate)
        return output, error


def test_killed_while_an_action_is_set_up(background: Background, fifo: Path) -> None:
    """That is no success either."""
    slow = SlowStart(background, fifo)
    os.kill(slow.pid, signal.SIGKILL)
    _, error = slow.end()
    assert slow.parent.returncode == 128 + signal.SIGKILL
    assert error.endswith("the daemon was killed by signal 9 before it was ready\n")
    assert background.start("--usr1", "print", "x").returncode == 0


def test_it_returns_when_all_is_set_up(background: Background, fifo: Path) -> None:
    """Not before: the parent waits as long as the slowest set_up."""
    slow = SlowStart(background, fifo)
    assert slow.parent.poll() is None
    slow.go()
    assert slow.end() == ("a: init\na: begin\na: end\n", "")
    assert slow.parent.returncode == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_gives_up_waiting(background: Background, fifo: Path, signum: signal.Signals) -> None:
    """Takes the daemon along, which cleans up."""
    slow = SlowStart(background, fifo)
    slow.parent.send_signal(signum)
    slow.go()  # a set_up is not interrupted by a first TERM
    slow.end()
    assert slow.parent.returncode == 128 + signum
    background.wait_for(lambda: not background.pid_file.exists())


def test_stopped_before_it_was_ready(background: Background, fifo: Path) -> None:
    """A daemon that has been told to stop has not started."""
    slow = SlowStart(background, fifo)
    os.kill(slow.pid, signal.SIGTERM)
    slow.go()
    output, error = slow.end()
    assert slow.parent.returncode == 1
    assert "the daemon ended before it was ready\n" in error
    assert "a: cleanup\n" in output
    assert not background.pid_file.exists()


@pytest.mark.parametrize("log", [(), ("--log-file", "log")], ids=["crash file", "log"])
@pytest.mark.parametrize("mistaken", [True, False], ids=["a mistake of ours", "tear_down"])
def test_last_words(background: Background, log: tuple[str, ...], mistaken: bool) -> None:  # noqa: FBT001
    """Are in the log, or else in a file that only its owner reads."""
    program = MISTAKEN if mistaken else MISTAKEN.replace("raise", "return")
    words = ["--daemon", "--pid-file", str(background.pid_file), "--usr1", "acts:FailTearDown", "-q", *log]
    state = background.directory / "state"
    done = background.run(sys.executable, "-c", program, *words, XDG_STATE_HOME=str(state))
    assert (done.returncode, done.stderr) == (0, "")
    if not mistaken:
        os.kill(background.pid(), signal.SIGTERM)
    background.wait_for(lambda: not background.pid_file.exists())
    path = background.directory / "log" if log else state / "d.errors"
    background.wait_for(path.exists)
    text = path.read_text(encoding="utf-8")
    assert "an error that nobody has handled\nTraceback" in text
    assert ("KeyError: 'a mistake'" if mistaken else "RuntimeError: no tear-down today") in text
    assert state.exists() is not bool(log)
    assert path.stat().st_mode & 0o077 == 0


@needs_root
def test_a_group_alone(background: Background) -> None:
    """The user stays; supplementary groups do not."""
    assert background.start("--group", "nogroup", "--usr1", "print", "x").returncode == 0
    status = status_of(background.pid())
    assert status["Uid"].split() == ["0"] * 4
    assert set(status["Gid"].split()) | set(status["Groups"].split()) == {status["Gid"].split()[0]}
    assert status["Gid"].split()[0] != "0"


def test_what_goes_to_standard_error(background: Background) -> None:
    """Is said to the terminal until all is ready, and to the file from then on; it is appended."""
    (background.directory / "err").write_text("before\n", encoding="utf-8")
    done = background.start("-v", "--usr1", "exec", "/no/such", "--stderr", "err", "--stdout", "err")
    assert done.returncode == 0
    assert "INFO:flagman.service:Ready" in done.stderr
    os.kill(background.pid(), signal.SIGUSR1)
    path = background.directory / "err"
    background.wait_for(lambda: "/no/such" in path.read_text(encoding="utf-8"))
    background.stop()
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert "Ready" not in text
    assert "Stopping as asked" in text


def test_a_fifo_without_a_reader(background: Background) -> None:
    """Is refused, where opening it would wait for ever."""
    os.mkfifo(background.directory / "out")
    done = background.start("--usr1", "print", "x", "--stdout", "out")
    assert done.returncode == 1
    path = background.directory / "out"
    assert done.stderr == f"flagman: error: stdout {str(path)!r}: cannot be opened: No such device or address\n"


def test_a_plugin_with_a_thread(background: Background) -> None:
    """It keeps its thread with --daemon, which forks before it is imported, and is an error with -d, which does not."""
    (background.directory / "threaded.py").write_text(
        "import threading\nfrom flagman.actions import PrintAction\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        encoding="utf-8",
    )
    path = f"{background.directory}:{LIB}"
    words = ["--usr1", "threaded:PrintAction", "x", "--pid-file", str(background.pid_file)]
    late = background.run(*SCRIPT, *words, "-d", PYTHONPATH=path)
    assert late.returncode == 1
    assert late.stderr == "flagman: error: detach: other threads run, which would not survive the fork\n"
    assert background.run(*SCRIPT, *words, "--daemon", PYTHONPATH=path, PYTHONWARNINGS="error").returncode == 0
    assert int(status_of(background.pid())["Threads"]) == 2
