"""Speaks HTTP with a daemon, on its control socket: by hand, because the client of Python takes long to import."""

from __future__ import annotations

import _socket as socket  # a third of a millisecond; what socket adds to it takes ten times as long
from time import monotonic

from flagman.ctl.errors import BAD, NO_SUCH_NAME, NOT_IN_TIME, UNKNOWN, CtlError, NoAnswerError, RefusedError
from flagman.ctl.fields import Fields
from flagman.ctl.verbs import LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Bytes of an answer at most: a history of the largest daemon has a few millions.
_MOST = 64 * 1024 * 1024
_MOST_OF_HEAD = 64 * 1024
#: The most seconds that a system call can wait: a few weeks.
LONGEST = 2_000_000.0
# Seconds that an answer may take longer than the daemon was told to wait.
_GRACE = 1.0
_FORBIDDEN, _NOT_FOUND, _UNAVAILABLE, _NOT_IN_TIME = 403, 404, 503, 504
_ERROR = 400
# Statuses that say that what was typed cannot be asked.
_MISTAKES = {400, 413, 414}
_CONFLICT = 409


class Client:
    """A connection to the control socket of a daemon.

    :param path: the socket
    :param wait: seconds that the daemon will be told to wait; infinite for no limit, None for no wait
    :raises CtlError: if the daemon takes in no clients
    :raises OSError: if no daemon listens there, or it may not be asked
    """

    def __init__(self, path: str, wait: float | None = None) -> None:
        self.path = path
        # From now on, for the way to the daemon and for all questions.
        self._seconds = LIMIT if wait is None else wait
        self._end = monotonic() + self._seconds + (0.0 if wait is None else _GRACE)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._rest = b""
        try:
            self._connect()
        except BaseException:
            self._socket.close()
            raise

    def _connect(self) -> None:
        # With a timeout of Python the socket would not block, and a full queue would be an error at once.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(self._seconds))
        try:
            self._socket.connect(self.path)
        except BlockingIOError:
            raise self._no_answer() from None

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    @property
    def peer(self) -> int:
        """The pid of the process that listens; 0 if it is not known."""
        return self._credential(0)

    @property
    def user(self) -> int:
        """The number of the user of that process; 0 if it is not known."""
        return self._credential(1)

    def _credential(self, index: int) -> int:
        try:
            credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except (AttributeError, OSError):  # not Linux
            return 0
        from sys import byteorder  # noqa: PLC0415 - only for one verb

        return int.from_bytes(credentials[4 * index : 4 * index + 4], byteorder)

    def fileno(self) -> int:
        """Return the descriptor, with which a poll learns of an answer."""
        return self._socket.fileno()

    @property
    def end(self) -> float:
        """Until when an answer is waited for, of the monotonic clock; infinite for no limit."""
        return self._end

    def wait_for_ever(self) -> None:
        """Wait for all further answers without a limit: the end of the daemon still ends the wait."""
        self._seconds = self._end = float("inf")

    def ask(self, method: str, target: str, fields: Mapping[str, str] | None = None) -> tuple[int, object]:
        """Ask the daemon, see :meth:`send` and :meth:`receive`."""
        self.send(method, target, fields)
        return self.receive()

    def send(self, method: str, target: str, fields: Mapping[str, str] | None = None) -> None:
        """Send a question.

        :param target: the path with its query, see :func:`quoted` and :func:`query`
        :param fields: what its body says; None if it has none
        :raises CtlError: if the daemon does not take it in time, or has closed the connection
        """
        head, body = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n", b""
        if fields is not None:
            import json  # noqa: PLC0415 - most questions have no body

            body = json.dumps(fields).encode()
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            self._timeout(self._end)
            self._socket.sendall(f"{head}\r\n".encode() + body)
        except TimeoutError:
            raise self._no_answer() from None
        except ConnectionError:
            raise self._closed() from None

    def receive(self) -> tuple[int, object]:
        """Wait for the answer to a question that has been sent.

        :returns: the status of HTTP, and the JSON
        :raises CtlError: if there is no answer in time, or it is none of flagman
        """
        import json  # noqa: F401, PLC0415 - 1 to 5 ms, while the daemon works

        status, body = self._receive_answer()
        return status, self._json(body)

    def text(self, target: str) -> str:
        """Ask for what is no JSON, and return it.

        :raises CtlError: if there is no answer in time, or it is an error
        """
        self.send("GET", target)
        status, body = self._receive_answer()
        if status >= _ERROR:
            error = refusal(status, self._json(body))
            if error is not None:
                raise error
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise self.not_flagman("is no text") from None

    def _receive_answer(self) -> tuple[int, bytes]:
        try:
            return self._answer(self._end)
        except TimeoutError:
            raise self._no_answer() from None
        except ConnectionError:
            raise self._closed() from None

    def _json(self, body: bytes) -> dict[str, object]:
        import json  # noqa: PLC0415 - as above

        try:
            answered = json.loads(body)
        except (ValueError, RecursionError):
            raise self.not_flagman("is no JSON") from None
        if not isinstance(answered, dict):
            raise self.not_flagman("is no answer of flagman")
        return answered

    def receive_head(self) -> bytes:
        """Wait for the head of an answer, and return it without the empty line; what follows is still to be received.

        :raises CtlError: as :meth:`receive`
        """
        try:
            head, self._rest = self._head(self._end)
        except TimeoutError:
            raise self._no_answer() from None
        except ConnectionError:
            raise self._closed() from None
        return head

    def give_back(self, received: bytes) -> None:
        """Receive these bytes once more, before all others."""
        self._rest = received + self._rest

    def receive_some(self) -> bytes:
        """Wait for bytes, and return them; none if the daemon has closed the connection.

        :raises CtlError: if there are none in time
        """
        received, self._rest = self._rest, b""
        try:
            return received or self._receive(self._end)
        except TimeoutError:
            raise self._no_answer() from None
        except ConnectionError:
            return b""

    def wait_for_end(self, end: float) -> bool:
        """Wait until the daemon has closed the connection.

        :param end: until when, of the monotonic clock
        :returns: whether it has
        """
        try:
            while True:
                self._receive(end)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def _answer(self, end: float) -> tuple[int, bytes]:
        head, rest = self._head(end)
        lines = head.split(b"\r\n")
        version, _, line = lines[0].partition(b" ")
        lengths = [line[15:].strip() for line in lines[1:] if line[:15].lower() == b"content-length:"]
        if not version.startswith(b"HTTP/1.") or not line[:3].isdigit() or len(lengths) != 1:
            raise self.not_flagman("is no answer of flagman")
        if not lengths[0].isdigit() or len(lengths[0]) > len(str(_MOST)) or int(lengths[0]) > _MOST:
            raise self.not_flagman("has no length that an answer can have")
        length = int(lengths[0])
        parts, received = [rest], len(rest)
        while received < length:
            parts.append(self._receive(end))
            received += len(parts[-1])
        body = b"".join(parts)
        self._rest = body[length:]
        return int(line[:3]), body[:length]

    def _head(self, end: float) -> tuple[bytes, bytes]:
        received = self._rest
        while b"\r\n\r\n" not in received:
            if len(received) > _MOST_OF_HEAD:
                raise self.not_flagman("is no answer of flagman")
            received += self._receive(end)
        head, _, rest = received.partition(b"\r\n\r\n")
        return head, rest

    def _receive(self, end: float) -> bytes:
        self._timeout(end)
        received = self._socket.recv(1 << 16)
        if not received:
            raise ConnectionError
        return received

    def _timeout(self, end: float) -> None:
        left = end - monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(None if left == float("inf") else min(left, LONGEST))

    def _no_answer(self) -> CtlError:
        from flagman.text.spans import format_span  # noqa: PLC0415 - only for a mistake

        return CtlError(f"the daemon has not answered within {format_span(self._seconds)} ({self.path})", NOT_IN_TIME)

    def _closed(self) -> NoAnswerError:
        return NoAnswerError(f"the daemon has closed the connection without a whole answer ({self.path})", UNKNOWN)

    def not_flagman(self, what: str) -> CtlError:
        """Return the error that an answer cannot be one of flagman.

        :param what: what is wrong with it, such as ``is no JSON``
        """
        return CtlError(f"what {self.path} answers {what}", UNKNOWN)


