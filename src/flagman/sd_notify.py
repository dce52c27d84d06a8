"""The systemd notification protocol: one datagram a message, lines of ``KEY=value``; see :manpage:`sd_notify(3)`."""

from __future__ import annotations

import os
import time

from flagman.engine import writing
from flagman.exceptions import NotifyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

# Of a number of microseconds: a million years.
_DIGITS = 20
# An address outside of this virtual machine.
_VSOCK = "vsock:"
# Bytes of a message, as many as systemd reads: of a longer one it reads nothing.
_LONGEST = 4096
_STATUS = "STATUS="
# Seconds that a manager which reads nothing may hold the daemon up.
_PATIENCE = 1.0

#: What the manager meant for this process and for none of its children, see sd_notify(3), sd_watchdog_enabled(3) and
#: sd_listen_fds(3).
PRIVATE = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
)


class SystemdNotifier:
    """Tells the service manager about this process, if there is one that wants to know.

    It connects to the socket that NOTIFY_SOCKET names now: a path, ``@name`` for an abstract socket, or
    ``vsock:CID:PORT`` for the host of a virtual machine, which takes each message in a connection of its own. Without
    that variable every message is dropped.

    :param debug: raise errors instead of dropping messages
    :raises NotifyError: with ``debug``, if there is no socket to connect to
    """

    def __init__(self, debug: bool = False) -> None:  # noqa: FBT001, FBT002 - the documented signature
        self._debug = debug
        self._socket: socket | None = None
        #: Waits until a descriptor takes more, but not for longer than so many seconds.
        self.wait: Callable[[int, float], bool] = writing.is_ready
        #: Seconds after which the manager believes that this process hangs, unless it has said ``WATCHDOG=1`` since;
        #: None if the manager does not watch.
        self.watchdog = _watchdog()
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        try:
            self._socket = _connect(self._address)
        except NotifyError:
            self._address = ""
            if debug:
                raise

    def notify(self, state: str) -> None:
        """Send a message.

        :param state: one or more lines such as ``READY=1``
        :raises NotifyError: with ``debug``, if it could not be sent
        """
        if not self._address:
            if self._debug:
                raise NotifyError("the connection to the service manager is closed")
            return
        try:
            if self._socket is None:
                self._socket = _connect(self._address)
            self._send(self._socket, _shortened(state))
            if self._address.startswith(_VSOCK):
                self._disconnect()
        except (OSError, UnicodeError, NotifyError) as error:
            if self._debug:
                raise NotifyError(f"cannot send {state!r} to the service manager: {error}") from error

    def _send(self, connection: socket, message: bytes) -> None:
        limit = time.monotonic() + _PATIENCE

        def wait(descriptor: int) -> bool:
            left = limit - time.monotonic()
            return left > 0 and self.wait(descriptor, left)

        if writing.write(connection.fileno(), message, wait) < len(message):
            raise TimeoutError("it does not read its messages")

    @property
    def is_open(self) -> bool:
        """Tell whether there is a manager to talk to."""
        return bool(self._address)

    def close(self) -> None:
        """Close the connection; every later message is dropped."""
        self._address = ""
        self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def take_from_environment() -> SystemdNotifier:
    """Connect to the service manager, and hide what it said to this process from all that is started later."""
    notifier = SystemdNotifier()
    for name in PRIVATE:
        os.environ.pop(name, None)
    return notifier


def _shortened(state: str) -> bytes:
    """Encode a message; one that is too long loses the end of its STATUS."""
    state = state.encode(errors="backslashreplace").decode()
    message = state.encode()
    if len(message) <= _LONGEST:
        return message
    lines = state.splitlines()
    free = _LONGEST - sum(len(line.encode()) + 1 for line in lines if not line.startswith(_STATUS)) - len("...")
    return b"\n".join(
        line.encode()[:free].decode(errors="ignore").encode() + b"..." if line.startswith(_STATUS) else line.encode()
        for line in lines
    )


def _watchdog() -> float | None:
    """Read what the manager says about its watchdog, see :manpage:`sd_watchdog_enabled(3)`."""
    interval = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if pid != str(os.getpid()) or not (interval.isascii() and interval.isdigit() and len(interval) <= _DIGITS):
        return None
    return int(interval) / 1e6 or None


def _connect(address: str) -> socket:
    if address.startswith(_VSOCK):
        return _connect_to_host(address)
    if not address.startswith(("/", "@")) or len(address) == 1:
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, not a path, an @abstract name or {_VSOCK}CID:PORT")
    # Here because only a process that a manager watches needs it: 2 ms.
    import socket  # noqa: PLC0415

    place = "\0" + address[1:] if address.startswith("@") else address
    return _opened(address, socket.AF_UNIX, socket.SOCK_DGRAM, place)


def _connect_to_host(address: str) -> socket:
    """Connect to the host of this virtual machine: with packets, or else with a stream; see :manpage:`vsock(7)`."""
    import socket  # noqa: PLC0415 - as above

    cid, _, port = address.removeprefix(_VSOCK).partition(":")
    if not all(number.isascii() and number.isdigit() and len(number) <= _DIGITS for number in (cid, port)):
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, not of the form {_VSOCK}CID:PORT")
    family = getattr(socket, "AF_VSOCK", None)
    if family is None:
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, but this system has no such sockets")
    place = (int(cid), int(port))
    try:
        return _opened(address, family, socket.SOCK_SEQPACKET, place)
    except NotifyError:
        return _opened(address, family, socket.SOCK_STREAM, place)


def _opened(address: str, family: int, kind: int, place: str | tuple[int, int]) -> socket:
    import socket  # noqa: PLC0415 - as above

    connection = None
    try:
        connection = socket.socket(family, kind | getattr(socket, "SOCK_CLOEXEC", 0))
        connection.settimeout(_PATIENCE)
        connection.connect(place)
    except (OSError, OverflowError) as error:
        if connection is not None:
            connection.close()
        raise NotifyError(f"cannot connect to NOTIFY_SOCKET {address!r}: {error}") from error
    return connection
