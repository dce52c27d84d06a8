"""The relay of notifications, between a daemon's notifier and a manager's socket."""

from __future__ import annotations

import array
import os
import socket
from typing import TYPE_CHECKING

import pytest

from flagman.daemon.notify_socket import connect
from flagman.exceptions import NotifyError
from flagman.supervise import notifications
from flagman.systemd.notify import SystemdNotifier
from support.driven import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flagman.supervise.notifications import Relay


def listener(path: Path) -> socket.socket:
    """Return a socket that listens as systemd's does."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(path))
    manager.settimeout(60)
    return manager


class Between:
    """A relay with both of its sides in this process, which holds the daemon's end a second time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manager = listener(path)
        self.said: list[str] = []
        relay = notifications.between(str(path), self.said.append)
        assert relay is not None
        self.relay: Relay = relay
        self.daemon = relay._daemons.dup()
        relay.start()


@pytest.fixture(name="between")
def _between(tmp_path: Path) -> Iterator[Between]:
    """Yield a relay; it ends with the test."""
    between = Between(tmp_path / "notify")
    yield between
    between.relay.drain()
    between.daemon.close()
    between.relay._ours.close()
    between.relay._disconnect()
    between.manager.close()


def test_messages_are_sent_on_in_order(between: Between) -> None:
    """Each message of the notifier arrives as one, in order."""
    os.environ["NOTIFY_SOCKET"] = f"fd:{between.daemon.fileno()}"
    try:
        notifier = SystemdNotifier(debug=True)
    finally:
        del os.environ["NOTIFY_SOCKET"]
    for number in range(100):
        notifier.notify(f"READY=1\nSTATUS={number}")
        assert between.manager.recv(4096) == f"READY=1\nSTATUS={number}".encode()
    notifier.close()


def test_messages_wait_for_a_manager_that_comes_back(between: Between) -> None:
    """A message is sent to a manager that has bound its socket anew, and the next ones after it."""
    between.manager.close()
    between.path.unlink()
    for number in range(3):
        between.daemon.send(b"%d" % number)
    wait_for(lambda: between.relay._connection is None)  # an attempt has failed
    between.manager = listener(between.path)
    assert [between.manager.recv(4096) for _ in range(3)] == [b"0", b"1", b"2"]


def test_a_message_is_given_up_in_the_end(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that nothing takes is given up with a line that names it, and the next one is sent."""
    monkeypatch.setattr(notifications, "_LONGEST_ABSENCE", 0.0)
    between.manager.close()
    between.path.unlink()
    between.daemon.send(b"READY=1\nSTATUS=x")
    wait_for(lambda: between.said)
    (line,) = between.said
    assert line.startswith("the service manager has taken no message for a minute; READY was not sent: ")
    monkeypatch.setattr(notifications, "_LONGEST_ABSENCE", 60.0)
    between.manager = listener(between.path)
    between.daemon.send(b"STOPPING=1")
    assert between.manager.recv(4096) == b"STOPPING=1"


def test_what_was_sent_before_the_end_is_drained(between: Between) -> None:
    """The end waits for the messages that have been sent, even if another process still holds the daemon's end."""
    for number in range(5):  # fewer than such a socket holds
        between.daemon.send(b"%d" % number)
    between.relay.drain()
    between.manager.settimeout(0)
    assert [between.manager.recv(4096) for _ in range(5)] == [b"%d" % number for number in range(5)]


def test_passed_descriptors_are_closed(between: Between) -> None:
    """A descriptor that comes with a message is closed, which is what its sender may wait for."""
    reader, writer = os.pipe()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]).tobytes())]
    between.daemon.sendmsg([b"BARRIER=1"], ancillary)
    os.close(writer)
    assert between.manager.recv(4096) == b"BARRIER=1"
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_without_a_manager_there_is_no_relay(tmp_path: Path) -> None:
    """If nothing listens at the address, the daemon finds that itself."""
    said: list[str] = []
    assert notifications.between(str(tmp_path / "notify"), said.append) is None
    assert said == []


@pytest.mark.parametrize("number", ["x", "", "-1", "99999999999999999999", "0"])
def test_a_descriptor_that_is_no_socket_is_refused(number: str) -> None:
    """An address of the relay's form that leads to no socket is as good as none."""
    with pytest.raises(NotifyError, match="NOTIFY_SOCKET"):
        connect(f"fd:{number}", 1.0).close()
