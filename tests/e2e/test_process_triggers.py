"""Processes as triggers of a real flagman, with a part that stands in for what keeps them."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from support.ctl import SCRIPT
from support.driven import DEADLINE, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman

KEEPING = (sys.executable, "-m", "keeping")
NAMES = ("TRIGGER", "PROCESS", "EVENT", "STATUS", "PROCESS_PID", "REASON", "COALESCED")
SHOW = f"echo {' '.join(f'$FLAGMAN_{name}' for name in NAMES)}"
TABLE = "[process.web]\n"


class Keeper:
    """What keeps processes, as a test steers it."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / "keeper")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")
        self._socket.settimeout(DEADLINE)

    def report(self, line: str) -> None:
        """Report an event, and wait until that has been done."""
        self._socket.sendto(line.encode(), self._path)
        assert self._socket.recv(100) == b"reported"

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@pytest.fixture(name="keeper")
def _keeper(tmp_path: Path) -> Iterator[Keeper]:
    """Yield what keeps processes."""
    keeper = Keeper(tmp_path)
    yield keeper
    keeper.close()


@pytest.fixture(name="keeping")
def _keeping(start: Callable[..., Flagman], tmp_path: Path) -> Callable[..., Flagman]:
    """Return a function that starts flagman with the part."""

    def keeping(*arguments: str, text: str = "", environment: dict[str, str] | None = None) -> Flagman:
        (tmp_path / "flagman.toml").write_text(TABLE + text, encoding="utf-8")
        return start("-c", "flagman.toml", *arguments, command=KEEPING, environment=environment)

    return keeping


def test_a_command_is_told(keeping: Callable[..., Flagman], keeper: Keeper) -> None:
    """A command finds in its environment what has happened, and nothing of what another flagman has told this one."""
    outer = {f"FLAGMAN_{name}": "outer" for name in NAMES}
    daemon = keeping("--on-process", "web:exit", "sh", SHOW, "--usr1", "sh", SHOW, environment=outer).ready()
    keeper.report("web exit SIGKILL 42 killed by SIGKILL")
    daemon.expect("process:web:exit web exit SIGKILL 42 killed by SIGKILL 1")
    keeper.report("web exit 1 0 exited with 1")
    daemon.expect("process:web:exit web exit 1 exited with 1 1").signal(signal.SIGUSR1).expect("usr1 1").stop()


def test_an_event_during_its_own_run(keeping: Callable[..., Flagman], keeper: Keeper, fifo: Path) -> None:
    """Events during a run of their own bundle lead to one more run, although the overlap is to ignore them."""
    command = f"echo begin $FLAGMAN_REASON; read line < {fifo}; echo end"
    daemon = keeping("--overlap", "ignore", "--on-process", "web:fail", "sh", command).ready()
    keeper.report("web fail 1 42 one")
    daemon.expect("begin one")
    keeper.report("web fail 1 42 two")
    keeper.report("web fail 1 42 three")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("end", "begin three")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("end").stop()


def test_an_event_interrupts_a_run(keeping: Callable[..., Flagman], keeper: Keeper, fifo: Path) -> None:
    """With --overlap restart, an event ends the command that runs, and the bundle begins anew."""
    command = f"echo begin $FLAGMAN_REASON; read line < {fifo}; echo end"
    daemon = keeping("--overlap", "restart", "--on-process", "web:fail", "sh", command).ready()
    keeper.report("web fail 1 42 one")
    daemon.expect("begin one")
    keeper.report("web fail 1 42 two")
    daemon.expect("begin two")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("end").stop()


def test_a_reload(keeping: Callable[..., Flagman], keeper: Keeper, tmp_path: Path) -> None:
    """A reload adds and removes bindings of events."""
    on = '[[on]]\nprocess = "web"\nevent = "%s"\naction = "sh"\nargs = ["echo %s $FLAGMAN_REASON"]\n'
    daemon = keeping("-v", "--usr1", "reload", text=on % ("fail", "a")).ready()
    keeper.report("web ready  42 not bound")
    keeper.report("web fail 1 42 first")
    daemon.expect("a first")
    (tmp_path / "flagman.toml").write_text(TABLE + on % ("ready", "b"), encoding="utf-8")
    daemon.signal(signal.SIGUSR1).expect_error("Reloaded")
    keeper.report("web fail 1 42 not bound any more")
    keeper.report("web ready  42 second")
    daemon.expect("b second").stop()


def test_at_the_start_and_once(keeping: Callable[..., Flagman], keeper: Keeper) -> None:
    """At the start a bundle is told of no event, and the first run may be the only one."""
    daemon = keeping("--run-at-start", "--on-process", "web:fail", "sh", SHOW).ready()
    daemon.expect("process:web:fail web 1").stop()
    daemon = keeping("--once", "--on-process", "web:fail", "sh", SHOW).ready()
    keeper.report("web fail 1 42 why")
    daemon.expect("process:web:fail web fail 1 42 why 1", "")
    assert daemon.status() == 0


def test_from_outside(keeping: Callable[..., Flagman], keeper: Keeper, tmp_path: Path) -> None:
    """The trigger has a name in requests, by which it can be raised and its runs be found."""
    daemon = keeping("--control", "./web.sock", "--on-process", "web:fail", "sh", SHOW).ready()
    keeper.report("web fail 1 42 why")
    daemon.expect("process:web:fail web fail 1 42 why 1")

    def ctl(*words: str) -> str:
        done = run("--control", "./web.sock", *words, directory=str(tmp_path), command=[SCRIPT])
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    ctl("trigger", "process:web:fail", "--wait")
    daemon.expect("process:web:fail web 1")
    assert ctl("history", "process:web:fail").count("process:web:fail") == 2
    daemon.stop()


def test_what_is_printed(tmp_path: Path) -> None:
    """The two keys are written into a file, and the option into a unit."""
    (tmp_path / "flagman.toml").write_text(TABLE, encoding="utf-8")
    words = ["-c", "flagman.toml", "--on-process", "web:ready", "stop"]
    printed = run("--print-config", *words, directory=str(tmp_path), command=KEEPING).stdout
    assert '\n[[on]]\nprocess = "web"\nevent = "ready"\naction = "stop"\n' in printed
    printed = run("--print-unit", *words, directory=str(tmp_path), command=KEEPING).stdout
    assert " --on-process web:ready stop\n" in printed
    (tmp_path / "flagman.toml").write_text("", encoding="utf-8")
    done = run("--check", *words, directory=str(tmp_path))
    what = "process:web:ready: there is no process 'web'; each process is a table [process.NAME] of the configuration"
    assert (done.returncode, done.stderr) == (2, f"flagman: error: {what} file\n")
