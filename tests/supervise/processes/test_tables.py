"""The tables ``[process.NAME]``: what they may say, and what is told of each mistake."""

from __future__ import annotations

import os
import resource
import signal
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.config.checks import NAME
from flagman.exceptions import UsageError
from flagman.supervise.processes.plan import Plan
from flagman.supervise.processes.tables import KEYS, read

COMMAND = 'command = ["true"]\n'


def plans_of(text: str) -> dict[str, Plan]:
    """Return the plans of a file without mistakes."""
    plans, mistakes = read(tomllib.loads(text)["process"])
    assert mistakes == []
    return plans


def mistakes_of(text: str) -> list[str]:
    """Return the mistakes in a file."""
    return read(tomllib.loads(text)["process"])[1]


def mistake_in(line: str) -> str:
    """Return the only mistake in a table with a command and this line."""
    (mistake,) = mistakes_of(f"[process.web]\n{COMMAND if 'command =' not in line else ''}{line}\n")
    assert mistake.startswith("web: ")
    return mistake.removeprefix("web: ")


def test_every_key() -> None:
    """Each key has its place in the plan."""
    plans = plans_of("""
    [process.db]
    command = ["postgres", "-D", "data"]
    [process.web]
    command = ["gunicorn", ""]
    after = ["db", "db"]
    directory = "srv"
    environment = { PGPORT = "5433" }
    user = "postgres"
    group = "www"
    umask = "027"
    nice = -5
    limits = { nofile = 4096, core = "unlimited", as = "1000:unlimited", nproc = "5:6" }
    output = "log"
    restart = "always"
    success-exit-status = [2, 143]
    restart-max-delay = "5m"
    essential = true
    wanted = "down"
    optional = true
    stop-signal = "SIGINT"
    graceful-time = 2.5
    kill = "process"
    ready = { type = "delay", for = "2s" }
    liveness = { type = "tcp", address = "127.0.0.1:1", every = "10s" }
    """)
    assert list(plans) == ["db", "web"]
    web = plans["web"]
    assert web.ready is not None
    assert web.liveness is not None
    assert (web.ready.kind, web.liveness.kind) == ("delay", "tcp")
    assert {**vars(web), "ready": 0, "liveness": 0} == {
        "name": "web",
        "command": ("gunicorn", ""),
        "after": ("db",),
        "directory": "srv",
        "environment": {"PGPORT": "5433"},
        "user": "postgres",
        "group": "www",
        "umask": 0o27,
        "nice": -5,
        "limits": {"nofile": (4096, 4096), "core": (-1, -1), "as": (1000, -1), "nproc": (5, 6)},
        "output": "log",
        "restart": "always",
        "success_exit_status": (2, 143),
        "restart_max_delay": 300.0,
        "essential": True,
        "wanted": "down",
        "optional": True,
        "stop_signal": signal.SIGINT,
        "graceful_time": 2.5,
        "kill": "process",
        "ready": 0,
        "liveness": 0,
    }


def test_the_defaults_of_the_keys_are_those_of_a_plan() -> None:
    """What a table does not say is as the table of keys documents it."""
    plan = Plan("web")
    for option in KEYS.values():
        default = option.default
        expected = option.kind.load(default) if isinstance(default, str) else default
        assert getattr(plan, option.setting) == expected, option.key


def test_plans() -> None:
    """Plans are equal if they say the same, never change, and get absolute paths."""
    plan = plans_of(f'[process.web]\n{COMMAND}directory = "srv"\noutput = "./log"\nready = {{ type = "exited" }}')[
        "web"
    ]
    same = plans_of(f'[process.web]\nready = "exited"\noutput = "./log"\n{COMMAND}directory = "srv"')["web"]
    assert plan == same
    assert plan != Plan("web", command=("true",))
    assert plan != "web"
    placed = plan.placed(lambda path: f"/start/{path}")
    assert (placed.directory, placed.output, placed.name) == ("/start/srv", "/start/./log", "web")
    assert placed != plan
    plain = Plan("web", command=("true",))
    assert plain.placed(lambda path: f"/start/{path}") == plain
    with pytest.raises(AttributeError, match="never changed"):
        plan.name = "db"


def test_relative_paths() -> None:
    """All of them begin where flagman was started, also those of a reload, which is read elsewhere."""
    table = {
        "a": {"command": ["./it"], "directory": "srv", "output": "./log", "ready": {"type": "unix", "path": "sock"}},
        "b": {"command": ["it"], "liveness": {"type": "http", "url": "http://x/", "unix": "sock"}},
        "c": {"command": ["it"], "ready": {"type": "file", "path": "/made"}},
        "d": {"command": ["it"], "ready": {"type": "unix", "path": "@name"}},
    }
    plans, mistakes = read(table)
    placed = plans.placed(lambda path: os.path.join("/start", path))  # noqa: PTH118 - as flagman does
    assert (mistakes, placed.directory) == ([], "/start/")
    assert (placed["a"].directory, placed["a"].output) == ("/start/srv", "/start/./log")
    checks = [plan.ready or plan.liveness for plan in placed.values()]
    assert [check.text() for check in checks if check is not None] == [
        "unix /start/sock",
        "http://x/ at /start/sock",
        "file /made",
        "unix @name",
    ]
    assert placed == read(table)[0].placed(lambda path: os.path.join("/start", path))  # noqa: PTH118 - as above
    assert placed["a"] != plans["a"]
    assert placed["c"] == plans["c"]


