"""The users at the other ends of connections, as the kernel reports them: some may give orders, all others may not."""

from __future__ import annotations

import errno
import os
import socket
from struct import calcsize, iter_unpack, unpack

# See SO_PEERCRED in unix(7): the pid, the uid and the gid of the process that has connected.
_CREDENTIALS = "=iII"
# Its supplementary groups; the module socket has no name for this on any Python so far.
_SO_PEERGROUPS = getattr(socket, "SO_PEERGROUPS", 59)
# The most bytes that Python asks for, so the most groups are 256.
_MOST = 1024
# How many numbers the map of a user namespace has that knows every user, see user_namespaces(7).
_ALL = 2**32 - 1
_NOBODY = 65534


class Peers:
    """The users that may use the control socket: root, that of this process, and perhaps the members of a group.

    In a user namespace, all users that are unknown there have one number, that of ``nobody``, and all such groups have
    one. A number that may mean any of them lets none in.

    :param group: its number; None for none
    """

    def __init__(self, group: int | None) -> None:
        self._group = group
        # Found out now, because another root may have no /proc.
        self._unknown_uid = _unknown("uid")
        self._unknown_gid = _unknown("gid")

    def refusal(self, peer: socket.socket) -> str:
        """Return why a peer is refused, in one line, or an empty text if it may give orders."""
        own = os.geteuid()
        said = "unknown users are refused"
        try:
            _, uid, gid = unpack(
                _CREDENTIALS, peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, calcsize(_CREDENTIALS))
            )
            if uid in (0, own) and uid != self._unknown_uid:
                return ""
            said = f"the user {uid} is refused"
            if self._group is None:
                return f"{said}: only root and the user {own} may use this socket"
            if self._group in {gid, *_groups(peer)} - {self._unknown_gid}:
                return ""
        except OSError as error:
            reason = "it is in too many groups to be asked for" if error.errno == errno.ERANGE else error.strerror
            return f"{said}: {reason}"
        return f"{said}: only root, the user {own} and members of the group {self._group} may use this socket"


def uid_of(peer: socket.socket) -> int | None:
    """Return the user that has connected; None if it is not known."""
    if peer.family != socket.AF_UNIX:
        return None
    try:
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, calcsize(_CREDENTIALS))
    except (AttributeError, OSError):  # not Linux, or not of this family
        return None
    uid: int = unpack(_CREDENTIALS, credentials)[1]
    return uid


def has_gone(peer: socket.socket) -> bool:
    """Return whether a peer has ended its connection, or at least its half of it, and all that it has sent was read."""
    try:
        return not peer.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _groups(peer: socket.socket) -> set[int]:
    data = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST)
    return {gid for (gid,) in iter_unpack("=I", data)}


def _unknown(kind: str) -> int | None:
    """Return the number that stands for all users, or groups, that are unknown here; None if each is known.

    :param kind: ``uid`` or ``gid``
    """
    try:
        with open(f"/proc/self/{kind}_map", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 5 ms
            if sum(int(line.split()[2]) for line in file) >= _ALL:
                return None
        with open(f"/proc/sys/kernel/overflow{kind}", encoding="ascii") as file:  # noqa: PTH123 - as above
            return int(file.read())
    except (OSError, ValueError, IndexError):
        return _NOBODY
