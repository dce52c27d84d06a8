"""The steps that turn a process into a daemon, without any policy: other programs may use them, too.

The public names are imported when they are first used, because a program that only reads a pid file needs fewer modules
than one that becomes a daemon.

May import: children.pidfd, children.reaping, text, exceptions, types, version.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.daemon.daemon import Daemon as Daemon
    from flagman.daemon.holder import read_pid as read_pid
    from flagman.daemon.holder import signal_holder as signal_holder
    from flagman.daemon.pid_file import AlreadyRunningError as AlreadyRunningError
    from flagman.daemon.pid_file import PidLockFile as PidLockFile

_HOMES = {
    "AlreadyRunningError": "flagman.daemon.pid_file",
    "Daemon": "flagman.daemon.daemon",
    "PidLockFile": "flagman.daemon.pid_file",
    "read_pid": "flagman.daemon.holder",
    "signal_holder": "flagman.daemon.holder",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
