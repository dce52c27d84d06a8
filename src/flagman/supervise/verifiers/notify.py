"""The kind ``notify``: a process that says READY=1 to its own notification socket is ready; see sd_notify(3)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from flagman.supervise.verifiers.kind import Attempt, Gifts, Kind
from flagman.supervise.verifiers.notifications import Message, receive
from flagman.text.shown import printable
from flagman.text.spans import format_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from flagman.engine.calls import Call
    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around, Target

# Messages that are read at a time, so that a flood of them holds nothing else up.
_MOST = 64
# Characters of a status text that are kept.
_LONGEST_STATUS = 200
# The most digits of a number of microseconds.
_DIGITS = 18
_MICROSECONDS = 1_000_000


class _Mailbox(Gifts):
    """The socket of one life; it is read for as long as this life lasts, because a full one would block the process.

    :param access: which processes may send messages: ``leader`` or ``group``
    :param watchdog: seconds within which signs of life have to come; 0 for none
    """

    def __init__(self, loop: ControlLoop, access: str, watchdog: float) -> None:
        super().__init__()
        self._loop = loop
        self._access = access
        self._watchdog = watchdog
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            # An abstract address: it needs no directory that the process can reach, whatever its user and its root are.
            name = f"flagman/notify/{os.urandom(16).hex()}"
            self._socket.bind(f"\0{name}")
        except BaseException:
            self._socket.close()
            raise
        self.environment = {b"NOTIFY_SOCKET": f"@{name}".encode()}
        if watchdog:
            self.environment[b"WATCHDOG_USEC"] = str(round(watchdog * _MICROSECONDS)).encode()
        self._target: Target | None = None
        self._attachment: Attachment | None = None
        self._alarm: Call | None = None
        # What the process itself says of its trouble, which may be before it is verified.
        self._trouble = ""
        #: Called with each message that counts; and with the reason for which one does not.
        self.on_message: Callable[[Message], object] | None = None
        self.on_stranger: Callable[[str], object] | None = None

    def open(self, target: Target) -> None:
        """Begin to read; the process is known now."""
        self._target = target
        if self._attachment is None:
            self._attachment = self._loop.attach(self._socket.fileno(), self._read)

    def _read(self, _: int) -> None:
        for _number in range(_MOST):
            if self._attachment is None:  # a message has led to the end of this life
                return
            with suppress(InterruptedError, ValueError):
                message = receive(self._socket, self._is_ours)
                if message is None:
                    return
                self._take(message)

    def _is_ours(self, pid: int) -> bool:
        """Return whether a process may send messages."""
        leader = 0 if self._target is None else self._target.pid
        if pid == leader or not pid:
            return pid == leader != 0
        with suppress(ProcessLookupError, PermissionError):
            return self._access == "group" and os.getpgid(pid) == leader
        return False

    def _take(self, message: Message) -> None:
        if not message.is_ours:
            if self.on_stranger is not None and message.says(b"READY", b"1"):
                hint = "" if self._access == "group" else "; set access to group if it is one of the process's own"
                self.on_stranger(f"the process {message.pid} said READY=1, and not the leader{hint}")
            return
        for name, value in message.lines:
            if name == b"STATUS":
                self.status = printable(value)[:_LONGEST_STATUS]
            elif (name, value) == (b"WATCHDOG", b"1"):
                self._wind()
            elif (name, value) == (b"WATCHDOG", b"trigger"):
                self._trouble = "the process said WATCHDOG=trigger"
                self._bark(self._trouble)
        if self.on_message is not None:
            self.on_message(message)

    def verified(self) -> None:
        """Expect signs of life from now on."""
        if self._trouble:
            self._alarm = self._loop.call_later(0, self._bark, self._trouble)
        elif self._watchdog:
            self._alarm = self._loop.call_later(self._watchdog, self._starve)

    def _wind(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self.verified()

    def _starve(self) -> None:
        self._bark(f"no WATCHDOG=1 for {format_span(self._watchdog)}")

    def _bark(self, why: str) -> None:
        if self.on_failure is not None:
            self.on_failure(f"watchdog: {why}")

    def close(self) -> None:
        """Close the socket."""
        self.on_failure = None
        if self._alarm is not None:
            self._alarm.cancel()
        if self._attachment is not None:
            self._loop.release(self._attachment)
            self._attachment = None
        self._socket.close()


class Notify(Kind):
    """A process that says READY=1 is ready.

    :param access: which processes may say so: ``leader`` or ``group``
    :param watchdog: seconds within which it has to say WATCHDOG=1 again and again, from then on; 0 for never
    """

    name = "notify"
    is_patient = True
    missing = "no READY=1"

    def __init__(self, access: str, watchdog: float) -> None:
        super().__init__(access, watchdog)
        self._access = access
        self._watchdog = watchdog

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the access and the watchdog."""
        access = keys.choice("access", ("leader", "group"), "leader")
        watchdog = keys.span("watchdog") if keys.has("watchdog") else 0.0
        if not hasattr(socket, "SO_PASSCRED"):
            keys.wrong("type", "'notify' needs Linux, because other systems do not tell which process sends a message")
        keys.check()
        return cls(access, watchdog)

    def gifts(self, loop: ControlLoop) -> Gifts:
        """Make a socket."""
        return _Mailbox(loop, self._access, self._watchdog)

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Wait for READY=1."""
        return _Waiting(around, answer)


class _Waiting(Attempt):
    """Waits for READY=1."""

    def __init__(self, around: Around, answer: Answer) -> None:
        self._around = around
        self._answer = answer
        self._box = around.gifts
        if isinstance(self._box, _Mailbox):
            self._box.on_message = self._take
            self._box.on_stranger = around.note
            self._box.open(around.target)

    def _take(self, message: Message) -> None:
        for name, value in message.lines:
            if name == b"EXTEND_TIMEOUT_USEC" and value.isdigit() and len(value) <= _DIGITS:
                self._around.extend(int(value) / _MICROSECONDS)
            elif name == b"STATUS" and value:
                self._around.note(f"its status is: {self._box.status}")
        if message.says(b"READY", b"1"):
            self._answer("")

    def cancel(self) -> None:
        """Wait no longer; the socket goes on being read."""
        if isinstance(self._box, _Mailbox):
            self._box.on_message = self._box.on_stranger = None
