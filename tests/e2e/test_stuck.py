"""If its output is not read, a daemon waits, loses nothing, and still stops within its bound."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from flagman.testing import Lines
from support.background import status_of
from support.driven import DEADLINE, LIB, SCRIPT, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

USR1, USR2, TERM, QUIT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGQUIT

LONG = "x" * 3000


def armed(process: subprocess.Popen[bytes]) -> None:
    """Wait until a daemon handles TERM."""
    limit = time.monotonic() + DEADLINE
    while not int(status_of(process.pid)["SigCgt"], 16) & 1 << TERM - 1:
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.001)


class Behind:
    """A flagman that writes to one end of a pipe, socket or terminal; the test has the other end."""

    def __init__(self, ours: int, theirs: int, *arguments: str, out: bool = False) -> None:
        self.reader = ours
        self.process = subprocess.Popen(
            [*SCRIPT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs if out else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if out else theirs,
            env={**os.environ, "PYTHONPATH": str(LIB)},
        )
        os.close(theirs)
        self.lines = Lines(ours)

    def expect(self, part: str) -> str:
        """Read until a line contains this part, and return it."""
        while part not in (line := self.lines.next()):
            assert not self.lines.ended
        return line

    def fill(self, signum: int) -> None:
        """Send signals until the daemon waits for a reader, so that further signals change nothing."""
        for _ in range(60):
            self.process.send_signal(signum)
            settle(self.process.pid)

    def close(self) -> None:
        """Kill the daemon."""
        self.process.kill()
        self.process.wait()
        os.close(self.reader)


@pytest.fixture(name="behind")
def _behind() -> Iterator[Callable[..., Behind]]:
    """Yield a function that starts daemons behind a pipe, socket or terminal; they end with the test."""
    started: list[Behind] = []

    def start_one(kind: str, *arguments: str, blocking: bool = True, out: bool = False) -> Behind:
        if kind == "terminal":
            ours, theirs = pty.openpty()
        elif kind == "socket":
            one, other = socket.socketpair()
            ours, theirs = one.detach(), other.detach()
        else:
            ours, theirs = os.pipe()
        os.set_blocking(theirs, blocking)
        started.append(Behind(ours, theirs, *arguments, out=out))
        return started[-1]

    yield start_one
    for one in started:
        one.close()


RUNS = {
    "a record of an action": ["log", "error", LONG],
    "a failure": ["sh", f": {LONG}; exit 1", "--usr1", "print", LONG],
    "output that is logged": ["sh", f"echo {LONG} >&2", "--output", "log"],
    "output that is passed on": ["sh", f"echo {LONG} >&2"],
    "a timeout": ["sh", f"echo {LONG} >&2; sleep 1000", "--timeout", "10ms", "--output", "log"],
    "a plugin's traceback": ["acts:FailLoudly", LONG],
}


@pytest.mark.parametrize("kind", ["pipe", "non-blocking pipe", "terminal", "socket"])
@pytest.mark.parametrize("run", RUNS)
def test_term_is_obeyed_within_its_bound(behind: Callable[..., Behind], kind: str, run: str) -> None:
    """TERM is obeyed within its bound, whichever record is being written while the log is not read."""
    words = ["-v", "--stop-timeout", "50ms", "--overlap", "rerun", "--usr1", *RUNS[run]]
    daemon = behind(kind.rpartition(" ")[2], *words, blocking=not kind.startswith("non-"))
    daemon.expect("Ready")
    daemon.fill(USR1)
    daemon.process.send_signal(TERM)
    assert daemon.process.wait(DEADLINE) == 0


def test_a_second_term_does_not_wait_for_the_bound(behind: Callable[..., Behind]) -> None:
    """A second TERM ends the wait for a reader at once."""
    daemon = behind("pipe", "-v", "--overlap", "rerun", "--usr1", *RUNS["a record of an action"])
    daemon.expect("Ready")
    daemon.fill(USR1)
    daemon.process.send_signal(TERM)
    settle(daemon.process.pid)
    daemon.process.send_signal(TERM)
    assert daemon.process.wait(DEADLINE) == 0


@pytest.fixture(name="full")
def _full() -> Iterator[Callable[[int], tuple[int, int]]]:
    """Yield a function that makes pipes of one page with this many bytes free."""
    made: list[int] = []

    def make(free: int) -> tuple[int, int]:
        reader, writer = os.pipe()
        made.extend((reader, writer))
        assert fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096) == 4096
        os.write(writer, b"-" * (4096 - free))
        return reader, writer

    yield make
    for descriptor in made:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("words", "free", "status"),
    [
        # It logs its pid, and waits when it would log that it is ready.
        (["-v", "--usr1", "print", "x"], 90, 0),
        # It would end by itself, but the stop is what it comes to first.
        (["--usr1", "acts:FailLoudly", LONG, "--on-error", "exit", "--run-at-start"], 90, 0),
        (["--usr1", "print_once", "x", "--run-at-start"], 90, 0),
        (["--usr1", "acts:FailTearDown", "--once", "--run-at-start"], 90, 1),
        # It does not even start.
        (["--usr1", "acts:FailSetUp"], 90, 1),
    ],
    ids=["ready", "a failure that ends it", "all actions have closed", "tear_down", "set_up"],
)
def test_records_of_a_start_and_of_an_end(
    full: Callable[[int], tuple[int, int]], words: list[str], free: int, status: int
) -> None:
    """At start and end a daemon waits for its reader, but after a stop only within the stop timeout."""
    _, writer = full(free)
    with subprocess.Popen(
        [*SCRIPT, "--stop-timeout", "50ms", *words],
        stderr=writer,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(LIB)},
    ) as process:
        try:
            armed(process)
            settle(process.pid)
            process.send_signal(TERM)
            assert process.wait(DEADLINE) == status
        finally:
            process.kill()


def test_a_disk_that_is_full_behind_a_handler(tmp_path: Path) -> None:
    """A full disk behind a handler is no failure of the run."""
    path = tmp_path / "flagman.toml"
    path.write_text(
        """
        [logging]
        version = 1
        disable_existing_loggers = false
        handlers.x = {class = "logging.FileHandler", filename = "/dev/full"}
        root.handlers = ["x"]
        """,
        encoding="utf-8",
    )
    done = run("-c", str(path), "--once", "--run-at-start", "--usr1", "log", "error", "x" * 20_000)
    assert done.returncode == 0


LOGGING = {
    "handler": 'handlers.x = {class = "logging.FileHandler", filename = "FIFO"}',
    "a handler behind another": """
        handlers.y = {class = "logging.FileHandler", filename = "FIFO"}
        handlers.x = {class = "logging.handlers.MemoryHandler", capacity = 3, target = "y"}
    """,
}


@pytest.mark.parametrize("kind", ["file", *LOGGING, "a handler of a plugin", "a thread of a plugin"])
def test_a_log_that_leads_elsewhere(start: Start, tmp_path: Path, fifo: Path, kind: str) -> None:
    """TERM is obeyed within its bound if the log is a FIFO that is not read, whichever code writes there."""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    words = ["--log-file", str(fifo)]
    if kind in LOGGING or kind == "a thread of a plugin":
        path = tmp_path / "flagman.toml"
        handlers = LOGGING.get(kind, LOGGING["handler"]).replace("FIFO", str(fifo))
        path.write_text(
            f"[logging]\nversion = 1\ndisable_existing_loggers = false\n{handlers}\nroot.handlers = ['x']\n",
            encoding="utf-8",
        )
        words = ["--config", str(path)]
    if kind == "a thread of a plugin":
        words += ["--usr2", "acts:Chatters"]
    if kind == "a handler of a plugin":
        words = ["--usr2", "acts:AddsHandler", str(fifo)]
    daemon = start(
        "-v", "--stop-timeout", "100ms", "--overlap", "rerun", *words, "--usr1", "log", "error", LONG
    ).ready()
    try:
        daemon.signal(USR2)
        for _ in range(40):
            daemon.signal(USR1)
            settle(daemon.process.pid)
        daemon.signal(TERM)
        assert daemon.status() == 0
        assert os.read(reader, 65536)
    finally:
        os.close(reader)


def test_stacks_that_are_not_read(behind: Callable[..., Behind]) -> None:
    """Stacks that are not read are given up at a stop."""
    daemon = behind("pipe", "-q", "--overlap", "rerun", "--stop-timeout", "50ms", "--usr1", "sh", f"echo {LONG} >&2")
    armed(daemon.process)
    daemon.fill(USR1)
    daemon.process.send_signal(QUIT)
    settle(daemon.process.pid)
    daemon.process.send_signal(TERM)
    assert daemon.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("out", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_a_descriptor_that_something_else_has_made_non_blocking(
    behind: Callable[..., Behind], kind: str, *, out: bool
) -> None:
    """All lines pass through a descriptor that was made non-blocking elsewhere, and no good run counts as failed."""
    count = 30
    line = f"for i in $(seq {count}); do echo $i {LONG}{' >&2' * (not out)}; done"
    rest = ["--usr1", "print", f"end {LONG}"] if out else ["--usr1", "log", "error", f"end {LONG}"]
    if not out:
        rest = [*["--usr1", "log", "error", LONG] * count, *rest]
    daemon = behind(kind, "-v", "--usr1", "sh", line, *rest, "--usr1", "print", "last", blocking=False, out=out)
    daemon.expect("init" if out else "Ready")
    armed(daemon.process)
    daemon.process.send_signal(USR1)
    settle(daemon.process.pid)  # all buffers are full, and the daemon waits
    for number in range(1, count + 1):
        assert daemon.expect(f"{number} {LONG}").strip() == f"{number} {LONG}"
    found = daemon.expect("end ") if out else [daemon.expect(f"ERROR:flagman.log:{LONG}") for _ in range(count)][-1]
    assert found.strip().endswith(LONG)
    if not out:
        assert "failed" not in daemon.expect("ERROR:flagman.log:end")
    daemon.process.send_signal(TERM)
    assert daemon.process.wait(DEADLINE) == 0


# Sends TERM right before a command or a request begins to wait: in any poll(2) other than the loop's.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static int done;
static void before(nfds_t n, int is_long) {
    if (!done && n > 1 && is_long) { done = 1; kill(getpid(), SIGTERM); }
}
int poll(struct pollfd *fds, nfds_t n, int timeout) {
    static int (*real)(struct pollfd *, nfds_t, int);
    if (!real) real = dlsym(RTLD_NEXT, "poll");
    before(n, timeout < 0 || timeout > 1000);
    return real(fds, n, timeout);
}
/* What Python uses from 3.15 on. */
int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
    static int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
    if (!real) real = dlsym(RTLD_NEXT, "ppoll");
    before(n, !timeout || timeout->tv_sec > 1 || (timeout->tv_sec == 1 && timeout->tv_nsec > 0));
    return real(fds, n, timeout, mask);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("what", ["command", "output", "print", "http"])
def test_term_right_before_a_wait(start: Start, tmp_path: Path, what: str) -> None:
    """TERM right before a wait ends it through the wake-up pipe, though Python has looked for signals before."""
    source = tmp_path / "shim.c"
    source.write_text(SHIM, encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", source, "-ldl"], check=True)
    server = socket.create_server(("127.0.0.1", 0))
    words = {
        "command": ["sh", "sleep 1000"],
        "output": ["sh", f"echo {'x' * 100_000}"],
        "print": ["print", "x" * 100_000],
        "http": ["http", "GET", f"http://127.0.0.1:{server.getsockname()[1]}/"],
    }[what]
    with server:
        daemon = start(
            *("-v", "--stop-timeout", "50ms"),
            *(("--timeout", "1d") if what == "http" else ()),
            *("--usr1", *words),
            environment={"LD_PRELOAD": f"{tmp_path}/shim.so"},
        )
        daemon.ready().signal(USR1)
        assert daemon.status() == 0
        if what in ("command", "http"):  # the others give up their output
            assert [line for line in daemon.err.rest() if ": interrupted after " in line]


@pytest.mark.parametrize("action", ["acts:AtExit", "acts:Chatters"])
def test_the_end_of_the_interpreter(behind: Callable[..., Behind], action: str) -> None:
    """Output of a plugin at the exit or in threads, which is not read, does not delay the end."""
    words = ["-v", "--stop-timeout", "50ms", "--overlap", "rerun", "--usr2", action, "--usr1", "log", "error", LONG]
    daemon = behind("pipe", *words)
    daemon.expect("Ready")
    daemon.process.send_signal(USR2)
    daemon.fill(USR1)
    daemon.process.send_signal(TERM)
    assert daemon.process.wait(DEADLINE) == 0


def test_many_actions_that_print(behind: Callable[..., Behind]) -> None:
    """Output that is not read is given up at a stop, and no tear_down counts as failed for that."""
    prints = [word for _ in range(8) for word in ("--usr1", "print", LONG)]
    daemon = behind("pipe", "-q", "--stop-timeout", "100ms", "--overlap", "rerun", *prints, out=True)
    for _ in range(8):
        daemon.expect("init")
    daemon.fill(USR1)
    daemon.process.send_signal(TERM)
    assert daemon.process.wait(DEADLINE) == 0
