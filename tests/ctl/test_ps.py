"""The verb ps, and the processes in a status: tables, reasons, and what hostile answers cannot do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.ctl import processes
from flagman.ctl.fields import Fields
from flagman.ctl.screen import Screen, width_of
from support.answers import PROCESSES, WEB, end, process, status
from support.ctl import ESCAPES, Ctl, on_screen
from support.fake_control import FakeControl, http, mistake

if TYPE_CHECKING:
    from pathlib import Path

TABLE = """\
NAME   STATE       SINCE   RESTARTS   PID  LAST
db     backoff 4s  2s ago         3     -  exited with 1
web    waiting     2s ago         0     -  -
cache  ready       5m ago         1  4712  killed by SEGV, core dumped
mail   stopped     1d ago         0     -  exited with 0

  db: in back-off (3), next start 12:00:07: exited with 1: FATAL: could not create lock file
  web: waiting: db in back-off (3), next start 12:00:07: exited with 1: FATAL: could not create lock file
"""
NARROW = """\
NAME   STATE       SINCE   RESTARTS   PID  LAST
db     backoff 4s  2s ago         3     -  exited with 1
web    waiting     2s ago         0     -  -
cache  ready       5m ago         1  4712  killed by S…umped
mail   stopped     1d ago         0     -  exited with 0

  db: in back-off (3), next start 12:00:07: exited with 1:
  FATAL: could not create lock file
  web: waiting: db in back-off (3), next start 12:00:07:
  exited with 1: FATAL: could not create lock file
