"""The terminal that a wrapped command shares with this process."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class Terminal:
    """A terminal."""

    @classmethod
    def find(cls) -> Self | None:
        """Return the terminal."""
        return None

    def begin(self, pid: int, post: Callable[[Callable[[int], object], int], object]) -> None:
        """Begin."""

    def resume(self) -> None:
        """Resume."""

    def end(self, *, killed: bool) -> None:
        """End."""
