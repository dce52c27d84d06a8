"""Keeps the kernel's reports about one path complete: the inodes on the way are watched, wherever it leads now."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from flagman.engine import loggers
from flagman.triggers.files.claims import permissions, wanted
from flagman.triggers.files.mounts import blind_file_system
from flagman.triggers.files.way import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.triggers.files.events import Events
    from flagman.triggers.files.table import Watch
    from flagman.triggers.files.way import Way

logger = loggers.get("flagman.files")

# How often events are asked for anew because the way has changed meanwhile.
_ATTEMPTS = 10
# How often that may be in vain.
_MOST_RESTLESS = 50


class Sight:
    """The way of a watched path, and what is asked for about it.

    :param watch: the watched path
    :param events: asks the kernel
    """

    def __init__(self, watch: Watch, events: Events) -> None:
        self._watch = watch
        self._events = events
        # The permissions of what may not be watched.
        self._refused: set[tuple[int, ...]] = set()
        # The devices on the way, and why changes on them are not reported.
        self._devices: set[int] = set()
        self._reason = ""
        self._is_detached = False
        # How often in a row the way has not stayed the same.
        self._restless = 0
        #: Whether nothing reports all that can happen to the path.
        self.is_blind = False

    def __repr__(self) -> str:
        return f"<Sight of {self._watch.path!r}>"

    @property
    def is_restless(self) -> bool:
        """Whether the way has changed so fast that events may be asked for in vain."""
        return self._restless > 0

    def arm(self) -> Way:
        """Ask for the events of all inodes on the way, and return the way.

        After the last request the way is walked once more: whatever changes after that is reported.
        """
        way, is_new, reason = self._claim()
        for _ in range(_ATTEMPTS):
            if not is_new:
                break
            way, is_new, reason = self._claim()
        self._restless = self._restless + 1 if is_new else 0
        if self._restless > _MOST_RESTLESS:
            reason = reason or "it leads to another place at every look"
        reason = reason or self._blindness(way)
        self.is_blind = bool(reason)
        self._events.watch_blindly(self._watch, reason)
        if not reason:
            self._look_for_links(way)
        return way

    def forget_mounts(self) -> None:
        """Look up the file systems on the way again: another one may have got the number of an old one."""
        self._devices.clear()

    def _claim(self) -> tuple[Way, bool, str]:
        """Ask for events; return the way, whether any of the events are new, and why some are not reported."""
        way = walk(self._watch.path)
        now = {step.inode: permissions(step) for step in way.steps.values()}
        self._refused &= set(now.values())  # something that has got other permissions is asked for again
        is_new = False
        while True:
            claims, hidden = wanted(way, self._refused)
            more, refused, reason = self._events.claim(self._watch, claims)
            is_new = is_new or more
            if not refused:
                return way, is_new, reason or hidden
            self._refused |= {now[inode] for inode in refused}

    def _blindness(self, way: Way) -> str:
        """Return why changes on a file system of the way are not reported; empty if they are."""
        devices = {step.status.st_dev for step in way.steps.values()}
        if devices != self._devices:
            blind = blind_file_system(way)
            self._reason = f"{blind.point} is {blind.kind}, which does not report all changes" if blind else ""
            self._devices = devices
        return self._reason

    def _look_for_links(self, way: Way) -> None:
        """Warn of a mount of a single file that was replaced outside: here it stays as it was, for ever."""
        status = way.end.status if way.end is not None else None
        is_detached = status is not None and stat.S_ISREG(status.st_mode) and status.st_nlink == 0
        # Once more, because a file that is being replaced looks so for a moment.
        if is_detached and not self._is_detached and way.end is not None and _has_no_name(way.end.place):
            what = "%s was replaced, but not in this mount of the single file: mount its directory instead"
            logger.warning(what, self._watch.shown)
        self._is_detached = is_detached


def _has_no_name(place: str) -> bool:
    with suppress(OSError):
        return os.lstat(place).st_nlink == 0
    return False
