"""The systemd notification protocol: one datagram a message, lines of ``KEY=value``; see :manpage:`sd_notify(3)`."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from flagman.children.environment import PRIVATE
from flagman.engine import loggers, writing
from flagman.exceptions import NotifyError
from flagman.systemd import Manager
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

# The most digits of a number of microseconds: enough for a million years.
_DIGITS = 20
# Bytes of the longest message that systemd reads: it ignores a longer one as a whole.
_LONGEST = 4096
_STATUS = "STATUS="
# Begins an address outside of this virtual machine.
_VSOCK = "vsock:"
# Lines that only report the present state, which the next message reports again.
_NEWS = ("STATUS=", "EXTEND_TIMEOUT_USEC=")
# Seconds that a message may wait if nothing sends it again later.
_PATIENCE = 1.0
# Seconds that a connection to the host of a virtual machine takes at the most.
_MOMENT = 0.1
# Seconds from one attempt to the next: at first, and at most, after the pause has been doubled each time.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 5.0
# Seconds that a manager which has gone may take to come back.
_LONGEST_ABSENCE = 60.0

_LATER = "The service manager does not accept %s now; it will be sent again: %s"
_GONE = "The service manager has been unreachable for a minute; %s was not sent: %s"
_LOST = "The service manager did not accept %s: %s"


class SystemdNotifier(Manager):
    """Tells the service manager about this process, if there is one.

    It connects to the socket that NOTIFY_SOCKET names now: a path, ``@name`` for an abstract socket, or
    ``vsock:CID:PORT`` for the host of a virtual machine, which takes each message in a connection of its own. Without
    that variable, or if no manager listens there, every message is dropped.

    A message that the manager does not take now is sent again later, also to a manager that has bound its socket anew.
    A message with only STATUS or EXTEND_TIMEOUT_USEC is not sent again. Of two messages that wait and have the same
    other keys only the second is sent.

    :param debug: raise errors instead of dropping or delaying messages
    :raises NotifyError: with ``debug``, if there is no socket to connect to
    """

    def __init__(self, debug: bool = False) -> None:  # noqa: FBT001, FBT002 - the documented signature
        self._debug = debug
        self._socket: socket | None = None
        # See follow().
        self._wait: Callable[[int, float], bool] = writing.is_ready
        self._call_later: Callable[[float, Callable[[], None]], object] | None = None
        #: Seconds after which the manager believes that this process hangs, unless it has said ``WATCHDOG=1`` since;
        #: None if the manager does not watch.
        self.watchdog = _watchdog()
        # Messages that have not been taken, in order, by their keys.
        self._waiting: dict[tuple[str, ...], bytes] = {}
        self._pause = 0.0
        self._is_planned = False
        # Warnings that have been logged since the manager last took all messages.
        self._said: set[str] = set()
        # The monotonic time at which no manager was found to listen; None if one listens.
        self._gone_since: float | None = None
        # Another thread may send messages that ask for more time.
        self._lock = allocate_lock()
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if not self._address and not debug:
            return
        try:
            self._connect(_PATIENCE)
        except NotifyError:
            self._address = ""
            if debug:
                raise

    def notify(self, state: str) -> None:
        """Send a message.

        :param state: one or more lines such as ``READY=1``; :meth:`status` makes one of any text
        :raises NotifyError: with ``debug``, if it could not be sent
        """
        message = _shortened(state)
        keys = tuple(line.partition("=")[0] for line in state.split("\n") if line and not line.startswith(_NEWS))
        if not self._lock.acquire(blocking=bool(keys)):
            return  # news, while another thread waits for the manager
        try:
            error = self._hand_over(keys, message)
        finally:
            self._lock.release()
        if error is not None and self._debug:
            raise NotifyError(f"cannot send {state!r} to the service manager: {error}") from error
        if error is not None and keys:
            self._warn(_LATER if keys in self._waiting else _LOST, keys[0], error)
        if self._waiting:
            self._plan()

    def __repr__(self) -> str:
        return f"<SystemdNotifier of {self._address!r}>" if self._address else "<SystemdNotifier without a manager>"

    def follow(
        self, wait: Callable[[int, float], bool], call_later: Callable[[float, Callable[[], None]], object] | None
    ) -> None:
        """Send messages in the way of a run, as :meth:`flagman.systemd.Manager.follow` says.

        Without ``call_later`` a message waits for up to a second, and is sent again with the next one, and by
        :meth:`close`.
        """
        self._wait = wait
        self._call_later = call_later

    def status(self, text: str) -> str:
        """Return the line of a message that shows people the state; it is one line, even if the text has several."""
        return status(text)

    def _hand_over(self, keys: tuple[str, ...], message: bytes) -> Exception | None:
        """Send a message after those that wait; return the error if that is not possible."""
        if not self._address:
            return NotifyError("the connection is closed") if self._debug else None
        if len(message) > _LONGEST:  # which systemd would not read
            return NotifyError(f"it has more than {_LONGEST} bytes")
        self._waiting.pop(keys, None)
        self._waiting[keys] = message
        try:
            return self._send_all(_PATIENCE if keys and self._call_later is None else 0)
        finally:
            if self._debug or not keys:
                self._waiting.pop(keys, None)

    def _send_all(self, patience: float) -> OSError | NotifyError | None:
        """Send the messages that wait, in order; return the error that has ended that, if any."""
        limit = time.monotonic() + patience
        try:
            for keys, message in list(self._waiting.items()):
                self._send(message, limit)
                del self._waiting[keys]
                self._gone_since = None
        except (OSError, NotifyError) as error:
            if isinstance(error, TimeoutError) or not any(self._waiting):
                self._gone_since = None
            elif self._gone_since is None:
                self._gone_since = time.monotonic()
            return error
        self._pause = 0.0
        self._said = set()
        return None

    def _send(self, message: bytes, limit: float) -> None:
        try:
            if self._socket is not None:
                self._write(self._socket, message, limit)
                return
        except TimeoutError:
            raise
        except OSError:  # there may be another socket by now
            self._disconnect()
        self._write(self._connect(max(limit - time.monotonic(), _MOMENT)), message, limit)

    def _write(self, connection: socket, message: bytes, limit: float) -> None:
        def wait(descriptor: int) -> bool:
            left = limit - time.monotonic()
            return left > 0 and self._wait(descriptor, left)

        if writing.write(connection.fileno(), message, wait) < len(message):
            raise TimeoutError("it does not read its messages")
        if self._address.startswith(_VSOCK):
            self._disconnect()

    def _plan(self) -> None:
        """Plan to send again the messages that wait."""
        if self._call_later is not None and not self._is_planned:
            self._is_planned = True
            self._pause = min(2 * self._pause or _SHORTEST_PAUSE, _LONGEST_PAUSE)
            self._call_later(self._pause, self._try_again)

    def _try_again(self) -> None:
        self._is_planned = False
        lost = ""
        with self._lock:
            error = self._send_all(0)
            if self._gone_since is not None and time.monotonic() - self._gone_since > _LONGEST_ABSENCE:
                lost = self._give_up()
        if self._waiting:
            self._plan()
        if lost:
            self._warn(_GONE, lost, error)

    def _warn(self, warning: str, keys: str, error: Exception | None) -> None:
        """Log a warning, unless it has been logged since the manager last took all messages."""
        if warning not in self._said:
            self._said.add(warning)

            loggers.get("flagman.sd_notify").warning(warning, keys, error)

    def _give_up(self) -> str:
        lost = ", ".join(keys[0] for keys in self._waiting)
        self._waiting = {}
        self._gone_since = None
        return lost

    @property
    def is_open(self) -> bool:
        """Whether there is a manager to talk to."""
        return bool(self._address)

    def close(self) -> None:
        """Send what has not been taken once more, and close the connection; every later message is dropped."""
        with self._lock:
            error = self._send_all(_PATIENCE)
            lost = self._give_up()
            self._address = ""
            self._disconnect()
        if lost:
            self._warn(_LOST, lost, error)

    def _connect(self, patience: float) -> socket:
        from flagman.daemon.notify_socket import connect  # noqa: PLC0415 - only under a manager

        self._socket = connect(self._address, patience)
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def take_from_environment() -> SystemdNotifier:
    """Connect to the service manager, and remove its variables from the environment of all later processes."""
    notifier = SystemdNotifier()
    if "LISTEN_FDS" in os.environ:
        notifier.sockets = _sockets()
    for name in PRIVATE:
        os.environ.pop(name, None)
    return notifier


def _sockets() -> dict[int, str]:
    """Return the name of each socket that the manager has opened for this process, by its descriptor."""
    from flagman.daemon.launcher import activation  # noqa: PLC0415 - only with socket activation

    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    numbers = sorted(activation())
    # Without names the variable is missing, see sd_listen_fds_with_names(3).
    return dict(zip(numbers, names if len(names) == len(numbers) else [""] * len(numbers), strict=True))


def status(text: str) -> str:
    """Return the line of a message that shows people the state; it is one line, even if the text has several."""
    return f"{_STATUS}{printable(text)}"


def _shortened(state: str) -> bytes:
    """Encode a message; one that is too long loses the end of its STATUS."""
    state = state.encode(errors="backslashreplace").decode()
    message = state.encode()
    if len(message) <= _LONGEST:
        return message
    lines = state.split("\n")
    free = _LONGEST - sum(len(line.encode()) + 1 for line in lines if not line.startswith(_STATUS)) - len("...")
    return b"\n".join(
        line.encode()[:free].decode(errors="ignore").encode() + b"..." if line.startswith(_STATUS) else line.encode()
        for line in lines
    )


def _watchdog() -> float | None:
    """Return the seconds of the manager's watchdog, or None; see :manpage:`sd_watchdog_enabled(3)`."""
    interval = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if pid != str(os.getpid()) or not (interval.isascii() and interval.isdigit() and len(interval) <= _DIGITS):
        return None
    return int(interval) / 1e6 or None
