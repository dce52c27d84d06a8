"""The verb ``metrics``: what a daemon counts and measures, for Prometheus and its like."""

from __future__ import annotations

import io
import sys

from flagman.ctl.asking import reach
from flagman.ctl.screen import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Print the metrics as they come.

    :returns: the exit status
    """
    client = reach(words)
    try:
        text = client.text("/metrics")
    finally:
        client.close()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the format demands it, whatever the locale says
    write(text.removesuffix("\n"))
    return 0
