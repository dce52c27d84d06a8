"""Commands with less patience than a user gets."""

from __future__ import annotations

from flagman.actions import ShellAction


def with_grace(seconds: float) -> type[ShellAction]:
    """Return a class of shell commands that have this many seconds between TERM and KILL."""

    class Hasty(ShellAction):
        grace = seconds

    return Hasty
