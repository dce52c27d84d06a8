"""A command for flagman to wrap, which tells the signals that it gets."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from support.driven import script

if TYPE_CHECKING:
    from support.driven import Flagman

#: The command.
TELL = (sys.executable, "-IS", script("tell_signals"))
# What flagman or Python needs for itself, what cannot be caught, and faults.
KEPT = {"KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "TRAP", "ABRT", "SYS", "PIPE", "XFSZ", "CHLD", "TTIN", "TTOU"}
STOPS = {"TERM", "INT", "QUIT"}
NOT_FORWARDED = {getattr(signal, f"SIG{name}") for name in KEPT | STOPS}
#: The signals that reach it.
FORWARDED = sorted(signum for signum in signal.valid_signals() if signum not in NOT_FORWARDED)


def name_of(signum: int) -> str:
    """Return the name of a signal as the command tells it."""
    with suppress(ValueError):
        return signal.Signals(signum).name
    return str(signum)


def up(daemon: Flagman) -> int:
    """Wait until the command has started, and return its number."""
    word, pid = daemon.out.next().split()
    assert word == "up"
    return int(pid)
