"""Why an engine has stopped."""

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
