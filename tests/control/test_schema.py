"""The documented schema of the status: it holds for real daemons, and the page about control shows it."""

from __future__ import annotations

import json
import re
import signal
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastjsonschema
import pytest

from flagman.engine.ledger import _WEIGHT
from support.driven import wait_for
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.driven import Flagman

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "_static" / "status.schema.json").read_text(encoding="utf-8"))
EVENTS: dict[str, Any] = json.loads((DOCS / "_static" / "events.schema.json").read_text(encoding="utf-8"))


def local(schema: Any) -> Any:  # noqa: ANN401 - as JSON is
    """Return the schema of events with references to a status that is one of its own definitions."""
    if isinstance(schema, list):
        return [local(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    of_status = {"status.schema.json#/properties": "#/$defs/status/properties", "status.schema.json#": "#"}
    found = {key: local(value) for key, value in schema.items()}
    if (reference := schema.get("$ref", "")).startswith("status.schema.json"):
        found = {"$ref": "#/$defs/status" if reference.endswith(".json") else reference}
        for outside, inside in of_status.items():
            found["$ref"] = found["$ref"].replace(outside, inside)
    return found


def check_of_events() -> Callable[[object], object]:
    """Return what checks an event."""
    status = {key: value for key, value in SCHEMA.items() if key not in ("$defs", "$schema")}
    schema = strict(local(EVENTS))
    schema["$defs"] = strict({**SCHEMA["$defs"], "status": status})
    check: Callable[[object], object] = fastjsonschema.compile(schema)
    return check


def strict(schema: Any) -> Any:  # noqa: ANN401 - as JSON is
    """Return the same schema, but with no other keys than those that it names, so that none is undocumented."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if "properties" in schema else closed


def of(name: str) -> Callable[[object], object]:
    """Return what checks a value against a definition: a run or an event of the history."""
    check: Callable[[object], object] = fastjsonschema.compile(
        strict({**SCHEMA["$defs"][name], "$defs": SCHEMA["$defs"]})
    )
    return check


@pytest.fixture(name="daemon")
def _daemon(start: Callable[..., Flagman], tmp_path: Path) -> Flagman:
    """Return a daemon with all that a status can show."""
    (tmp_path / "c.toml").write_text(FILE, encoding="utf-8")
    return start("--config", "c.toml").ready().expect("init", "init", "init")


FILE = """
[flagman]
control = "c.sock"
[[on]]
signal = "usr1"
action = "acts:Measured"
[[on]]
signal = "usr1"
action = "sh"
args = ["exit 3"]
[[on]]
signal = "usr1"
action = "print_once"
args = ["once"]
[[on]]
signal = "usr2"
debounce = "1h"
action = "print"
args = ["held"]
[[on]]
every = "1h"
action = "print"
args = ["tick"]
[[on]]
signal = "hup"
action = "reload"
"""


def test_the_schema_holds_for_a_daemon(daemon: Flagman, tmp_path: Path) -> None:
    """All that a daemon shows is in the schema, and all that the schema promises is there."""
    path = tmp_path / "c.sock"
    check, check_run = fastjsonschema.compile(strict(SCHEMA)), of("run")
    check(request(path, "GET", "/status")[1])
    daemon.signal(signal.SIGUSR2)
    assert request(path, "POST", "/flags/usr1?wait")[0] == 200
    daemon.expect("once", "cleanup")
    (tmp_path / "c.toml").write_text("broken", encoding="utf-8")
    assert request(path, "POST", "/reload")[0] == 409
    wait_for(lambda: request(path, "GET", "/status")[1]["flags"][1]["held"] == 1)
    status = request(path, "GET", "/status")[1]
    check(status)
    assert status["flags"][0]["actions"][0]["statistics"] == {"runs": 1}
    assert status["flags"][1]["next_due_in"] > 3500
    assert not status["config"]["ok"]
    runs = request(path, "GET", "/history")[1]["runs"]
    assert runs
    for run in runs:
        check_run(run)
    daemon.stop("cleanup", "cleanup")


PROCESSES = """
[flagman]
control = "c.sock"
guardian = false
[process.db]
command = ["sh", "-c", "echo FATAL; exit 3"]
output = "log"
ready = "exited"
[process.web]
command = ["sleep", "1000"]
after = ["db"]
[process.mail]
command = ["sleep", "1000"]
ready = { type = "command", command = ["test", "-e", "mail.ready"] }
[process.cache]
command = ["sleep", "1000"]
[process.job]
command = ["true"]
[process.once]
command = ["sh", "-c", "kill -KILL $$"]
restart = "never"
[process.spare]
command = ["sleep", "1000"]
wanted = "down"
"""
STATES = {
    "db": "backoff",
    "web": "waiting",
    "mail": "starting",
    "cache": "ready",
    "job": "exited",
    "once": "failed",
    "spare": "stopped",
}


def test_the_schema_holds_for_processes(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """It is that of a process in any state, with all that there may be about it, and of what has happened to it."""
    path = tmp_path / "c.sock"
    (tmp_path / "c.toml").write_text(PROCESSES, encoding="utf-8")
    daemon = start("--config", "c.toml")
    wait_for(path.exists)

    def states() -> dict[str, str]:
        status = request(path, "GET", "/status")[1]
        check(status)
        return {each["name"]: each["state"] for each in status["processes"]}

    check = fastjsonschema.compile(strict(SCHEMA))
    wait_for(lambda: states() == STATES)
    assert request(path, "POST", "/processes/cache/stop?wait=30s")[1]["wish"]["outcome"] == "reached"
    wait_for(lambda: states() == {**STATES, "cache": "stopped"})
    check_process = of("process")
    for name in STATES:
        check_process(request(path, "GET", f"/processes/{name}")[1])
    assert request(path, "GET", "/processes/db")[1]["last"]["output"] == ["FATAL"]
    events = request(path, "GET", "/history")[1]["processes"]
    check_event = of("event")
    for event in events:
        check_event(event)
    assert ("once", "fail", "SIGKILL") in {(each["process"], each["event"], each["status"]) for each in events}
    daemon.stop()


def test_the_file_of_an_action_has_the_same_schema(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """What dump_status writes without a control socket fits the schema, too."""
    words = ("--usr1", "dump_status", "s.json", "--usr1", "print", "done")
    daemon = start(*words).ready().expect("init").signal(signal.SIGUSR1).expect("done")
    fastjsonschema.compile(strict(SCHEMA))(json.loads((tmp_path / "s.json").read_text(encoding="utf-8")))
    daemon.stop("cleanup")


def test_the_results() -> None:
    """The schema and the page know each result that there is."""
    page = (DOCS / "control.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^   \* - ``([a-z-]+)``\n     - ", page.partition(".. _control-results:")[2], re.MULTILINE)
    assert sorted(listed[: len(_WEIGHT)]) == sorted(_WEIGHT)
    assert sorted(SCHEMA["$defs"]["report"]["properties"]["result"]["enum"]) == sorted(_WEIGHT)


def table(schema: Mapping[str, Any]) -> str:
    """Return a table of the keys of an object; those of a moment are in one line."""
    keys = schema["properties"]
    lines = [".. list-table::", "   :widths: 30 70", ""]
    for key, value in keys.items():
        if key.endswith(("_ago", "_in")):
            continue
        also = next((f", ``{key}{end}``" for end in ("_ago", "_in") if f"{key}{end}" in keys), "")
        text = value["description"]
        if "enum" in value:
            text = f"{text} One of {', '.join(f'``{each}``' for each in value['enum'])}."
        lines += [f"   * - ``{key}``{also}", *textwrap.wrap(f"     - {text}", 118, subsequent_indent="       ")]
    return "\n".join([*lines, ""])


def shown(name: str) -> str:
    """Return the part of the page that stands between two marks."""
    definitions = SCHEMA["$defs"]
    if name == "run":
        actions = definitions["run"]["properties"]["actions"]["items"]
        return f"Each run has these keys:\n\n{table(definitions['run'])}\nEach of its ``actions``:\n\n{table(actions)}"
    if name == "events":
        return table(EVENTS)
    if name == "event":
        return f"Each of ``processes`` has these keys:\n\n{table(definitions['event'])}"
    if name == "process":
        keys = definitions["process"]["properties"]
        within = {f"``{key}``": value for key, value in keys.items() if "properties" in value}
        within |= {f"Each of ``{key}``": keys[key]["items"] for key in ("blocked_by", "strays")}
        inner = "".join(f"\n{title}:\n\n{table(schema)}" for title, schema in within.items())
        return f"{table(definitions['process'])}{inner}"
    titles = {
        "``config``": SCHEMA["properties"]["config"],
        "Each of ``flags``": definitions["flag"],
        "Each of ``actions``": definitions["action"],
        "``last``": definitions["report"],
    }
    rest = "".join(f"\n{title}:\n\n{table(schema)}" for title, schema in titles.items())
    return f"{table(SCHEMA)}{rest}"


@pytest.mark.parametrize("name", ["status", "process", "run", "event", "events"])
def test_the_page_shows_the_schema(name: str) -> None:
    """The tables of the page agree with the schema; if not, this test rewrites them and fails."""
    page = DOCS / "control.rst"
    text = page.read_text(encoding="utf-8")
    begin, end = f".. begin {name}\n\n", f".. end {name}\n"
    before, rest = text.split(begin, 1)
    new = f"{before}{begin}{shown(name)}\n{end}{rest.split(end, 1)[1]}"
    if new != text:
        page.write_text(new, encoding="utf-8")
    assert new == text, "the tables were others; they have been written anew"
