"""A watched path with real events of the kernel, in time that passes only when nothing is left to be read."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flagman import Action, Engine
from flagman.testing import FakeTime
from flagman.triggers.by_file import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flagman.triggers import Trigger

    #: What a history does at a moment: a line for a shell, or a function.
    Step = str | Callable[[], object]


class Note(Action):
    """Notes when it runs, and what it is told."""

    def set_up(self, path: str) -> None:
        """Begin without notes."""
        self._path = Path(path)
        self.notes: list[tuple[float, str]] = []
        self.contents: list[str | None] = []
        self.during: Callable[[], object] = bool

    def run(self) -> None:
        """Note the run and the content of the file; then do what else there is to do."""
        turn = self.engine.turn
        self.notes.append((round(self.engine.clock() - 1000, 3), turn.details["change"]))
        self.contents.append(content(self._path))
        self.during()


def content(path: Path) -> str | None:
    """Return the content of a file; None if there is none."""
    try:
        return path.read_text(encoding="ascii") if path.is_file() else None
    except OSError:
        return None


class Watched:
    """An engine with a path that is watched, and an action that notes its runs; a context manager.

    :param directory: where the lines of the history run
    :param path: within that directory, or absolute
    """

    def __init__(self, directory: Path, path: str, *, file_interval: float = 5.0) -> None:
        self.directory = directory
        self.path = directory / path
        self.time = FakeTime()
        self.engine = Engine(contained=(), clock=self.time, wait=self._wait)
        self.time.on_end = self.engine.stop
        #: How often anything was reported.
        self.wake_ups = 0
        self.shared: dict[str, object] = {}
        self.options = {"file_interval": file_interval}
        self.trigger = self.arm(f"{directory}/{path}")
        action = self.engine.set_up("usr1", Note, str(self.path))
        assert isinstance(action, Note)
        self.action = action
        self.trigger.begin(())

    @contextmanager
    def also(self, path: str) -> Iterator[Note]:
        """Watch another path, too, and yield an action that notes its runs."""
        trigger = self.arm(f"{self.directory}/{path}", path)
        action = self.engine.set_up(path, Note, f"{self.directory}/{path}")
        assert isinstance(action, Note)
        trigger.begin(())
        yield action
        trigger.cancel()

    def arm(self, path: str, flag: str = "usr1") -> Trigger:
        """Watch another path, too."""
        return FileSource(path).arm(self.engine, flag, self.options, self.shared)

    def _wait(self, patience: float | None) -> list[tuple[int, int]]:
        ready = self.engine._poller._poll.poll(0)
        self.wake_ups += any(descriptor in self.engine._poller.attached for descriptor, _ in ready)
        return ready or self.time.wait(patience)

    def sh(self, line: str) -> None:
        """Run a line in a shell, to its end, while time stands still."""
        subprocess.run(["sh", "-ec", line], cwd=self.directory, check=True, timeout=60)

    def play(self, steps: Mapping[float, Step] | Mapping[float, str], seconds: float = 5.0) -> list[tuple[float, str]]:
        """Take steps at moments from now on, and return the moments of the runs that follow, and what they are told."""
        start = self.time.now
        for moment, step in steps.items():
            self.engine.call_at(start + moment, self.sh, step) if isinstance(step, str) else self.engine.call_at(
                start + moment, step
            )
        before = len(self.action.notes)
        self.time.end = start + seconds
        self.engine.run()
        return [(round(moment + 1000 - start, 2), change) for moment, change in self.action.notes[before:]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.trigger.cancel()
        self.engine.close()
