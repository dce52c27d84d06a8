"""How this process was started: one that a service manager watches must stay in the foreground."""

from __future__ import annotations

import os
from contextlib import suppress

_INIT = 1
# Seconds that it may take to connect to the manager.
_PATIENCE = 1.0


def is_watched() -> bool:
    """Return whether init, a service manager or a super server has started this process.

    The signs are: pid 1 as the parent, or as the pid of this process; a listener at NOTIFY_SOCKET; LISTEN_PID and
    LISTEN_FDS, see :manpage:`sd_listen_fds(3)`; and a standard input that is a connection or listens for connections,
    as inetd hands it over.
    """
    if _INIT in (os.getpid(), os.getppid()) or _is_awaited(os.environ.get("NOTIFY_SOCKET", "")):
        return True
    return bool(activation()) or _is_connection(0)


def _is_awaited(address: str) -> bool:
    """Return whether a manager listens there; the variable may be left over from one that has ended."""
    if not address:
        return False
    from flagman.daemon.notify_socket import connect  # noqa: PLC0415
    from flagman.exceptions import NotifyError  # noqa: PLC0415 - only under a manager

    try:
        connect(address, _PATIENCE).close()
    except NotifyError:
        return False
    return True


def activation() -> set[int]:
    """Return the descriptors that a socket-activating manager has opened for this process."""
    count = os.environ.get("LISTEN_FDS", "")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdigit() and len(count) < 6):  # noqa: PLR2004 - digits
        return set()
    return set(range(3, 3 + int(count)))


def _is_connection(descriptor: int) -> bool:
    """Return whether this is a super server's socket; some programs give their children one of a local pair instead."""
    import socket  # noqa: PLC0415 - 3 ms, needed only here

    with suppress(OSError):
        found = socket.socket(fileno=os.dup(descriptor))
        try:
            listens = bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            return listens or found.family in (socket.AF_INET, socket.AF_INET6)
        finally:
            found.close()
    return False
