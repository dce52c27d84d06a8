"""Interrupting the code of an action, and the three steps of a stop request."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from flagman.engine.flags import STOP, Flags
from flagman.engine.interrupt import Interrupter
from flagman.exceptions import ActionInterrupted, ActionTimedOut
from flagman.service.dispositions import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from _typeshed import TraceFunction

    from flagman.engine.signals import Handler


@pytest.fixture(name="handlers")
def _handlers() -> Iterator[list[tuple[signal.Signals, Handler]]]:
    """Put back the handlers that a test notes here."""
    old: list[tuple[signal.Signals, Handler]] = []
    yield old
    signal.setitimer(signal.ITIMER_REAL, 0)
    for signum, handler in reversed(old):
        signal.signal(signum, handler)


def test_call_gives_what_the_code_gives() -> None:
    """Results and exceptions of the code pass through."""
    interrupter = Interrupter()
    assert interrupter.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        interrupter.call(divmod, 7, 0)


def test_interrupt_outside_of_a_call_does_nothing() -> None:
    """An interruption outside of a call has no effect."""
    interrupter = Interrupter()
    interrupter.interrupt("too early")
    interrupter.call(lambda: None)
    interrupter.interrupt("too late")


def test_a_call_is_interrupted_once() -> None:
    """A call is interrupted once: the exception is not raised again in the code that cleans up."""
    interrupter = Interrupter()
    steps: list[str] = []

    def code() -> None:
        try:
            interrupter.interrupt("now")
        finally:
            interrupter.interrupt("again")
            steps.append("cleaned up")

    with pytest.raises(ActionInterrupted, match="now"):
        interrupter.call(code)
    assert steps == ["cleaned up"]


def test_the_second_request_interrupts_a_blocked_system_call(
    handlers: list[tuple[signal.Signals, Handler]],
) -> None:
    """The first TERM lets the code go on, and the second ends it even if it hangs in read(2)."""
    flags = Flags()
    interrupter = Interrupter()
    stop = StopRequest(flags, interrupter, 1000)
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    handlers.append((signal.SIGTERM, signal.signal(signal.SIGTERM, stop.on_signal)))
    reader, writer = os.pipe()

    def send() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        while STOP not in flags:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send)
    with pytest.raises(ActionInterrupted, match="second stop signal"):
        thread.start()
        interrupter.call(os.read, reader, 1)
    thread.join()
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    interrupter.close()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("timeout", [0.0, 0.02])
def test_the_timeout_interrupts(handlers: list[tuple[signal.Signals, Handler]], timeout: float) -> None:
    """One TERM is enough if the action does not end within the stop timeout, where 0 means at once."""
    interrupter = Interrupter()
    stop = StopRequest(Flags(), interrupter, timeout)
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    handlers.append((signal.SIGTERM, signal.signal(signal.SIGTERM, stop.on_signal)))

    def hang() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1000)

    with pytest.raises(ActionInterrupted, match="stop timeout"):
        interrupter.call(hang)


def test_each_later_call_has_the_whole_time(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A tear_down has the whole stop timeout, even if the run before it took long."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    interrupter.bound(1000)
    signal.setitimer(signal.ITIMER_REAL, 10)  # as if most of it had passed
    left, interval = interrupter.call(signal.getitimer, signal.ITIMER_REAL)
    interrupter.bound(5000)  # only the first request counts
    assert 500 < left < 1001
    assert interval == 1
    interrupter.close()


def test_a_second_request_inside_the_handler_of_the_first_loses_no_stop(
    handlers: list[tuple[signal.Signals, Handler]],
) -> None:
    """A stop signal handled inside the handler of another does not lose the stop flag."""

    class Interrupted(Flags):
        again = True

        def add(self, flag: str, raises: int = 1) -> None:
            if self.again:
                self.again = False
                stop.on_signal(signal.SIGTERM, None)
            super().add(flag, raises)

    flags = Interrupted()
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    stop = StopRequest(flags, interrupter, 1000)
    with pytest.raises(ActionInterrupted):
        interrupter.call(stop.on_signal, signal.SIGTERM, None)
    assert STOP in flags
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    interrupter.close()


def test_an_alarm_without_a_request_means_nothing() -> None:
    """An alarm without a request has no effect, because any process may send one."""
    interrupter = Interrupter()
    interrupter.call(interrupter.on_alarm, signal.SIGALRM, None)


def test_a_hangup_asks_and_never_insists() -> None:
    """Hangups ask for a stop but never insist, because a closing terminal sends several."""
    flags = Flags()
    interrupter = Interrupter()
    stop = StopRequest(flags, interrupter, 1000)
    for _ in range(5):
        interrupter.call(stop.on_hangup, signal.SIGHUP, None)
    assert STOP in flags
    interrupter.close()


def test_a_shield_puts_an_interruption_off() -> None:
    """A shield delays an interruption until the code that must not be cut in two asks for it."""
    interrupter = Interrupter()
    steps: list[str] = []

    def code() -> None:
        interrupter.shield.is_up = True
        interrupter.interrupt("now")
        steps.append("whole")
        interrupter.shield.is_up = False
        interrupter.unshielded(lambda: None)
        steps.append("never")

    with pytest.raises(ActionInterrupted, match="now"):
        interrupter.call(code)
    assert steps == ["whole"]
    interrupter.unshielded(lambda: None)
    interrupter.call(steps.append, "next")
    assert steps == ["whole", "next"]


def test_an_alarm_does_not_cut_another_handler_off(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """An alarm during another handler lets that raise its flag, and comes again."""
    raised: list[str] = []

    def on_usr1(_signum: int, _frame: object) -> None:
        os.kill(os.getpid(), signal.SIGALRM)
        raised.append("usr1")

    interrupter = Interrupter({on_usr1.__code__})
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    handlers.append((signal.SIGUSR1, signal.signal(signal.SIGUSR1, on_usr1)))

    def code() -> None:
        window = interrupter._window
        assert window is not None
        window.timeout_due = time.monotonic()
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(1000)

    with pytest.raises(ActionTimedOut):
        interrupter.call_within(1000, code)
    assert raised == ["usr1"]


def test_a_stop_in_an_inner_call_bounds_the_outer_one(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A stop in an inner call, as when an action sets another one up, bounds the outer call too."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))

    def outer() -> None:
        interrupter.call(interrupter.bound, 0.01)
        time.sleep(1000)

    with pytest.raises(ActionInterrupted, match="stop timeout"):
        interrupter.call(outer)
    interrupter.close()


def test_a_timeout_is_the_calls_own(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A timeout belongs to one call: the next call has none, and no alarm comes for it."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    with pytest.raises(ActionTimedOut, match=r"the timeout of 0\.02 s$"):
        interrupter.call_within(0.02, lambda: time.sleep(1000))
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert interrupter.call_within(1000, lambda: "in time") == "in time"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_from_outside_has_no_effect(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """An alarm from outside has no effect, because the clock has to confirm a timeout."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    interrupter.call_within(1000, lambda: os.kill(os.getpid(), signal.SIGALRM))
    interrupter.bound(1000)
    interrupter.call(lambda: os.kill(os.getpid(), signal.SIGALRM))
    interrupter.close()


