"""What has come of it: why an engine has stopped, and what a run of an action means for its bundle."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """Why :meth:`flagman.Engine.run` returned."""

    #: The stop flag was raised.
    STOPPED = "stopped"
    #: Every action has closed; there is nothing left to do.
    EMPTY = "empty"
    #: A run failed, and ``on_error`` or ``max_failures`` does not let that pass.
    FAILED = "failed"


class Verdict(Enum):
    """What a run means for the bundle."""

    #: Nothing.
    STAYS = "stays"
    #: The action has left.
    GONE = "gone"
    #: The actions after it are not run, this time.
    SKIP = "skip"
