"""What the kernel knows about processes; see :manpage:`proc(5)`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SWITCHES = re.compile(r"voluntary_ctxt_switches:\s*(\d+)")


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all of its descendants."""
    yield pid
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        text = " ".join((task / "children").read_text(encoding="utf-8") for task in tasks)
    except OSError:
        return
    for child in text.split():
        yield from tree(int(child))


def belonging(fifo: str) -> list[int]:
    """Return the processes that have a pipe for records in their environment, and so were started for a measure."""
    wanted = b"BENCH_FIFO=" + fifo.encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def memory(pid: int, without: Collection[int] = ()) -> float:
    """Return the bytes that a process and its descendants use, shared pages by their share."""
    total = 0
    for each in tree(pid):
        if each not in without:
            try:
                text = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="utf-8")
            except OSError:
                continue
            found = re.search(r"^Pss:\s*(\d+) kB", text, re.MULTILINE)
            total += int(found[1]) * 1024 if found else 0
    return total


def switches(pid: int, without: Collection[int] = ()) -> int:
    """Return how often a process and its descendants were switched to, by all threads."""
    total = 0
    for each in tree(pid):
        if each in without:
            continue
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                text = (task / "status").read_text(encoding="utf-8")
                total += sum(int(number) for number in _SWITCHES.findall(text))
        except OSError:
            continue
    return total


def name(pid: int) -> str:
    """Return the name of the program that a process runs."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
