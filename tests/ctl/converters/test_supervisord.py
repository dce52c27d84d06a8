"""Files of supervisord: programs, numbers of them, expansions, quotes, outputs, and files that are included."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from flagman.ctl.converters import supervisord
from flagman.exceptions import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def converted(text: str, directory: str = "/srv") -> tuple[dict[str, Any], list[str]]:
    """Return the tables that come of a file, and what could not be converted."""
    found = supervisord.convert(text, "x.conf", directory).text()
    return tomllib.loads(found), [line for line in found.splitlines() if line.startswith("# not converted")]


def one(*lines: str) -> tuple[dict[str, Any], list[str]]:
    """Return the table of a program, without what each of them has, and what could not be converted."""
    tables, lost = converted("\n".join(["[program:web]", "command = run", *lines]))
    table = tables["process"]["web"]
    usual = {"command": ["run"], "output": "log", "ready": {"type": "delay", "for": "1s"}}
    return {key: value for key, value in table.items() if usual.get(key) != value}, lost


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("autostart = false", {"wanted": "down"}),
        ("autorestart = true", {"restart": "always"}),
        ("autorestart = false", {"restart": "never"}),
        ("autorestart = unexpected", {}),
        ("startsecs = 5", {"ready": {"type": "delay", "for": "5s"}}),
        ("stopsignal = quit", {"stop-signal": "quit"}),
        ("stopwaitsecs = 30", {"graceful-time": "30s"}),
        ("stopasgroup = true", {}),
        ("killasgroup = false", {"kill": "process"}),
        ("user = root", {"user": "root"}),
        ("umask = 027", {"umask": "027"}),
        ("directory = %(here)s/x ; where", {"directory": "/srv/x"}),
        ("stdout_logfile = NONE", {"output": "null"}),
        ("stdout_logfile = syslog", {}),
        ("stdout_logfile = /dev/fd/1", {"output": "inherit"}),
        ("stdout_logfile = x\nstdout_logfile_maxbytes = 0\nredirect_stderr = true", {"output": "./x"}),
        ("environment = A=\"1,2\",B='x y',C=%(program_name)s", {"environment": {"A": "1,2", "B": "x y", "C": "web"}}),
        ("environment = HOME=%(ENV_HOME)s", {}),
        ("command = run 'a b' 100%%", {"command": ["run", "a b", "100%"]}),
        ("command = run --a=%(ENV_A)s b", {"command": ["sh", "-c", 'exec run --a="${A?}" b']}),
        ("environment = A=x\ncommand = run %(ENV_A)s", {"command": ["run", "x"], "environment": {"A": "x"}}),
        ("exitcodes = 0, 2,143", {"success-exit-status": [2, 143]}),
        ("environment = A=%(ENV_B)s", {"command": ["sh", "-c", 'export A="${B?}"; exec run']}),
    ],
)
def test_keys(line: str, keys: dict[str, object]) -> None:
    """Each key that has a counterpart."""
    assert one(line) == (keys, [])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("startretries = 5", "startretries = 5"),
        ("exitcodes = 2", "exitcodes = 2"),
        ("exitcodes = 0,x", "exitcodes = 0,x"),
        ("autostart = maybe", "autostart = maybe"),
        ("startsecs = x", "startsecs = x"),
        ("stopsignal = STOP", "stopsignal = STOP"),
        ("user = no-such-user", 'user = "no-such-user"'),
        ("umask = 000", "umask = 000"),
        ("directory = %(ENV_X)s", "directory = %(ENV_X)s"),
        ("directory = %(x)s", "directory = %(x)s"),
        ("stderr_logfile = /x", "stderr_logfile = /x"),
        ("environment = A", "environment = A"),
        ("stdout_events_enabled = true", "stdout_events_enabled = true"),
        ("other = 1", "other = 1"),
        ("process_name = %(program_name)999d", "process_name = %(program_name)999d"),
    ],
)
def test_keys_that_have_no_counterpart(line: str, what: str) -> None:
    """Each is one comment, at its process."""
    _, lost = one(line)
    assert [each.removeprefix("# not converted: ").rpartition(": ")[0].partition(": ")[0] for each in lost] == [what]


def test_a_file_that_supervisord_rotates() -> None:
    """It does so by default."""
    assert "50MB, which is its default" in one("stdout_logfile = /x\nredirect_stderr = 1")[1][0]


def test_numbers_of_processes() -> None:
    """Each has a table, and too many are refused."""
    text = "[program:web]\ncommand = run %(process_num)d\nprocess_name = %(program_name)s_%(process_num)02d\n"
    tables, _ = converted(f"{text}numprocs = 3\nnumprocs_start = 8")
    assert {name: table["command"][1] for name, table in tables["process"].items()} == {
        "web_08": "8",
        "web_09": "9",
        "web_10": "10",
    }
    with pytest.raises(UsageError, match="more than 1000 processes"):
        converted(f"{text}numprocs = 100000000")


def test_the_order() -> None:
    """The tables have the order of the priorities, and a comment names those before."""
    text = "[program:b]\ncommand = b\n[program:c]\ncommand = c\n[program:a]\ncommand = a\npriority = 1\n"
    tables, lost = converted(text)
    assert list(tables["process"]) == ["a", "b", "c"]
    assert [line.endswith('write after = ["a"]') for line in lost] == [True, True]


def test_groups_and_other_sections() -> None:
    """They are comments; a name that two groups have is told apart by the group."""
    text = (
        "[program:web]\ncommand = a\nprocess_name = x\n[program:work]\ncommand = b\nprocess_name = x\n"
        "[group:g]\nprograms = work\n[eventlistener:e]\ncommand = e\n[fcgi-program:f]\ncommand = f\n"
        "[rpcinterface:supervisor]\n[supervisorctl]\n[y]\n[inet_http_server]\nport = 9001\n[unix_http_server]\n"
    )
    tables, lost = converted(text)
    assert list(tables["process"]) == ["x", "g-x"]
    assert tables["flagman"] == {"keep-alive": True, "control": True}
    found = [line.split(": ")[1].split("]")[0] for line in lost]
    assert found == ["[group:g", "[eventlistener:e", "[fcgi-program:f", "[y", "[inet_http_server"]


def test_its_own_section() -> None:
    """The options of supervisord itself, and variables that all processes get."""
    text = (
        "[supervisord]\nlogfile = /x.log\nlogfile_maxbytes = 0\nloglevel = trace\npidfile = /x.pid\numask = 022\n"
        "directory = /\nuser = www\nminfds = 9\nenvironment = A=1\nchildlogdir = /tmp\n[program:web]\ncommand = run\n"
    )
    tables, lost = converted(text)
    assert tables["flagman"] == {
        "keep-alive": True,
        "log-file": "/x.log",
        "log-level": "debug",
        "pid-file": "/x.pid",
        "umask": "022",
        "chdir": "/",
    }
    assert tables["process"]["web"]["environment"] == {"A": "1"}
    assert [line.split(": ")[1] for line in lost] == ["user = www", "minfds = 9"]


def test_files_that_are_included(tmp_path: Path) -> None:
    """They are read, each with its own place, and only those that the first file names; no FIFO is waited for."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.conf").write_text(
        "[program:a]\ncommand = %(here)s/a\n[include]\nfiles = a.conf\n", encoding="utf-8"
    )
    (tmp_path / "d" / "b.conf").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "d" / "c.conf")
    tables, lost = converted("[include]\nfiles = d/*.conf nothing/*\n", str(tmp_path))
    assert tables["process"]["a"]["command"] == [f"{tmp_path}/d/a"]
    assert [line.partition(f"{tmp_path}/d/")[2][:6] for line in lost] == ["b.conf", "c.conf"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("command = x", "x.conf: line 1: there is no [section] before it"),
        ("[program:x]\n\nhello\n", "x.conf: line 3: is no KEY = VALUE: hello"),
        ("[y]\n", "x.conf: is no file of supervisord: it has no section [program:NAME]"),
        ("[eventlistener:x]\n", "x.conf: has no process: [eventlistener:x]: bind an action to what happens: "),
        ("[program:x]\n", "x.conf: no process of it can be converted: command =: it is empty"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    """It is refused in one line, with the place."""
    with pytest.raises(UsageError) as caught:
        converted(text)
    assert str(caught.value).startswith(message)
