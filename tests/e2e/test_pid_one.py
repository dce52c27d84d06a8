"""flagman as process 1 of a pid namespace: it runs behind an init."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import driven
from support.containers import NAMESPACE, Contained, child_of, needs_namespaces
from support.driven import DEADLINE, LIB, MODULE, SCRIPT, Lines, script, wait_for
from support.programs import signals, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = needs_namespaces

RERUN = ("--overlap", "rerun")
TERM, HUP, USR1 = signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1


@pytest.fixture(name="contain")
def _contain(tmp_path: Path) -> Iterator[Callable[..., Contained]]:
    """Yield a function that starts daemons in namespaces; they end with the test."""
    daemons: list[Contained] = []

    def start(*arguments: str, **options: object) -> Contained:
        daemons.append(Contained(tmp_path, *arguments, **options))  # type: ignore[arg-type]
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
def test_all_names_are_those_of_process_1(
    contain: Callable[..., Contained], command: list[str], tmp_path: Path
) -> None:
    """Users, commands and programs are told the process that takes the signals, and it takes them."""
    daemon = contain(
        *(*RERUN, "--usr1", "exec", "sh", "-c", "echo $FLAGMAN_PID; kill -USR2 $FLAGMAN_PID"),
        *("--usr2", "dump_status", str(tmp_path / "status"), "--usr2", "print", "dumped"),
        command=command,
    )
    daemon.expect_error("INFO:flagman.cli:PID: 1")
    daemon.ready().expect("init").signal(USR1).expect("1", "dumped")
    assert json.loads((tmp_path / "status").read_text(encoding="utf-8"))["pid"] == 1
    daemon.stop("cleanup")


def test_no_exit_status_is_lost_while_orphans_end(contain: Callable[..., Contained]) -> None:
    """A thousand commands of an action have their own status while 500 orphans end, and no zombie is left."""
    daemon = contain("--usr1", "acts:Orphans").ready()
    daemon.signal(USR1).expect("{7} 3", "0 zombies").stop()


def test_a_stop_in_a_flood_is_obeyed(contain: Callable[..., Contained]) -> None:
    """A signal that arrives without an end keeps neither the others nor the end of the daemon from process 1."""
    daemon = contain("--hup", "acts:Counter", "hup", "--hup", "print_once", "begun").ready()
    sender = subprocess.Popen(words(signals.flood, daemon.init, HUP, 0.0))  # the lowest number
    try:
        daemon.expect("init", "begun", "cleanup")
        daemon.signal(TERM)
        assert int(daemon.out.next().removeprefix("hup: ")) > 0
        assert daemon.status() == 0
    finally:
        sender.kill()
        sender.wait()


def test_no_edge_is_lost(contain: Callable[..., Contained]) -> None:
    """A run begins after the last of many signals to process 1."""
    daemon = contain(*RERUN, "--usr1", "acts:Echo", "usr1", "--signal", "RTMIN+3", "acts:Echo", "rt").ready()
    init = daemon.init
    for _ in range(20):
        for _ in range(500):
            os.kill(init, USR1)
        moment = time.monotonic_ns()
        os.kill(init, USR1)
        os.kill(init, signal.SIGRTMIN + 3)
        wanted = {"usr1": moment, "rt": moment}
        while wanted:
            name, began = daemon.out.next().split()
            if name in wanted and int(began) >= wanted[name]:
                del wanted[name]
    daemon.stop()


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_status_of_the_daemon_is_passed_on(contain: Callable[..., Contained], status: int) -> None:
    """However the daemon ends, the container does so."""
    daemon = contain("--usr1", "acts:Leaves", str(status)).ready()
    daemon.signal(USR1)
    assert daemon.status() == status


def test_the_death_of_the_daemon_is_passed_on(contain: Callable[..., Contained]) -> None:
    """A daemon that is killed behind process 1 ends the container with 128 and the signal."""
    daemon = contain("--usr1", "print", "hi").ready()
    os.kill(child_of(daemon.init), signal.SIGKILL)
    assert daemon.status() == 128 + signal.SIGKILL


def test_a_mistake_is_one_line(contain: Callable[..., Contained]) -> None:
    """A wrong command line has its own status and line, as elsewhere."""
    daemon = contain("--usr1", "bogus")
    assert daemon.status() == 2
    assert "unknown action 'bogus'" in daemon.err.next()


def test_it_stays_in_front_and_holds_little(contain: Callable[..., Contained]) -> None:
    """--daemon has no effect under process 1, and the init holds what it needs, and sleeps."""
    daemon = contain("--daemon", "--usr1", "print", "hi").ready().expect("init")
    init = daemon.init
    assert len(driven.descriptors(init)) <= 5  # the standard streams and the two ends of the relay

    def switches() -> list[str]:
        texts = [(task / "status").read_text("ascii", "replace") for task in Path(f"/proc/{init}/task").iterdir()]
        return [line for text in texts for line in text.splitlines() if "_switches" in line]

    def is_asleep() -> bool:
        before = switches()
        time.sleep(0.5)
        return switches() == before

    wait_for(is_asleep)
    daemon.signal(USR1).expect("hi").stop("cleanup")


def test_the_watchdog_is_fed(contain: Callable[..., Contained]) -> None:
    """The watchdog of the manager is meant for process 1, and the daemon feeds it."""
    daemon = contain("--usr1", "print", "hi", WATCHDOG_USEC="150000", WATCHDOG_PID="1").ready()
    for _ in range(5):
        assert daemon.notified() == "WATCHDOG=1"
    daemon.expect("init").stop("cleanup")


def test_the_manager_hears_process_1(tmp_path: Path) -> None:
    """Every message carries the number of process 1, by which a manager knows the main process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(DEADLINE)
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        daemon = Contained(tmp_path, "--usr1", "print", "hi", NOTIFY_SOCKET=str(tmp_path / "manager"))
        heard: list[str] = []
        try:
            while not any("STOPPING=1" in each for each in heard):
                message, ancillary, *_ = manager.recvmsg(4096, socket.CMSG_SPACE(12))
                assert struct.unpack("3i", ancillary[0][2])[0] == daemon.init
                heard.append(message.decode())
                if "READY=1" in heard[-1]:
                    daemon.signal(TERM)
            assert daemon.status() == 0
        finally:
            daemon.close()
    assert "READY=1" in "\n".join(heard).splitlines()


def test_the_end_of_the_terminal_stops_the_daemon() -> None:
    """When the terminal of a container hangs up, the kernel tells process 1 alone, and the daemon hears of it."""
    master, terminal = pty.openpty()
    command = [*NAMESPACE, sys.executable, "-IS", script("lead_session"), *SCRIPT, "--usr1", "print", "hi"]
    environment = {**os.environ, "PYTHONPATH": str(LIB)}
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, env=environment) as process:
        os.close(terminal)
        try:
            assert process.stdout is not None
            lines = Lines(process.stdout.fileno())
            assert lines.next() == "init"
            os.close(master)
            assert lines.next() == "cleanup"
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
