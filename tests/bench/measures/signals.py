"""From a signal to the work that it starts: in the process, in a child, and behind an init that passes it on."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from bench import targets
from bench.running import Running, Target
from bench.tables import Table
from bench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.effort import Effort

# Seconds between two signals, on average; long enough for the program to sleep again.
_PAUSE = 0.001
# Seconds after which a signal counts as not answered.
_PATIENCE = 2.0
_WARM = 10


def latencies(running: Running, number: int) -> Iterator[float]:
    """Send signals, one at a time, and yield the microseconds that each took to be answered."""
    for turn in range(number + _WARM):
        time.sleep(_PAUSE * random.uniform(0.5, 1.5))
        running.records.drain()
        begin = time.monotonic_ns()
        running.kill()
        record = running.records.after(begin, _PATIENCE)
        if record and turn >= _WARM:
            yield (record.when - begin) / 1e3


def _measured(table: Table, several: Sequence[Target], effort: Effort) -> Table:
    def send(target: Target) -> None:
        with Running(target, pinned=True) as running:
            time.sleep(0.2)  # what it still does after it has become ready is no part of this
            for micros in latencies(running, effort.signals):
                table.add(target.name, micros)

    take_turns(table, several, effort.rounds, effort.longest, send)
    return table


def in_process(effort: Effort) -> Iterator[Table]:
    """Yield the times from a signal to run(), and to the like in other programs."""
    table = Table("signal", "From a signal to run()", "µs", "C, signalfd()")
    table.notes += targets.absent("cc", "bash")
    several = [
        targets.flagman(*targets.STAMP),
        *targets.in_c("signalfd", name="C, signalfd()"),
        targets.in_python("sigwait", name="Python, sigwait()"),
        targets.in_python("wakeup", name="Python, poll() and a wake-up descriptor"),
        targets.in_python("asyncio", name="Python, asyncio"),
        *targets.in_shell("bash"),
    ]
    yield _measured(table, several, effort)


def to_child(effort: Effort) -> Iterator[Table]:
    """Yield the times from a signal to main() of the command that it starts."""
    command = targets.stamp()
    table = Table("child", "From a signal to main() of a child", "µs", "s6-svscan")
    table.notes += targets.absent("cc", "bash", "dash", "s6-svscan")
    several = [
        targets.flagman("--usr1", "exec", "--", *command),
        *targets.in_c("spawn", *command, name="C, posix_spawn()"),
        targets.in_python("spawn", *command, name="Python, os.posix_spawn()"),
        targets.in_python("popen", *command, name="Python, subprocess"),
        *targets.in_shell("bash", *command),
        *targets.in_shell("dash", *command),
        *targets.s6(with_action=True),
    ]
    yield _measured(table, several, effort)


def passed_on(effort: Effort) -> Iterator[Table]:
    """Yield the times from a signal to the wrapped command that gets it."""
    table = Table("passed", "From a signal to the wrapped command", "µs", "tini")
    table.notes += targets.absent("cc", "tini", "dumb-init")
    yield _measured(table, targets.inits(), effort)
