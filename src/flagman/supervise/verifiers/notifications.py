"""Messages of the notification protocol, as a manager receives them; see :manpage:`sd_notify(3)`."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Bytes of the longest message: a longer one is ignored as a whole, as systemd does.
_LONGEST = 4096
# The sender's process, user and group, see unix(7).
_SENDER = struct.Struct("3i")
# The most descriptors that one message carries, and the size of one.
_MOST, _DESCRIPTOR = 253, struct.calcsize("i")


class Message:
    """A message.

    :param pid: the process that has sent it; 0 if it is in another namespace
    :param is_ours: whether that process may send messages
    :param data: what it says
    """

    def __init__(self, pid: int, data: bytes, *, is_ours: bool) -> None:
        self.pid = pid
        self.is_ours = is_ours
        #: Pairs of a name and a value.
        self.lines = [(name, value) for name, _, value in (line.partition(b"=") for line in data.split(b"\n"))]

    def says(self, name: bytes, value: bytes) -> bool:
        """Return whether this is one of its lines."""
        return (name, value) in self.lines


def receive(mailbox: socket.socket, is_ours: Callable[[int], bool]) -> Message | None:
    """Receive a message; close all descriptors that come with it.

    A sender of BARRIER=1 waits until they are closed: then it may end. So they are open until it is known which process
    it is.

    :param mailbox: has SO_PASSCRED set, and does not block
    :param is_ours: returns whether a process may send messages
    :returns: None if none has come
    :raises ValueError: for a message that is too long
    """
    room = socket.CMSG_SPACE(_SENDER.size) + socket.CMSG_SPACE(_MOST * _DESCRIPTOR)
    try:
        data, extras, flags, _ = mailbox.recvmsg(_LONGEST, room, socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        return None
    pid = 0
    descriptors: list[int] = []
    for level, kind, content in extras:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = len(content) // _DESCRIPTOR
            descriptors += struct.unpack(f"{whole}i", content[: whole * _DESCRIPTOR])
        elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(content) >= _SENDER.size:
            pid = _SENDER.unpack_from(content)[0]
    try:
        if flags & socket.MSG_TRUNC:
            raise ValueError("the message is too long")
        return Message(pid, data, is_ours=is_ours(pid))
    finally:
        for descriptor in descriptors:
            with suppress(OSError):
                os.close(descriptor)
