"""The verb logs: what a process has printed, and what it prints from now on."""

from __future__ import annotations

import json
import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from flagman.ctl.client import Client
from support.ctl import Ctl
from support.driven import DEADLINE
from support.fake_control import FakeControl, http, mistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.fake_control import Answers

OUTPUT = "/processes/web/output"


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


@pytest.fixture(name="pauses")
def _pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses between questions, which are short here."""
    pauses: list[float] = []
    real = Client.wait_for_end

    def wait(self: Client, end: float) -> bool:
        pauses.append(round(end - monotonic(), 1))
        return real(self, monotonic() + 0.01)

    monkeypatch.setattr(Client, "wait_for_end", wait)
    return pauses


def printed(position: int, *lines: str, **more: object) -> bytes:
    """Return the answer about some lines of output, which ends at a position."""
    return http(200, {"process": "web", "lines": lines, "next": position, **more})


def in_turn(*answers: bytes) -> Callable[[], bytes]:
    """Return a function that returns these answers one after another, and then nothing."""
    left = list(answers)
    return lambda: left.pop(0) if left else b""


def test_the_last_lines(ctl: Ctl) -> None:
    """Each line is shown with its spaces and tabs; what would change a terminal is shown escaped."""
    answers = {
        f"GET {OUTPUT}?n=30": printed(99, "  File x:", "\ty  z", "\x1b[31mred\x9b2J\r\ue000\u202e", "", "grüße"),
        f"GET {OUTPUT}?n=2": printed(99, "a", "b"),
    }
    with FakeControl(ctl.path, answers) as daemon:
        lines = ["  File x:", "\ty  z", "\\x1b[31mred\\x9b2J\\r\\ue000\\u202e", "", "grüße", ""]
        assert ctl("logs", "web") == (0, "\n".join(lines), "")
        assert ctl("logs", "web", "-n", "2") == (0, "a\nb\n", "")
        assert json.loads(ctl("logs", "web", "-n2", "--json").out)["lines"] == ["a", "b"]
    assert daemon.asked == [f"GET {OUTPUT}?n=30", *[f"GET {OUTPUT}?n=2"] * 2]


def test_nothing_has_been_printed(ctl: Ctl) -> None:
    """There is nothing to show."""
    with FakeControl(ctl.path, {f"GET {OUTPUT}?n=30": printed(0)}):
        assert ctl("logs", "web") == (0, "", "")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (mistake(404, "no-such-process", "no process 'web'", did_you_mean=["wbe"]), 5,
         "no process 'web'; did you mean 'wbe'?"),
        (mistake(409, "no-output", 'output = "inherit": nothing is kept'), 1,
         'output = "inherit": nothing is kept'),
        (mistake(404, "no-such-path", "there is no such path"), 4, "there is no such path"),
        (http(200, ["x"]), 4, "what PATH answers is no answer of flagman"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("follow", [(), ("-f",)])
def test_errors(ctl: Ctl, answer: bytes, status: int, message: str, follow: tuple[str, ...]) -> None:
    """What the daemon refuses is one line, also if the lines were to be followed."""
    with FakeControl(ctl.path, {f"GET {OUTPUT}?n=30": answer}):
        done = ctl("logs", "web", *follow)
    assert done == (status, "", f"flagmanctl: error: {message.replace('PATH', str(ctl.path))}\n")


def test_following(ctl: Ctl) -> None:
    """The lines that follow are shown as they come, until Ctrl-C."""
    more, asked, end = (threading.Event() for _ in range(3))

    def late() -> bytes:
        assert more.wait(DEADLINE)
        return printed(5_000_000_000_000_000, "c\x1b[2J")

    def last() -> bytes:
        asked.set()
        end.wait(DEADLINE)
        return b""

    answers: Answers = {
        f"GET {OUTPUT}?n=1": printed(4, "b"),
        f"GET {OUTPUT}?since=4&wait=": late,
        f"GET {OUTPUT}?since=5000000000000000&wait=": last,
    }
    with FakeControl(ctl.path, answers), ctl.running("logs", "-f", "-n1", "web") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "b\n"
        more.set()
        assert process.stdout.readline() == "c\\x1b[2J\n"
        assert asked.wait(DEADLINE)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
        assert process.stdout.read() + process.stderr.read() == ""
        end.set()


def test_following_until_the_daemon_goes(ctl: Ctl) -> None:
    """Its end ends the output, which is no success and no mistake."""
    answers = {f"GET {OUTPUT}?n=30": printed(4, "b"), f"GET {OUTPUT}?since=4&wait=": b""}
    with FakeControl(ctl.path, answers):
        assert ctl("logs", "-f", "web") == (3, "b\n", "flagmanctl: error: the daemon has ended\n")


def test_following_a_daemon_that_stops(ctl: Ctl, pauses: list[float]) -> None:
    """It lets nothing wait any more, but what its processes print at their ends is shown."""
    stopping = mistake(503, "stopping", "the daemon stops")
    answers: Answers = {
        f"GET {OUTPUT}?n=30": printed(4, "b"),
        f"GET {OUTPUT}?since=4&wait=": stopping,
        f"GET {OUTPUT}?since=4": in_turn(printed(4), printed(9, "ends")),
        f"GET {OUTPUT}?since=9": b"",
    }
    with FakeControl(ctl.path, answers):
        assert ctl("logs", "-f", "web") == (3, "b\nends\n", "flagmanctl: error: the daemon has ended\n")
        assert pauses == [1.0, 1.0]
        answers[f"GET {OUTPUT}?since=4"] = stopping
        assert ctl("logs", "-f", "web") == (3, "b\n", "flagmanctl: error: the daemon stops\n")


def test_the_end_of_a_daemon_that_stops_is_noticed_at_once(ctl: Ctl) -> None:
    """It ends the pause before the next question, too."""
    asked = f"GET {OUTPUT}?since=4"
    stopping = mistake(503, "stopping", "the daemon stops")
    answers = {f"GET {OUTPUT}?n=30": printed(4, "b"), f"{asked}&wait=": stopping}
    with FakeControl(ctl.path, answers, closes_after=f"{asked}&wait=") as daemon:
        assert ctl("logs", "-f", "web") == (3, "b\n", "flagmanctl: error: the daemon has ended\n")
    assert len(daemon.asked) == 2


def test_following_as_json(ctl: Ctl) -> None:
    """Each answer is a line; errors are told as JSON, too, if they come from the daemon."""
    gone = mistake(404, "no-such-process", "web was removed")
    answers = {f"GET {OUTPUT}?n=30": printed(4, "b"), f"GET {OUTPUT}?since=4&wait=": printed(5, "c")}
    with FakeControl(ctl.path, {**answers, f"GET {OUTPUT}?since=5&wait=": gone}):
        done = ctl("logs", "-f", "web", "--json")
    assert (done.status, done.err) == (5, "")
    first, second, third = map(json.loads, done.out.splitlines())
    assert (first["lines"], second["lines"], third["error"]["code"]) == (["b"], ["c"], "no-such-process")


def test_following_without_news(ctl: Ctl, pauses: list[float]) -> None:
    """An answer without anything new, or that nothing new came in time, makes no busy loop."""
    answers: Answers = {
        f"GET {OUTPUT}?n=30": printed(4),
        f"GET {OUTPUT}?since=4&wait=": in_turn(printed(4), mistake(504, "not-in-time", "nothing"), printed(9, "c")),
        f"GET {OUTPUT}?since=9&wait=": b"",
    }
    with FakeControl(ctl.path, answers):
        assert ctl("logs", "-f", "web") == (3, "c\n", "flagmanctl: error: the daemon has ended\n")
    assert pauses == [1.0, 1.0]


def test_lines_that_were_lost(ctl: Ctl) -> None:
    """A process that prints more than is kept leaves a hole, which is told."""
    answers = {
        f"GET {OUTPUT}?n=30": printed(4, "a"),
        f"GET {OUTPUT}?since=4&wait=": printed(90_004, "z", lost=24_464),
        f"GET {OUTPUT}?since=90004&wait=": b"",
    }
    with FakeControl(ctl.path, answers):
        assert ctl("logs", "-f", "web").out == "a\n[24464 bytes are missing here]\nz\n"


@pytest.mark.parametrize("position", [None, "7", 1.5, -1, True, 1 << 63, [7]])
def test_a_position_that_is_none(ctl: Ctl, position: object) -> None:
    """What does not tell where to go on cannot be followed, but its lines can be shown."""
    with FakeControl(ctl.path, {f"GET {OUTPUT}?n=30": http(200, {"lines": ["a", 5, None], "next": position})}):
        assert ctl("logs", "web") == (0, "a\n", "")
        message = f"flagmanctl: error: what {ctl.path} answers is no answer of flagman\n"
        assert ctl("logs", "web", "-f") == (4, "a\n", message)
