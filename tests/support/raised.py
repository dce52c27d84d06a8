"""Raised flags, in a form that tests can compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagman.engine.flags import Flags


def taken(flags: Flags) -> list[tuple[str, int]]:
    """Take all flags, the oldest first, each with the number of its raises."""
    return [(flag, raises[0]) for flag, raises in (flags.pop() for _ in range(len(flags)))]
