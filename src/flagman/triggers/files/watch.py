"""Decides when what stands at a path has changed, and raises the flag: events are evidence, the status is the judge.

A stat alone is not enough: on a disk that keeps whole seconds, a second change within one leaves it as it was. Events
alone are not enough either: a link that is made anew, or a directory that is moved away and back, changes nothing.
"""

from __future__ import annotations

import stat
from contextlib import suppress

from flagman.engine import loggers
from flagman.engine.alongside import Alongside
from flagman.text.shown import printable
from flagman.triggers.files import inotify
from flagman.triggers.files.guard import Guard
from flagman.triggers.files.sight import Sight
from flagman.triggers.files.snapshot import differ, is_noise, take
from flagman.triggers.files.window import ENTRIES, LONGEST, REPLACED, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.engine.turn import Turn
    from flagman.triggers import Trigger
    from flagman.triggers.files.claims import Claim, Inode
    from flagman.triggers.files.events import Events
    from flagman.triggers.files.snapshot import Snapshot
    from flagman.triggers.files.way import Step
    from flagman.types import FlagName

logger = loggers.get("flagman.files")

# Seconds until what has gone is believed to be gone.
_PATIENCE = 1.0
# Events after which the path still leads to the same place.
_SAME_WAY = inotify.MODIFY | inotify.CLOSE_WRITE


