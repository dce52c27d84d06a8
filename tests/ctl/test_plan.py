"""The verb plan: the order of a file, the times of a daemon, and the critical chain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.ctl import Ctl
from support.fake_control import FakeControl, http

if TYPE_CHECKING:
    from pathlib import Path

DB = {"name": "db", "at": 0.0, "took": 1.25}
WEB = {"name": "web", "at": 1.25, "took": 0.042}
PLAN = {
    "start": {"took": 1.292, "chain": [WEB, DB]},
    "processes": [
        {
            "name": "db",
            "stage": 1,
            "after": [],
            "wanted": "up",
            "optional": False,
            "state": "ready",
            "ready": True,
            "start": {"waited": 0.0, "took": 1.25, "chain": [DB]},
        },
        {
            "name": "web",
            "stage": 2,
            "after": ["db"],
            "wanted": "up",
            "optional": False,
            "state": "starting",
            "ready": False,
            "start": {"waited": 0.0, "took": None, "chain": [{"name": "web", "at": 0.0, "took": None}]},
        },
    ],
}
TABLE = """\
All processes were ready 1.29s after the start.

STAGE  NAME  AFTER  WAITED   TOOK  STATE
    1  db    -        <1ms  1.25s  ready
    2  web   db       <1ms      -  starting

The critical chain of the start:
web   @1.25s   +42ms
db     @<1ms  +1.25s
"""
OF_WEB = """\
STAGE  NAME  AFTER  WAITED  TOOK  STATE
    2  web   db       <1ms     -  starting

The critical chain of the last start of web:
web   @<1ms  not ready yet
"""
FILE = """\
[process.front]
command = ["sleep", "1000"]
after = ["web", "db"]
[process.web]
command = ["sleep", "1000"]
after = ["db"]
[process.db]
command = ["sleep", "1000"]
[process.spare]
command = ["sleep", "1000"]
wanted = "down"
"""
ORDER = """\
STAGE  NAME   AFTER    STATE
    1  db     -
    1  spare  -        only on request
    2  web    db
    3  front  web, db
"""


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


def test_the_whole_plan(ctl: Ctl) -> None:
    """The order with the times of the last starts, and the critical chain of the start of the daemon."""
    with FakeControl(ctl.path, {"GET /plan": http(200, PLAN)}):
        assert ctl("plan") == (0, TABLE, "")
        assert ctl("plan", "web") == (0, OF_WEB, "")
        assert json.loads(ctl("plan", "--json")[1]) == PLAN
        status, out, err = ctl("plan", "wbe")
    assert (status, out) == (5, "")
    assert "there is no process 'wbe'; did you mean 'web'?" in err


def test_a_start_that_is_not_over(ctl: Ctl) -> None:
    """It is said, and there is no chain."""
    plan = {**PLAN, "start": {"took": None, "chain": []}}
    with FakeControl(ctl.path, {"GET /plan": http(200, plan)}):
        status, out, _ = ctl("plan")
    assert (status, out.splitlines()[0]) == (0, "Not all processes have been ready yet.")
    assert "critical" not in out


@pytest.mark.parametrize("answer", [{}, {"processes": [{}]}, {"start": 3, "processes": [{"start": [], "after": "x"}]}])
def test_a_strange_answer(ctl: Ctl, answer: object) -> None:
    """What it lacks is left out."""
    with FakeControl(ctl.path, {"GET /plan": http(200, answer)}):
        status, out, err = ctl("plan")
    assert (status, err) == (0, "")
    assert out


def test_the_order_of_a_file(ctl: Ctl, tmp_path: Path) -> None:
    """It needs no daemon, and lists what starts first before what waits for it."""
    path = tmp_path / "shop.toml"
    path.write_text(FILE, encoding="utf-8")
    assert ctl("plan", "--config", str(path)) == (0, ORDER, "")
    status, out, err = ctl("plan", "-c", str(path), "db", "--json")
    assert (status, err) == (0, "")
    assert [each["name"] for each in json.loads(out)["processes"]] == ["db"]
    path.write_text(FILE.replace('"web", "db"', '"web", "front"'), encoding="utf-8")
    status, out, err = ctl("plan", "-c", str(path))
    assert (status, out) == (2, "")
    assert "front" in err
    path.write_text("", encoding="utf-8")
    assert ctl("plan", "-c", str(path)) == (0, "there are no processes\n", "")


def test_a_file_and_a_daemon_exclude_each_other(ctl: Ctl) -> None:
    """A daemon has one plan, and a file another."""
    status, out, err = ctl("plan", "-c", "x.toml", "--name", "web")
    assert (status, out) == (2, "")
    assert "--name and --config exclude each other" in err
