"""The command, which gets a signal after one of its daemon's stages: the first two words name stage and signal."""

from __future__ import annotations

import os
import signal
import sys

from flagman.__main__ import main
from flagman.service import own_process

Process = own_process._Process
signum = signal.Signals[sys.argv.pop(1)]
stage = sys.argv.pop(1)


def die(self: object) -> None:
    """Run the stage, and send the signal."""
    getattr(Process, stage)(self)
    os.kill(os.getpid(), signum)


own_process._Process = type("Dies", (Process,), {stage: die})  # type: ignore[misc, assignment]
sys.exit(main())
