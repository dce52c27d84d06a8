"""What turns a process into a daemon: steps of the operating system, and no policy. For other programs, too."""

from __future__ import annotations

from flagman.daemon.holder import signal_holder
from flagman.daemon.pid_file import AlreadyRunningError, PidLockFile, read_pid

__all__ = ["AlreadyRunningError", "PidLockFile", "read_pid", "signal_holder"]
