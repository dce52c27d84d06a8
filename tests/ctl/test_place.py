"""Which daemon is meant."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.ctl import Ctl
from support.driven import clean_environment, script
from support.fake_control import FakeControl, http

if TYPE_CHECKING:
    from pathlib import Path

READY = {"GET /ready": http(200, {"ready": True})}
FOUND = (0, "ready\n", "")


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


def leave_a_socket(path: Path) -> None:
    """Leave a socket behind, as a daemon does that is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("place", ["web.sock", "web/web.sock"])
@pytest.mark.parametrize(
    ("variable", "folder", "value"),
    [
        ("", "run", ""),
        ("XDG_RUNTIME_DIR", "user/flagman", "user"),
        ("RUNTIME_DIRECTORY", "unit", "unit"),
        ("RUNTIME_DIRECTORY", "unit", "other:unit"),
    ],
)
def test_the_places(  # noqa: PLR0917 - pytest passes them by name
    ctl: Ctl, monkeypatch: pytest.MonkeyPatch, variable: str, folder: str, value: str, place: str
) -> None:
    """Without any option the only socket is found, and with a name the one of this name."""
    if variable:
        monkeypatch.setenv(variable, ":".join(f"{ctl.folder}/{part}" for part in value.split(":")))
    path = ctl.folder / folder / place
    with FakeControl(path, READY):
        assert ctl("ready") == FOUND
        assert ctl("ready", "--name", "web") == FOUND
        assert ctl("ready", "--control", str(path)) == FOUND
        done = ctl("ready", "--name", "db")
        assert done == (3, "", "flagmanctl: error: not running: no daemon 'db' has a control socket\n")


def test_a_variable_names_the_socket(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable comes before the search, and options before the variable."""
    with FakeControl(ctl.folder / "own.sock", READY), FakeControl(ctl.path, {}):
        monkeypatch.setenv("FLAGMAN_CONTROL", str(ctl.folder / "own.sock"))
        assert ctl("ready") == FOUND
        assert ctl("ready", "--name", "web").status == 4
        monkeypatch.setenv("FLAGMAN_CONTROL", "")
        assert ctl("ready").status == 4


def test_several_daemons(ctl: Ctl) -> None:
    """Several daemons are listed, and only those that run count."""
    leave_a_socket(ctl.folder / "run" / "dead.sock")
    with FakeControl(ctl.path, READY):
        assert ctl("ready") == FOUND
        with FakeControl(ctl.folder / "run" / "db" / "db.sock", READY):
            done = ctl("ready")
            assert (done.status, done.out) == (2, "")
            run = ctl.folder / "run"
            daemons = f"web ({run}/web.sock), db ({run}/db/db.sock)"
            assert done.err == (
                f"flagmanctl: error: several daemons run here: {daemons}; choose one with --name or --control\n"
            )
            assert ctl("ready", "--name", "db") == FOUND
            done = ctl("ready", "--name", "wbe")
            said = "not running: no daemon 'wbe' has a control socket; did you mean 'web'?"
            assert done == (3, "", f"flagmanctl: error: {said}\n")


def test_no_daemon(ctl: Ctl) -> None:
    """Without a daemon the message tells where one was looked for."""
    nothing = f"flagmanctl: error: no daemon has a control socket in {ctl.folder}/run; flagman --control makes one\n"
    assert ctl("ready") == (3, "", nothing)
    leave_a_socket(ctl.path)
    assert ctl("ready") == (3, "", nothing)
    assert ctl("ready", "--control", str(ctl.path)) == (
        3,
        "",
        f"flagmanctl: error: not running: nothing listens on {ctl.path}\n",
    )


def test_paths_that_cannot_be_a_socket(ctl: Ctl) -> None:
    """A path that is too long, or leads through a loop, is told."""
    done = ctl("ready", "--control", "/" + "x" * 120)
    assert done == (2, "", f"flagmanctl: error: the path of the socket is too long: /{'x' * 120}\n")
    loop = ctl.folder / "loop"
    loop.symlink_to(loop)
    done = ctl("ready", "--control", str(loop))
    assert done == (4, "", f"flagmanctl: error: cannot use {loop}: Too many levels of symbolic links\n")
    loop.unlink()
    loop.write_text("no socket", encoding="utf-8")
    assert ctl("ready", "--control", str(loop)).status == 3


@pytest.mark.parametrize("words", [(), ("--name", "web")])
def test_a_socket_that_has_vanished(ctl: Ctl, words: tuple[str, ...]) -> None:
    """A daemon without its socket is found by the lock that it holds."""
    lock = ctl.path.with_name("web.sock.lock")
    lock.parent.mkdir()
    with lock.open("w", encoding="utf-8") as file:
        print(os.getpid(), file=file, flush=True)
        assert ctl("ready", *words).status == 3
        fcntl.flock(file, fcntl.LOCK_EX)
        # No signal is advised: without a configuration file HUP stops the daemon.
        said = (
            f"the daemon runs (pid {os.getpid()}), but its socket {ctl.path} is gone: restart it, or reload it if it "
            "has a configuration file"
        )
        assert ctl("ready", *words) == (4, "", f"flagmanctl: error: {said}\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_sockets_of_others(open_path: Path) -> None:
    """A daemon that may not be asked is told, but does not hide one that may."""
    own = open_path / "own" / "flagman"
    with FakeControl(open_path / "unit" / "root.sock", READY), FakeControl(own / "mine.sock", READY):
        (open_path / "unit" / "root.sock").chmod(0o600)
        (own / "mine.sock").chmod(0o666)

        def ready(*words: str, user: str) -> tuple[int, str]:
            variables = {"RUNTIME_DIRECTORY": str(open_path / "unit"), "XDG_RUNTIME_DIR": user}
            command = [sys.executable, script("call_ctl"), "ready", *words]
            environment = {**clean_environment(), **variables}
            done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
            return done.returncode, done.stdout + done.stderr

        assert ready(user=str(open_path / "own")) == (0, "ready\n")
        what = f"{open_path}/unit/root.sock: the daemon belongs to another user"
        assert ready(user="/no/such") == (4, f"flagmanctl: error: not permitted to use {what}\n")
