"""The action that writes the status to a file."""

from __future__ import annotations

import json
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from flagman import Engine
from flagman.actions import DumpStatusAction
from flagman.exceptions import ActionFailed, SetUpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flagman import Action
    from support.driven import Flagman

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture(name="action")
def _action(tmp_path: Path) -> Iterator[Action]:
    """Yield the action, in an engine that has a small status."""
    with Engine() as engine:
        engine.offer("status", lambda _: {"a": "\udcff"})
        yield engine.set_up("usr2", DumpStatusAction, str(tmp_path / "status.json"))


def test_the_status_of_a_daemon(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A daemon writes what is bound, what ran, and what came of it."""
    path = tmp_path / "status.json"
    words = ["--usr1", "sh", "echo ran; exit 3", "--usr2", "dump_status", str(path), "--usr2", "print", "done"]
    daemon = start(*words, "--overlap", "rerun").ready()
    daemon.expect("init").signal(USR1).expect("ran")
    assert "failed after" in daemon.expect_error("usr1")
    daemon.signal(USR2).expect("done")
    status = json.loads(path.read_text(encoding="utf-8"))
    assert (status["pid"], status["state"], status["ready"]) == (daemon.process.pid, "running", True)
    usr1, usr2 = status["flags"]
    assert (usr1["name"], usr1["runs"], usr1["failures"], usr1["last"]["result"]) == ("usr1", 1, 1, "failed")
    assert usr1["last"]["error"].startswith("sh: ")
    assert (usr2["running"], usr2["actions"][0]["name"]) == (True, "dump_status")
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    daemon.stop("cleanup")
    assert list(tmp_path.glob("status*")) == [path]


def _umask() -> int:
    umask = os.umask(0o22)
    os.umask(umask)
    return umask


def test_the_file_is_replaced_as_a_whole(action: Action, tmp_path: Path) -> None:
    """A reader that has opened the file before still reads the old one."""
    path = tmp_path / "status.json"
    path.write_text("old", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        action.run()
        assert file.read() == "old"
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "\udcff"}


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_what_is_no_file_is_left_alone(action: Action, tmp_path: Path, kind: str) -> None:
    """A FIFO, a link and a directory are not replaced."""
    path = tmp_path / "status.json"
    make: dict[str, Callable[[], None]] = {
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("elsewhere"),
        "directory": path.mkdir,
    }
    make[kind]()
    before = path.lstat().st_ino
    with pytest.raises(ActionFailed, match="is not a regular file, and is left alone"):
        action.run()
    assert path.lstat().st_ino == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_does_not_fit(action: Action, tmp_path: Path) -> None:
    """If the file cannot be written, the old one stays, and nothing else is left behind."""
    path = tmp_path / "status.json"
    path.write_text("old", encoding="utf-8")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
        with pytest.raises(ActionFailed, match=r"cannot write .*status.json: File too large"):
            action.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [(each, each.read_text(encoding="utf-8")) for each in tmp_path.iterdir()] == [(path, "old")]


@pytest.mark.parametrize("path", ["", "/", "a/", "a\0b"])
def test_what_cannot_be_a_file(path: str) -> None:
    """A path that no file can have is refused before anything starts."""
    with pytest.raises(ValueError, match="is not the path of a file"):
        DumpStatusAction.check_arguments(path)


def test_without_a_daemon() -> None:
    """In a program that embeds the engine there may be no status."""
    with Engine() as engine, pytest.raises(SetUpError, match="only the command flagman has a status"):
        engine.set_up("usr2", DumpStatusAction, "x")
