"""The command: measure, show the tables, and write them where the documentation shows them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import effort, machine, plot, targets, words
from bench.measures import growth, kept, lost, requests, signals, startup
from bench.tables import Table, from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEASURES: dict[str, Callable[[effort.Effort], Iterator[Table]]] = {
    "startup": startup.startup,
    "memory": startup.memory,
    "idle": startup.idle,
    "signal": signals.in_process,
    "child": signals.to_child,
    "passed": signals.passed_on,
    "lost": lost.lost,
    "requests": requests.requests,
    "commands": requests.commands,
    "kept": kept.kept,
    "growth": growth.growth,
}
EFFORTS = {"full": effort.FULL, "quick": effort.QUICK, "tiny": effort.TINY}


def parse(given: list[str]) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=MEASURES, metavar="NAME", help=f"one of {', '.join(MEASURES)}"
    )
    parser.add_argument("--quick", dest="effort", action="store_const", const="quick", help="in about three minutes")
    parser.add_argument("--tiny", dest="effort", action="store_const", const="tiny", help="only to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, with all samples")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="measure nothing: take these results")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write speed.inc and _static/bench/*.svg there")
    return parser.parse_args(given)


def measure(names: list[str], kind: str) -> tuple[list[Table], dict[str, str]]:
    """Measure, and return the tables, and the machine with its load."""
    where = machine.machine()
    begin, before = time.monotonic(), machine.load()
    tables: list[Table] = []
    try:
        for name in names:
            print(f"# {name}", file=sys.stderr, flush=True)
            for table in MEASURES[name](EFFORTS[kind]):
                print(words.as_text(table), end="\n\n", flush=True)
                tables.append(table)
    finally:
        targets.remove_anchor()
    minutes = (time.monotonic() - begin) / 60
    where["Load"] = f"{before} at the begin, {machine.load()} at the end, {minutes:.1f} minutes later; {kind} run"
    return tables, where


def write(folder: Path, tables: list[Table], where: dict[str, str]) -> None:
    """Write what the documentation shows."""
    plots = folder / "_static" / "bench"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    for table in tables:
        (plots / f"{table.name}.svg").write_text(plot.as_svg(table), encoding="utf-8")
    (folder / "speed.inc").write_text(words.as_page(tables, where), encoding="utf-8")


def main(given: list[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    arguments = parse(sys.argv[1:] if given is None else given)
    if arguments.source:
        read = json.loads(arguments.source.read_text(encoding="utf-8"))
        tables, where = [from_json(table) for table in read["tables"]], read["machine"]
    else:
        tables, where = measure(arguments.only or list(MEASURES), arguments.effort or "full")
    for name, what in where.items():
        print(f"{name}: {what}")
    if arguments.json:
        text = json.dumps({"machine": where, "tables": [table.as_json() for table in tables]})
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.write:
        write(arguments.write, tables, where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
