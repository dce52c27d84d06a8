"""Daemons with a guardian, for tests: they are ordered about, killed, and seen to leave nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from support.driven import Lines, end_all, marked
from support.programs import guarded, words

if TYPE_CHECKING:
    from types import TracebackType


class Guarded:
    """A daemon of :mod:`support.programs.guarded`; a context manager, which ends it and all that it has left.

    :param directory: of the test
    :param stderr: a descriptor for its standard error; by default a pipe that :attr:`err` reads
    :param options: of the program
    """

    def __init__(
        self, directory: Path, *, stderr: int = subprocess.PIPE, has_lock: bool = True, **options: object
    ) -> None:
        self._directory = directory
        run = str(directory / "run") if has_lock else None
        self.process = subprocess.Popen(
            words(guarded.serve, run, **options),  # type: ignore[arg-type]
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            env={**os.environ, **marked(directory)},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._orders = self.process.stdin
        #: What it and its processes print: it ends when nothing of them is left.
        self.out = Lines(self.process.stdout.fileno())
        #: What it logs, and what its guardian reports.
        self.err = Lines(-1 if self.process.stderr is None else self.process.stderr.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_all(self._directory)
        with self.process:
            self.process.kill()
        end_all(self._directory)

    def order(self, *line: object) -> None:
        """Send a line."""
        self._orders.write((" ".join(map(str, line)) + "\n").encode())

    def ask(self, *line: object) -> str:
        """Send a line, and return the line that comes."""
        self.order(*line)
        return self.out.next()

    def begin(self) -> int:
        """Start the guardian, and return its number."""
        return int(self.ask("begin").removeprefix("guardian "))

    def guardian(self) -> int:
        """Return the number of the guardian; 0 if there is none."""
        return int(self.ask("guardian").removeprefix("guardian "))

    def start(self, kind: str, *, is_told: bool = True, grace: float = 600, count: int = 1) -> list[int]:
        """Start processes, and return the numbers of all that report one."""
        self.order("start", kind, is_told, grace, count)
        return [int(self.out.next()) for _ in range(count * guarded.KINDS[kind].count("echo $$"))]

    def kill(self) -> None:
        """Kill it, and nothing else."""
        self.process.kill()
        self.process.wait()


def state(pid: int) -> str:
    """Return the letter of the state of a process; empty if there is none, or only a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    letter = text.rpartition(")")[2].split()[0]
    return "" if letter in "ZX" else letter


def switches(pid: int) -> int:
    """Return how often a process has waited."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
