"""Processes that are kept: flagman beside the supervisors that are installed, with one child and with many."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import proc, targets
from bench.running import END, NotReadyError, Running, Target
from bench.tables import Table
from bench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.effort import Effort

# Seconds until all children run, or one is back.
_PATIENCE = 90.0
# Seconds that a child lives before it is killed, so that no supervisor takes it for one that cannot start.
_OLD = 3.0


def _child() -> str:
    """Return the command of a child, which writes a record and then sleeps."""
    path = targets.anchor()
    return f"{path} child" if path else f"{shutil.which('sh')} {targets.ANCHORS / 'child.sh'}"


def supervisors(number: int) -> list[Target]:
    """Return the supervisors, each with so many children."""
    child = _child()
    words = ", ".join(f'"{word}"' for word in child.split())
    tables = "".join(f"[process.c{i}]\ncommand = [{words}]\n" for i in range(number))
    files = {"f.toml": "[flagman]\n" + tables}
    found = [targets.flagman("--config", "{dir}/f.toml", "--control", "{dir}/socket", files=files)]
    found += targets.supervisord(
        f"[program:c]\ncommand={child}\nprocess_name=c%(process_num)d\nnumprocs={number}\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\n"
    )
    found += targets.circus(f"[watcher:c]\ncmd={child}\nnumprocesses={number}\ncopy_env=true\n")
    for target in targets.s6():
        services = {f"scan/c{i}/run*": f"#!/bin/sh\nexec {child}\n" for i in range(number)}
        found.append(
            Target(
                target.name,
                [*target.command[:-1], "-c", str(2 * number + 10), "{dir}/scan"],
                "fd:3",
                {**target.files, **services},
                stop=signal.SIGTERM,
            )
        )
    return found


def _restart(running: Running, pid: int) -> float | None:
    """Kill a child, and return the seconds until there is another, or None if there is none in time."""
    running.records.drain()
    begin = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    record = running.records.after(begin, _PATIENCE)
    return (record.when - begin) / 1e9 if record else None


def kept(effort: Effort) -> Iterator[Table]:
    """Yield the time to start all, to stop all and to start one again, the memory, and the idle switches."""
    heads = [str(number) for number in effort.kept]
    start = Table("kept-start", "Processes, from exec until all run", "ms", "s6-svscan", heads)
    stop = Table("kept-stop", "Processes, from TERM until all have ended", "ms", "s6-svscan", heads)
    back = Table("kept-back", "Processes, from the death of one until it runs again", "ms", "s6-svscan", heads)
    memory = Table("kept-memory", "Processes, PSS of the supervisor and its helpers", "MB", "s6-svscan", heads)
    idle = Table("kept-idle", f"Processes, context switches in {effort.seconds / 2:g} idle seconds", "", "", heads)
    tables = [start, stop, back, memory, idle]
    for table in tables:
        table.notes += targets.absent("s6-svscan", "supervisord", "circusd")
    for number in effort.kept:
        head = str(number)

        def live(target: Target, number: int = number, head: str = head) -> None:
            with Running(target, wait=False) as running:
                records = running.records.some(number, _PATIENCE)
                if len(records) < number:
                    raise NotReadyError(f"{target.name}: {len(records)} of {number} children were started in time.")
                start.add(target.name, (max(record.when for record in records) - running.begin) / 1e6, head)
                time.sleep(min(_OLD, effort.seconds))
                children = [record.pid for record in records]
                memory.add(target.name, proc.memory(running.pid, children) / 1e6, head)
                seconds = _restart(running, children[0])
                if seconds is not None:
                    back.add(target.name, seconds * 1e3, head)
                seconds = running.stop()
                if running.was_killed:
                    stop.note(f"{target.name} with {number} did not always end within {END:g} seconds, and was killed.")
                else:
                    stop.add(target.name, seconds * 1e3, head)

        # Many take long to start and to stop, and their figures scatter less.
        rounds = max(1, effort.rounds // 2 + 1 - effort.kept.index(number))
        take_turns(start, supervisors(number), rounds, 2 * effort.longest, live)
        with ExitStack() as stack:
            all_running: list[tuple[Running, list[int]]] = []
            for target in supervisors(number):
                running = stack.enter_context(Running(target, wait=False))
                pids = [record.pid for record in running.records.some(number, _PATIENCE)]
                all_running.append((running, pids))
            time.sleep(min(_OLD, effort.seconds))
            before = [proc.switches(running.pid, pids) for running, pids in all_running]
            time.sleep(effort.seconds / 2)
            for (running, pids), switched in zip(all_running, before, strict=True):
                idle.add(running.target.name, proc.switches(running.pid, pids) - switched, head)
    yield from tables
