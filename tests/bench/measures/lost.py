"""Signals that are lost: sent just when the program goes back to sleep, with no other that makes up for them."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import targets
from bench.measures.signals import latencies
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
# Signals that show how long the work usually takes, and the times of that after which the second comes at the latest.
_CALIBRATION, _RANGE = 20, 3


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


def in_pairs(running: Running, number: int, seconds: float) -> tuple[int, int]:
    """Send signals in pairs, the second when the work of the first may just be over; return how many pairs, and lost.

    A pair is lost if no work began after its second signal.
    """
    usual = sorted(latencies(running, _CALIBRATION)) or [100.0]
    longest = _RANGE * usual[len(usual) // 2] * 1e-6
    lost = 0
    end = time.monotonic() + seconds
    for sent in range(number):
        if time.monotonic() > end:
            return sent, lost
        running.kill()
        spin = time.perf_counter() + random.uniform(0, longest)
        while time.perf_counter() < spin:
            pass
        second = time.monotonic_ns()
        running.kill()
        if not running.records.after(second, _PATIENCE):
            lost += 1
            if running.has_ended():
                return sent + 1, lost
    return number, lost


def lost(effort: Effort) -> Iterator[Table]:
    """Yield how many signals of each 10,000 did not lead to a run."""
    table = Table("lost", "Lost signals, of 10,000 on a loaded machine", "", "")
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
            sent, missed = in_pairs(running, effort.lost, effort.longest)
            table.add(target.name, missed / sent * 10_000)
            died = running.has_ended()
            table.note(f"{target.name}: {missed} of {sent:,} lost{', and then it died' if died else ''}.")

    with loaded():
        take_turns(table, several, 1, effort.longest, play)
    yield table
