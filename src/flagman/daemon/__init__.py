"""What turns a process into a daemon: steps of the operating system, and no policy. For other programs, too.

It imports how processes are signalled and waited for, and what reads and shows words.
"""

from __future__ import annotations

from flagman.daemon.holder import read_pid, signal_holder
from flagman.daemon.pid_file import AlreadyRunningError, PidLockFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.daemon.daemon import Daemon

__all__ = ["AlreadyRunningError", "Daemon", "PidLockFile", "read_pid", "signal_holder"]


def __getattr__(name: str) -> object:
    """Import the daemon when it is looked for: who has a pid file only needs less."""
    if name == "Daemon":
        from flagman.daemon import daemon  # noqa: PLC0415 - see above

        return daemon.Daemon
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
