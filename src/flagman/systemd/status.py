"""The line that ``systemctl status`` shows: what is bound, what ran last, and what came of it."""

from __future__ import annotations

import time

# Imported here because an import needs a descriptor, and the first run may have used up all of them.
import flagman.engine.calls  # noqa: F401
from flagman.exceptions import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.engine import Engine
    from flagman.engine.turn import Turn
    from flagman.systemd import Manager

# Seconds between two messages at least, so that a storm of signals does not reach the manager.
_PAUSE = 1.0


class StatusLine:
    """Keeps the manager informed about the last run.

    :param engine: runs the actions
    :param manager: takes the messages
    :param ready: the beginning of the line, about the bindings
    """

    def __init__(self, engine: Engine, manager: Manager, ready: str) -> None:
        self._engine = engine
        self._manager = manager
        self._ready = ready
        self._turn: Turn | None = None
        self._at = ""
        self._waiting = False
        self._sent = engine.clock() - _PAUSE

    def follow(self, ready: str) -> str:
        """Begin the line with this text about the bindings from now on; return the whole line."""
        self._ready = ready
        return self._text()

    def on_turn(self, turn: Turn) -> None:
        """Note the result of a turn; report it now or, within a second of the last message, a little later."""
        self._turn = turn
        self._at = time.strftime("%H:%M:%S")
        if self._waiting:
            return
        left = self._sent + _PAUSE - self._engine.clock()
        if left <= 0:
            self._send()
        else:
            self._waiting = True
            self._engine.call_later(left, self._send)

    def _send(self) -> None:
        self._waiting = False
        self._sent = self._engine.clock()
        self._manager.notify(self._manager.status(self._text()))

    def _text(self) -> str:
        if self._turn is None:
            return self._ready
        return f"{self._ready}; last: {self._turn.trigger} at {self._at}, {_result(self._turn)}"


def _result(turn: Turn) -> str:
    """Return the result of a turn: the first action that failed, and why."""
    if not turn.failed:
        return "interrupted" if any(result.ending == "interrupted" for result in turn.results) else "good"
    first, *others = turn.failed
    more = f", and {len(others)} more" if others else ""
    return f"{first.title}{more} failed: {one_line(first.reason)}"