class FileWatch:
    """Raises a flag when what stands at a path has changed.

    It looks at the path when it is made. What changes from then on raises the flag, but not before :meth:`begin`.

    :param flag: the flag
    :param path: an absolute path
    :param events: passes on what the kernel reports
    """

    def __init__(self, engine: Engine, flag: FlagName, path: str, events: Events) -> None:
        #: The path.
        self.path = path
        #: The path for the log.
        self.shown = printable(path)
        self._engine = engine
        self._flag = flag
        self._events = events
        self._sight = Sight(self, events)
        self._window, self._guard = Window(), Guard(engine, flag, self.shown)
        self._ends: list[Callable[[], None]] = []
        # The next look, and the moment for which it is planned.
        self._look: Call | None = None
        self._planned = 0.0
        # The inode that stands there; None if it has been replaced, or nothing stands there. Since when nothing does.
        self._inode: Inode | None = None
        self._gone_at: float | None = None
        # Whether the path may lead elsewhere since it was followed last.
        self._may_lead_elsewhere = False
        # What the next run of the bundle is told: whether there was a change, and whether another thing stands there.
        self._is_raised = self._was_replaced = False
        # Whether events came since the last run began; and whether some came during a run, and were not judged yet.
        self._was_touched = self._is_own = False
        events.add(self)
        # Since when each look without events has shown another state.
        self._restless_since: float | None = None
        # What stood there when the flag was raised last; when its bundle ran last; and at the last look without events.
        self._seen = self._told = self._glimpse = take(self._follow_path())
        self._window.close()

    def __repr__(self) -> str:
        return f"<FileWatch of {self.path!r}>"

    @property
    def is_busy(self) -> bool:
        """Whether a process is still writing there."""
        return self._window.is_busy

    def begin(self, going: Collection[Trigger]) -> None:
        """Raise the flag from now on; go on with what a watch of the same path is in the middle of."""
        for other in going:
            if isinstance(other, FileWatch) and other.path == self.path:
                self._go_on_with(other)
        self._ends = [
            self._engine.before_runs(self._flag, self._describe),
            self._engine.during_runs(self._flag, Alongside(self._events.fileno, self._look_now)),
            self._engine.after_runs(self._flag, self._after_run),
        ]

    def _go_on_with(self, other: FileWatch) -> None:
        self._events.drain()
        self._seen, self._told = other._seen, other._told
        self._is_raised, self._was_replaced = other._is_raised, other._was_replaced
        if other._is_raised:
            self._engine.raise_flag(self._flag)
        if other._window.is_open:
            self._window.go_on_with(other._window)
            self._extend()

    def follow(self, options: Mapping[str, float]) -> None:
        """Obey other options from now on."""
        self._events.follow(options["file_interval"])

    def due(self) -> None:
        """Return None, because nothing tells when a file is going to change."""

    def cancel(self) -> None:
        """Watch no longer."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._guard.drop()
        while self._ends:
            self._ends.pop()()
        self._events.remove(self)

    def on_event(self, claim: Claim, mask: int, name: str) -> bool:
        """Take note of an event; return whether it matters."""
        is_end = claim.is_end
        is_entry = bool(name) and name not in claim.names
        if is_entry and is_noise(name):
            return False
        if name and not is_entry:  # of what is missing, or may not be watched itself
            is_end = claim.names[name]
            name = ""
            self._window.note_close(mask)
        if is_end:
            self._window.note(mask, name)
            if not is_entry and mask & (REPLACED if claim.is_end else ENTRIES):
                self._window.is_replaced = True
                self._inode = None
        if mask & (REPLACED | ENTRIES):
            self._window.led_elsewhere = True
        if not is_entry and not mask & _SAME_WAY:
            self._may_lead_elsewhere = True
        self._was_touched = True
        return True

    def on_overflow(self) -> None:
        """Take note that events may have been lost."""
        self._window.is_unsure = self._may_lead_elsewhere = self._was_touched = True

    def on_mount(self) -> None:
        """Find out whether something else stands there because something was mounted, or is no longer."""
        before = self._inode
        self._sight.forget_mounts()
        end = self._follow_path()
        if self._inode != before or (end is not None and end.is_directory):
            self.settle()

    def settle(self) -> None:
        """Plan a look, after events that matter.

        If the path may lead elsewhere now, it is followed at once: the next events are to be those of the new end.
        """
        if self._may_lead_elsewhere:
            self._follow_path()
        self._extend()

    def _extend(self) -> None:
        self._window.extend(self._engine.clock())
        self._plan(self._window.due())

    def _follow_path(self) -> Step | None:
        """Find out where the path leads now; return what stands there."""
        self._may_lead_elsewhere = False
        was_blind = self._sight.is_blind
        end = self._sight.arm().end
        if was_blind and not self._sight.is_blind:  # what came before was not reported
            self._window.is_unsure = True
            self._extend()
        if self._sight.is_restless and not self._sight.is_blind:
            self._extend()
        if end is None:
            self._inode = None
            self._gone_at = self._engine.clock() if self._gone_at is None else self._gone_at
            return None
        self._gone_at = None
        if end.inode != self._inode:
            self._inode = end.inode
            self._window.expect_writing(is_expected=stat.S_ISREG(end.status.st_mode) and not end.status.st_size)
        return end

    def _plan(self, moment: float) -> None:
        if self._look is not None and self._planned <= moment:
            return  # that look finds out that it has come too early
        if self._look is not None:
            self._look.cancel()
        self._planned = moment
        self._look = self._engine.call_at(moment, self._on_due)

    def _on_due(self) -> None:
        self._look = None
        self._events.drain()
        now, due = self._engine.clock(), self._window.due()
        if due > now:
            self._plan(due)
            return
        try:
            state = take(self._follow_path())
        except OSError as error:  # this process has too many open files, or a disk fails
            logger.warning("Cannot look at %s, and will try again: %s", self.shown, error.strerror)
            self._plan(now + _PATIENCE)
            return
        if self._sight.is_restless and (due := self._window.due()) > now:
            self._plan(due)
            return
        believed = now if self._gone_at is None or self._seen is None else self._gone_at + _PATIENCE
        if believed > now:  # it may come back
            self._plan(believed)
        else:
            self._judge(state)

    def _judge(self, state: Snapshot | None) -> None:
        """Raise the flag if this state is news; a change after it is news again."""
        is_own, self._is_own = self._is_own, False
        if self._store(state) and self._flag in self._engine.bundles:
            self._guard.admit(is_own=is_own)
        elif self._flag not in self._engine.bundles:
            self.cancel()  # all of its actions have closed

    def _store(self, state: Snapshot | None) -> bool:
        """Begin anew with a state; return whether it is news."""
        window = self._window
        is_news = differ(state, self._seen, by_times=window.is_unsure or self._sight.is_blind)
        is_news = is_news or (window.is_evident and state is not None)
        # The run may have seen what stood there in between.
        is_news = is_news or (window.has_run and window.led_elsewhere)
        self._was_replaced = self._was_replaced or window.is_replaced
        self._is_raised = self._is_raised or is_news
        self._seen = state
        self._restless_since = None
        window.close()
        return is_news

    def look_blindly(self) -> None:
        """Look at the path, because nothing reports what happens there.

        Two looks have to show the same state, unless it never rests.
        """
        before = self._glimpse
        with suppress(OSError):  # as above
            self._glimpse = take(self._follow_path())
            if self._sight.is_blind and not self._window.is_open:
                now = self._engine.clock()
                if self._restless_since is None:
                    self._restless_since = now
                is_at_rest = not differ(self._glimpse, before, by_times=True)
                if is_at_rest or now >= self._restless_since + LONGEST:
                    self._judge(self._glimpse)

    def _describe(self, turn: Turn) -> None:
        """Fill in the details of a turn, before its first action runs: it stands for all that has come until now."""
        self._events.drain()
        self._guard.drop()
        if self._window.is_open and not self._window.is_busy and self._gone_at is None:
            with suppress(OSError):  # the next look finds out
                self._store(take(self._follow_path()))
                self._is_own = False
        turn.details.update(file=self.path, change=self._change() if self._is_raised else "")
        self._told = self._seen
        self._is_raised = self._was_replaced = self._was_touched = False

    def _change(self) -> str:
        if self._seen is None:
            return "gone"
        if self._told is None:
            return "come"
        return "replaced" if self._was_replaced or self._seen.inode != self._told.inode else "changed"

    def _look_now(self) -> float | None:
        """Judge during a run what has come until now; return the seconds until the next look, if one is planned."""
        self._events.drain()
        if self._look is not None and self._planned <= self._engine.clock():
            self._look.cancel()
            self._is_own = self._guard.is_early
            self._on_due()
        return None if self._look is None else max(0.0, self._planned - self._engine.clock())

    def _after_run(self) -> None:
        """Find out whether anything has changed during the run."""
        self._events.drain()
        was_seen = self._was_touched
        if self._sight.is_blind and not was_seen:
            with suppress(OSError):  # as above
                was_seen = differ(take(self._follow_path()), self._seen, by_times=True)
        self._is_own = self._is_own or was_seen
        self._window.has_run = self._window.is_open
