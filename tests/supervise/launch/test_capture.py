"""The output of processes: kept, logged and written to files, whatever the process and the readers do."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.ends import StartError
from flagman.supervise.launch import capture as module
from flagman.supervise.launch import to_log
from flagman.supervise.launch.budget import FEWEST, MOST, Budget, budget_of
from flagman.supervise.launch.capture import Capture
from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.looping import Looping


class Captured:
    """A capture, and what it is used for, in the control loop."""

    def __init__(self, looping: Looping, output: str) -> None:
        self.looping = looping
        self.capture = looping.do(lambda: Capture("web", output, looping.loop))

    def begin(self) -> int:
        """Begin a life."""
        return self.looping.do(self.capture.begin)

    def end(self) -> None:
        """End a life."""
        self.looping.do(self.capture.end)

    def close(self) -> None:
        """End it all."""
        self.looping.do(self.capture.close)

    def tail(self, lines: int = 1000) -> list[str]:
        """Return the last lines."""
        return self.looping.do(lambda: self.capture.tail(lines))

    def position(self) -> int:
        """Return how much there was."""
        return self.looping.do(lambda: self.capture.position)

    @contextmanager
    def life(self) -> Iterator[int]:
        """Yield the descriptor of a life, which ends afterwards."""
        writer = self.begin()
        try:
            yield writer
        finally:
            os.close(writer)
            self.end()


@pytest.fixture(name="captured")
def _captured(looping: Looping, caplog: pytest.LogCaptureFixture) -> Iterator[Captured]:
    """Yield a capture for the log."""
    caplog.set_level(logging.INFO, "flagman.process")
    captured = Captured(looping, "log")
    yield captured
    captured.close()


def run(*words: str, output: int) -> None:
    """Run a command to its end."""
    subprocess.run(words, stdout=output, stderr=output, check=True, timeout=DEADLINE)


def test_lines_in_the_log(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """Each line is one record with the name of the process, without what could change a terminal."""
    with captured.life() as writer:
        run("printf", "one\\r\\n\\033[31mtwo\\nthree", output=writer)
        captured.looping.wait_for(lambda: captured.capture.position == len("one\r\n\033[31mtwo\nthree"))
        assert caplog.messages == ["web: one", "web: \\x1b[31mtwo"]
    assert caplog.messages[2:] == ["web: three"], "no end of it comes after the end of the life"
    assert {(record.name, record.levelno) for record in caplog.records} == {("flagman.process", logging.INFO)}
    assert captured.tail() == ["one", "\\x1b[31mtwo", "three"]
    with captured.life() as writer:
        os.write(writer, b"four\n\nsix\n")
    assert captured.tail(3) == ["four", "", "six"]
    assert captured.tail(0) == []
    assert captured.looping.do(lambda: captured.capture.tail(9, captured.capture.position)) == []


def test_a_log_that_does_not_want_them(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """Where the level leaves lines out, none is logged, none counts as dropped, and all are kept."""
    caplog.set_level(logging.WARNING, "flagman.process")
    with captured.life() as writer:
        run("seq", "2000", output=writer)
    assert caplog.messages == []
    assert captured.tail(2) == ["1999", "2000"]


def test_a_long_line(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """A line that does not end is logged in pieces, and does not grow."""
    with captured.life() as writer:
        run("sh", "-c", "head -c 150000 /dev/zero | tr '\\0' x; echo; echo end", output=writer)
    pieces = [message.removeprefix("web: ") for message in caplog.messages]
    assert pieces[-1] == "end"
    assert "".join(pieces[:-1]) == "x" * 150_000
    assert max(map(len, pieces)) <= 65_536
    assert captured.tail() == ["end"], "a line without its beginning is not shown"


def test_what_is_kept_is_bounded(captured: Captured) -> None:
    """The last 64 KiB are kept, and positions go on counting."""
    with captured.life() as writer:
        run("seq", "-w", "20000", output=writer)
    read = captured.capture.read
    position, data = captured.looping.do(lambda: read(0))
    assert position == 20_000 * 6
    assert len(data) == 65_536
    assert data.endswith(b"19999\n20000\n")
    assert captured.looping.do(lambda: read(position - 6)) == (position, b"20000\n")
    assert captured.looping.do(lambda: read(position)) == (position, b"")
    assert captured.looping.do(lambda: read(position + 1))[1] == data, "a position of a former daemon"
    assert captured.tail(100_000)[0] == f"{20_000 - 65_536 // 6 + 1:05}", "a line without its beginning is none"


def test_listeners(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """Listeners are called when there is more, until they end that; the failure of one is not that of the others."""
    heard: list[tuple[int, bytes]] = []

    def fail() -> None:
        raise ValueError("bad")

    ends = captured.looping.do(
        lambda: [captured.capture.listen(fail), captured.capture.listen(lambda: heard.append(captured.capture.read(0)))]
    )
    with captured.life() as writer:
        os.write(writer, b"one\n")
        captured.looping.wait_for(lambda: heard)
        assert heard == [(4, b"one\n")]
        assert "a reader of its output has failed" in caplog.text
        for end in ends:
            captured.looping.do(end)
            captured.looping.do(end)
        os.write(writer, b"two\n")
        captured.looping.wait_for(lambda: captured.capture.position == 8)
    assert len(heard) == 1


def test_a_failure_does_not_stop_the_reading(
    captured: Captured, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the output cannot be taken once, for lack of memory, it is taken the next time."""
    take, fails = Capture._take, [MemoryError]

    def fail(self: Capture, data: bytes, begun: bytearray) -> None:
        if fails:
            raise fails.pop()
        take(self, data, begun)

    monkeypatch.setattr(Capture, "_take", fail)
    failing = Captured(captured.looping, "log")
    writer = failing.begin()
    os.write(writer, b"lost\n")
    captured.looping.wait_for(lambda: not fails)
    os.write(writer, b"two\n")
    os.close(writer)
    failing.end()
    failing.close()
    assert failing.tail() == ["two"]
    assert "MemoryError" in caplog.text


