"""The process that holds a pid file, seen from another one."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.actions.pidfd import open_pidfd
from flagman.daemon.pid_file import read_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber


def signal_holder(path: str | os.PathLike[str], signum: SignalNumber) -> int | None:
    """Send a signal to the process that holds a pid file, and to no other that has got its number.

    :returns: the pid; None if nobody holds the file
    :raises OSError: if the file cannot be read, or the signal not be sent
    """
    with suppress(ProcessLookupError):  # it has just ended
        while (pid := read_pid(path)) is not None:
            pidfd = open_pidfd(pid)
            if pidfd < 0:  # this system has none
                os.kill(pid, signum)
                return pid
            try:
                # If the file is still held by this number, the descriptor is that of the process which holds it.
                if read_pid(path) == pid:
                    signal.pidfd_send_signal(pidfd, signum)
                    return pid
            finally:
                os.close(pidfd)
    return None
