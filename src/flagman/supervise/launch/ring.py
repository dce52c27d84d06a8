"""The last output of a process, within a bound, at positions that count all bytes that there ever were."""

from __future__ import annotations

from flagman.text.shown import printable

#: Bytes that are kept.
MOST = 65_536


class Ring:
    """Keeps the last bytes."""

    def __init__(self) -> None:
        self._kept = bytearray()
        #: The number of bytes that there have been so far.
        self.position = 0

    def add(self, data: bytes) -> None:
        """Keep more bytes; the oldest ones go."""
        self.position += len(data)
        if len(data) >= MOST:
            self._kept = bytearray(data[-MOST:])
            return
        self._kept += data
        excess = len(self._kept) - MOST
        if excess > 0:
            del self._kept[:excess]

    def end_line(self) -> bool:
        """End the last line; return whether it had no end yet."""
        if not self._kept or self._kept.endswith(b"\n"):
            return False
        self.add(b"\n")
        return True

    def read(self, since: int) -> bytes:
        """Return what is kept of the bytes after a position; one that has not been yet is that of a former ring."""
        first = self.position - len(self._kept)
        return bytes(self._kept[max(0, since - first) if since <= self.position else 0 :])

    def tail(self, lines: int, since: int = 0) -> list[str]:
        """Return the last lines, as they can be shown on a terminal; a part of a line counts as one at the end only.

        :param since: only those after this position
        """
        if lines <= 0:
            return []
        kept = self.read(since)
        if since < self.position - len(self._kept):
            kept = kept[kept.find(b"\n") + 1 :]  # its beginning is lost, unless it is all that there is
        if kept.endswith(b"\n"):
            kept = kept[:-1]
        elif not kept:
            return []
        return [printable(line.removesuffix(b"\r")) for line in kept.rsplit(b"\n", lines)[-lines:]]