def _timeval(seconds: float) -> bytes:
    from struct import pack  # noqa: PLC0415 - only here

    # All zero is no limit.
    return pack("ll", 0, 0) if seconds == float("inf") else pack("ll", int(seconds), int(seconds % 1 * 1_000_000) or 1)


def refusal(status: int, answer: object) -> RefusedError | None:
    """Return the error that an answer tells; None if it tells none."""
    if status < _ERROR:
        return None
    error = Fields(answer).inner("error")
    code = error.text("code")
    message = error.text("message") or f"the daemon answers {status} {code}".strip()
    names = error.texts("did_you_mean")
    if names and "did you mean" not in message:
        message += f"; did you mean {' or '.join(map(repr, names))}?"
    exit_codes = {_FORBIDDEN: UNKNOWN, _NOT_IN_TIME: NOT_IN_TIME, _CONFLICT: BAD, **dict.fromkeys(_MISTAKES, 2)}
    exit_code = exit_codes.get(status, UNKNOWN)
    if status == _NOT_FOUND and code in {"no-such-flag", "no-such-process"}:
        exit_code = NO_SUCH_NAME
    elif status == _UNAVAILABLE and code == "stopping":
        exit_code = BAD
    return RefusedError(error.texts("mistakes") or [message], exit_code, answer)
