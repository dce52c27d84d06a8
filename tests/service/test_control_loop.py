"""The control loop: a second thread that makes calls on request."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.exceptions import FlagmanError
from flagman.service import control_loop
from flagman.service.control_loop import ControlLoop
from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.engine.loop import Attachment


@pytest.fixture(name="loop")
def _loop() -> Iterator[ControlLoop]:
    """Start a loop that ends with the test."""
    loop = ControlLoop(list, list)
    loop.start()
    yield loop
    assert loop.stop(DEADLINE)


def test_calls_are_made_in_its_thread_and_in_order(loop: ControlLoop) -> None:
    """Calls from any thread are made in the loop's thread and in order, and an exception in one ends nothing."""
    seen: list[object] = []
    loop.call(seen.append, 1)
    loop.call(lambda: seen.append(loop.is_here))
    loop.call(lambda: 1 / 0)
    thread = threading.Thread(target=loop.call, args=(seen.append, 3))
    thread.start()
    thread.join()
    assert loop.settle(DEADLINE)
    assert seen == [1, True, 3]
    assert not loop.is_here


def test_a_call_that_exits_does_not_end_it(loop: ControlLoop, caplog: pytest.LogCaptureFixture) -> None:
    """A call that raises SystemExit, as a plugin's may, does not end the loop."""
    loop.call(lambda: (_ for _ in ()).throw(SystemExit(3)))
    assert loop.settle(DEADLINE)
    assert [record.message for record in caplog.records] == ["A call of the control loop failed"]


def test_later_calls_and_descriptors(loop: ControlLoop) -> None:
    """Later calls and descriptors wake the loop when they are due."""
    done = threading.Event()
    reader, writer = os.pipe()

    def on_read(_: int) -> None:
        assert os.read(reader, 1) == b"x"
        done.set()

    with pytest.raises(RuntimeError, match="only the control loop itself"):
        loop.attach(reader, on_read)
    attachments: list[Attachment] = []
    loop.call(lambda: attachments.append(loop.attach(reader, on_read)))
    loop.keep(writer)
    assert loop.settle(DEADLINE)
    assert {reader, writer} < loop.descriptors
    loop.call_later(0.01, os.write, writer, b"x")
    assert done.wait(DEADLINE)
    loop.release(attachments[0])
    loop.let_go(writer)
    assert not {reader, writer} & loop.descriptors
    os.close(reader)
    os.close(writer)


def test_signals_are_for_the_main_thread(loop: ControlLoop) -> None:
    """Signals are blocked in the loop's thread, because only a system call of the main thread should end at one."""
    masks: list[object] = []
    loop.call(lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    assert loop.settle(DEADLINE)
    assert masks
    assert signal.SIGTERM in masks[0]  # type: ignore[operator]


def test_the_main_thread_waits_less_for_its_turn() -> None:
    """While the loop runs, the interpreter goes over to the other thread earlier; a shorter time is left alone."""
    before = sys.getswitchinterval()
    try:
        for usual, meanwhile in ((0.005, 0.0005), (0.0001, 0.0001)):
            sys.setswitchinterval(usual)
            loop = ControlLoop(list, list)
            assert sys.getswitchinterval() == pytest.approx(usual, abs=2e-6)
            loop.start()
            assert sys.getswitchinterval() == pytest.approx(meanwhile, abs=2e-6)
            loop.stop(DEADLINE)
            assert sys.getswitchinterval() == pytest.approx(usual, abs=2e-6)
    finally:
        sys.setswitchinterval(before)


def test_a_loop_that_does_not_end_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that does not end is left after a while, with a log message."""
    loop = ControlLoop(list, list)
    loop.start()
    hangs = threading.Event()
    loop.call(hangs.wait, DEADLINE)
    assert not loop.settle(0.01)
    assert not loop.stop(0.01)
    assert caplog.records[-1].message == "The control loop has not ended: a call of it hangs"
    hangs.set()
    assert loop.stop(DEADLINE)


def test_a_loop_that_cannot_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that cannot go on logs that, and the daemon is told; what that wakes sees that the loop has ended."""
    failed = threading.Event()
    seen: list[bool] = []

    def fail() -> None:
        seen.append(loop.has_ended)
        failed.set()

    loop = ControlLoop(list, fail)

    def wait(_: float | None) -> list[tuple[int, int]]:
        raise OSError(22, "no more descriptors than this")

    loop._poller._wait = wait
    loop.start()
    assert failed.wait(DEADLINE)
    assert seen == [True]
    assert not loop.settle(DEADLINE), "nothing makes calls any more, and nothing waits for them"
    assert loop.stop(DEADLINE)
    assert [record.message for record in caplog.records] == ["The control loop has failed, and flagman stops"]


def test_no_room_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, the start fails with one clear error."""

    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(control_loop, "start_deaf_thread", refuse)
    loop = ControlLoop(list, list)
    with pytest.raises(FlagmanError, match="the control loop cannot be started: can't start new thread"):
        loop.start()
    assert loop.stop(0)


@pytest.mark.parametrize("moment", [math.inf, math.nan])
def test_a_moment_that_never_comes_is_refused(moment: float, loop: ControlLoop) -> None:
    """A call at such a moment is a mistake of its caller, and does not end the loop."""
    with pytest.raises(ValueError, match="is not a moment on the clock"):
        loop.call_at(moment, list)


@pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning")
def test_forked_children_have_no_loop(loop: ControlLoop) -> None:
    """In a child the loop's descriptors lead nowhere, and no thread is taken for the loop's."""
    pid = os.fork()
    if pid == 0:
        null = Path(os.devnull).stat()
        leads_nowhere = all(os.path.samestat(os.fstat(number), null) for number in loop.descriptors)
        os._exit(0 if leads_nowhere and not loop.thread else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert loop.settle(DEADLINE)
