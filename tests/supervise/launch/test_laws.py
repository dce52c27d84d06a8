"""The law of output: whatever its pieces are and whatever takes them, lines stay whole, in order, and counted."""

from __future__ import annotations

import errno
import logging
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.launch import budget, to_log
from flagman.supervise.launch.ring import MOST, Ring
from flagman.supervise.launch.to_file import ToFile
from flagman.supervise.launch.to_log import ToLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagman.engine.calls import Call

# How long each line is beside its number, and the size of each piece of all of them with what follows it: seconds, and
# how much can be written then, None for all.
WIDTHS = st.lists(st.integers(0, 40), max_size=30)
PIECES = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.none() | st.integers(0, 80)), max_size=60
)


def lines_of(widths: list[int]) -> list[bytes]:
    """Return lines that are all different."""
    return [b"%d:" % number + b"x" * width for number, width in enumerate(widths)]


def pieces_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Yield data in pieces; the last one is all that is left."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def dropped_in(messages: list[str]) -> int:
    """Return how many lines were dropped, as the messages tell."""
    return sum(int(number) for text in messages for number in re.findall(r"(\d+) lines? w(?:as|ere) dropped", text))


@contextmanager
def logged() -> Iterator[list[str]]:
    """Yield the messages of the log."""
    messages: list[str] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    log, handler = logging.getLogger("flagman.process"), Note()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield messages
    finally:
        log.setLevel(before)
        log.removeHandler(handler)


@given(WIDTHS, PIECES, st.sampled_from([errno.ENOSPC, errno.EAGAIN, errno.EIO]))
def test_a_file_has_whole_lines(widths: list[int], pieces: list[tuple[int, float, int | None]], error: int) -> None:
    """A file that takes some bytes now and none then has whole lines in order, and the others were counted."""
    lines = lines_of(widths)
    data = b"".join(line + b"\n" for line in lines)
    real = os.write
    now, room = 100.0, 0

    with logged() as messages, tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "file"
        sink = ToFile("web", str(path), lambda: now)
        sink.begin()

        def write(descriptor: int, data: bytes) -> int:
            nonlocal room
            if descriptor != sink._file:
                return real(descriptor, data)
            if room == 0:
                raise OSError(error, os.strerror(error))
            count = real(descriptor, data[:room])
            room -= count
            return count

        patch.setattr(os, "write", write)
        begun = bytearray()
        for piece, (_, pause, bytes_of_room) in zip(
            pieces_of(data, [size for size, _, _ in pieces]), [*pieces, (0, 0.0, None)], strict=True
        ):
            room = 1_000_000 if bytes_of_room is None else bytes_of_room
            if piece:
                sink.take(piece, begun)
            now += pause
        now += 2
        room = 1_000_000
        sink.take(b"end\n", begun)
        sink.close()
        kept = path.read_bytes()
    found = kept.splitlines()
    assert kept.endswith(b"end\n")
    assert found == [line for line in [*lines, b"end"] if line in found]
    assert len(lines) + 1 - len(found) == dropped_in(messages)


class Later:
    """A control loop that makes no calls."""

    def call_at(self, moment: float, code: Callable[[], object]) -> Call:
        """Plan a call."""
        from flagman.engine.calls import Calls  # noqa: PLC0415 - it is all that is needed of a loop

        call: Call = Calls(lambda: 0.0, lambda *_: True).add(moment, code)
        return call

    def call_later(self, delay: float, code: Callable[[], object]) -> Call:
        """Plan a call."""
        return self.call_at(delay, code)


@given(WIDTHS, PIECES)
def test_the_log_has_whole_lines(widths: list[int], pieces: list[tuple[int, float, int | None]]) -> None:
    """A log that takes a few lines a second has whole lines in order, and the others were counted."""
    lines = lines_of(widths)
    data = b"".join(line + b"\n" for line in lines)
    now = 100.0
    with logged() as messages, pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "MOST", 3)
        patch.setattr(budget, "FEWEST", 3)
        has_room = True
        patch.setattr(to_log, "has_room", lambda _: has_room)
        patch.setattr(to_log, "budget_of", lambda _: budget.Budget(lambda: now))
        sink, begun = ToLog("web", Later()), bytearray()  # type: ignore[arg-type]
        for piece, (_, pause, room) in zip(
            pieces_of(data, [size for size, _, _ in pieces]), [*pieces, (0, 0.0, None)], strict=True
        ):
            has_room = room is None
            sink.take(piece, begun)
            now += pause
        sink.close()
    found = [text.removeprefix("web: ").encode() for text in messages if "dropped" not in text]
    assert found == [line for line in lines if line in found]
    assert len(lines) - len(found) == dropped_in(messages)
    assert not begun


@given(st.lists(st.binary(max_size=40) | st.integers(0, 3 * MOST), max_size=20), st.data())
def test_a_ring_is_the_end_of_all(pieces: list[bytes | int], data: st.DataObject) -> None:
    """What is kept is the end of all that there was, and what came after a position is that."""
    ring, whole = Ring(), b""
    for piece in pieces:
        added = piece if isinstance(piece, bytes) else b"%d\n" % piece * (piece // 8)
        ring.add(added)
        whole += added
    assert ring.position == len(whole)
    since = data.draw(st.integers(0, len(whole)))
    assert ring.read(since) == whole[max(since, len(whole) - MOST) :]
    lines = data.draw(st.integers(0, 50))
    expected = whole.removesuffix(b"\n").split(b"\n")[-lines:] if whole and lines else []
    found = ring.tail(lines)
    assert len(found) <= lines
    if len(whole) <= MOST:
        assert len(found) == len(expected)