"""


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


def test_the_table_in_a_pipe(ctl: Ctl) -> None:
    """In a pipe nothing is cut, and nothing has a color."""
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": PROCESSES})}) as daemon:
        assert ctl("ps") == (0, TABLE, "")
    assert daemon.asked == ["GET /processes"]


def test_the_table_on_a_narrow_terminal(ctl: Ctl) -> None:
    """It fits in 60 columns; the state has a color, and what keeps a process from being ready, too."""
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": PROCESSES})}):
        done = on_screen("ps", "--control", str(ctl.path), columns=60)
    assert ESCAPES.sub("", done.out) == NARROW
    assert max(map(width_of, NARROW.splitlines())) <= 60
    for painted in ("31mbackoff 4s", "33mwaiting", "32mready", "2mstopped", "33m3", "31m  db: in back-off"):
        assert f"\x1b[{painted}" in done.out


def test_long_texts_on_a_narrow_terminal(ctl: Ctl) -> None:
    """Names and ends are cut, and no column is left out, also with the longest states and numbers."""
    backoff = {"n": 9, "delay": 60.0, "next_start": None, "next_start_in": 59.9}
    lasts = end("cannot start: No such file or directory: /usr/local/bin/x", 1.0, reason="cannot-start")
    many = [
        process("n" * 63, "backoff", 1_000_000.0, restarts=123_456, backoff=backoff, last=lasts),
        process("信号" * 20, "starting", 59.0, pid=4_194_303, last=lasts),
    ]
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": many})}):
        done = on_screen("ps", "--control", str(ctl.path), columns=60)
    title, first, second = ESCAPES.sub("", done.out).splitlines()[:3]
    assert title.split() == ["NAME", "STATE", "SINCE", "RESTARTS", "PID", "LAST"]
    assert "  backoff 59s  11d ago    123456        -  " in first
    assert "  starting     59s ago         0  4194303  " in second
    assert max(map(width_of, ESCAPES.sub("", done.out).splitlines())) <= 60


def test_some_processes(ctl: Ctl) -> None:
    """Names choose processes; an unknown one is told with a similar one, and nothing is shown."""
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": PROCESSES})}):
        lines = ctl("ps", "mail", "cache").out.splitlines()
        assert [line.split()[0] for line in lines] == ["NAME", "cache", "mail"]
        chosen = json.loads(ctl("ps", "--json", "web").out)
        assert chosen == {"processes": [PROCESSES[1]]}
        assert ctl("ps", "w*") == ctl("ps", "web")
        mistakes = ["there is no process 'wbe'; did you mean 'web'?", "there is no process 'x'"]
        assert ctl("ps", "wbe", "db", "x") == (5, "", "".join(f"flagmanctl: error: {line}\n" for line in mistakes))
        done = ctl("ps", "wbe", "--json")
        assert (done.status, done.err) == (5, "")
        assert json.loads(done.out)["error"] == {"code": "no-such-process", "message": mistakes[0]}


@pytest.mark.parametrize(
    "answer", [http(200, {"processes": []}), mistake(404, "no-such-path", "there is no /processes")]
)
def test_a_daemon_without_processes(ctl: Ctl, answer: bytes) -> None:
    """A daemon that keeps none may not even know of the question."""
    with FakeControl(ctl.path, {"GET /processes": answer}):
        assert ctl("ps") == (0, "the daemon has no processes\n", "")
        assert ctl("ps", "--json") == (0, '{"processes": []}\n', "")
        assert ctl("ps", "web") == (
            5,
            "",
            "flagmanctl: error: there is no process 'web'; the daemon has no processes\n",
        )


def test_what_is_refused(ctl: Ctl) -> None:
    """Other errors are no empty table."""
    answers = {"GET /processes": mistake(403, "forbidden", "only root may ask")}
    with FakeControl(ctl.path, answers):
        assert ctl("ps") == (4, "", "flagmanctl: error: only root may ask\n")
        answers["GET /processes"] = http(404, {"message": "page not found"})
        assert ctl("ps") == (4, "", "flagmanctl: error: the daemon answers 404\n")
    assert ctl("ps", "--control", "/x").status == 3


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (end("exited with 3: x", 1.0, status=3), "exited with 3"),
        (end("cannot start: No such file", 1.0, reason="cannot-start"), "cannot start: No such file"),
        (end("no answer; killed by TERM", 1.0, signal="TERM", reason="not-ready"), "no answer; killed by TERM"),
        (end("its exit status was lost", 1.0), "its exit status was lost"),
        (end("", 1.0, reason="watchdog"), "watchdog"),
        (end("", 1.0, reason=""), "-"),
        (end("x", 1.0, status="3", signal=5), "x"),
    ],
)  # fmt: skip
def test_how_the_last_instance_ended(ctl: Ctl, last: dict[str, object], told: str) -> None:
    """It is told in few words, but a failure to start or to become ready is told with its reason."""
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": [process("web", last=last)]})}):
        assert ctl("ps").out.splitlines()[1].endswith(f"  4712  {told}")


def test_what_has_left_its_group_is_named(ctl: Ctl) -> None:
    """A stray has a line of its own, also if all is well with the process."""
    strays = [{"pid": 4801, "name": "sh"}, {"pid": 4802, "name": "a\x1b[2Jb"}]
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": [process("web", strays=strays)]})}):
        assert ctl("ps").out.endswith("\n\n  web: has left its group: sh (4801), a\\x1b[2Jb (4802)\n")


def test_many_strays_are_counted(ctl: Ctl) -> None:
    """A process that leaves something at each of its ends does not fill the screen."""
    strays = [{"pid": number, "name": "sh"} for number in range(100, 170)]
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": [process("web", strays=strays)]})}):
        told = " ".join(ctl("ps").out.partition("\n\n")[2].split())
    first = ", ".join(f"sh ({number})" for number in range(100, 110))
    assert told == f"web: has left its group: {first} and 60 more"


def test_the_processes_in_a_status(ctl: Ctl) -> None:
    """They stand beneath the bindings, and the sign of the whole page tells of one that fails."""
    answers = {"GET /status": http(200, WEB | {"processes": PROCESSES})}
    with FakeControl(ctl.path, answers):
        text = ctl("status").out
        table = TABLE.replace("NAME   STATE  ", "PROCESS  STATE").splitlines()
        assert "\n\nPROCESS  STATE       SINCE" in text
        assert text.index("every-5m") < text.index("PROCESS") < text.index("Errors of the last runs")
        assert all(line in text for line in table if line.startswith("  "))
        answers["GET /status"] = http(200, status(processes=PROCESSES[2:]))
        alone = ctl("status").out
        assert "no action is bound" not in alone
        assert "\n\nPROCESS  STATE    SINCE   " in alone
        good = on_screen("status", "--control", str(ctl.path))
        answers["GET /status"] = http(200, status(processes=PROCESSES))
        bad = on_screen("status", "--control", str(ctl.path))
        answers["GET /status"] = http(200, status(processes=[process("web", "starting"), process("db")]))
        changing = on_screen("status", "--control", str(ctl.path))
        answers["GET /status"] = http(200, status(processes=[]))
        assert ctl("status").out.endswith("\n\nno action is bound\n")
    assert ESCAPES.sub("", good.out).startswith("● web: idle")
    assert ESCAPES.sub("", bad.out).startswith("✗ web: idle")
    assert ESCAPES.sub("", changing.out).startswith("↻ web: idle")


def test_what_processes_tell_cannot_change_the_terminal(ctl: Ctl) -> None:
    """Escape sequences and line ends in any text are shown, not obeyed."""
    evil = "\x1b[2J\x9b31m\u202e\n\r\x07\ud800x"
    strange = process(evil, evil, text=evil, health="failing", last=end(evil, 1.0), strays=[{"pid": 1, "name": evil}])
    with FakeControl(ctl.path, {"GET /processes": http(200, {"processes": [strange]})}):
        done = ctl("ps")
    assert done.status == 0
    assert all(line.isprintable() for line in done.out.splitlines())
    assert len(done.out.splitlines()) == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["name", "pid", "text", "next_start_in", "at_ago"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(PROCESSES[0])), JSON), min_size=1))
def test_any_processes_have_a_table(answer: list[dict[str, object]]) -> None:
    """Whatever a daemon answers, there is a table and no error; a newer one may have other fields."""
    lines = processes.lines([Fields(each) for each in json.loads(json.dumps(answer))], Screen("never"))
    assert len(lines) > len(answer)
    assert all(line.isprintable() for line in lines)
