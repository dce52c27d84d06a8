"""TLS for an exchange that never waits: done in memory, with certificates that are read in a thread."""

from __future__ import annotations

import ssl
import time

from flagman.supervise.verifiers.worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.service.control_loop import ControlLoop

# Bytes that are read at a time.
_CHUNK = 65_536
# Seconds after which the certificates are read again, because they change within a year; it takes 30 ms.
_OLD = 3600.0


class Trust:
    """The certificates to trust.

    :param file: holds them; empty for those of the system
    :param verify: whether the server's certificate has to be signed by one of them, and to name the host
    :raises OSError: if they cannot be read
    """

    def __init__(self, file: str, *, verify: bool) -> None:
        self._file = file
        self._verify = verify
        self._context = self._read()
        self._moment = time.monotonic()
        self._reading: Worker | None = None

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._file or None)
        context.set_alpn_protocols(["http/1.1"])
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def layer(self, loop: ControlLoop, host: str) -> Tls:
        """Return what is between a request and its socket.

        If the certificates are old, they are read again meanwhile, for the next time.

        :param host: the name that the server's certificate has to have
        """
        is_busy = self._reading is not None and self._reading.is_busy
        if not is_busy and time.monotonic() - self._moment >= _OLD:
            self._reading = Worker(loop, self._refresh, lambda _: None)
        return Tls(self._context, host)

    def _refresh(self) -> str:
        """Read the certificates again; if that is not possible, as in another root, the old ones stay."""
        self._moment = time.monotonic()
        self._context = self._read()
        return ""


class Tls:
    """TLS over a socket, in memory.

    :param context: the certificates to trust
    :param host: the name of the server
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._waiting = b""
        self._has_begun = False

    def send(self, data: bytes) -> None:
        """Send data when the handshake is over."""
        self._waiting += data
        self._go_on()

    def take(self, came: bytes) -> bytes:
        """Take what has come; return what it means."""
        if came:
            self._incoming.write(came)
        else:
            self._incoming.write_eof()
        self._go_on()
        data = b""
        try:
            while self._has_begun and (more := self._tls.read(_CHUNK)):
                data += more
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass  # the reader that expects more notices
        return data

    def _go_on(self) -> None:
        try:
            if not self._has_begun:
                self._tls.do_handshake()
                self._has_begun = True
            if self._waiting:
                self._tls.write(self._waiting)
                self._waiting = b""
        except ssl.SSLWantReadError:
            pass

    def outgoing(self) -> bytes:
        """Return what has to be sent now."""
        return self._outgoing.read()
