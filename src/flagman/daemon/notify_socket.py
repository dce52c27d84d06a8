"""The connection to NOTIFY_SOCKET: a socket of this machine or, on a virtual machine, of its host."""

from __future__ import annotations

import os

from flagman.exceptions import NotifyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

_VSOCK = "vsock:"
#: Begins an address that is no user's: a connection that an init has left open for this process, by its descriptor.
DESCRIPTOR = "fd:"
# The largest number of a host or a port stands for any, see vsock(7).
_ANY = 2**32 - 1


def connect(address: str, patience: float) -> socket:
    """Connect to the service manager.

    :param address: the value of NOTIFY_SOCKET
    :param patience: seconds that it may take
    :raises NotifyError: if the address has another form, or no manager listens there
    """
    if address.startswith(_VSOCK):
        return _connect_to_host(address, patience)
    if address.startswith(DESCRIPTOR):
        return _opened_already(address, patience)
    if not address.startswith(("/", "@")) or len(address) == 1:
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, not a path, an @abstract name or {_VSOCK}CID:PORT")
    # Here because only a process that a manager watches needs it: 2 ms.
    import socket  # noqa: PLC0415

    place = "\0" + address[1:] if address.startswith("@") else address
    return _opened(address, socket.AF_UNIX, socket.SOCK_DGRAM, place, patience)


def _connect_to_host(address: str, patience: float) -> socket:
    """Connect to the host of this virtual machine: with packets, or else with a stream; see :manpage:`vsock(7)`."""
    import socket  # noqa: PLC0415 - as above

    cid, _, port = address.removeprefix(_VSOCK).partition(":")
    if not _is_number(cid) or not _is_number(port):
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, not of the form {_VSOCK}CID:PORT")
    family = getattr(socket, "AF_VSOCK", None)
    if family is None:
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, but this system has no such sockets")
    place = (int(cid), int(port))
    try:
        return _opened(address, family, socket.SOCK_SEQPACKET, place, patience)
    except NotifyError:
        return _opened(address, family, socket.SOCK_STREAM, place, patience)


def _opened_already(address: str, patience: float) -> socket:
    import socket  # noqa: PLC0415 - as above

    try:
        connection = socket.socket(fileno=os.dup(int(address.removeprefix(DESCRIPTOR))))
    except (OSError, OverflowError, ValueError) as error:
        raise NotifyError(f"NOTIFY_SOCKET is {address!r}, which is no socket: {error}") from error
    connection.settimeout(patience)
    return connection


def _is_number(text: str) -> bool:
    """Return whether a text is a 32-bit number, other than "any"; Python would cut a larger one to 32 bits."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(_ANY)) and int(text) < _ANY


def _opened(address: str, family: int, kind: int, place: str | tuple[int, int], patience: float) -> socket:
    import socket  # noqa: PLC0415 - as above

    connection = None
    try:
        connection = socket.socket(family, kind | getattr(socket, "SOCK_CLOEXEC", 0))
        connection.settimeout(patience)
        connection.connect(place)
    except (OSError, OverflowError, ValueError) as error:
        if connection is not None:
            connection.close()
        raise NotifyError(f"cannot connect to NOTIFY_SOCKET {address!r}: {error}") from error
    return connection
