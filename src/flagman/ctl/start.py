"""The verb ``start``: starts processes, and waits until they are ready."""

from __future__ import annotations

from flagman.ctl.wishes import carry_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Start the processes.

    :returns: the exit status
    """
    return carry_out(words, "start")
