"""A control socket that the service manager has bound and passed on, see :manpage:`systemd.socket(5)`."""

from __future__ import annotations

import os
import socket

from flagman.control.listener import BACKLOG
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NAME = "control"


class Activated:
    """The socket of a manager; it has the same methods as a :class:`~flagman.control.listener.Listener`.

    The manager keeps its file, its mode and its owner, and takes it back at the end.

    :param sockets: the name of each socket that the manager has opened for this process, by its descriptor
    :param wanted: the paths that the user has given, of which one has to be that of the socket; empty for any
    :raises UsageError: if none of them can be the control socket
    """

    def __init__(self, sockets: Mapping[int, str], wanted: Collection[str]) -> None:
        #: The socket; it does not wait.
        self.listening = _checked(_chosen(sockets))
        #: Where it is bound.
        self.where = os.fsdecode(self.listening.getsockname())
        if wanted and self.where not in wanted:
            paths = " or ".join(map(repr, wanted))
            raise UsageError(f"--control: the manager listens at {self.where!r}, not at {paths}; leave the PATH out")

    def listen(self) -> None:
        """Make this process the one that is at the other end of new connections, and not the manager."""
        self.listening.listen(BACKLOG)

    @staticmethod
    def rebind() -> None:
        """Return None: the path is the manager's."""

    def close(self) -> None:
        """Close this process's descriptor."""
        self.listening.close()


def _chosen(sockets: Mapping[int, str]) -> int:
    """Return the descriptor that is meant for control."""
    named = [number for number, name in sockets.items() if name == _NAME]
    if len(named or sockets) == 1:
        return (named or list(sockets))[0]
    raise UsageError(
        f"--control: the manager has opened {len(sockets)} sockets, {len(named) or 'none'} of them named {_NAME!r}; one"
        f" needs FileDescriptorName={_NAME}"
    )


def _checked(number: int) -> socket.socket:
    try:
        found = socket.socket(fileno=number)
    except OSError as error:
        raise UsageError(f"--control: what the manager has opened is no socket: {error.strerror}") from None
    is_stream = found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM
    has_path = is_stream and os.fsencode(found.getsockname()).startswith(b"/")
    if not has_path or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()
        raise UsageError(
            "--control: the socket that the manager has opened is not a Unix socket that listens at a path; its unit"
            " needs a path for ListenStream=, and no Accept=yes"
        )
    found.set_inheritable(False)
    found.settimeout(0)
    return found
