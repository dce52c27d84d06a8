"""Streams: the standard ones of the command, and files that are opened to take their place."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def prepare() -> None:
    """Write whole lines at once, also to a pipe or a file, and never fail for a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def flush() -> None:
    """Flush now: if the interpreter failed to, at its end, it would change the exit status to 120."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            # What cannot be written has been reported where it was printed, if it could be; let it go.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def open_now(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file without waiting, as for somebody at the other end of a FIFO, which could be for ever.

    :returns: its descriptor, which blocks as others do
    :raises OSError: if it cannot be, or nobody is at the other end
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor
