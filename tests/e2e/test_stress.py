"""Storms: many senders, thousands of signals, and the laws as the only assertions."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import flooded, settle, wait_for
from support.programs import signals as programs
from support.programs import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman

    Start = Callable[..., Flagman]


def senders(daemon: Flagman, *jobs: tuple[signal.Signals, int]) -> list[tuple[str, int]]:
    """Start concurrent senders, and return each one's signal with the time right before its last one."""
    running = [
        subprocess.Popen(
            words(programs.send, daemon.process.pid, signum, count),
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for signum, count in jobs
    ]
    last = []
    for process, (signum, _) in zip(running, jobs, strict=True):
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        last.append((signum.name.removeprefix("SIG").lower(), int(output)))
    return last


@pytest.mark.parametrize("options", [(), ("-vv",)], ids=["", "verbose"])
def test_no_lost_edge_in_a_storm(start: Start, options: tuple[str, ...], tmp_path: Path) -> None:
    """A run begins after the last signal of each sender, and the daemon lives and stops."""
    log = (tmp_path / "log").open("wb")  # a pipe that is not read would become full with -vv
    daemon: Flagman = start(
        *("--overlap", "rerun", *options),
        *("--usr1", "acts:Echo", "usr1", "--usr2", "acts:Echo", "usr2", "--hup", "acts:Echo", "hup"),
        prefix=["sh", "-c", f'exec "$@" 2>{tmp_path}/log', "sh"],
    ).ready()
    log.close()
    wanted = dict.fromkeys(("usr1", "usr2", "hup"), 0)
    jobs = [(signal.SIGUSR1, 3000), (signal.SIGUSR1, 3000), (signal.SIGUSR2, 3000), (signal.SIGHUP, 1)]
    for name, moment in senders(daemon, *jobs):
        wanted[name] = max(wanted[name], moment)
    while wanted:
        name, began = daemon.out.next().split()
        if name in wanted and int(began) >= wanted[name]:
            del wanted[name]
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 0


def test_ping_pong(start: Start) -> None:
    """If each signal is sent when the run of the one before shows, none waits for the next."""
    daemon: Flagman = start("--overlap", "rerun", "--usr1", "acts:Echo", "usr1").ready()
    for _ in range(3000):
        daemon.signal(signal.SIGUSR1)
        assert daemon.out.next().startswith("usr1 ")
    daemon.stop()


def test_the_stop_wins_in_a_flood(start: Start) -> None:
    """TERM is obeyed while another signal floods, and the flood neither kills the daemon nor delays its end."""
    daemon: Flagman = start("--usr1", "acts:Counter", "usr1", "--usr1", "print_once", "begun").ready()
    with flooded(daemon, signal.SIGUSR1):
        daemon.expect("init", "begun", "cleanup")
        daemon.signal(signal.SIGTERM)
        assert int(daemon.out.next().removeprefix("usr1: ")) > 0
        assert daemon.status() == 0


def test_idle_means_asleep_and_memory_stays_flat(start: Start) -> None:
    """A quiet daemon does not wake up, and a hundred thousand signals use no additional memory."""
    words = ("--overlap", "rerun", "--usr1", "acts:Counter", "usr1", "--usr2", "print", "quiet")
    daemon: Flagman = start(*words).ready().expect("init")
    senders(daemon, (signal.SIGUSR1, 2000))
    for _ in range(1100):  # until the history is full
        daemon.signal(signal.SIGUSR2).expect("quiet")
    before, _ = memory(daemon)
    senders(daemon, (signal.SIGUSR1, 100_000))
    daemon.signal(signal.SIGUSR2).expect("quiet")
    settle(daemon.process.pid)
    after, _ = memory(daemon)
    assert after - before < 512, "kilobytes"

    def is_asleep() -> bool:
        _, switches = memory(daemon)
        time.sleep(0.5)
        return memory(daemon)[1] == switches

    wait_for(is_asleep)  # on a loaded machine it may look settled before it is
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 0


def memory(daemon: Flagman) -> tuple[int, int]:
    """Return the resident memory in kilobytes and the number of context switches so far."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii").splitlines()
    )
    switches = int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
    return int(fields["VmRSS"].split()[0]), switches


def test_sixty_four_signals_in_flight(start: Start, tmp_path: Path) -> None:
    """However many signals and actions there are during a run, each action runs once."""
    fifo = tmp_path / "gate"
    os.mkfifo(fifo)
    many = [word for number in range(300) for word in ("--usr2", "print", str(number))]
    daemon: Flagman = start("--usr1", "acts:Gate", "gate", str(fifo), "--hup", "print", "hup", *many).ready()
    daemon.expect("gate: init", *["init"] * 301)
    daemon.signal(signal.SIGUSR1).expect("gate: begin")
    for _ in range(64):
        daemon.signal(signal.SIGUSR2, signal.SIGHUP)
    fifo.write_text("go\n", encoding="utf-8")
    lines = [daemon.out.next() for _ in range(302)]
    assert lines[0] == "gate: end"
    assert sorted(lines[1:]) == sorted(["hup", *map(str, range(300))])
    daemon.signal(signal.SIGTERM)
    assert daemon.status() == 0
