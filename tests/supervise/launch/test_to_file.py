"""Output to files that are full, rotated, not there, not read, or traps."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.launch.to_file import ToFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Written:
    """A sink with a clock of its own."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.sink = ToFile("web", str(path), lambda: self.now)
        self.sink.begin()
        self.begun = bytearray()

    def take(self, data: bytes, *, after: float = 0) -> None:
        """Take output after some seconds."""
        self.now += after
        self.sink.take(data, self.begun)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """Return a path in a folder of its own."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "web.log"


@pytest.fixture(name="written")
def _written(path: Path) -> Iterator[Written]:
    """Yield a sink for the path."""
    written = Written(path)
    yield written
    written.sink.close()


def test_the_mode(written: Written, path: Path) -> None:
    """Others may not read a new file: output may hold secrets."""
    assert stat.S_IMODE(path.stat().st_mode) & 0o037 == 0
    assert not os.get_inheritable(written.sink._file)


def test_rotation(written: Written, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a rotation the output goes to the new file, within a second."""
    written.take(b"one\n")
    path.rename(path.with_suffix(".1"))
    written.take(b"two\n")
    written.take(b"three\n", after=1)
    assert path.with_suffix(".1").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"
    path.unlink()
    path.write_bytes(b"other\n")
    written.take(b"four\n", after=1)
    assert path.read_bytes() == b"other\nfour\n"
    assert caplog.messages == []


def test_a_directory_that_is_deleted(written: Written, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If there can be no new file, the old one is used, and that is told once; a new one is used when it can be."""
    path.unlink()
    path.parent.rmdir()
    for _ in range(3):
        written.take(b"old\n", after=1)
    path.parent.mkdir()
    written.take(b"new\n", after=1)
    assert path.read_bytes() == b"new\n"
    what = "goes on to the old file: the new one cannot be opened: No such file or directory"
    assert caplog.messages == [f"web: the output to '{path}' {what}"]


def test_a_file_that_cannot_be_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lines are dropped while there is no file; that is told once, and once more when there is one."""
    path = tmp_path / "none" / "web.log"
    written = Written(path)
    for _ in range(3):
        written.take(b"lost\nlost too\n", after=0.6)
    path.parent.mkdir()
    written.take(b"lost as well\nhalf ")
    written.take(b"of it\nkept\n", after=1)
    assert path.read_bytes() == b"kept\n"
    subject = f"web: the output to '{path}' is"
    assert caplog.messages == [
        f"{subject} dropped: No such file or directory",
        f"{subject} written again; 8 lines were dropped",
    ]
    written.sink.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110 - a device
def test_a_full_disk(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On a full disk lines are dropped and counted, and that is told once; so is the end of it."""
    path.symlink_to("/dev/full")
    written = Written(path)
    for _ in range(5):
        written.take(b"lost\n" * 100, after=0.5)
    path.unlink()
    written.take(b"kept\n", after=1)
    assert path.read_bytes() == b"kept\n"
    subject = f"web: the output to '{path}' is"
    assert caplog.messages == [
        f"{subject} dropped: No space left on device",
        f"{subject} written again; 500 lines were dropped",
    ]
    written.sink.close()


def test_a_disk_that_is_full_within_a_line(
    written: Written, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that was written in part is completed when the disk has room again, and no other one is begun."""
    real, room = os.write, [10]

    def write(descriptor: int, data: bytes) -> int:
        if descriptor != written.sink._file:
            return real(descriptor, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = real(descriptor, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", write)
    written.take(b"one\ntwo\nthree\nfour\nfi")
    written.take(b"ve\nsix\n")
    written.take(b"seven\nei", after=1)
    room[0] = 1000
    written.take(b"ght\nnine\n", after=1)
    written.take(b"ten\n")
    assert path.read_bytes() == b"one\ntwo\nthree\nnine\nten\n"
    assert caplog.messages[-1].endswith("written again; 5 lines were dropped")


def test_a_long_line_on_a_full_disk(written: Written, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a line that was written in part is kept within a bound, and the line ends there."""
    real, room = os.write, [1]

    def write(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        count = real(descriptor, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", write)
    for _ in range(10):
        written.take(b"x" * 50_000)
        written.now += 1
    room[0] = 1_000_000
    written.take(b"xx\nnext\n")
    monkeypatch.undo()
    line, following = path.read_bytes().splitlines()
    assert set(line) == {ord("x")}
    assert 65_536 <= len(line) <= 65_536 + 1
    assert following == b"next"


def test_a_fifo(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A FIFO that no process reads, or reads too slowly, drops whole lines, and waits for none."""
    os.mkfifo(path)
    written = Written(path)
    written.take(b"lost\n")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    written.take(b"first\n", after=1)
    line = b"x" * 999 + b"\n"
    for _ in range(200):
        written.take(line)
    read = os.read(reader, 10_000_000)
    written.take(b"last\n")
    read += os.read(reader, 10_000_000)
    os.close(reader)
    lines = read.splitlines()
    assert lines[0] == b"first"
    assert set(lines[1:-1]) == {line[:-1]}
    assert lines[-1] == b"last"
    written.take(b"lost\n")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    written.take(b"again\n", after=1)
    assert os.read(reader, 100) == b"again\n"
    os.close(reader)
    told = [message.partition("' is ")[2] for message in caplog.messages]
    assert told[0] == told[2] == told[4] == "dropped: it is not read"
    assert told[1] == told[5] == "written again; 1 line was dropped"
    assert told[3] == f"written again; {200 - len(lines) + 2} lines were dropped"
    written.sink.close()


def test_what_was_dropped_is_told_in_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was dropped before the end is told."""
    written = Written(tmp_path)
    written.take(b"lost\nlo")
    written.sink.end_line(written.begun)
    written.sink.close()
    assert caplog.messages[-1] == f"web: the output to '{tmp_path}': 2 lines were dropped: Is a directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")
def test_a_link_of_another_user(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A link that another user has made is not followed, because it may lead to a file that only root may change."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"")
    path.symlink_to(precious)
    written = Written(path)
    written.take(b"one\n")
    assert precious.read_bytes() == b"one\n", "that of root is followed"
    os.chown(path, 65534, 65534, follow_symlinks=False)
    written.sink.close()
    written = Written(path)
    written.take(b"two\n")
    assert precious.read_bytes() == b"one\n"
    assert "it is a symbolic link of another user" in caplog.text
    written.sink.close()