@pytest.mark.parametrize(
    ("timeout", "bound", "error", "message"),
    [
        (1000.0, 0.02, ActionInterrupted, "stop timeout of 0.02"),
        (0.02, 1000.0, ActionTimedOut, "the timeout of 0.02"),
    ],
)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_the_earlier_of_timeout_and_stop_timeout_counts(  # noqa: PLR0917
    handlers: list[tuple[signal.Signals, Handler]],
    timeout: float,
    bound: float,
    error: type[ActionInterrupted],
    message: str,
    when: str,
) -> None:
    """The earlier of timeout and stop timeout ends a call, whichever was started first."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))

    def hang() -> None:
        if when == "meanwhile":
            interrupter.bound(bound)
        time.sleep(1000)

    if when == "before":
        interrupter.bound(bound)
    with pytest.raises(error, match=message):
        interrupter.call_within(timeout, hang)
    interrupter.close()


def test_code_is_interrupted_once_for_each_reason(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """Code that hangs after a timeout is interrupted again by the stop timeout, and by a second TERM."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    reasons: list[str] = []

    def hang() -> None:
        for step in range(3):
            try:
                if step == 1:
                    interrupter.bound(0.01)
                if step == 2:
                    interrupter.interrupt("insisting")
                time.sleep(1000)
            except ActionInterrupted as interruption:
                reasons.append(str(interruption))
        interrupter.interrupt("again")

    interrupter.call_within(0.01, hang)
    interrupter.close()
    assert reasons == [
        "it took longer than the timeout of 0.01 s",
        "it took longer than the stop timeout of 0.01 s",
        "insisting",
    ]


