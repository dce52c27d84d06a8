"""Time for tests of an engine: it passes when it is told to."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class FakeTime:
    """A clock, and a wait that moves it instead of waiting: for :class:`flagman.Engine`.

    :param now: what the clock shows at first, in seconds
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        #: The moment at which an engine that waits has to be stopped.
        self.end = now
        #: Called at that moment.
        self.on_end: Callable[[], object] = lambda: None

    def __repr__(self) -> str:
        return f"<FakeTime {self.now}>"

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now

    def wait(self, patience: float | None) -> list[tuple[int, int]]:
        """Move the clock by ``patience``, in milliseconds, but not beyond the end; if it is None, to the end."""
        if self.now >= self.end and patience != 0:
            self.on_end()
        self.now = self.end if patience is None else min(self.now + patience / 1000, self.end)
        return []
