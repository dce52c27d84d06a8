"""The verbs start, stop and restart: several processes at once, what came of each, and exit statuses."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from flagman.ctl.client import Client
from flagman.ctl.errors import UNKNOWN, NoAnswerError
from support.answers import PROCESSES
from support.ctl import Ctl, on_screen
from support.driven import DEADLINE
from support.fake_control import FakeControl, http, mistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.fake_control import Answers


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


LISTED_ANSWER = http(200, {"processes": PROCESSES})
LISTED: Answers = {"GET /processes": LISTED_ANSWER}


def outcome(name: str, outcome: str = "reached", state: str = "ready", **more: object) -> dict[str, object]:
    """Return the answer about a wish that has been waited for."""
    wish = {"id": 3, "verb": "restart", "by_uid": 0, "outcome": outcome}
    return {"process": name, "wish": wish, "state": state, "text": state, "output": [], **more}


def noted(name: str) -> dict[str, object]:
    """Return the answer about a wish that has been noted."""
    return {"process": name, "wish": {"id": 3, "verb": "restart", "by_uid": 0, "outcome": ""}}


@pytest.mark.parametrize(
    ("verb", "state"), [("start", "ready"), ("start", "exited"), ("stop", "stopped"), ("restart", "ready")]
)
def test_a_wish_that_comes_true(ctl: Ctl, verb: str, state: str) -> None:
    """Without an option the outcome is waited for, without a limit."""
    with FakeControl(
        ctl.path, {**LISTED, f"POST /processes/web/{verb}?wait=": http(200, outcome("web", state=state))}
    ) as daemon:
        assert ctl(verb, "web") == (0, f"web: {state}\n", "")
        assert ctl(verb, "web", "--wait") == (0, f"web: {state}\n", "")
        shown = on_screen(verb, "web", "--control", str(ctl.path))
        assert json.loads(ctl(verb, "web", "--json").out) == outcome("web", state=state)
    assert shown.out == f"web: \x1b[{'32' if state == 'ready' else '2'}m{state}\x1b[m\n"
    assert daemon.asked[:2] == ["GET /processes", f"POST /processes/web/{verb}?wait="]


def test_a_wish_that_is_only_told(ctl: Ctl) -> None:
    """With --no-wait the number of the wish is told."""
    with FakeControl(ctl.path, {**LISTED, "POST /processes/web/restart": http(202, noted("web"))}):
        assert ctl("restart", "--no-wait", "web") == (0, "web: restart (#3)\n", "")
        assert json.loads(ctl("restart", "--no-wait", "web", "--json").out) == noted("web")


FAILED = """\
db: start failed
  in back-off (3), next start 12:00:07: exited with 1
    Traceback (most recent call last):
      File "\\x1b[2J.py", line 1
    \tx
