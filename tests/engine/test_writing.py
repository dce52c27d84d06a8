"""Writing without being stuck: pipes, sockets, terminals and files, blocking or not."""

from __future__ import annotations

import errno
import os
import pty
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from flagman.children.output import PassOn
from flagman.engine import writing
from flagman.engine.interrupt import Interrupter
from flagman.log import standard_streams
from flagman.log.standard_streams import PatientFile
from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = b"".join(b"%07d\n" % number for number in range(100_000))

KINDS = ["pipe", "socket", "terminal"]
# How a write is tried on systems that lack the better way.
WAYS = ["as it is", "without RWF_NOWAIT", "without both"]


def pair(kind: str) -> tuple[int, int]:
    """Return a descriptor to read from, and one to write to."""
    if kind == "pipe":
        return os.pipe()
    if kind == "socket":
        ours, other = socket.socketpair()
        return other.detach(), ours.detach()
    master, slave = pty.openpty()
    import tty  # noqa: PLC0415 - only for this kind

    tty.setraw(slave)
    return master, slave


@pytest.fixture(name="way", params=WAYS)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take away what other systems do not have."""
    way: str = request.param
    if way != WAYS[0]:
        monkeypatch.delattr(os, "RWF_NOWAIT")
    if way == WAYS[2]:
        real = os.open

        def refuse(path: str, flags: int, mode: int = 0o777) -> int:
            if str(path).startswith("/proc/self/fd/"):
                raise OSError(errno.ENOENT, "No such file or directory")
            return real(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
    return way


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("way")
def test_all_goes_out_however_slow_the_reader_is(kind: str, *, blocking: bool) -> None:
    """All data goes out to a slow reader, neither lost nor doubled, while the caller decides how to wait."""
    reader, writer = pair(kind)
    os.set_blocking(writer, blocking)
    read = bytearray()

    def slowly() -> None:
        while len(read) < len(DATA):
            read.extend(os.read(reader, 10_000))

    thread = threading.Thread(target=slowly)
    thread.start()
    assert writing.write(writer, DATA, lambda number: writing.is_ready(number, DEADLINE)) == len(DATA)
    thread.join()
    assert read == DATA
    assert os.get_blocking(writer) is blocking  # other processes share it
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_never_reads(kind: str, way: str, *, blocking: bool) -> None:
    """Writing to a pipe that is never read asks whether to wait, and does not hang."""
    if kind == "terminal" and way == WAYS[2] and blocking:
        pytest.skip("nothing tells how much a blocking terminal takes")
    reader, writer = pair(kind)
    os.set_blocking(writer, blocking)
    asked: list[int] = []

    def give_up(descriptor: int) -> bool:
        asked.append(descriptor)
        return len(asked) < 3

    written = writing.write(writer, DATA * 3, give_up)
    assert 0 < written < len(DATA) * 3
    assert asked == [writer] * 3
    os.close(reader)
    os.close(writer)


@pytest.mark.usefixtures("way")
def test_errors_are_told(tmp_path: Path) -> None:
    """A broken pipe, a full disk and a closed descriptor raise their errors."""
    for kind in ("pipe", "socket"):
        reader, writer = pair(kind)
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            writing.write(writer, b"x", bool)
        os.close(writer)
        with pytest.raises(OSError, match="Bad file descriptor"):
            writing.write(writer, b"x", bool)
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        writing.write(full, b"x", bool)
    os.close(full)
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    assert writing.write(file, DATA, bool) == len(DATA)
    os.close(file)
    assert (tmp_path / "file").read_bytes() == DATA
    null = os.open(os.devnull, os.O_WRONLY)
    assert writing.write(null, DATA, bool) == len(DATA)
    os.close(null)


@pytest.fixture(name="pipe")
def _pipe() -> Iterator[tuple[int, int]]:
    """Yield a pipe that is full."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    yield reader, writer
    standard_streams.follow(None)
    os.close(reader)
    os.close(writer)


def drain(reader: int) -> None:
    """Read all that is there."""
    os.set_blocking(reader, False)
    with suppress(BlockingIOError):
        while os.read(reader, 65536):
            pass


def test_a_line_that_was_cut_gets_its_end(pipe: tuple[int, int]) -> None:
    """If a line was cut, the next text begins on a line of its own."""
    reader, writer = pipe
    interrupter = Interrupter()
    standard_streams.follow(interrupter)
    file = standard_streams._as_text(PatientFile(writer, "w", closefd=False))
    interrupter.bound(0.01)
    print("lost", file=file)
    os.read(reader, 4096)
    print("y" * 5000, file=file)
    drain(reader)
    print("next", file=file)
    assert os.read(reader, 65536) == b"\nnext\n"
    interrupter.close()


@pytest.mark.parametrize("who", ["a stream", "the output of a command"])
def test_a_line_that_an_interruption_has_cut_gets_its_end(pipe: tuple[int, int], who: str) -> None:
    """A line that an interruption has cut gets its newline, as one that was given up does."""
    reader, writer = pipe
    os.read(reader, 4096)
    file = standard_streams._as_text(PatientFile(writer, "w", closefd=False))

    def interrupt(_: int) -> bool:
        raise KeyboardInterrupt

    PatientFile.wait = staticmethod(interrupt)
    with pytest.raises(KeyboardInterrupt):
        if who == "a stream":
            print("y" * 5000, file=file)
        else:
            PassOn(file, interrupt).write(b"y" * 5000 + b"\n")
    drain(reader)
    print("next", file=file)
    assert os.read(reader, 65536) == b"\nnext\n"


def test_a_thread_gives_up_too(pipe: tuple[int, int]) -> None:
    """A thread gives up too, because it may hold the lock that a record of the main thread needs."""
    _, writer = pipe
    interrupter = Interrupter()
    standard_streams.follow(interrupter)
    file = standard_streams._as_text(PatientFile(writer, "w", closefd=False))
    thread = threading.Thread(target=lambda: print("lost", file=file))
    thread.start()
    interrupter.bound(0.05)
    thread.join(DEADLINE)
    assert not thread.is_alive()
    interrupter.close()


def test_only_the_interpreters_own_streams_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the interpreter's own streams are replaced, because others belong to the program."""
    monkeypatch.setattr(sys, "stdout", object())
    with (tmp_path / "err").open("w", encoding="ascii") as err:
        monkeypatch.setattr(sys, "stderr", err)
        standard_streams.prepare()
        assert sys.stderr is err
        assert err.encoding == "utf-8"
        monkeypatch.setattr(sys, "__stderr__", err)
        standard_streams.prepare()
        assert isinstance(sys.stderr.buffer, PatientFile)
        print("ü", file=sys.stderr)
    assert (tmp_path / "err").read_text(encoding="utf-8") == "ü\n"


def test_two_attempts_are_not_a_busy_loop(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """If poll(2) promises room where there is none, writing pauses between two attempts."""
    _, writer = pipe
    asked: list[float] = []
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    def promise(_: int) -> bool:
        asked.append(time.monotonic())
        return len(asked) < 4

    assert writing.write(writer, b"x", promise) == 0
    assert len(pauses) == 3
