"""What it costs to have many: actions, timers, files that are watched, and installed distributions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench import proc, targets
from bench.measures.signals import latencies
from bench.running import Running, Target
from bench.tables import Table
from bench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.effort import Effort

_ON = '[[on]]\n{}\naction = "print"\nargs = ["x"]\n'
# Distributions are read only for an action that is not built in.
_POINT = "[flagman.action]\nstamp_{} = stamping:Stamp\n"


def _actions(number: int) -> Target:
    return _configured("actions", _ON.format('signal = "USR2"') * number)


def _timers(number: int) -> Target:
    return _configured("timers", _ON.format('every = "1h"') * number)


def _files(number: int) -> Target:
    tables = "".join(_ON.format(f'file = "{{dir}}/f{each}"') for each in range(number))
    return _configured("files", tables)


def _configured(name: str, text: str) -> Target:
    words = ["--config", "{dir}/f.toml", *targets.STAMP]
    return targets.flagman(*words, name=name, files={"f.toml": "[flagman]\n" + text})


def _distributions(number: int) -> Target:
    files = {}
    for each in range(number):
        info = f"site/bench_{each}-1.dist-info"
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: bench-{each}\nVersion: 1\n"
        files[f"{info}/entry_points.txt"] = (
            _POINT.format(each) if each == number - 1 else "[console_scripts]\na = b:c\n"
        )
    command = targets.flagman(
        "--overlap", "rerun", "--pythonpath", str(targets.ANCHORS), "--usr1", f"stamp_{number - 1}"
    ).command
    return Target("distributions", command, files=files, environment={"PYTHONPATH": "{dir}/site"})


KINDS: dict[str, Callable[[int], Target]] = {
    "actions": _actions,
    "timers": _timers,
    "files": _files,
    "distributions": _distributions,
}


def growth(effort: Effort) -> Iterator[Table]:
    """Yield the start-up, the memory and the latency with few and with many of each."""
    numbers = sorted({*effort.many, *effort.packages})
    heads = [f"{number:,}" for number in numbers]
    start = Table("growth-startup", "Start-up with many, from exec to ready", "ms", heads[0], heads)
    memory = Table("growth-memory", "Memory with many, PSS", "MB", heads[0], heads)
    signals = Table("growth-signal", "From a signal to run() with many", "µs", heads[0], heads)
    for number in numbers:

        def look(target: Target, head: str = f"{number:,}") -> None:
            with Running(target, pinned=True) as running:
                start.add(target.name, running.start_up * 1e3, head)
                time.sleep(0.2)
                memory.add(target.name, proc.memory(running.pid) / 1e6, head)
                for micros in latencies(running, effort.signals // 2 + 1):
                    signals.add(target.name, micros, head)

        several = [
            make(number)
            for kind, make in KINDS.items()
            if number in (effort.packages if kind == "distributions" else effort.many)
        ]
        take_turns(start, several, effort.rounds, effort.longest, look)
    yield from (start, memory, signals)
