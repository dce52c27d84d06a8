"""The lock of a name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flagman.supervise.guard.lock import Lock
from flagman.supervise.guard.seen import Process

ME = os.getpid()


def test_one_at_a_time(tmp_path: Path) -> None:
    """It is free again when it was released, and the file is gone."""
    first, second = Lock(str(tmp_path / "new"), "demo"), Lock(str(tmp_path / "new"), "demo")
    assert first.take() is None
    assert first.descriptor > 2
    first.note(ME, Process(ME).start, 17, b"random")
    holder = second.take()
    assert second.descriptor < 0
    assert holder is not None
    assert (holder.daemon, holder.guardian, holder.latest, holder.random) == (ME, 17, 0, b"random")
    assert holder.lives()
    first.release()
    first.release()
    assert not Path(first.path).exists()
    assert second.take() is None
    assert second.descriptor > 2
    second.release()


def test_what_was_left(tmp_path: Path) -> None:
    """A lock that was not released in order says by what."""
    lock = Lock(str(tmp_path), "demo")
    lock.take()
    lock.note(ME, Process(ME).start + 1, 17, b"random")
    lock.leave()
    holder = lock.take()
    assert holder is not None
    assert lock.descriptor > 2
    assert not holder.lives()
    lock.clear()
    lock.leave()
    assert lock.take() is None
    lock.release()


def test_a_file_that_its_holder_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file without a name would lock nothing."""
    first, second = Lock(str(tmp_path), "demo"), Lock(str(tmp_path), "demo")
    first.take()
    opened = os.open

    def open_late(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        monkeypatch.undo()
        descriptor = opened(path, flags, mode, dir_fd=dir_fd)
        first.release()
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    assert second.take() is None
    assert os.path.samestat(os.fstat(second.descriptor), Path(second.path).stat())
    second.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    """It could make this process wait, or end processes."""
    lock = Lock(str(tmp_path), "demo")
    Path(lock.path).touch()
    os.chown(lock.path, 65534, -1)
    with pytest.raises(PermissionError, match="another user"):
        lock.take()
    assert lock.descriptor < 0


def test_no_directory(tmp_path: Path) -> None:
    """Only one is created."""
    with pytest.raises(FileNotFoundError):
        Lock(str(tmp_path / "no" / "such"), "demo").take()


def test_a_file_with_anything_in_it(tmp_path: Path) -> None:
    """It says nothing."""
    lock = Lock(str(tmp_path), "demo")
    Path(lock.path).write_text("anything\n" * 1000, encoding="ascii")
    assert lock.take() is None
    assert lock.descriptor > 2
    lock.release()