def test_a_start_directory_that_is_gone() -> None:
    """Paths that are absolute can be used all the same."""

    def absolute(path: str) -> str:
        if not path.startswith("/"):
            raise UsageError("the current directory does not exist any more")
        return path

    plans, _ = read({"a": {"command": ["/it"], "directory": "/srv"}})
    assert plans.placed(absolute).directory == ""
    with pytest.raises(UsageError):
        read({"a": {"command": ["/it"], "directory": "srv"}})[0].placed(absolute)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ('command = "sleep 60"', "key 'command': is not an array of strings; write ['sleep', '60']"),
        ('command = " "', "key 'command': is not an array of strings; write ['sleep', '60']"),
        ("command = []", 'key \'command\': is not an array of strings, such as ["sleep", "60"]'),
        ("command = 7", 'key \'command\': is not an array of strings, such as ["sleep", "60"]'),
        ('command = ["a", 7]', 'key \'command\': is not an array of strings, such as ["sleep", "60"]'),
        ('command = ["", "x"]', "key 'command': begins with an empty program"),
        ('command = ["a", "b\\u0000"]', "key 'command': has a NUL in a word"),
        ('after = "db"', "key 'after': is not an array of names, such as [\"db\"]"),
        ("after = [7]", "key 'after': is not an array of names, such as [\"db\"]"),
        ('directory = ""', "key 'directory': '' is not a path"),
        ("directory = 7", "key 'directory': is not a string"),
        ("environment = []", "key 'environment': is not a table of strings, such as {LANG = \"C\"}"),
        ('user = " "', "key 'user': the value is empty"),
        ("user = 1000", "key 'user': is not a string"),
        ("group = true", "key 'group': is not a string"),
        ('umask = "999"', "key 'umask': '999' is not an octal number, such as 027"),
        ('umask = "000"', "key 'umask': '000' would let all users write; use 022, 027 or 077"),
        ("nice = 20", "key 'nice': is not a whole number from -20 to 19"),
        ("nice = 1.5", "key 'nice': is not a whole number from -20 to 19"),
        ("nice = true", "key 'nice': is not a whole number from -20 to 19"),
        ("limits = 7", "key 'limits': is not a table of limits, such as {nofile = 4096}"),
        ("limits = { nofiles = 7 }", "key 'limits': 'nofiles' is no limit; did you mean 'nofile'?"),
        (
            "limits = { nofile = -1 }",
            'key \'limits\': nofile: -1 is not a number, "unlimited", or "SOFT:HARD" of these',
        ),
        (
            "limits = { nofile = true }",
            'key \'limits\': nofile: True is not a number, "unlimited", or "SOFT:HARD" of these',
        ),
        (
            'limits = { nofile = "4:" }',
            "key 'limits': nofile: '4:' is not a number, \"unlimited\", or \"SOFT:HARD\" of these",
        ),
        (
            'limits = { nofile = "unlimited:4" }',
            "key 'limits': nofile: the soft limit, which stands first, is above the hard one in 'unlimited:4'",
        ),
        (
            'limits = { nofile = "5:4" }',
            "key 'limits': nofile: the soft limit, which stands first, is above the hard one in '5:4'",
        ),
        (
            'output = "lag"',
            "key 'output': 'lag' is not one of inherit, null, log, nor the path of a file; did you mean",
        ),
        (
            'output = "access.txt"',
            "key 'output': 'access.txt' is not one of inherit, null, log, nor the path of a file; a file is written",
        ),
        ("output = false", "key 'output': is not a string"),
        ('restart = "on-fail"', "key 'restart': 'on-fail' is not one of never, on-failure, always; did you mean"),
        ('restart-max-delay = "0.5s"', "key 'restart-max-delay': '0.5s' is too short; the shortest is 1s"),
        ("restart-max-delay = []", "key 'restart-max-delay': is not a string or a number"),
        ('essential = "yes"', "key 'essential': is neither true nor false"),
        ("optional = 1", "key 'optional': is neither true nor false"),
        ('wanted = "on"', "key 'wanted': 'on' is not one of up, down"),
        ("stop-signal = 15", "key 'stop-signal': is not the name of a signal, such as \"TERM\""),
        ('stop-signal = "0"', "key 'stop-signal': '0' is not "),
        ('stop-signal = "TREM"', "key 'stop-signal': 'TREM' is not a signal; did you mean 'TERM'?"),
        ('stop-signal = "STOP"', "key 'stop-signal': 'STOP' ends no process"),
        ('stop-signal = "CONT"', "key 'stop-signal': 'CONT' ends no process"),
        ('success-exit-status = "143"', "key 'success-exit-status': is not a list of exit statuses, such as [143]"),
        ("success-exit-status = [true]", "key 'success-exit-status': is not a list of exit statuses"),
        ("success-exit-status = [-1]", "key 'success-exit-status': '-1' is not an exit status from 0 to 255"),
        ("exitcodes = [2]", "key 'exitcodes': unknown; did you mean 'success-exit-status'?"),
        ('graceful-time = "soon"', "key 'graceful-time': 'soon' is not a span of time"),
        ('kill = "all"', "key 'kill': 'all' is not one of group, process"),
        ("ready = 7", "key 'ready': is not a table, such as"),
        ("ready = {}", "key 'ready': key 'type': is missing"),
        ('ready = { type = "tcq", address = ":1" }', "key 'ready': key 'type': 'tcq' is unknown; did you mean 'tcp'?"),
        ('liveness = { type = "exited" }', "key 'liveness': key 'type': 'exited' tells of a start only"),
        ('cmd = ["true"]', "key 'cmd': unknown; did you mean 'command'?"),
        ('depends_on = ["db"]', "key 'depends_on': unknown; did you mean 'after'?"),
        ("autostart = true", "key 'autostart': unknown; did you mean 'wanted'?"),
        ('gracefultime = "1s"', "key 'gracefultime': unknown; did you mean 'graceful-time'?"),
        ("zzzzzz = 1", "key 'zzzzzz': unknown"),
    ],
)
def test_a_mistake(line: str, mistake: str) -> None:
    """Each mistake is told once, with its table and its key."""
    assert mistake_in(line).startswith(mistake)


