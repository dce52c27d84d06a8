"""The systemd notification protocol, against a real socket."""

from __future__ import annotations

import os
import socket
import uuid
from typing import TYPE_CHECKING

import pytest

from flagman.exceptions import NotifyError
from flagman.sd_notify import SystemdNotifier, take_from_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="manager", params=["path", "abstract"])
def _manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """Listen as systemd does, at both kinds of address."""
    abstract = request.param == "abstract"
    name = f"flagman-{uuid.uuid4()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(10)
        listener.bind(f"\0{name}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        yield listener


def test_each_message_is_one_datagram_in_utf_8(manager: socket.socket) -> None:
    """Several lines go together, and text may be any."""
    notifier = SystemdNotifier(debug=True)
    notifier.notify("READY=1\nSTATUS=grün")
    notifier.notify("STOPPING=1")
    assert manager.recv(100) == "READY=1\nSTATUS=grün".encode()
    assert manager.recv(100) == b"STOPPING=1"
    notifier.close()


def test_the_connection_is_not_inherited(manager: socket.socket) -> None:
    """A child must not be able to speak for the daemon."""
    del manager
    notifier = SystemdNotifier(debug=True)
    assert notifier._socket is not None
    assert not notifier._socket.get_inheritable()
    notifier.close()


def test_taking_hides_the_manager_from_children(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection lasts, the variables are gone."""
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.setenv(name, "1")
    notifier = take_from_environment()
    assert not [name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG", "LISTEN"))]
    notifier.notify("READY=1")
    assert manager.recv(100) == b"READY=1"
    notifier.close()


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that runs under nothing is the normal case."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = SystemdNotifier()
    notifier.notify("READY=1")
    notifier.close()
    with pytest.raises(NotifyError):
        SystemdNotifier(debug=True)


@pytest.mark.parametrize("address", ["", "relative", "@", "/", "/nowhere/at/all", "/" + "x" * 200, "@" + "x" * 200])
def test_a_bad_address_is_an_error_only_with_debug(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed notification must never end a daemon."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    SystemdNotifier().notify("READY=1")
    with pytest.raises(NotifyError, match="NOTIFY_SOCKET"):
        SystemdNotifier(debug=True)


def test_a_manager_that_has_gone_is_an_error_only_with_debug(manager: socket.socket) -> None:
    """The manager may be restarted or may have closed its socket."""
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
    """Only if it watches this process."""
    for name, value in (("WATCHDOG_USEC", interval), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert SystemdNotifier().watchdog == seconds