def test_a_call_inside_a_call_leaves_the_outer_one_interruptible(
    handlers: list[tuple[signal.Signals, Handler]],
) -> None:
    """An inner call, as when an action sets another one up, leaves the outer one interruptible."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))

    def outer() -> None:
        interrupter.call(lambda: None)
        interrupter.call_within(1000, lambda: None)
        time.sleep(1000)

    with pytest.raises(ActionTimedOut):
        interrupter.call_within(0.02, outer)


def test_code_in_another_thread_is_left_alone(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """Code in another thread is not interrupted, because handlers run in the main thread."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    inside = threading.Event()
    outside = threading.Event()

    def code() -> None:
        inside.set()
        outside.wait(60)

    thread = threading.Thread(target=lambda: interrupter.call_within(0.001, code))
    thread.start()
    inside.wait(60)
    interrupter.interrupt("now")
    time.sleep(0.01)  # alarms come meanwhile, and have no effect here
    outside.set()
    thread.join()


def test_the_end_of_the_process_waits_for_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the process waits until a command is started, because that command would be left behind."""
    ends: list[object] = []
    monkeypatch.setattr(os, "_exit", lambda status: ends.append(("exit", status)))
    monkeypatch.setattr(os, "killpg", lambda group, signum: ends.append(("kill", group, signum)))
    interrupter = Interrupter()
    with interrupter.shield as shield:
        interrupter.exit(143)
        assert ends == []
        shield.started(4711, lambda: False)
    assert ends == [("kill", 4711, signal.SIGKILL), ("exit", 143)]


def inject(steps: int, code: Callable[[], object], interrupt: Callable[[], object]) -> None:
    """Run code, and call a signal handler after this many instructions of the interrupter."""
    left = steps

    def trace(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        nonlocal left
        is_shield = frame.f_code.co_qualname.startswith("Shield.")
        if frame.f_globals.get("__name__") != "flagman.engine.interrupt" and not is_shield:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                sys.settrace(None)
                interrupt()
        return trace

    before = sys.gettrace()  # that of a measurement of coverage
    sys.settrace(trace)
    try:
        code()
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("steps", range(1, 120))
def test_no_interruption_is_lost_around_a_wait(steps: int) -> None:
    """An interruption at any instruction ends this wait or the next one, and cleaning up is safe."""
    interrupter = Interrupter()
    waits: list[str] = []

    class Quiet:
        """A poll that would wait for ever."""

        def poll(self, _: float | None) -> list[tuple[int, int]]:
            # An earlier interruption was raised by now: nothing would end this wait.
            waits.append("lost" if interrupter.shield.postponed else "waits")
            return []

    def command() -> None:
        with interrupter.shield as shield:
            try:
                while len(waits) < 3:
                    interrupter.wait(Quiet(), None)  # type: ignore[arg-type]
            finally:
                assert shield.is_up

    came: list[int] = []

    def signal_arrives() -> None:
        came.append(steps)
        interrupter.interrupt("now")

    try:
        inject(steps, lambda: interrupter.call(command), signal_arrives)
    except ActionInterrupted:
        assert came
    else:
        # It came before or after the call, or after the last wait.
        assert not came or len(waits) == 3 or not waits
    assert "lost" not in waits


def test_what_was_postponed_ends_the_next_wait() -> None:
    """A postponed interruption ends the next wait before that begins."""
    interrupter = Interrupter()

    def command() -> None:
        with interrupter.shield as shield:
            interrupter.interrupt("while it starts")
            try:
                interrupter.wait(select.poll(), None)
            finally:
                assert shield.is_up

    with pytest.raises(ActionInterrupted, match="while it starts"):
        interrupter.call(command)
    assert not interrupter.shield.is_up


def test_a_late_alarm_is_excused_once(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A late alarm extends the timeout once, by its delay but at most by the timeout, because a suspend may be long."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    began = time.monotonic()

    def stopped() -> None:
        window = interrupter._window
        assert window
        window.timeout_due -= 1000  # as if a quarter of an hour had passed meanwhile
        interrupter.on_alarm(signal.SIGALRM, None)
        assert 0 < window.timeout_due - time.monotonic() <= 0.302
        time.sleep(1000)

    with pytest.raises(ActionTimedOut, match="longer than the timeout"):
        interrupter.call_within(0.3, stopped)
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("is_stop", [False, True])
def test_an_alarm_asks_first_whether_the_work_is_done(*, is_stop: bool) -> None:
    """If the work is done when the alarm comes, the call gets one more moment to take the result."""
    interrupter = Interrupter()
    interrupter.shield.is_done = lambda: True

    def work() -> str:
        window = interrupter._window
        assert window
        window.timeout_due, window.due = (math.inf, 0) if is_stop else (0, math.inf)
        interrupter.on_alarm(signal.SIGALRM, None)
        due = window.due if is_stop else window.timeout_due
        assert 0 < due - time.monotonic() <= 1.01
        return "done"

    if is_stop:
        interrupter.bound(1000)
    assert interrupter.call_within(1000, work) == "done"
    interrupter.close()


def test_an_alarm_that_gets_lost_comes_again(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A lost alarm comes again within a second, because a plugin may begin a wait in that very moment."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))

    def unlucky() -> tuple[float, float]:
        return signal.getitimer(signal.ITIMER_REAL)

    left, interval = interrupter.call_within(1000, unlucky)
    assert left > 900
    assert interval == 1


def test_our_records_are_given_up_in_time() -> None:
    """A blocked record is given up when the stop timeout is over or a second stop insists."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 65536)
    interrupter = Interrupter()
    assert interrupter.wait_to_write(writer, 0.001)  # the stop timeout does not run yet: try again
    interrupter.bound(0.01)
    assert interrupter.wait_to_write(writer)
    assert not interrupter.wait_to_write(writer)
    interrupter.close()
    other = Interrupter()
    other.interrupt("insists")
    assert not other.wait_to_write(writer)
    # A thread checks again now and then, because it may hold the lock of the log.
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(interrupter.wait_to_write(writer)))
    thread.start()
    thread.join()
    assert answers == [False]
    os.close(reader)
    assert Interrupter().wait_to_write(writer)  # broken: the attempt raises the error
    os.close(writer)