def test_limits_that_there_are() -> None:
    """Those of the system are told if a name is like none of them."""
    mistake = mistake_in("limits = { zzzz = 1 }")
    assert mistake.startswith("key 'limits': 'zzzz' is no limit; these are: ")
    assert "nofile" in mistake
    assert plans_of(f"[process.web]\n{COMMAND}limits = {{ nofile = {resource.RLIM_INFINITY + 2} }}")["web"].limits


@pytest.mark.parametrize("name", ["a b", "", "-a", "a/b", "ä", "a" * 64])
def test_a_name_that_is_none(name: str) -> None:
    """A name is safe wherever it is written."""
    (mistake,) = read({name: {"command": ["true"]}})[1]
    assert mistake == f"{name!r}: is not {NAME}"


def test_names_that_differ_only_in_capitals() -> None:
    """They are too easily mixed up."""
    assert mistakes_of(f"[process.web]\n{COMMAND}[process.Web]\n{COMMAND}") == [
        "Web: the name differs from 'web' only in capitals"
    ]


@pytest.mark.parametrize("text", ["process = 7", "process = ['web']", "[process]\nweb = 7"])
def test_what_is_no_table_of_tables(text: str) -> None:
    """The form is told."""
    assert mistakes_of(text) == ["is not a table of tables; write [process.NAME]"]


def test_all_mistakes_at_once() -> None:
    """No mistake hides another one, of whichever table and key."""
    found = mistakes_of("""
    [process.web]
    after = ["dbb", "dbb", "no name"]
    nice = 99
    ready = { type = "tcp", addressx = "x" }
    color = "red"
    [process.db]
    command = "postgres"
    """)
    assert [text.partition(";")[0] for text in found] == [
        f"web: key 'after': 'no name' is not {NAME}",
        "web: key 'nice': is not a whole number from -20 to 19",
        "web: key 'ready': key 'address': is missing",
        "web: key 'ready': key 'addressx': unknown",
        "web: key 'color': unknown",
        "web: key 'command': is missing",
        "db: key 'command': is not an array of strings",
        "web: key 'after': there is no process 'dbb'",
    ]
    assert found[-1].endswith("; did you mean 'db'?")


def test_circles_are_printed_whole() -> None:
    """Each circle is told once, with all of its names."""
    tables = {
        "a": {"command": ["true"], "after": ["b", "b"]},
        "b": {"command": ["true"], "after": ["c"]},
        "c": {"command": ["true"], "after": ["a", "d"]},
        "d": {"command": ["true"], "after": ["d"]},
        "e": {"command": ["true"], "after": ["a", 7]},
    }
    mistakes = read(tables)[1]
    assert mistakes[0].startswith("e: key 'after': is not an array of names")
    assert mistakes[1:] == [
        "each of these waits for the next: a -> b -> c -> a",
        "d: key 'after': a process cannot wait for itself",
    ]


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.sampled_from([*KEYS, "x"]), VALUES), max_size=3))
def test_any_table(tables: dict[str, object]) -> None:
    """Whatever stands there is a plan or a mistake, and never an error."""
    plans, mistakes = read(tables)
    assert set(plans) == set(tables) or mistakes
    assert all("\n" not in mistake for mistake in mistakes)


def test_an_output_that_is_no_text_for_a_terminal() -> None:
    """What stands in the file is told without what would change the lines of a message."""
    _, mistakes = read({"web": {"command": ["x"], "output": "\n"}})
    (mistake,) = mistakes
    assert mistake.endswith(r"nor the path of a file; a file is written with a slash: './\n'")
