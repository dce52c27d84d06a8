"""In any surroundings the daemon starts, lives, and reports what it can."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.text.signames import number_of
from support.driven import DEADLINE, MODULE, SCRIPT, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman

    Start = Callable[..., Flagman]

USR1, USR2, TERM, QUIT, HUP = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP

STREAMS = {
    "stdout closed": 'exec "$@" >&-',
    "stdout full": 'exec "$@" >/dev/full',
    "stdout left": 'exec "$@" > >(exit)',
    "stderr closed": 'exec "$@" 2>&-',
    "stderr full": 'exec "$@" 2>/dev/full',
    "stderr left": 'exec "$@" 2> >(exit)',
    "both closed": 'exec "$@" >&- 2>&-',
    "both full": 'exec "$@" >/dev/full 2>&1',
    "both left": 'exec "$@" > >(exit) 2>&1',
    "all closed": 'exec "$@" <&- >&- 2>&-',
}


@pytest.mark.parametrize("log", ["plain", "json", "journal"])
@pytest.mark.parametrize("how", STREAMS)
def test_streams_that_cannot_be_written(start: Start, tmp_path: Path, how: str, log: str) -> None:
    """If streams cannot be written, actions that print fail, others work, and the stop is graceful."""
    mark = tmp_path / "mark"
    path = tmp_path / "flagman.toml"
    path.write_text("", encoding="utf-8")
    daemon: Flagman = start(
        *("-c", str(path), "-vv", "--log-format", log, "--overlap", "rerun", "--hup", "reload"),
        *("--usr1", "print", "x", "--usr1", "log", "error", "y", "--usr1", "acts:TooMuch"),
        *("--usr1", "sh", f"echo out; echo err >&2; echo done >> {mark}", "--usr1", "sh", f"echo end >> {mark}"),
        prefix=["bash", "-c", STREAMS[how], "bash"],
    )
    while "READY=1" not in daemon.notified():
        pass
    daemon.signal(USR1)
    wait_for(mark, "done\nend\n")
    daemon.signal(QUIT, HUP)
    while "READY=1" not in daemon.notified():
        pass
    daemon.signal(USR1)
    wait_for(mark, "done\nend\n" * 2)
    daemon.signal(TERM)
    assert daemon.status() == 0
    left = daemon.err.rest() + daemon.out.rest()
    assert not [line for line in left if "Logging error" in line or "Exception ignored" in line], left


def wait_for(path: Path, text: str) -> None:
    """Wait until a file holds exactly this text."""
    limit = time.monotonic() + DEADLINE
    while not path.exists() or path.read_text(encoding="utf-8") != text:
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_a_print_that_fails_is_logged(start: Start) -> None:
    """A print that fails is logged, the next action runs, and the daemon lives."""
    prefix = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    daemon: Flagman = start("--usr1", "print", "x", "--usr1", "log", "warning", "next", prefix=prefix)
    daemon.ready().expect_error("WARNING:flagman.actions.print:Cannot print `init`: No space left on device")
    daemon.signal(USR1).expect_error("usr1: print x: failed after ")
    daemon.expect_error("WARNING:flagman.log:next")
    daemon.signal(TERM)
    assert daemon.status() == 0


EXHAUSTED = {
    "descriptors": ("acts:Exhaust",),
    "memory": ("acts:Fail", "MemoryError"),
    "recursion": ("acts:Recurse",),
    "real memory": ("acts:TooMuch",),
}


@pytest.mark.parametrize("what", EXHAUSTED)
def test_exhaustion_is_a_failure_of_actions(start: Start, tmp_path: Path, what: str) -> None:
    """With exhausted resources the actions that need them fail, others run, and later all run again."""
    commands = ("--usr2", "exec", "true", "--usr2", "touch", str(tmp_path / "touched"), "--usr2", "print", "end")
    daemon: Flagman = start("--overlap", "rerun", "--usr1", *EXHAUSTED[what], "--usr1", "print", "begun", *commands)
    while "READY=1" not in daemon.notified():
        pass
    daemon.signal(USR1)
    while daemon.out.next() != "begun":
        pass
    daemon.signal(USR2).expect("end")
    if what == "descriptors":
        daemon.expect_error(": cannot be started: Too many open files")
        daemon.expect_error(": cannot touch ")
        assert not (tmp_path / "touched").exists()
    elif what != "memory":
        daemon.expect_error("MemoryError" if what == "real memory" else "RecursionError")
    daemon.signal(USR1).expect("begun").signal(USR2).expect("end")
    assert (tmp_path / "touched").exists()
    daemon.signal(TERM)
    assert daemon.status() == 0


ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "no HOME": {"HOME": None},
    "no such HOME": {"HOME": "/no/such"},
    "no LANG": {"LANG": None, "LC_ALL": None, "LC_CTYPE": None, "PYTHONIOENCODING": None, "PYTHONUTF8": None},
    "an unknown locale": {"LC_ALL": "xx_YY.EBCDIC"},
    "an ASCII locale": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "no PATH": {"PATH": None},
    "no terminal": {"TERM": None},
    "an empty time zone": {"TZ": ""},
    "an odd time zone": {"TZ": "No/Such\udcff"},
    "bad numbers": {"WATCHDOG_USEC": "-1", "WATCHDOG_PID": "x", "COLUMNS": "-3", "LINES": "x"},
    "huge numbers": {"WATCHDOG_USEC": "9" * 30, "WATCHDOG_PID": "9" * 30, "COLUMNS": "9" * 30},
    "an odd journal": {"JOURNAL_STREAM": "\udcff:::"},
    "bytes": {"X\udcff": "\udcfe"},
}


@pytest.mark.parametrize("what", ENVIRONMENTS)
def test_any_environment(start: Start, what: str) -> None:
    """In any locale a daemon starts and prints all characters, or escapes if the locale could not decode the words."""
    daemon: Flagman = start("--usr1", "print", "ünï ☃", "--usr2", "sh", "echo hello", environment=ENVIRONMENTS[what])
    daemon.ready().expect("init").signal(USR1)
    assert daemon.out.next() in ("ünï ☃", r"\udcc3\udcbcn\udcc3\udcaf \udce2\udc98\udc83")
    daemon.signal(USR2).expect("hello").stop("cleanup")


def test_nothing_in_the_environment() -> None:
    """The command works with an empty environment, even without PATH."""
    for command in (SCRIPT, MODULE):
        done = run("--usr1", "print", "x", "--check", command=["env", "-i", *command])
        assert (done.returncode, done.stdout, done.stderr) == (0, "good: usr1 runs 1 action\n", "")


def test_a_directory_that_is_gone(start: Start, tmp_path: Path) -> None:
    """If its current directory is gone, a daemon still runs, and its commands do what the system allows."""
    place = tmp_path / "place"
    place.mkdir()
    daemon: Flagman = start(
        *("--usr1", "sh", "echo hello"),
        prefix=["sh", "-c", f'cd {place} && rmdir {place} && exec "$@"', "sh"],
    ).ready()
    daemon.signal(USR1).expect("hello").stop()


def test_a_low_limit_of_descriptors(start: Start) -> None:
    """A limit of 16 descriptors is enough for a signal and a command."""
    daemon: Flagman = start("--usr1", "exec", "echo", "hi", prefix=["sh", "-c", 'ulimit -n 16; exec "$@"', "sh"])
    daemon.ready().signal(USR1).expect("hi").stop()


def test_a_manager_that_has_gone(start: Start, tmp_path: Path) -> None:
    """A manager that is gone or was never there changes nothing for the daemon."""
    for address in ("/no/such", "@nobody", str(tmp_path), "x", "/" + "a" * 200, "vsock:1:1", "vsock:x", "\udcff"):
        daemon: Flagman = start("--usr1", "print", "x", environment={"NOTIFY_SOCKET": address}).expect("init")
        settle(daemon.process.pid)
        daemon.signal(USR1).expect("x").stop("cleanup")


def test_a_manager_that_does_not_read(start: Start, tmp_path: Path) -> None:
    """A manager that does not read gets READY later; the loop does not wait, and the problem is logged once."""
    place = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        manager.bind(place)
        manager.settimeout(DEADLINE)
        other.settimeout(0)
        other.connect(place)
        with suppress(BlockingIOError):
            while True:
                other.send(b"STATUS=somebody else's")
        daemon: Flagman = start("--usr1", "print", "x", environment={"NOTIFY_SOCKET": place}).expect("init")
        daemon.expect_error("The service manager does not accept READY now; it will be sent again")
        for _ in range(5):
            settle(daemon.process.pid)
            daemon.signal(USR1).expect("x")
        while (message := manager.recv(4096)) != b"READY=1\nSTATUS=Ready: usr1 runs 1 action":
            assert message == b"STATUS=somebody else's"
        daemon.stop("cleanup")
        while manager.recv(4096) != b"STOPPING=1":
            pass
        assert daemon.err.next() == ""


def test_unwritable_is_not_unreadable() -> None:
    """An option that only prints fails with a message if its output cannot be written."""
    for arguments in (["--list"], ["--print-config", "--usr1", "print", "x"], ["--print-unit", "--usr1", "print", "x"]):
        done = run(*arguments, command=["sh", "-c", 'exec "$@" >/dev/full', "sh", *SCRIPT])
        assert done.returncode == 1
        assert done.stderr == f"flagman: error: [Errno 28] {os.strerror(28)}\n"


def test_all_signals_at_once(start: Start) -> None:
    """All signals at once, after a stop of the daemon, are served, though all their frames are on one stack."""
    names = [f"RTMIN+{number}" for number in range(1, 31)]
    words = [word for name in names for word in ("--signal", name, "print", name)]
    daemon: Flagman = start(*words, "--overlap", "rerun").ready().expect(*["init"] * len(names))
    pid = daemon.process.pid
    for _ in range(10):
        daemon.signal(signal.SIGSTOP)
        while "State:\tT" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii"):
            pass
        daemon.signal(*(number_of(name) for name in names), signal.SIGQUIT, signal.SIGCONT)
        assert sorted(daemon.out.next() for _ in names) == sorted(names)
    daemon.stop(*["cleanup"] * len(names))
