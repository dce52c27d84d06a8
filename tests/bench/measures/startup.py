"""From exec to readiness, and what a program then takes in memory."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from bench import empty, proc, targets
from bench.running import NotReadyError, Running, Target
from bench.tables import Table
from bench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.effort import Effort

EMPTY = "empty console script"
LOOP = "Python, poll() and a wake-up descriptor"


def daemons() -> list[Target]:
    """Return flagman and its peers, each with nothing to do."""
    return [
        targets.flagman(*targets.PRINT),
        targets.flagman(*targets.PRINT, "--control", "{dir}/socket", name="flagman --control"),
        targets.flagman("--", "sleep", "infinity", name="flagman -- sleep"),
        targets.in_python("wakeup", name=LOOP),
        targets.in_python("asyncio", name="Python, asyncio"),
        *targets.in_c("signalfd", name="C, signalfd()"),
        *targets.in_shell("bash"),
        *targets.s6(),
        *targets.supervisord(),
        *targets.circus(),
        *targets.inits()[1:],
    ]


def _absent(table: Table) -> None:
    table.notes += targets.absent("cc", "bash", "s6-svscan", "supervisord", "circusd", "tini", "dumb-init")


def startup(effort: Effort) -> Iterator[Table]:
    """Yield the times from exec to readiness; of commands that end, to their end."""
    installed = empty.install()
    table = Table("startup", "Start-up: from exec to ready", "ms", EMPTY)
    script = targets.find(empty.NAME)
    several = [
        *daemons(),
        Target("python3 -c pass", [sys.executable, "-c", "pass"], "exit"),
        *([Target(EMPTY, [script], "exit")] if script else []),
    ]

    def start(target: Target) -> None:
        with Running(target, pinned=True) as running:
            table.add(target.name, running.start_up * 1e3)

    table.note("Commands that only end are timed to their end.")
    _absent(table)
    if not script:
        table.note("There is no pip here, and so no empty console script to compare with.")
    try:
        take_turns(table, several, effort.starts, 2 * effort.longest, start)
    finally:
        if installed:
            empty.uninstall()
    yield table


def memory(effort: Effort) -> Iterator[Table]:
    """Yield the memory of each program and its helpers, when it has been ready for a moment."""
    table = Table("memory", "Memory, idle: PSS, with helpers", "MB", LOOP)
    _absent(table)

    def look(target: Target) -> None:
        with Running(target) as running:
            time.sleep(0.3)
            kept = [pid for pid in list(proc.tree(running.pid))[1:] if proc.name(pid) in {"sleep", "anchor"}]
            table.add(target.name, proc.memory(running.pid, kept) / 1e6)

    take_turns(table, daemons(), min(effort.rounds, 3), effort.longest, look)
    yield table


def idle(effort: Effort) -> Iterator[Table]:
    """Yield how often each program is switched to while it has nothing to do; all of them at the same time."""
    table = Table("idle", f"Context switches in {effort.seconds:g} idle seconds", "", "")
    _absent(table)
    started: list[Running] = []
    try:
        for target in daemons():
            try:
                started.append(Running(target))
            except NotReadyError as error:
                table.note(str(error))
        time.sleep(min(effort.seconds, 3))
        before = [proc.switches(running.pid) for running in started]
        time.sleep(effort.seconds)
        for running, number in zip(started, before, strict=True):
            table.add(running.target.name, proc.switches(running.pid) - number)
    finally:
        for running in started:
            running.close()
    yield table