def test_a_flood(captured: Captured, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood is dropped and counted: the log gets its bound of lines, and other calls of the loop go on."""
    moments = [time.monotonic() + 1000]  # the second does not end before the test does
    monkeypatch.setattr(budget_of(captured.looping.loop), "_clock", lambda: moments[0])
    lines = 3_000_000
    with captured.life() as writer, subprocess.Popen(["seq", "-w", str(lines)], stdout=writer) as flood:
        answers = 0
        while flood.poll() is None:
            captured.looping.do(lambda: None)
            answers += 1
    assert answers > 10
    assert captured.tail(1) == [str(lines)]
    captured.close()
    assert [message.split(" ")[1] for message in caplog.messages[:2]] == ["0000001", "0000002"]
    assert len(caplog.messages) == MOST + 1
    what = "its share of the log was 500 lines or 250 KiB a second"
    assert caplog.messages[-1] == f"web: {lines - MOST:,} lines were dropped: {what}"


def test_shares() -> None:
    """Many processes that write share what there is, and one that has not written before still gets some."""
    now = 100.0
    budget = Budget(lambda: now)
    writers = [object() for _ in range(200)]
    assert [budget.share(writer) for writer in writers[:5]] == [MOST] * 4 + [400]
    assert budget.share(writers[0]) == 400
    now += 1
    assert budget.share(writers[0]) == 400, "the others will come again"
    now += 1
    assert budget.share(writers[0]) == MOST
    assert [budget.share(writer) for writer in writers][-1] == FEWEST
    assert budget.second == 3
    now += 5
    assert budget.share(writers[0]) == MOST


def test_dropped_lines_are_told(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """What was dropped is told when the second is over, though nothing more comes."""
    with captured.life() as writer:
        run("seq", "501", output=writer)
        captured.looping.wait_for(lambda: "1 line was dropped" in caplog.text)
        os.write(writer, b"more\n")
    assert caplog.messages[-1] == "web: more"


def test_an_endless_flood(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that writes without end has to wait when it has had its share, and can be ended at any time."""
    waits: list[None] = []
    go_on = module._Pipe._go_on

    def count(self: module._Pipe) -> None:
        waits.append(None)
        go_on(self)

    monkeypatch.setattr(module._Pipe, "_go_on", count)
    monkeypatch.setattr(module, "_MOST_IN_SPAN", 1_000_000)
    writer = captured.begin()
    with subprocess.Popen(["yes"], stdout=writer) as flood:
        os.close(writer)
        captured.looping.wait_for(lambda: len(waits) > 3)
        captured.end()
        captured.close()
        assert flood.wait(DEADLINE) in {1, -signal.SIGPIPE}


def test_a_log_that_is_not_read(
    captured: Captured, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the log takes nothing, lines are dropped and kept, and that is told when the log goes on."""
    is_read: list[bool] = []
    monkeypatch.setattr(to_log, "has_room", lambda _: bool(is_read))
    monkeypatch.setattr(to_log, "_PAUSE", 0.01)
    with captured.life() as writer:
        run("seq", "3", output=writer)
    captured.looping.wait_for(lambda: captured.capture._sink._planned)  # type: ignore[union-attr]
    assert caplog.messages == []
    assert captured.tail() == ["1", "2", "3"]
    is_read.append(True)
    captured.looping.wait_for(lambda: caplog.messages)
    assert caplog.messages == ["web: 3 lines were dropped: the log is not read"]


def test_a_grandchild_that_holds_the_pipe(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """The end of a life waits for no other process that holds its pipe; what that one writes later is still taken."""
    writer = captured.begin()
    held = os.dup(writer)
    os.write(writer, b"first\nhalf")
    os.close(writer)
    captured.end()
    assert caplog.messages == ["web: first", "web: half"]
    with captured.life() as second:
        os.write(held, b"stray\n")
        captured.looping.wait_for(lambda: "stray" in caplog.text)
        os.write(second, b"second\n")
        captured.looping.wait_for(lambda: "second" in caplog.text)
        os.close(held)
    captured.looping.wait_for(lambda: not captured.capture._pipes)


def test_strays_of_many_lives(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """Pipes that strays hold do not add up: of very many lives the first is read no longer, and that is told."""
    held = []
    for _ in range(12):
        writer = captured.begin()
        held.append(os.dup(writer))
        os.close(writer)
        captured.end()
    assert len(captured.capture._pipes) == 9
    assert "processes of 9 former lives still hold its output" in caplog.text
    with suppress(BrokenPipeError):
        os.write(held[0], b"x")
        raise AssertionError("it is read")
    for descriptor in held:
        os.close(descriptor)
    captured.looping.wait_for(lambda: not captured.capture._pipes)


def test_a_process_that_closes_its_output(captured: Captured) -> None:
    """A process that closes its output goes on, and its end finds nothing more."""
    writer = captured.begin()
    os.write(writer, b"bye")
    os.close(writer)
    captured.looping.wait_for(lambda: not captured.capture._pipes)
    captured.end()
    captured.end()
    assert captured.tail() == ["bye"]


def test_too_many_open_files(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A life without a pipe is a failed start."""

    def fail() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", fail)
    with pytest.raises(StartError, match="cannot start 'web': Too many open files") as caught:
        captured.begin()
    assert caught.value.exit_code == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs F_SETPIPE_SZ")
def test_a_large_pipe(captured: Captured) -> None:
    """A process can make its pipe larger, and its last output is taken all the same."""
    writer = captured.begin()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1_048_576)

    def write() -> None:
        os.write(writer, b"x" * 1_000_000 + b"\nlast\n")
        os.close(writer)
        captured.capture.end()

    captured.looping.do(write)
    assert captured.position() == 1_000_006
    assert captured.tail(1) == ["last"]


def test_to_a_file(looping: Looping, tmp_path: Path) -> None:
    """Output is appended to a file as it comes, and every life begins a new line."""
    path = tmp_path / "web.log"
    path.write_bytes(b"before\n")
    captured = Captured(looping, str(path))
    with captured.life() as writer:
        os.write(writer, b"\xff\none")
        looping.wait_for(lambda: path.read_bytes() == b"before\n\xff\none")
    with captured.life() as writer:
        os.write(writer, b"two\n")
    assert path.read_bytes() == b"before\n\xff\none\ntwo\n"
    assert captured.tail() == ["\\xff", "one", "two"]
    captured.close()
