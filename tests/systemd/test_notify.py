"""The systemd notification protocol, against a real socket."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import given, strategies

from flagman.children.environment import PRIVATE
from flagman.cli import command
from flagman.exceptions import NotifyError
from flagman.systemd import notify
from flagman.systemd.notify import SystemdNotifier, take_from_environment
from flagman.testing import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(name="manager", params=["path", "abstract"])
def _manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """Yield a socket that listens as systemd's does, at both kinds of address."""
    abstract = request.param == "abstract"
    name = f"flagman-{uuid.uuid4()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(10)
        listener.bind(f"\0{name}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        yield listener


def test_each_message_is_one_datagram_in_utf_8(manager: socket.socket) -> None:
    """Each message is one datagram in UTF-8, with several lines and any text."""
    notifier = SystemdNotifier(debug=True)
    notifier.notify("READY=1\nSTATUS=grün")
    notifier.notify("STOPPING=1")
    assert manager.recv(100) == "READY=1\nSTATUS=grün".encode()
    assert manager.recv(100) == b"STOPPING=1"
    notifier.close()


@pytest.mark.parametrize("character", ["x", "ü", "☃"])
def test_a_long_message_loses_the_end_of_its_status(manager: socket.socket, character: str) -> None:
    """A message over systemd's limit of 4096 bytes loses the end of its status, because all of it would be ignored."""
    with_status = SystemdNotifier(debug=True)
    with_status.notify(f"READY=1\nSTATUS=begin {character * 5000}\nEXIT_STATUS=2")
    message = manager.recv(10_000)
    assert 4090 < len(message) <= 4096
    ready, status, exit_status = message.decode().splitlines()
    assert (ready, exit_status) == ("READY=1", "EXIT_STATUS=2")
    assert status.startswith(f"STATUS=begin {character}")
    assert status.endswith(f"{character}...")
    with_status.close()


def test_what_is_no_text_is_escaped(manager: socket.socket) -> None:
    """Bytes that are no text, such as a file name that is not UTF-8, are escaped."""
    notifier = SystemdNotifier(debug=True)
    notifier.notify("READY=1\nSTATUS=c\udcff.toml")
    assert manager.recv(100) == b"READY=1\nSTATUS=c\\udcff.toml"
    notifier.close()


def test_the_connection_is_not_inherited(manager: socket.socket) -> None:
    """A child does not inherit the connection, because it must not speak for the daemon."""
    del manager
    notifier = SystemdNotifier(debug=True)
    assert notifier._socket is not None
    assert not notifier._socket.get_inheritable()
    notifier.close()


def test_taking_hides_the_manager_from_children(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """After taking over, the connection lasts, and the variables are gone."""
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.setenv(name, "1")
    notifier = take_from_environment()
    assert not [name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG", "LISTEN"))]
    notifier.notify("READY=1")
    assert manager.recv(100) == b"READY=1"
    notifier.close()


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a manager, which is the normal case, nothing is sent."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = SystemdNotifier()
    notifier.notify("READY=1")
    notifier.close()
    with pytest.raises(NotifyError):
        SystemdNotifier(debug=True)


@pytest.mark.parametrize("address", ["", "relative", "@", "/", "/nowhere/at/all", "/" + "x" * 200, "@" + "x" * 200])
def test_a_bad_address_is_an_error_only_with_debug(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad address raises an error with debug only, because a failed notification must never end a daemon."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    SystemdNotifier().notify("READY=1")
    with pytest.raises(NotifyError, match="NOTIFY_SOCKET"):
        SystemdNotifier(debug=True)


def test_a_manager_that_has_gone_is_an_error_only_with_debug(manager: socket.socket) -> None:
    """A manager that was restarted or has closed its socket is an error with debug only."""
    quiet, loud = SystemdNotifier(), SystemdNotifier(debug=True)
    manager.close()
    quiet.notify("READY=1")
    with pytest.raises(NotifyError, match="cannot send"):
        loud.notify("READY=1")
    quiet.close()
    loud.close()
    with pytest.raises(NotifyError, match="closed"):
        loud.notify("READY=1")


@pytest.mark.parametrize(
    ("interval", "pid", "seconds"),
    [
        ("30000000", None, 30),
        ("30000000", "own", 30),
        ("30000000", "1", None),
        ("500000", "own", 0.5),
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
        ("-1", None, None),
        ("9" * 30, None, None),
        (None, "own", None),
    ],
)
def test_the_watchdog(
    monkeypatch: pytest.MonkeyPatch, interval: str | None, pid: str | None, seconds: float | None
) -> None:
    """The watchdog counts only if it watches this process."""
    for name, value in (("WATCHDOG_USEC", interval), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert SystemdNotifier().watchdog == seconds


class Connection:
    """Stands in for a socket to the host of a virtual machine, which does not exist here."""

    made: ClassVar[list[Connection]] = []
    refused: ClassVar[int] = 0

    def __init__(self, family: int, kind: int) -> None:
        self.family = family
        self.kind = kind & ~socket.SOCK_CLOEXEC
        self._reader, self._writer = os.pipe()
        self.sent = b""
        self.closed = False
        Connection.made.append(self)

    def settimeout(self, _: float) -> None:
        """Ignore the timeout."""

    def connect(self, place: tuple[int, int]) -> None:
        """Refuse one kind of socket."""
        assert place == (2, 1234)
        if self.kind == Connection.refused:
            raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    def fileno(self) -> int:
        """Return the descriptor to write to."""
        return self._writer

    def close(self) -> None:
        """Note the call, and what was written."""
        os.close(self._writer)
        self.sent = os.read(self._reader, 4096)
        os.close(self._reader)
        self.closed = True


@pytest.mark.parametrize("refused", [0, socket.SOCK_SEQPACKET])
def test_the_host_of_a_virtual_machine(monkeypatch: pytest.MonkeyPatch, refused: int) -> None:
    """Messages to the host of a virtual machine use a connection each: packets, or a stream without packets."""
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    monkeypatch.setattr(socket, "AF_VSOCK", 40, raising=False)
    monkeypatch.setattr(socket, "socket", Connection)
    monkeypatch.setattr(Connection, "made", [])
    monkeypatch.setattr(Connection, "refused", refused)
    notifier = SystemdNotifier(debug=True)
    notifier.notify("READY=1")
    notifier.notify("STOPPING=1")
    notifier.close()
    used = [connection for connection in Connection.made if connection.kind != refused]
    assert [connection.sent for connection in used] == [b"READY=1", b"STOPPING=1"]
    assert all(connection.closed and connection.family == 40 for connection in Connection.made)
    with pytest.raises(NotifyError, match="closed"):
        notifier.notify("READY=1")


@pytest.mark.parametrize(
    "address",
    [
        "vsock:",
        "vsock:2",
        "vsock:2:",
        "vsock:x:1",
        "vsock:-1:1",
        "vsock:99999999999:1",
        "vsock:4294967295:1",
        "vsock:2:4294967298",
        "vsock:2:²",
    ],
)
def test_a_bad_address_of_a_host(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad address of a host is an error like any other."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    SystemdNotifier().notify("READY=1")
    with pytest.raises(NotifyError, match="NOTIFY_SOCKET"):
        SystemdNotifier(debug=True)


def test_a_system_without_such_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without such sockets, such as macOS, is an error with debug."""
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    monkeypatch.delattr(socket, "AF_VSOCK", raising=False)
    with pytest.raises(NotifyError, match="has no such sockets"):
        SystemdNotifier(debug=True)


@pytest.fixture(name="place")
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return the path of the socket, where nothing listens yet."""
    place = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    return place


def listen(place: str) -> socket.socket:
    """Bind the path, also anew, as a manager does."""
    Path(place).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(place)
    listener.settimeout(0)
    return listener


def messages(listener: socket.socket) -> list[str]:
    """Read all messages that have come."""
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(listener.recv(4096).decode())
    return found


def never(_descriptor: int, _seconds: float) -> bool:
    """Stand in for a wait that must not happen."""
    raise AssertionError("it has waited")


class Calls:
    """A stand-in for the loop with the calls to be made later."""

    def __init__(self, notifier: SystemdNotifier) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []
        notifier.follow(never, lambda pause, function: self.due.append((pause, function)))

    def next(self) -> float:
        """Make the next call, and return its delay in seconds."""
        ((pause, function),) = self.due
        self.due = []
        function()
        return pause


def fill(notifier: SystemdNotifier) -> None:
    """Send messages until the manager's queue is full."""
    sent = SystemdNotifier(debug=True)
    with pytest.raises(NotifyError, match="it does not read its messages"):
        while True:
            sent.notify("STATUS=more")
    sent.close()
    notifier.notify("STATUS=dropped")


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by the only item of a list, in seconds."""
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def abandoned(place: str) -> tuple[SystemdNotifier, Calls]:
    """Return a notifier after its manager has gone."""
    with listen(place):
        notifier = SystemdNotifier()
    return notifier, Calls(notifier)


def test_what_must_arrive_is_sent_again(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Important messages are sent again from the loop, in order and the last of each kind; news is dropped at once."""
    with listen(place) as manager:
        notifier = SystemdNotifier()
        calls = Calls(notifier)
        fill(notifier)
        for message in ("RELOADING=1\nX=1", "STATUS=a", "READY=1\nSTATUS=b", "RELOADING=1\nX=2", "READY=1\nSTATUS=c"):
            notifier.notify(message)
        notifier.notify("WATCHDOG=1")
        notifier.notify("WATCHDOG=1")
        pauses = [calls.next() for _ in range(12)]
        assert pauses[:3] == [0.02, 0.04, 0.08]
        assert pauses[-1] == 5
        assert [record.getMessage() for record in caplog.records] == [
            "The service manager does not accept RELOADING now; it will be sent again: it does not read its messages"
        ]
        assert set(messages(manager)) == {"STATUS=more"}
        calls.next()
        assert messages(manager) == ["RELOADING=1\nX=2", "READY=1\nSTATUS=c", "WATCHDOG=1"]
        assert not calls.due
        notifier.notify("STATUS=d")
        assert messages(manager) == ["STATUS=d"]
        fill(notifier)
        notifier.notify("READY=1")
        assert calls.next() == 0.02
        messages(manager)
        notifier.notify("STOPPING=1")
        assert messages(manager) == ["READY=1", "STOPPING=1"], "in their order"
        notifier.close()


def test_without_a_loop_a_message_waits(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Without a loop the caller's function decides how long to wait, and a lost message is logged."""
    with listen(place) as manager:
        notifier = SystemdNotifier()
        fill(notifier)
        asked: list[float] = []

        def give_up(_descriptor: int, seconds: float) -> bool:
            asked.append(seconds)
            return False

        notifier.follow(give_up, None)
        notifier.notify("READY=1")
        assert 0 < asked.pop() <= 1
        notifier.close()
        assert 0 < asked.pop() <= 1
        assert caplog.records[-1].getMessage() == (
            "The service manager did not accept READY: it does not read its messages"
        )
        assert "READY=1" not in messages(manager)


def test_the_end_is_the_last_attempt(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Closing tries once more, without a delay if the manager reads again."""
    with listen(place) as manager:
        notifier = SystemdNotifier()
        Calls(notifier)
        fill(notifier)
        notifier.notify("STATUS=Failed: x\nEXIT_STATUS=1")
        messages(manager)
        notifier.close()
        assert messages(manager) == ["STATUS=Failed: x\nEXIT_STATUS=1"]
        assert len(caplog.records) == 1


def test_a_manager_that_binds_its_socket_anew(place: str) -> None:
    """A manager that binds its socket again is found by the next message of any kind, and by a waiting one."""
    first = listen(place)
    notifier = SystemdNotifier()
    calls = Calls(notifier)
    first.close()
    with listen(place) as second:
        notifier.notify("STATUS=here")
        assert messages(second) == ["STATUS=here"]
    notifier.notify("WATCHDOG=1")
    calls.next()
    with listen(place) as third:
        calls.next()
        assert messages(third) == ["WATCHDOG=1"]
    notifier.close()


def test_a_manager_that_has_gone_for_good(place: str, clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A manager that is gone is given up after a minute, but one that only does not read may take any time."""
    manager = listen(place)
    notifier = SystemdNotifier()
    calls = Calls(notifier)
    fill(notifier)
    notifier.notify("READY=1")
    clock[0] += 3600
    calls.next()
    manager.close()
    calls.next()
    clock[0] += 59
    calls.next()
    clock[0] += 2
    calls.next()
    assert not calls.due
    assert (
        caplog.records[-1]
        .getMessage()
        .startswith("The service manager has been unreachable for a minute; READY was not sent: ")
    )
    notifier.close()
    assert len(caplog.records) == 2


def test_a_short_absence_is_no_long_one(place: str, clock: list[float]) -> None:
    """Lost news of long ago does not shorten the minute for a later message."""
    notifier, calls = abandoned(place)
    notifier.notify("STATUS=nobody hears that")
    clock[0] += 100
    notifier.notify("READY=1")
    calls.next()
    with listen(place) as again:
        calls.next()
        assert messages(again) == ["READY=1"]
    notifier.close()


def test_a_manager_that_has_gone_is_told_once(place: str, clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A manager that is gone is reported once, however often the watchdog is fed."""
    notifier, calls = abandoned(place)
    for _ in range(50):
        notifier.notify("WATCHDOG=1")
        clock[0] += 30
        if calls.due:
            calls.next()
    notifier.close()
    assert len(caplog.records) <= 3
    assert len(calls.due) <= 1


def test_news_sends_waiting_messages_first(place: str) -> None:
    """News sends waiting messages first, as when a thread asks for more time during a reload."""
    with listen(place) as manager:
        notifier = SystemdNotifier()
        Calls(notifier)
        fill(notifier)
        notifier.notify("RELOADING=1")
        notifier.notify("EXTEND_TIMEOUT_USEC=1")
        messages(manager)
        notifier.notify("EXTEND_TIMEOUT_USEC=2")
        assert messages(manager) == ["RELOADING=1", "EXTEND_TIMEOUT_USEC=2"]
        notifier.close()


def test_news_do_not_wait_for_another_thread(place: str) -> None:
    """News does not wait for another thread that waits for the manager."""
    with listen(place) as manager:
        notifier = SystemdNotifier()
        fill(notifier)
        waits, goes_on = threading.Event(), threading.Event()

        def wait(_descriptor: int, _seconds: float) -> bool:
            waits.set()
            return goes_on.wait(DEADLINE)

        notifier.follow(wait, None)
        thread = threading.Thread(target=notifier.notify, args=("READY=1",))
        thread.start()
        assert waits.wait(DEADLINE)
        notifier.notify("STATUS=dropped")
        messages(manager)
        goes_on.set()
        thread.join()
        assert messages(manager) == ["READY=1"]
        notifier.close()


def test_a_waiting_message_is_known_by_all_its_lines(place: str) -> None:
    """A waiting message is known by the names of all its lines, not by its first line, which may be empty or news."""
    with listen(place) as manager:
        notifier = SystemdNotifier()
        calls = Calls(notifier)
        fill(notifier)
        all_messages = ["WATCHDOG=1\nREADY=1", "WATCHDOG=1", "\nSTATUS=x\nREADY=1"]
        for message in all_messages:
            notifier.notify(message)
        messages(manager)
        calls.next()
        assert messages(manager) == all_messages
        notifier.close()


def test_a_message_that_is_too_long(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """A message that is too long for systemd is not sent."""
    with listen(place) as manager:
        quiet, loud = SystemdNotifier(), SystemdNotifier(debug=True)
        quiet.notify(f"X_LONG={'x' * 5000}")
        with pytest.raises(NotifyError, match="more than 4096 bytes"):
            loud.notify(f"X_LONG={'x' * 5000}")
        assert messages(manager) == []
        said = caplog.records[0].getMessage()
        assert said == "The service manager did not accept X_LONG: it has more than 4096 bytes"
        quiet.close()
        loud.close()


@given(strategies.text(), strategies.integers(0, 5000))
def test_no_text_makes_a_line_of_its_own(text: str, length: int) -> None:
    """No text adds a line to a message, neither when it is written nor when the message is shortened."""
    line = SystemdNotifier().status(text + "x" * length)
    assert "\n" not in line
    message = notify._shortened(f"READY=1\n{line}\nEXIT_STATUS=2").decode()
    assert [part.partition("=")[0] for part in message.split("\n")] == ["READY", "STATUS", "EXIT_STATUS"]
    raw = "".join(character for character in text if character != "\n")
    message = notify._shortened(f"READY=1\nSTATUS={raw}{'x' * length}\nEXIT_STATUS=2").decode()
    assert [part.partition("=")[0] for part in message.split("\n")] == ["READY", "STATUS", "EXIT_STATUS"]


def test_every_variable_of_a_manager_is_noticed() -> None:
    """The start notices each variable of a manager, because it would not import the notifier that hides them."""
    assert all(name.startswith(command._OF_MANAGER) for name in PRIVATE)
