"""The events of one path since the last look at it: when the next look is due, and what they prove."""

from __future__ import annotations

from flagman.triggers.files import inotify

# Seconds without an event before a look, and the same while a process writes.
_QUIET = 0.1
_WRITING = 2.0
#: Seconds from the first event on, after which a look does not wait any longer.
LONGEST = 20.0

#: What shows that an entry of a directory comes, goes or is another one.
ENTRIES = inotify.CREATE | inotify.DELETE | inotify.MOVED_FROM | inotify.MOVED_TO
#: What shows that what stands at the path has gone, or is another thing.
REPLACED = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT | inotify.IGNORED


class Window:
    """The events since the last look."""

    __slots__ = (
        "_first",
        "_last",
        "_was_closed",
        "_written",
        "has_run",
        "is_evident",
        "is_replaced",
        "is_unsure",
        "led_elsewhere",
    )

    def __init__(self) -> None:
        # The times of the first and of the last event.
        self._first: float | None = None
        self._last = 0.0
        # What a process has written to and not closed: the names of entries, or an empty text for the end itself.
        self._written: set[str] = set()
        # Whether a process has closed what it wrote to a name that was missing.
        self._was_closed = False
        #: Whether the events prove a change.
        self.is_evident = False
        #: Whether the events prove that another thing stands there.
        self.is_replaced = False
        #: Whether the path may have led elsewhere for a while.
        self.led_elsewhere = False
        #: Whether a run of the bundle has seen some of this time.
        self.has_run = False
        #: Whether events may have been lost.
        self.is_unsure = False

    def __repr__(self) -> str:
        return f"<Window ({'open' if self.is_open else 'closed'})>"

    @property
    def is_open(self) -> bool:
        """Whether there have been events."""
        return self._first is not None

    @property
    def is_busy(self) -> bool:
        """Whether a process is still writing."""
        return bool(self._written)

    def note(self, mask: int, name: str) -> None:
        """Take note of an event of what stands at the path.

        :param name: of an entry, if that is a directory; empty for the thing itself
        """
        if mask & inotify.MODIFY:
            self._written.add(name)
        if mask & (inotify.CLOSE_WRITE | inotify.DELETE | inotify.MOVED_FROM):
            self._written.discard(name)
        if mask & REPLACED and not name:
            self._written.clear()
        if mask & (REPLACED | ENTRIES | inotify.MODIFY):
            self.is_evident = True

    def note_close(self, mask: int) -> None:
        """Take note of an event of a name for which the watch waits."""
        self._was_closed = self._was_closed or bool(mask & inotify.CLOSE_WRITE)

    def expect_writing(self, *, is_expected: bool) -> None:
        """Take note that another thing stands at the path, and of whether it may be about to be written to."""
        self._written.clear()
        if is_expected and not self._was_closed:
            self._written.add("")

    def extend(self, now: float) -> None:
        """Take note that the last event came at this moment."""
        self._first = now if self._first is None else self._first
        self._last = now

    def due(self) -> float:
        """Return when the next look is due."""
        first = self._last if self._first is None else self._first
        return min(self._last + (_WRITING if self._written else _QUIET), first + LONGEST)

    def close(self) -> None:
        """Begin anew, after a look."""
        self._first = None
        self._written.clear()
        self.is_evident = self.is_replaced = self.is_unsure = self._was_closed = False
        self.led_elsewhere = self.has_run = False

    def go_on_with(self, other: Window) -> None:
        """Go on with the events of another window of the same path."""
        self._written |= other._written
        self.is_evident |= other.is_evident
        self.is_replaced |= other.is_replaced
        self.is_unsure |= other.is_unsure