"""


def test_a_wish_that_does_not_come_true(ctl: Ctl) -> None:
    """It is told why, with the last lines of the output as they were printed, but for what would change a terminal."""
    output = ["Traceback (most recent call last):", '  File "\x1b[2J.py", line 1', "\tx"]
    text = "in back-off (3), next start 12:00:07: exited with 1"
    answer = http(200, outcome("db", "failed", "backoff", text=text, output=output))
    with FakeControl(ctl.path, {**LISTED, "POST /processes/db/start?wait=30": answer}):
        assert ctl("start", "db", "--wait", "30s") == (1, FAILED, "")


@pytest.mark.parametrize("told", ["superseded by stop (#7)", "something new"])
def test_a_wish_that_ends_in_another_way(ctl: Ctl, told: str) -> None:
    """A later wish may take its place."""
    answer = http(200, outcome("db", told, "stopped", text=""))
    with FakeControl(ctl.path, {**LISTED, "POST /processes/db/restart?wait=": answer}):
        assert ctl("restart", "db") == (1, f"db: restart {told}\n", "")


@pytest.mark.parametrize("answer", [{}, {"wish": []}, {"wish": {"outcome": 1, "id": "x"}, "state": [], "output": 5}])
def test_an_outcome_that_is_not_told(ctl: Ctl, answer: object) -> None:
    """It is no success."""
    with FakeControl(ctl.path, {**LISTED, "POST /processes/db/restart?wait=": http(200, answer)}):
        assert ctl("restart", "db") == (1, "db: restart has no outcome\n", "")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (mistake(404, "no-such-process", "there is no process 'db'"), 5, "db: there is no process 'db'"),
        (mistake(504, "not-in-time", "stop has not been reached in time: db stopping"), 124,
         "db: stop has not been reached in time: db stopping"),
        (mistake(503, "stopping", "the daemon stops"), 1, "db: the daemon stops"),
        (mistake(403, "forbidden", "only for root"), 4, "db: only for root"),
        (http(500, {}), 4, "db: the daemon answers 500"),
        (mistake(409, "x", "a\x1b[2J\nb"), 1, "db: a\\x1b[2J b"),
        (http(200, []), 4, "db: what PATH answers is no answer of flagman"),
        (b"", 4, "db: the daemon has closed the connection without a whole answer (PATH)"),
    ],
)  # fmt: skip
def test_errors(ctl: Ctl, answer: bytes, status: int, message: str) -> None:
    """What the daemon refuses is one line that names the process, and an exit status."""
    with FakeControl(ctl.path, {**LISTED, "POST /processes/db/stop?wait=": answer}):
        done = ctl("stop", "db")
    assert done == (status, "", f"flagmanctl: error: {message.replace('PATH', str(ctl.path))}\n")


@pytest.mark.parametrize(
    ("words", "names"), [(["*"], ["db", "web", "cache", "mail"]), (["web", "[dw]*", "?b"], ["web", "db"])]
)
def test_patterns(ctl: Ctl, words: list[str], names: list[str]) -> None:
    """A pattern means all processes with such a name, each of them once."""
    answers: Answers = {
        **LISTED,
        **{f"POST /processes/{name}/restart": http(202, noted(name)) for name in ("db", "web", "cache", "mail")},
    }
    with FakeControl(ctl.path, answers):
        done = ctl("restart", "--no-wait", *words)
    assert (done.status, sorted(done.out.splitlines()), done.err) == (
        0,
        sorted(f"{name}: restart (#3)" for name in names),
        "",
    )


def test_a_pattern_that_fits_nothing(ctl: Ctl) -> None:
    """Then nothing is asked for, and the status is that of an unknown name."""
    with FakeControl(ctl.path, LISTED) as daemon:
        assert ctl("stop", "web", "x*") == (5, "", "flagmanctl: error: there is no process 'x*'\n")
        assert ctl("stop", "WEB*").status == 5
    assert set(daemon.asked) == {"GET /processes"}


def test_several_at_once(ctl: Ctl) -> None:
    """All are asked before the first has answered; the status is the largest; errors come last."""
    meeting = threading.Barrier(3)

    def after_all(answer: bytes) -> Callable[[], bytes]:
        def wait() -> bytes:
            meeting.wait(DEADLINE)
            return answer

        return wait

    answers: Answers = {
        **LISTED,
        "POST /processes/db/restart?wait=": after_all(http(200, outcome("db", "failed", "backoff", output=["x"]))),
        "POST /processes/web/restart?wait=": after_all(http(200, outcome("web"))),
        "POST /processes/cache/restart?wait=": after_all(mistake(504, "not-in-time", "too late")),
    }
    with FakeControl(ctl.path, answers):
        done = ctl("restart", "db", "web", "web", "cache")
        told = ctl("restart", "cache", "db", "web", "--json")
    assert (done.status, done.err) == (124, "flagmanctl: error: cache: too late\n")
    assert sorted(done.out.splitlines()) == ["    x", "  backoff", "db: restart failed", "web: ready"]
    assert (told.status, told.err) == (124, "")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert {line.get("process", "") for line in lines} == {"db", "web", ""}


def test_what_is_known_is_shown_at_once(ctl: Ctl) -> None:
    """The outcome of one is shown while another one is waited for, in whatever order they were typed."""
    shown = threading.Event()

    def slow() -> bytes:
        assert shown.wait(DEADLINE)
        return http(200, outcome("db"))

    answers: Answers = {
        **LISTED,
        "POST /processes/db/stop?wait=": slow,
        "POST /processes/web/stop?wait=": http(200, outcome("web")),
    }
    with FakeControl(ctl.path, answers), ctl.running("stop", "db", "web") as process:
        assert process.stdout
        assert process.stdout.readline() == "web: ready\n"
        shown.set()
        assert process.stdout.read() == "db: ready\n"
        assert process.wait(DEADLINE) == 0


def test_more_than_a_daemon_serves_at_once(ctl: Ctl) -> None:
    """A daemon has places for 256 clients; the others are asked for when some of them have been answered."""
    names = [f"p{number}" for number in range(300)]
    listed = http(200, {"processes": [{"name": name} for name in names]})
    answers = {f"POST /processes/{name}/stop": http(202, noted(name)) for name in names}
    with FakeControl(ctl.path, {"GET /processes": listed, **answers}) as daemon:
        done = ctl("stop", "--no-wait", *names)
    assert done.status == 0
    assert {line.partition(":")[0] for line in done.out.splitlines()} == set(names)
    assert len(daemon.asked) == 301


def test_a_daemon_that_goes_meanwhile(ctl: Ctl) -> None:
    """Each process that has no outcome is named, and those that have one are shown."""
    answers: Answers = {
        **LISTED,
        "POST /processes/db/stop?wait=": b"",
        "POST /processes/web/stop?wait=": http(200, outcome("web", state="stopped")),
    }
    with FakeControl(ctl.path, answers):
        done = ctl("stop", "db", "web")
    assert (done.status, done.out) == (4, "web: stopped\n")
    assert done.err.startswith("flagmanctl: error: db: the daemon has closed the connection")


def test_a_wish_that_cannot_be_told(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome of the others is shown all the same."""
    real = Client.send

    def send(self: Client, method: str, target: str, fields: dict[str, str] | None = None) -> None:
        if "/web/" in target:
            raise NoAnswerError("gone", UNKNOWN)
        real(self, method, target, fields)

    monkeypatch.setattr(Client, "send", send)
    with FakeControl(ctl.path, {**LISTED, "POST /processes/db/stop?wait=": http(200, outcome("db", state="stopped"))}):
        assert ctl("stop", "web", "db") == (4, "db: stopped\n", "flagmanctl: error: web: gone\n")


