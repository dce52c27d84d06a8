"""Random histories of a file: writers that change it in every way that programs know, and an action that reads it.

The law: when all is quiet, the last run has seen what stands there last. Many histories go on at the same time, because
each takes seconds of quiet.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flagman import Action, Engine
from flagman.triggers.by_file import FileSource
from flagman.triggers.files.watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Seconds between two looks whether every change has led to a run.
_PAUSE = 0.3


class Layout:
    """A path, and the ways in which writers change what stands there.

    :param directory: an empty one
    :param numbers: makes the choices
    """

    def __init__(self, directory: Path, numbers: random.Random) -> None:
        self.directory = directory
        self.numbers = numbers
        self.count = 0
        self.lock = threading.Lock()
        self.path = directory / "conf" / "f"
        self.make()

    def make(self) -> None:
        """Make the first state."""
        self.path.parent.mkdir()
        self.path.write_text(self.content(), encoding="ascii")

    def content(self) -> str:
        """Return a content that has never been there, always of the same length."""
        with self.lock:
            self.count += 1
            return f"{self.count:09d}"

    def aside(self, content: str | None = None) -> Path:
        """Write a file beside the path."""
        fresh = self.directory / f"fresh-{threading.get_ident()}"
        fresh.write_text(self.content() if content is None else content, encoding="ascii")
        return fresh

    def ways(self) -> list[Callable[[], object]]:
        """Return the ways to change what stands there."""
        return [
            self.overwrite,
            self.overwrite_slowly,
            self.rename_over,
            self.rename_over_alike,
            self.copy_alike,
            self.remove,
            self.remove_and_create,
            self.move_away_and_create,
            self.remove_parent,
            self.replace_parent,
            self.through_another_name,
        ]

    def overwrite(self) -> None:
        """Write in place."""
        self.path.write_text(self.content(), encoding="ascii")

    def overwrite_slowly(self) -> None:
        """Write in place, in two parts."""
        text = self.content()
        with self.path.open("w", encoding="ascii") as file:
            file.write(text[:4])
            file.flush()
            time.sleep(self.numbers.random() / 20)
            file.write(text[4:])

    def rename_over(self) -> None:
        """Rename another file over it."""
        self.aside().rename(self.path)

    def rename_over_alike(self) -> None:
        """Rename a file of the same size and time over it."""
        fresh = self.aside()
        status = self.path.stat()
        os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
        fresh.rename(self.path)

    def copy_alike(self) -> None:
        """Write in place, and set the old times again, as ``cp -p`` does."""
        status = self.path.stat()
        self.path.write_text(self.content(), encoding="ascii")
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def remove(self) -> None:
        """Remove it."""
        self.path.unlink()

    def remove_and_create(self) -> None:
        """Remove it and create another one, which often gets the same inode number."""
        self.path.unlink()
        self.path.write_text(self.content(), encoding="ascii")

    def move_away_and_create(self) -> None:
        """Keep the old one as a copy, as editors do."""
        self.path.rename(self.directory / f"f~{threading.get_ident()}")
        self.path.write_text(self.content(), encoding="ascii")

    def remove_parent(self) -> None:
        """Remove the directory, and make it anew."""
        shutil.rmtree(self.path.parent)
        time.sleep(self.numbers.random() / 20)
        self.path.parent.mkdir()
        self.path.write_text(self.content(), encoding="ascii")

    def replace_parent(self) -> None:
        """Move the directory away, and another one in."""
        fresh = self.directory / f"new-{threading.get_ident()}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        (fresh / "f").write_text(self.content(), encoding="ascii")
        old = self.directory / f"old-{threading.get_ident()}-{self.content()}"
        self.path.parent.rename(old)
        fresh.rename(self.path.parent)

    def through_another_name(self) -> None:
        """Write through a hard link that is in another directory."""
        other = self.directory / f"other-{threading.get_ident()}"
        other.unlink(missing_ok=True)
        other.hardlink_to(self.path)
        other.write_text(self.content(), encoding="ascii")
        other.unlink()


class Links(Layout):
    """A path with links in two components, each of which is swapped."""

    def make(self) -> None:
        """Make two releases."""
        for name in ("a", "b"):
            (self.directory / name).mkdir()
            (self.directory / name / "f1").write_text(self.content(), encoding="ascii")
            (self.directory / name / "f").symlink_to("f1")
        (self.directory / "conf").symlink_to("a")

    def swap(self, link: Path, target: str) -> None:
        """Put a link to another place over a link."""
        fresh = self.directory / f"link-{threading.get_ident()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.rename(link)

    def ways(self) -> list[Callable[[], object]]:
        """Return the ways to change what stands there."""
        return [
            self.overwrite,
            self.overwrite_slowly,
            self.other_release,
            self.other_file,
            self.like_certbot,
            self.like_kubernetes,
            self.dangling,
        ]

    def other_release(self) -> None:
        """Lead the first link to the other release."""
        (self.directory / "b" / "f1").write_text(self.content(), encoding="ascii")
        self.swap(self.directory / "conf", self.numbers.choice(["a", "b"]))

    def other_file(self) -> None:
        """Lead the last link to another file."""
        name = f"f{self.numbers.randrange(4)}"
        (self.path.parent / name).write_text(self.content(), encoding="ascii")
        self.swap(self.path, name)

    def like_certbot(self) -> None:
        """Write another file first; then remove the link and make another one."""
        name = f"archive{self.content()}"
        (self.directory / name).write_text(self.content(), encoding="ascii")
        self.path.unlink()
        self.path.symlink_to(f"../{name}")

    def like_kubernetes(self) -> None:
        """Swap a directory, and remove the old one."""
        name = f"..{self.content()}"
        (self.directory / name).mkdir()
        (self.directory / name / "f").write_text(self.content(), encoding="ascii")
        self.swap(self.directory / "conf", name)
        for old in self.directory.glob("..*"):
            if old.name != name:
                shutil.rmtree(old)

    def dangling(self) -> None:
        """Lead the last link to something that is made afterwards."""
        name = f"late{self.content()}"
        self.swap(self.path, name)
        time.sleep(self.numbers.random() / 20)
        (self.path.parent / name).write_text(self.content(), encoding="ascii")


class Reader(Action):
    """Notes what stands at its path."""

    def set_up(self, path: str) -> None:
        """Begin with what stands there."""
        self._path = Path(path)
        self.last = read(self._path)
        self.runs = 0

    def run(self) -> None:
        """Note what stands there now."""
        self.runs += 1
        self.last = read(self._path)


def read(path: Path) -> str | None:
    """Return the content of a file; None if there is none."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return None


