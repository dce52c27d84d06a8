"""The verb events: what happens in a daemon, one line for each event."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.ctl import Ctl
from support.driven import DEADLINE
from support.fake_control import FakeControl, http, mistake

if TYPE_CHECKING:
    from pathlib import Path

    from support.fake_control import Answers

ASKED = "GET /events"
ENDED = "flagmanctl: error: the daemon has ended\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
AT = "2026-11-27T08:30:09.020780Z"


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    monkeypatch.setenv("TZ", "UTC")
    return Ctl(tmp_path, monkeypatch, capsys)


def event(number: int, kind: str, life: str = "ab", **more: Any) -> bytes:  # noqa: ANN401 - as JSON is
    """Return a server-sent event."""
    told = {"event": kind} if kind == "lost" else {"id": number, "since": f"{life}-{number}", "at": AT, "event": kind}
    return f"id: {life}-{number}\nevent: x\ndata: {json.dumps({**told, **more})}\n\n".encode()


def streamed(*events: bytes) -> bytes:
    """Return an answer that has these events."""
    return HEAD + b"".join(events)


def shown(ctl: Ctl, *words: str) -> list[str]:
    """Return the lines that the command shows, without the times."""
    done = ctl("events", *words)
    assert (done.status, done.err) == (3, ENDED)
    lines = [line.removeprefix("2026-11-27 08:30:09  ") for line in done.out.splitlines()]
    return [line.removeprefix("08:30:09  ") for line in lines]


STOPPING = event(99, "stopping", changed={})
STATUS = {
    "name": "web",
    "state": "idle",
    "ready": False,
    "config": {"error": "c.toml:\n3: x"},
    "flags": [
        {"name": "usr1", "last": {"result": "failed", "error": "no\x1b[31m luck"}},
        {"name": "usr2", "last": {"result": "succeeded", "error": None}},
        {"name": "hup", "last": None},
    ],
    "processes": [
        {"name": "db", "state": "backoff", "text": "in back-off (3): exited with 1", "ready": False},
        {"name": "web", "state": "ready", "text": "ready", "ready": True},
    ],
}


def test_the_snapshot(ctl: Ctl) -> None:
    """First how things are, and all that needs attention; what would change a terminal is shown escaped."""
    answers = {ASKED: streamed(event(7, "snapshot", status=STATUS), STOPPING)}
    with FakeControl(ctl.path, answers, closes_after=ASKED):
        assert shown(ctl) == [
            "web  idle, not ready",
            "config  failed: c.toml: 3: x",
            "usr1  failed: no\\x1b[31m luck",
            "process:db  in back-off (3): exited with 1",
            "stopping",
        ]


def test_the_events(ctl: Ctl) -> None:
    """Each one is a line."""
    run = {"flag": "usr1", "result": "failed", "duration": 0.0123, "error": "no luck\nat all", "actions": []}
    starting = {"name": "db", "state": "starting", "text": "starting for 0 s"}
    end = {"process": "db", "event": "fail", "pid": 7, "status": "1", "text": "exited with 1"}
    events = [
        event(8, "begun", name="usr1", changed={}),
        event(9, "run", run=run, changed={}),
        event(10, "held", name="us\x1br2", changed={}),
        event(11, "state", name="db", changed={"processes": [starting]}),
        event(12, "state", name="db", changed={"processes": [starting]}),
        event(13, "process", process=end, changed={}),
        event(14, "process", process={"process": "db", "event": "ready", "pid": None}, changed={}),
        event(15, "readiness", changed={"ready": True}),
        event(16, "reloading", changed={}),
        event(17, "reload-failed", changed={"config": {"error": "no such file"}}),
        event(18, "reloaded", reload={"kept": [{}], "added": [{}, {}], "removed": []}, status={}),
        event(19, "processes", status={}),
        event(20, "whatever\x1b", changed={}),
    ]
    with FakeControl(ctl.path, {ASKED: streamed(*events, STOPPING)}, closes_after=ASKED):
        assert shown(ctl) == [
            "usr1  begins",
            "usr1  failed in 12ms: no luck at all",
            "us\\x1br2  is held until it is quiet",
            "process:db  starting for 0 s",
            "process:db  fail (pid 7, exited with 1)",
            "process:db  ready",
            "ready",
            "reloading",
            "reload failed: no such file",
            "reloaded: 1 kept, 2 added, 0 removed",
            "there are other processes",
            "whatever\\x1b",
            "stopping",
        ]
        assert "\x1b[31mfailed\x1b[m" in ctl("events", "--color", "always").out


def test_json(ctl: Ctl) -> None:
    """Each line is what the daemon has sent, with what is needed to go on."""
    answers = {f"{ASKED}?since=ab-7": streamed(event(8, "run", run={"error": "\x7f"}), STOPPING)}
    with FakeControl(ctl.path, answers, closes_after=f"{ASKED}?since=ab-7"):
        done = ctl("events", "--json", "--since", "ab-7")
    assert (done.status, done.err) == (3, ENDED)
    lines = done.out.splitlines()
    assert [json.loads(line)["since"] for line in lines] == ["ab-8", "ab-99"]
    assert "\x7f" not in done.out


def test_going_on(ctl: Ctl) -> None:
    """If the daemon has closed the connection, the command goes on where it was, and says so if events are missing."""
    first, second = ASKED, f"{ASKED}?since=ab-8"
    begun = [event(number, "begun", name=f"f{number}", changed={}) for number in range(20)]
    again = event(15, "snapshot", status={"name": "web", "state": "idle", "ready": True})

    left = [streamed(begun[7], begun[8]), streamed(again, STOPPING)]
    answers: Answers = {first: lambda: left.pop(0), second: streamed(begun[9], event(0, "lost"))}
    with FakeControl(ctl.path, answers, closes_after=ASKED) as daemon:
        lines = shown(ctl)
    assert [line for line in lines if "begins" in line] == ["f7  begins", "f8  begins", "f9  begins"]
    assert lines[3:] == ["[events are missing here]", "web  idle, ready", "stopping"]
    assert daemon.asked == [first, second, first]


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (mistake(404, "no-such-path", "there is no such path"), 4, "there is no such path"),
        (mistake(400, "bad-request", "since: this is not the id of an event"), 2,
         "since: this is not the id of an event"),
        (mistake(503, "too-many-connections", "256 clients are connected"), 4, "256 clients are connected"),
        (http(200, {}), 4, "what PATH answers is no stream of events"),
        (b"SSH-2.0-x\r\n\r\n", 4, "what PATH answers is no answer of flagman"),
        (HEAD + b"data: 5\n\n", 4, "what PATH answers is no event of flagman"),
        (HEAD + b"x: 5\n\n", 4, "what PATH answers is no JSON"),
        (HEAD, 3, "the daemon has ended"),
        (b"", 4, "the daemon has closed the connection without a whole answer (PATH)"),
    ],
)  # fmt: skip
def test_errors(ctl: Ctl, answer: bytes, status: int, message: str) -> None:
    """What is no stream is one line."""
    with FakeControl(ctl.path, {ASKED: answer}, closes_after=ASKED):
        done = ctl("events")
    assert done == (status, "", f"flagmanctl: error: {message.replace('PATH', str(ctl.path))}\n")


def test_another_run_of_the_daemon(ctl: Ctl) -> None:
    """It is not the one that was followed, which has ended."""
    answers = {
        ASKED: streamed(event(8, "ready", changed={})),
        f"{ASKED}?since=ab-8": streamed(event(3, "snapshot", "cd", status={})),
    }
    with FakeControl(ctl.path, answers, closes_after=ASKED):
        done = ctl("events")
    assert (done.status, done.err) == (3, ENDED)
    assert len(done.out.splitlines()) == 1


def test_ctrl_c(ctl: Ctl) -> None:
    """It ends the command, as a command that goes on is ended."""
    end = threading.Event()

    def wait() -> bytes:
        assert end.wait(DEADLINE)
        return b""

    answers: Answers = {ASKED: streamed(event(8, "ready", changed={})), f"{ASKED}?since=ab-8": wait}
    with FakeControl(ctl.path, answers, closes_after=f"{ASKED}?"), ctl.running("events") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().endswith("  ready\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
        assert process.stdout.read() + process.stderr.read() == ""
        end.set()


def test_an_output_that_nothing_reads(ctl: Ctl) -> None:
    """It ends the command with status 1 and without a word, as head does it."""
    answers = {ASKED: streamed(*(event(n, "begun", name="x" * 9000, changed={}) for n in range(100)))}
    with FakeControl(ctl.path, answers, closes_after=ASKED), ctl.running("events") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.wait(DEADLINE) == 1
        assert process.stderr.read() == ""