def test_a_daemon_that_ends_before_it_is_told(ctl: Ctl) -> None:
    """Nothing has been asked for."""

    def listed() -> bytes:
        ctl.path.unlink()
        return LISTED_ANSWER

    with FakeControl(ctl.path, {"GET /processes": listed}):
        message = f"flagmanctl: error: not running: nothing listens on {ctl.path}\n"
        assert ctl("stop", "web", "db") == (3, "", message)


def test_an_unknown_name_changes_nothing(ctl: Ctl) -> None:
    """Nothing is asked for if one of the names is unknown."""
    with FakeControl(ctl.path, LISTED) as daemon:
        message = "flagmanctl: error: there is no process 'wbe'; did you mean 'web'?\n"
        assert ctl("restart", "db", "wbe") == (5, "", message)
        assert ctl("stop", "../x") == (5, "", "flagmanctl: error: there is no process '../x'\n")
    assert daemon.asked == ["GET /processes"] * 2


def test_a_name_of_any_characters_is_one_segment(ctl: Ctl) -> None:
    """What a hostile daemon calls its processes cannot change the request."""
    name = "a/../b?c d"
    answers = {
        "GET /processes": http(200, {"processes": [{"name": name}]}),
        "POST /processes/a%2F..%2Fb%3Fc%20d/stop?wait=": http(200, outcome(name, state="stopped")),
    }
    with FakeControl(ctl.path, answers):
        assert ctl("stop", name) == (0, f"{name}: stopped\n", "")


def test_a_daemon_that_does_not_answer(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait without a limit is for the outcome alone: a daemon that hangs is told after the usual time."""
    monkeypatch.setattr("flagman.ctl.client.LIMIT", 0.2)
    done = threading.Event()

    def hang() -> bytes:
        done.wait(DEADLINE)
        return b""

    with FakeControl(ctl.path, {"GET /processes": hang}):
        late = f"flagmanctl: error: the daemon has not answered within 200ms ({ctl.path})\n"
        assert ctl("stop", "web") == (124, "", late)
        done.set()


def test_answers_that_do_not_come_in_time(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that forgets the end of the wait is not waited for much longer; what has come is shown."""
    monkeypatch.setattr("flagman.ctl.client._GRACE", 0.1)
    done = threading.Event()

    def hang() -> bytes:
        done.wait(DEADLINE)
        return b""

    answers: Answers = {f"POST /processes/{name}/stop?wait=0.2": hang for name in ("db", "web")}
    answers["POST /processes/cache/stop?wait=0.2"] = lambda: http(200, outcome("cache", state="stopped"))
    with FakeControl(ctl.path, {**LISTED, **answers}):
        told = ctl("stop", "db", "cache", "web", "--wait", "200ms")
        done.set()
    late = f"the daemon has not answered within 200ms ({ctl.path})"
    assert told == (124, "cache: stopped\n", "".join(f"flagmanctl: error: {name}: {late}\n" for name in ("db", "web")))
