"""The relay: the records of one thread, which another one writes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from flagman.log.relay import Relay, has_room
from support.driven import DEADLINE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("relayed")


class Slow(logging.Handler):
    """A handler that writes only when a test allows it, and notes the writing thread."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.begun = threading.Event()
        self.said: list[tuple[str, int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.begun.set()
        assert self.goes_on.wait(DEADLINE)
        if record.msg == "bad":
            raise ValueError(record.msg)
        self.said.append((record.getMessage(), threading.get_ident()))


@pytest.fixture(name="slow")
def _slow() -> Iterator[Slow]:
    """Add the handler beside any others."""
    handler = Slow()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(name="relay")
def _relay(slow: Slow) -> Relay:
    """Return a relay for this thread."""
    here = threading.get_ident()
    relay = Relay(lambda: threading.get_ident() == here)
    relay.cover()
    relay.cover()
    assert len(slow.filters) == 1
    return relay


def test_a_slow_handler_does_not_stop_the_thread(relay: Relay, slow: Slow) -> None:
    """A slow handler gets the records of the thread in order, with their arguments as they were at the call."""
    quoted = ["a"]
    logger.warning("one %s", quoted)
    quoted.append("b")
    logger.warning("bad")
    logger.warning("two")
    assert slow.begun.wait(DEADLINE)
    assert slow.said == []
    slow.goes_on.set()
    relay.finish(DEADLINE)
    assert [message for message, _ in slow.said] == ["one ['a']", "two"]
    assert threading.get_ident() not in {thread for _, thread in slow.said}
    logger.warning("three")
    assert slow.said[-1] == ("three", threading.get_ident()), "it has stepped aside"


def test_other_threads_write_for_themselves(relay: Relay, slow: Slow) -> None:
    """Other threads write their records themselves, even while records wait in the relay."""
    slow.goes_on.set()
    thread = threading.Thread(target=logger.warning, args=("other",))
    thread.start()
    thread.join()
    ((message, ident),) = slow.said
    assert (message, ident) == ("other", thread.ident)
    relay.finish(DEADLINE)


def test_what_does_not_fit_is_counted(relay: Relay, slow: Slow) -> None:
    """The number of lost records is written when there is room again."""
    logger.warning("0")
    assert slow.begun.wait(DEADLINE)  # from now on the handler's thread takes no record, and finds none lost
    for number in range(1, 1500):
        logger.warning("%d", number)
    slow.goes_on.set()
    relay.finish(DEADLINE)
    said = [message for message, _ in slow.said]
    said.remove("500 records of the control loop are lost: the log was not read")
    assert said == list(map(str, range(1000)))


def test_the_end_does_not_wait_for_ever(relay: Relay, slow: Slow) -> None:
    """The end waits only for a limited time if the log is not read."""
    logger.warning("one")
    assert slow.begun.wait(DEADLINE)  # else it would be dropped
    relay.finish(0.01)
    assert slow.filters == []
    slow.goes_on.set()
    wait_for(lambda: slow.said)


def test_a_record_that_cannot_be_written_stops_nothing(
    relay: Relay, slow: Slow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in a log call is complained about by the handler, in the handler's own thread."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(slow, "emit", lambda record: record.getMessage())
    complaints: list[int] = []
    monkeypatch.setattr(slow, "handleError", lambda _: complaints.append(threading.get_ident()))

    def emit(record: logging.LogRecord) -> None:
        try:
            record.getMessage()
        except TypeError:
            slow.handleError(record)

    monkeypatch.setattr(slow, "emit", emit)
    logger.warning("%d", "x")
    relay.finish(DEADLINE)
    assert len(complaints) == 1
    assert threading.get_ident() not in complaints
    capsys.readouterr()


def test_a_handler_that_goes_still_gets_what_waits(relay: Relay, slow: Slow) -> None:
    """After a reload of the log the records that had come before are written where they were meant to go."""
    for number in range(100):
        logger.warning("%d", number)
    logger.removeHandler(slow)
    relay.cover()
    assert slow.filters == []
    slow.goes_on.set()
    wait_for(lambda: len(slow.said) == 100)
    assert [message for message, _ in slow.said] == list(map(str, range(100)))
    relay.finish(DEADLINE)


def test_a_handler_that_is_stuck_gives_up_at_the_next_reload(
    relay: Relay, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    """What it still had to write is lost, and counted."""
    for number in range(100):
        logger.warning("%d", number)
    assert slow.begun.wait(DEADLINE)
    logger.removeHandler(slow)
    relay.cover()
    relay.cover()
    slow.goes_on.set()
    relay.finish(DEADLINE)
    assert "99 records of the control loop are lost: the log was not read" in caplog.messages


def test_without_threads_the_end_writes_what_waits(relay: Relay, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system refuses another thread, the records are late, and not lost."""

    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("flagman.log.relay.start_new_thread", refuse)
    slow.goes_on.set()
    logger.warning("one")
    assert slow.said == []
    relay.finish(DEADLINE)
    assert slow.said == [("one", threading.get_ident())]


def test_room_for_what_can_be_left_out(relay: Relay, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """When half of what may wait waits, nothing should come that can be left out; also where the handler is above."""
    monkeypatch.setattr("flagman.log.relay._MOST", 4)
    below = logger.getChild("below")
    assert has_room(below)
    logger.warning("one")
    assert has_room(below)
    logger.warning("two")
    assert not has_room(logger)
    assert not has_room(below)
    below.propagate = False
    assert has_room(below)
    below.propagate = True
    slow.goes_on.set()
    relay.finish(DEADLINE)
    assert has_room(below)
