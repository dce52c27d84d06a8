"""Files: a change of what stands at a path raises a flag; :mod:`flagman.triggers.files` notices it."""

from __future__ import annotations

import errno
import os
import stat

import flagman.engine.calls  # noqa: F401 - what a start needs is imported before
from flagman.text.shown import printable
from flagman.triggers import Source
from flagman.triggers.files.events import Events
from flagman.triggers.files.mounts import blind_file_system, file_system
from flagman.triggers.files.watch import FileWatch
from flagman.triggers.files.way import parent, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flagman.engine.engine import Engine
    from flagman.triggers import Trigger
    from flagman.types import FlagName

# The parts of a mode that tell the kind of a file.
_KINDS = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISFIFO, "a pipe"),
)


class FileSource(Source):
    """What stands at a path: it changes, is replaced, comes or goes.

    :param text: the path, as it was typed
    :param path: the path in this process; by default as it was typed
    """

    __slots__ = ("_path", "_text")

    key = "file"
    option = "--on-file"
    has_start = True
    has_path = True
    options = ("file_interval",)

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(f"file-{text}")
        self._text = text
        self._path = path or text

    def text(self) -> str:
        """Return the path, as it was typed."""
        return self._text

    def spread(self) -> str:
        """Return ``debounce``."""
        return "debounce"

    def placed(self, absolute: Callable[[str], str]) -> FileSource:
        """Return the same source with an absolute path."""
        return FileSource(self._text, absolute(self._path))

    def words(self) -> list[str]:
        """Return the words that begin a binding, with the path in this process."""
        return [self.option, self._path]

    def arm(self, engine: Engine, flag: FlagName, options: Mapping[str, float], shared: dict[str, object]) -> Trigger:
        """Look at the path, and watch it."""
        events = shared.get("files")
        if not isinstance(events, Events):
            events = shared["files"] = Events(engine, options["file_interval"])
        return FileWatch(engine, flag, self._path, events)

    def survives(self, *, is_same: bool, had_actions: bool) -> bool:  # noqa: ARG002 - it obeys other options
        """Return whether the watch goes on: it has to know what was there when its bundle ran."""
        return had_actions

    def notes(self) -> Iterator[str]:
        """Yield what stands at the path."""
        way = walk(self._path)
        place = way.end.place if way.end is not None else way.missing and parent(way.missing)
        mounted = file_system(place) if place else None
        where = f"on {mounted.kind}" if mounted else "on a file system of an unknown kind"
        if way.end is not None:
            kind = next((kind for fits, kind in _KINDS if fits(way.end.status.st_mode)), "a device")
            by = "" if place in ("", os.path.normpath(self._path)) else f" at {place}"
            what = f"{kind}{by}, {where}"
        elif way.error == errno.EACCES and place:
            what = f"{place}, {where}, may not be searched by this user"
        elif place:
            what = f"nothing is there yet; {place} is {where}"
        else:
            what = f"nothing is there: {os.strerror(way.error)}"
        yield printable(f"{self._path}: {what}")
        if blind := blind_file_system(way):
            yield printable(f"{self._path}: looked at now and then; {blind.point} is {blind.kind}, see --file-interval")
        for character in sorted(set(self._path) & set("*?[")):
            yield printable(f"{self._path}: {character} is taken literally")
        if self._text.startswith("~"):
            yield printable(f"{self._path}: ~ is taken literally")


def read(text: str) -> FileSource:
    """Read a path.

    :raises ValueError: if it cannot be one
    """
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is not a path")
    try:
        os.fsencode(text)
    except UnicodeError:
        raise ValueError(f"{text!r} cannot be a path: the locale has no bytes for a character in it") from None
    return FileSource(text)