def _write(layout: Layout, numbers: random.Random) -> None:
    """Change a file a few times; what another writer has taken away meanwhile does not matter."""
    for _ in range(numbers.randrange(1, 5)):
        time.sleep(numbers.choice([0, 0, 0.001, 0.05, 0.15, 0.6]))
        with suppress(OSError):
            numbers.choice(layout.ways())()


def _run_until_rest(engine: Engine, triggers: Sequence[FileWatch], threads: Sequence[threading.Thread]) -> None:
    """Run the engine while threads write, and until nothing is planned or raised any more."""

    def look(rests: int = 0) -> None:
        """Stop at the second look in a row at which all is at rest: at the first, events may not have been read yet."""
        busy = [*filter(threading.Thread.is_alive, threads), *(trigger for trigger in triggers if trigger._look)]
        if rests and not busy and not engine.flags:
            engine.stop()
        else:
            engine.call_later(_PAUSE, look, not busy and not engine.flags)

    for thread in threads:
        thread.start()
    engine.call_later(0, look)
    engine.run()
    for thread in threads:
        thread.join()


def play(directory: Path, seed: int, *, histories: int, rounds: int, writers: int = 2) -> Iterator[tuple[str, int]]:
    """Play histories; yield each that has broken the law, and at last the number of all runs.

    :param directory: on the file system that is to be tried
    """
    numbers = random.Random(seed)
    engine = Engine()
    shared: dict[str, object] = {}
    layouts: list[Layout] = []
    actions: list[Reader] = []
    triggers: list[FileWatch] = []
    for number in range(histories):
        place = directory / str(number)
        place.mkdir()
        layouts.append((Layout, Links)[number % 2](place, random.Random(numbers.random())))
        path = str(layouts[-1].path)
        source = FileSource(path)
        trigger = source.arm(engine, source.trigger, {"file_interval": 5.0}, shared)
        assert isinstance(trigger, FileWatch)
        triggers.append(trigger)
        action = engine.set_up(source.trigger, Reader, path)
        assert isinstance(action, Reader)
        actions.append(action)
        triggers[-1].begin(())
    with engine:
        for turn in range(rounds):
            writing = [(layout, random.Random(numbers.random())) for layout in layouts for _ in range(writers)]
            _run_until_rest(engine, triggers, [threading.Thread(target=_write, args=each) for each in writing])
            for layout, action in zip(layouts, actions, strict=True):
                now = read(layout.path)
                if action.last != now:
                    yield f"round {turn} of {layout.path}: saw {action.last}, and there is {now}", action.runs
        for trigger in triggers:
            trigger.cancel()
    yield "", sum(action.runs for action in actions)