def test_the_record_of_a_foreign_handler_is_ended_by_force(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A blocked record of a foreign handler is lost without an error, and later records still get a moment."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    written: list[str] = []
    interrupter.call_patiently(written.append, "before")
    interrupter.bound(0.05)
    interrupter.call_patiently(written.append, "in time")
    assert not interrupter.call_patiently(time.sleep, 1000)
    assert interrupter.call_patiently(written.append, "of another handler")
    assert written == ["before", "in time", "of another handler"]
    interrupter.close()


@pytest.mark.slow
def test_a_foreign_handler_in_code_that_cleans_up(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """A foreign handler that blocks in code that cleans up must not keep KILL from a command."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))
    steps: list[str] = []

    def command() -> None:
        with interrupter.shield as shield:
            try:
                interrupter.wait(select.poll(), None)
            except ActionTimedOut:
                interrupter.call_patiently(time.sleep, 1000)
                assert shield.is_up
                steps.append("cleaned up")
                raise

    with pytest.raises(ActionTimedOut):
        interrupter.call_within(0.05, command)
    assert steps == ["cleaned up"]
    # In code that may be interrupted, that ends the record together with the code.
    with pytest.raises(ActionTimedOut):
        interrupter.call_within(0.05, lambda: interrupter.call_patiently(time.sleep, 1000))


def test_code_that_cleans_up_may_say_a_few_words(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """Code that cleans up waits a few seconds for a slow reader, but no longer, because a command may need its KILL."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))

    def command() -> None:
        with interrupter.shield:
            assert interrupter.patience() == math.inf
            try:
                interrupter.wait(select.poll(), None)
            finally:
                assert 3 < interrupter.patience() <= 4

    with pytest.raises(ActionTimedOut):
        interrupter.call_within(0.02, command)


def test_an_alarm_that_is_not_ours_is_left_alone(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """An alarm of the program stays, because without a handler it would end the process."""
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, lambda *_: None)))
    signal.setitimer(signal.ITIMER_REAL, 500)
    interrupter = Interrupter()
    interrupter.call_within(0.01, lambda: None)
    interrupter.bound(0.01)
    interrupter.close()
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 400


