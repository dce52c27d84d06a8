"""Signals that are lost: each is a last one, sent just when the program goes back to sleep, on a loaded machine."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import targets
from bench.running import CPUS, Running, Target
from bench.tables import Table
from bench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.effort import Effort

# Works and sleeps at random, so that it interrupts the programs at any place.
_LOAD = """\
import os, random, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
while True:
    end = time.perf_counter() + random.uniform(0, 0.0003)
    while time.perf_counter() < end:
        pass
    time.sleep(random.uniform(0, 0.0003))
"""
# Seconds after which a signal counts as lost; a loaded machine answers within a fraction of it.
_PATIENCE = 0.5


@contextmanager
def loaded() -> Iterator[None]:
    """Load the first and the last CPU meanwhile: those on which a program and its measure run."""
    loads = [subprocess.Popen([sys.executable, "-c", _LOAD, str(cpu)]) for cpu in {CPUS[0], CPUS[-1]} for _ in "12"]
    try:
        yield
    finally:
        for load in loads:
            load.kill()
            load.wait()


def ping_pong(running: Running, number: int, seconds: float) -> tuple[int, int]:
    """Send each signal when the work of the one before has begun, and return how many were sent, and lost."""
    lost = 0
    end = time.monotonic() + seconds
    for sent in range(number):
        spin = time.perf_counter() + random.uniform(0, 40e-6)
        while time.perf_counter() < spin:
            pass
        begin = time.monotonic_ns()
        if begin / 1e9 > end:
            return sent, lost
        running.kill()
        if not running.records.after(begin, _PATIENCE):
            lost += 1
            if running.has_ended():
                return sent + 1, lost
    return number, lost


def lost(effort: Effort) -> Iterator[Table]:
    """Yield how many signals of each 10,000 did not lead to a run."""
    table = Table("lost", "Signals that were lost, of 10,000 on a loaded machine", "", "")
    table.notes += targets.absent("cc", "bash")
    several = [
        targets.flagman(*targets.STAMP),
        *targets.in_c("signalfd", name="C, signalfd()"),
        targets.in_python("wakeup", name="Python, poll() and a wake-up descriptor"),
        targets.in_python("pause", name="Python, a flag and pause()"),
        targets.in_python("asyncio", name="Python, asyncio"),
        *targets.in_shell("bash"),
    ]

    def play(target: Target) -> None:
        with Running(target, pinned=True) as running:
            sent, missed = ping_pong(running, effort.lost, effort.longest)
            table.add(target.name, missed / sent * 10_000)
            died = running.has_ended()
            table.note(f"{target.name}: {missed} of {sent:,} lost{', and then it died' if died else ''}.")

    with loaded():
        take_turns(table, several, 1, effort.longest, play)
    yield table
