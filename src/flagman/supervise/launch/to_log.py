"""Output that goes to the log: whole lines, no more of them in a second than a log that others need can bear."""

from __future__ import annotations

import logging

from flagman.log.relay import has_room
from flagman.supervise.launch.budget import WIDTH, budget_of
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.calls import Call
    from flagman.service.control_loop import ControlLoop

logger = logging.getLogger("flagman.process")

# Bytes: a longer line comes in pieces.
_LONGEST = 65_536
# Seconds between two looks whether the log is read again.
_PAUSE = 1.0


class ToLog:
    """Logs lines, and counts those that are dropped.

    :param name: of the process, before each line
    :param loop: calls it when dropped lines can be told
    """

    def __init__(self, name: str, loop: ControlLoop) -> None:
        self._name = name
        self._loop = loop
        self._budget = budget_of(loop)
        self._second = 0
        self._share = self._lines = self._bytes = 0  # what it may log in that second, and what it has logged
        self._dropped = 0
        self._why = ""
        self._planned: Call | None = None

    def begin(self) -> None:
        """Get ready for a life of the process."""

    def take(self, data: bytes, begun: bytearray) -> None:
        """Take output.

        :param begun: the line that has begun before, and has no end yet
        """
        if not logger.isEnabledFor(logging.INFO):
            begun.clear()
            return
        self._count_anew()
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if not self._has_room():
                self._drop(data.count(b"\n", start))
                begun.clear()
                start = data.rfind(b"\n") + 1
                break
            self._log(bytes(begun) + data[start:end])
            begun.clear()
            start = end + 1
        begun += data[start:]
        while len(begun) >= _LONGEST:
            piece = bytes(begun[:_LONGEST])
            del begun[:_LONGEST]
            if self._has_room():
                self._log(piece)
            else:
                self._drop(1)

    def end_line(self, begun: bytearray) -> None:
        """Log the line that has no end, because none will come."""
        if begun:
            self.take(b"\n", begun)

    def _log(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        for start in range(0, len(line) or 1, _LONGEST):
            piece = line[start : start + _LONGEST]
            self._lines += 1
            self._bytes += len(piece)
            logger.info("%s: %s", self._name, printable(piece))

    def _count_anew(self) -> None:
        self._share = self._budget.share(self)
        if self._second != self._budget.second:
            self._second = self._budget.second
            self._lines = self._bytes = 0
            self._tell()

    def _has_room(self) -> bool:
        if self._lines >= self._share or self._bytes >= self._share * WIDTH:
            self._why = f"its share of the log was {self._share} lines or {self._share * WIDTH >> 10} KiB a second"
            return False
        if not has_room(logger):
            self._why = "the log is not read"
            return False
        return True

    def _drop(self, lines: int) -> None:
        self._dropped += lines
        if self._planned is None:
            self._planned = self._loop.call_at(self._budget.until, self._tell)

    def _tell(self) -> None:
        """Log how many lines were dropped, if the log can take that."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        if not self._dropped:
            return
        if has_room(logger):
            self._tell_now()
        else:
            self._planned = self._loop.call_later(_PAUSE, self._tell)

    def _tell_now(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines = "1 line was" if dropped == 1 else f"{dropped:,} lines were"
            logger.warning("%s: %s dropped: %s", self._name, lines, self._why)

    def close(self) -> None:
        """Log what there is to be told."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        self._tell_now()
