"""The way of the daemon's notifications through the init: a service manager takes them from the main process alone."""

from __future__ import annotations

import os
import socket
import time
from _thread import allocate_lock

from flagman.daemon.notify_socket import DESCRIPTOR, connect
from flagman.engine.threads import start_new_thread
from flagman.exceptions import NotifyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that one attempt takes at the most.
_PATIENCE = 1.0
# Seconds from one attempt to the next: at first, and at most, after the pause has been doubled each time.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 5.0
# Seconds after which a message is given up, as the daemon itself does when it has no init in front.
_LONGEST_ABSENCE = 60.0
# Seconds that the last messages may delay the end.
_LAST = 2.0
# More bytes than the longest message that a manager reads.
_LONGEST = 65536


class Relay:
    """Takes messages from the daemon and sends them on in order, one at a time, in a thread of the init.

    While the manager takes none, messages wait in the socket from the daemon; when that is full, in the daemon.

    :param address: the value of NOTIFY_SOCKET
    :param connection: the connection to the manager
    :param say: reports trouble to people
    """

    def __init__(self, address: str, connection: socket.socket, say: Callable[[str], None]) -> None:
        self._address = address
        self._connection: socket.socket | None = connection
        self._say = say
        # Packets keep the bounds of messages, and their reader learns of the other side's end.
        self._ours, self._daemons = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended = allocate_lock()

    def leave(self) -> None:
        """In the daemon: keep only its own end, and make that the address of the manager."""
        self._disconnect()
        self._ours.close()
        os.environ["NOTIFY_SOCKET"] = f"{DESCRIPTOR}{self._daemons.detach()}"

    def start(self) -> None:
        """In the init: start the thread; all signals must be blocked."""
        self._daemons.close()
        self._ended.acquire()
        start_new_thread(self._pass_on, ())

    def descriptors(self) -> set[int]:
        """Return the open descriptors of the init's side."""
        return {end.fileno() for end in (self._ours, self._daemons, self._connection) if end is not None}

    def drain(self) -> None:
        """Send what the daemon has sent before its end, within two seconds."""
        # A process that the daemon has forked may have the other end open: its messages do not count.
        self._ours.shutdown(socket.SHUT_RD)
        self._ended.acquire(timeout=_LAST)

    def _pass_on(self) -> None:
        try:
            # Descriptors that come with a message are closed, because there is no room for them.
            while message := self._ours.recv(_LONGEST):
                self._send(message)
        finally:
            self._ended.release()

    def _send(self, message: bytes) -> None:
        limit = time.monotonic() + _LONGEST_ABSENCE
        pause = _SHORTEST_PAUSE
        while (error := self._try(message)) is not None:
            if time.monotonic() > limit:
                first = message.partition(b"=")[0].decode(errors="backslashreplace")
                self._say(f"the service manager has taken no message for a minute; {first} was not sent: {error}")
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _try(self, message: bytes) -> Exception | None:
        try:
            if self._connection is None:
                self._connection = connect(self._address, _PATIENCE)
            self._connection.send(message)
        except (OSError, NotifyError) as error:  # the manager may listen at a new socket by now
            self._disconnect()
            return error
        if self._connection.family != socket.AF_UNIX:  # the host of a virtual machine reads one message a connection
            self._disconnect()
        return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def between(address: str, say: Callable[[str], None]) -> Relay | None:
    """Return a relay to the manager at an address; None if none listens there, which the daemon then finds, too.

    :param address: the value of NOTIFY_SOCKET
    :param say: reports trouble to people
    """
    try:
        return Relay(address, connect(address, _PATIENCE), say)
    except NotifyError:
        return None
