"""The verb ``stop``: stops processes, and waits until nothing of them runs."""

from __future__ import annotations

from flagman.ctl.wishes import carry_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Stop the processes.

    :returns: the exit status
    """
    return carry_out(words, "stop")
