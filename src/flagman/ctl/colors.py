"""Whether the output has colors, and which ones."""

from __future__ import annotations

import os

#: The colors that words have, besides those of no meaning.
BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"

_BY_WORD = {
    "idle": GREEN,
    "running": GREEN,
    "ready": GREEN,
    "succeeded": GREEN,
    "added": GREEN,
    "starting": YELLOW,
    "reloading": YELLOW,
    "stopping": YELLOW,
    "interrupted": YELLOW,
    "removed": YELLOW,
    "failed": RED,
    "timed-out": RED,
    "kept": DIM,
    "closed": DIM,
    "skipped": DIM,
}


def are_wanted(choice: str, *, is_terminal: bool) -> bool:
    """Return whether the output has colors.

    :param choice: ``always``, ``never``, or ``auto``, which leaves it to the environment and the terminal
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):  # an empty one means nothing, see https://no-color.org
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (is_terminal and os.environ.get("TERM") != "dumb")


def color_of(word: str) -> str:
    """Return the color of a state or result; empty if it has none."""
    return _BY_WORD.get(word, "")
