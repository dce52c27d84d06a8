"""What the loop asks of a trigger: three questions."""

from __future__ import annotations

from typing import Protocol


class Trigger(Protocol):
    """Something that raises flags when the loop lets it."""

    def fileno(self) -> int:
        """Give the descriptor whose readability means that there is something to drain; -1 if there is none."""

    def deadline(self) -> float | None:
        """Give the moment, on the loop's clock, at which there is something to drain; None if there is none."""

    def drain(self) -> None:
        """Take in what has happened and raise the flags for it; called too often, do nothing."""