def test_an_interruption_after_the_last_wait_ends_the_next_command() -> None:
    """What was postponed until a command has ended is raised when the same code waits for another one."""
    interrupter = Interrupter()
    steps: list[str] = []

    def code() -> None:
        with interrupter.shield as shield:
            shield.started(4711, lambda: True)
            interrupter.interrupt("now")
        steps.append("first")
        assert interrupter.shield.groups == set()
        with interrupter.shield as shield:
            shield.started(4712, lambda: True)
            interrupter.wait(select.poll(), None)
        steps.append("second")

    with pytest.raises(ActionInterrupted, match="now"):
        interrupter.call(code)
    assert steps == ["first"]
    interrupter.call(interrupter.unshielded, list)


def test_an_interruption_after_all_waits_is_over_with_the_code() -> None:
    """The next code that is called is not ended by what came for the code before."""
    interrupter = Interrupter()

    def code() -> None:
        with interrupter.shield:
            interrupter.interrupt("now")

    interrupter.call(code)
    interrupter.call(interrupter.unshielded, list)


def test_a_shield_is_put_up_once() -> None:
    """Code under the shield that starts another command is a mistake, and is told so."""
    interrupter = Interrupter()
    with interrupter.shield, pytest.raises(RuntimeError, match="the shield is up already"), interrupter.shield:
        pass
    assert not interrupter.shield.is_up


def test_a_command_that_has_ended_is_not_out_of_time(handlers: list[tuple[signal.Signals, Handler]]) -> None:
    """An alarm between the end of the command and the end of the call does not make a success a failure."""
    interrupter = Interrupter()
    handlers.append((signal.SIGALRM, signal.signal(signal.SIGALRM, interrupter.on_alarm)))

    def code() -> str:
        with interrupter.shield as shield:
            shield.started(4711, lambda: False)
        limit = time.monotonic() + 0.1
        while time.monotonic() < limit:
            pass
        return "good"

    assert interrupter.call_within(0.01, code) == "good"
    with pytest.raises(ActionTimedOut):
        interrupter.call_within(0.01, lambda: time.sleep(1000))
