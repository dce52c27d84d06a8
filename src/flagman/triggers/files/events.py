"""What all watched paths of an engine share: the one inotify descriptor, and the looks where nothing is reported.

Descriptors of this kind are scarce: by default a user may have 128 of them.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from flagman.engine import loggers
from flagman.text.spans import format_span
from flagman.triggers.files import mounts
from flagman.triggers.files.inotify import Inotify
from flagman.triggers.files.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.engine.loop import Attachment
    from flagman.triggers.files.claims import Claim, Inode
    from flagman.triggers.files.table import Watch

logger = loggers.get("flagman.files")

# Seconds for which the descriptor is not polled when events pour in, and the number of wake-ups after which they do.
_PAUSE = 0.1
_MANY = 8
# Seconds between two looks because of mounts.
_MOUNT_PAUSE = 1.0
# The limits of the kernel, by error: for a user, and for one in a user namespace. See inotify(7) and namespaces(7).
_LIMITS = {
    errno.ENOSPC: ("fs.inotify.max_user_watches", "user.max_inotify_watches"),
    errno.EMFILE: ("fs.inotify.max_user_instances", "user.max_inotify_instances"),
}


class Events:
    """Passes the kernel's reports on to the watched paths; where there are none, makes them look.

    :param engine: its loop waits for the reports
    :param interval: seconds between two looks at a path about which nothing is reported
    """

    def __init__(self, engine: Engine, interval: float) -> None:
        self._engine = engine
        self._interval = interval
        self._watches: dict[Watch, None] = {}
        self._inotify: Inotify | None = None
        self._table: Table | None = None
        self._attachment: Attachment | None = None
        # Why there can be no descriptor.
        self._trouble = ""
        # The time of the last wake-up, and how many came shortly after each other.
        self._last = 0.0
        self._wake_ups = 0
        # The watched paths about which nothing is reported, and the next look at them.
        self._blind: dict[Watch, None] = {}
        self._tick: Call | None = None
        self._told: set[str] = set()
        self._mounts: tuple[int, Attachment] | None = None

    def __repr__(self) -> str:
        return f"<Events for {len(self._watches)} paths>"

    def fileno(self) -> int:
        """Return the descriptor; -1 if there is none."""
        return -1 if self._inotify is None else self._inotify.descriptor

    def follow(self, interval: float) -> None:
        """Look in other intervals from now on."""
        if interval != self._interval:
            self._interval = interval
            if self._tick is not None:
                self._tick.cancel()
                self._tick = self._engine.call_later(interval, self._look_around)

    def add(self, watch: Watch) -> None:
        """Register a watched path."""
        self._watches[watch] = None
        if self._mounts is None:
            self._watch_mounts()

    def remove(self, watch: Watch) -> None:
        """Forget a watched path; with the last one, close the descriptor."""
        self._watches.pop(watch, None)
        self._blind.pop(watch, None)
        self._end_looks()
        if self._table is not None:
            self._table.remove(watch)
        if not self._watches:
            self._close()
            self._close_mounts()

    def claim(self, watch: Watch, wanted: Mapping[Inode, Claim]) -> tuple[bool, set[Inode], str]:
        """Ask for the events that a watched path needs, see :meth:`Table.claim`.

        :returns: whether anything new was asked for; the inodes that may not be watched; and why there will be no
            reports, if there will be none
        """
        table = self._open()
        if table is None:
            return False, set(), self._trouble
        is_new, refused, error = table.claim(watch, wanted)
        return is_new, refused, "" if error is None else _reason(error)

    def _open(self) -> Table | None:
        if self._table is None:
            try:
                self._inotify = Inotify()
            except ImportError as error:
                self._trouble = f"Python has no ctypes ({error})"
                return None
            except OSError as error:
                self._trouble = _reason(error)
                return None
            self._table = Table(self._inotify)
            self._attachment = self._engine.attach(
                self._inotify.descriptor, lambda _: self._on_readable(), on_failure=self._start_anew
            )
        return self._table

    def _close(self) -> None:
        attachment, source = self._attachment, self._inotify
        self._attachment = self._inotify = self._table = None
        if attachment is not None:
            attachment.detach()
        if source is not None:
            with suppress(OSError):  # other code has closed it
                source.close()

    def _close_mounts(self) -> None:
        if self._mounts is not None:
            descriptor, attachment = self._mounts
            self._mounts = None
            attachment.detach()
            with suppress(OSError):  # as above
                os.close(descriptor)

    def _start_anew(self) -> None:
        self._close()
        self._lose_events()

    def _lose_events(self) -> None:
        logger.info("Events have been lost, so all watched files are looked at")
        for watch in self._watches:
            watch.on_overflow()
        for watch in tuple(self._watches):
            watch.settle()

    def _on_readable(self) -> None:
        """Read events; if many come, or a process is writing all the time, do not look for more for a moment."""
        now = self._engine.clock()
        self._wake_ups = self._wake_ups + 1 if now < self._last + 3 * _PAUSE else 1
        self._last = now
        if (self.drain() or self._wake_ups > _MANY) and self._attachment is not None:
            self._attachment.expect(readable=False)
            self._engine.call_later(_PAUSE, _expect, self._attachment)

    def drain(self) -> bool:
        """Pass on all events that have been reported; return whether they show that a process is writing."""
        if self._table is None:
            return False
        touched: dict[Watch, None] = {}
        is_complete = True
        for takers, mask, name in self._table.read():
            is_complete = is_complete and takers is not None
            for watch, claim in (takers or {}).items():
                if watch.on_event(claim, mask, name):
                    touched[watch] = None
        if not is_complete:
            self._lose_events()
        for watch in touched:
            watch.settle()
        return any(watch.is_busy for watch in touched)

    def watch_blindly(self, watch: Watch, reason: str) -> None:
        """Look at a path now and then, because nothing reports what happens there; or no longer.

        :param reason: for the log; empty if events are reported
        """
        if not reason:
            if watch in self._blind:
                del self._blind[watch]
                logger.info("Changes of %s are reported from now on", watch.shown)
                self._end_looks()
            return
        if watch not in self._blind:
            level = loggers.INFO if reason in self._told else loggers.WARNING
            self._told.add(reason)
            logger.log(level, "Looking at %s every %s: %s", watch.shown, format_span(self._interval), reason)
        self._blind[watch] = None
        if self._tick is None:
            self._tick = self._engine.call_later(self._interval, self._look_around)

    def _end_looks(self) -> None:
        if not self._blind and self._tick is not None:
            self._tick.cancel()
            self._tick = None
            self._told.clear()

    def _look_around(self) -> None:
        self._tick = self._engine.call_later(self._interval, self._look_around)
        for watch in tuple(self._blind):
            watch.look_blindly()

    def _watch_mounts(self) -> None:
        """Follow the list of mounts, too: what is mounted over a directory, or no longer, is reported nowhere else."""
        with suppress(OSError):  # there is no /proc in this root
            descriptor = mounts.watched()
            self._mounts = (
                descriptor,
                self._engine.attach(
                    descriptor, self._on_mount, readable=False, urgent=True, on_failure=self._close_mounts
                ),
            )

    def _on_mount(self, _events: int) -> None:
        """Follow all paths anew; a start of containers makes many mounts, and is looked at once a second."""
        for watch in tuple(self._watches):
            watch.on_mount()
        if self._mounts is not None:
            _, attachment = self._mounts
            attachment.expect(readable=False)
            self._engine.call_later(_MOUNT_PAUSE, _expect, attachment, urgent=True)


def _expect(attachment: Attachment, *, urgent: bool = False) -> None:
    if attachment.descriptor >= 0:
        attachment.expect(readable=not urgent, urgent=urgent)


def _reason(error: OSError) -> str:
    """Return why the kernel gives no reports, with the limit that is to be raised if that is the cause."""
    limits = {name: value for name in _LIMITS.get(error.errno or 0, ()) if (value := _limit(name)) is not None}
    if error.errno == errno.EMFILE and _has_no_descriptor():
        return "this process has too many open files, see ulimit -n"
    if not limits:
        return f"this system does not report changes of files: {error.strerror or error}"
    name = min(limits, key=lambda name: limits[name])
    return f"the limit {name} = {limits[name]} is reached; raise it with sysctl"


def _limit(name: str) -> int | None:
    with suppress(OSError, ValueError), open(f"/proc/sys/{name.replace('.', '/')}", "rb") as file:  # noqa: PTH123 - without pathlib
        return int(file.read())
    return None


def _has_no_descriptor() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return True
    return False
