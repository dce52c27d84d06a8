"""The status line, with fake time."""

from __future__ import annotations

import os
import re

import pytest

from flagman import Action, Engine
from flagman.actions import PrintAction
from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.engine.bundle import Bundle
from flagman.systemd.notify import SystemdNotifier
from flagman.systemd.status import StatusLine
from flagman.testing import FakeTime
from flagman.triggers import Source


class Notifier(SystemdNotifier):
    """Keeps the messages."""

    def __init__(self, time: FakeTime) -> None:
        self.messages: list[tuple[float, str]] = []
        self._time = time

    def notify(self, state: str) -> None:
        """Keep a message with its moment, and with the time of day replaced by 12:00:00."""
        self.messages.append((round(self._time.now - 1000, 2), re.sub(r"\d\d:\d\d:\d\d", "12:00:00", state)))


class Fail(Action):
    """Fails this many times."""

    def set_up(self, times: str) -> None:
        """Keep the number."""
        self._left = int(times)

    def run(self) -> None:
        """Fail, or return."""
        self._left -= 1
        if self._left >= 0:
            raise RuntimeError("on purpose")


def play(moments: list[float], *fails: str, flag: str = "usr1~2s", trigger: str = "usr1") -> list[tuple[float, str]]:
    """Raise a flag at these moments, and return the messages to the manager with their moments."""
    time = FakeTime()
    notifier = Notifier(time)
    with Engine(clock=time, wait=time.wait) as engine:
        time.on_end = engine.stop
        time.end += 100
        for times in fails:
            engine.set_up(flag, Fail, times)
        engine.replace({flag: Bundle(engine.bundles[flag], trigger)})
        engine.observe(StatusLine(engine, notifier, "Ready: usr1 runs 1 action").on_turn)
        for moment in moments:
            engine.call_at(1000 + moment, engine.raise_flag, flag)
        engine.run()
    return notifier.messages


@pytest.mark.parametrize(
    ("flag", "shown"),
    [
        ("a\nMAINPID=1", "a\\nMAINPID=1"),
        ("a\u2028b", "a\\u2028b"),
        (os.fsdecode(b"\xffx"), "\\xffx"),
        ("\ud800", "\\ud800"),
    ],
)
def test_the_name_of_a_flag_makes_no_line(flag: str, shown: str) -> None:
    """The name of a flag, which a program may choose, adds no line to the status."""
    assert play([5], "0", flag=flag, trigger="") == [
        (5, f"STATUS=Ready: usr1 runs 1 action; last: {shown} at 12:00:00, good"),
    ]
    binding = Binding(Source(flag), "print", PrintAction, ("x",))
    assert Settings(bindings=(binding,)).summary() == f"{shown} runs 1 action"


def test_the_last_run_and_its_result() -> None:
    """The status tells in plain words how the last run went."""
    line = "STATUS=Ready: usr1 runs 1 action; last: usr1 at 12:00:00, "
    assert play([5, 10, 20], "1", "2") == [
        (5, f"{line}Fail 1, and 1 more failed: RuntimeError: on purpose"),
        (10, f"{line}Fail 2 failed: RuntimeError: on purpose"),
        (20, f"{line}good"),
    ]


def test_a_storm_is_not_the_managers_business() -> None:
    """In a storm the manager gets at most one message a second, and one after the last run."""
    messages = play([5 + number / 100 for number in range(250)], "1")
    assert [moment for moment, _ in messages] == [5, 6, 7, 8]
    assert messages[0][1].endswith("Fail 1 failed: RuntimeError: on purpose")
    assert messages[-1][1].endswith("good")
