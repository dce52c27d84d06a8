"""Files of pymanager: order, verifiers, options, and what has no counterpart."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from flagman.ctl.converters import pymanager
from flagman.exceptions import UsageError

HTTP, EXITED = "pymutils.http_verifier.HttpOkVerifier", "pymutils.exited_verifier.ExitedVerifier"


def converted(**whole: object) -> tuple[dict[str, Any], list[str]]:
    """Return the tables that come of a file, and what could not be converted."""
    text = pymanager.convert(json.dumps(whole), "x.json", ".").text()
    return tomllib.loads(text), [line for line in text.splitlines() if line.startswith("# not converted")]


def one(**keys: object) -> tuple[dict[str, Any], list[str]]:
    """Return the table of a process, and what could not be converted."""
    tables, lost = converted(processes={"x": {"executable": "run", "arguments": ["a b"], **keys}})
    return tables["process"]["x"], lost


def verified(kind: str, **arguments: object) -> dict[str, object]:
    """Return a process with a verifier."""
    return {"executable": "run", "arguments": [], "verifier": {"type": kind, "arguments": arguments}}


def test_the_order() -> None:
    """Each comes after the last one with a verifier, because only a verifier holds the others back."""
    plain = {"executable": "run", "arguments": []}
    tables, lost = converted(
        processes={"a": plain, "b": verified(EXITED), "c": plain, "d": plain, "e": verified(EXITED)}
    )
    assert lost == []
    assert {name: table.get("after", []) for name, table in tables["process"].items()} == {
        "a": [],
        "b": [],
        "c": ["b"],
        "d": ["b"],
        "e": ["b"],
    }
    assert all(table["restart"] == "never" for table in tables["process"].values())


@pytest.mark.parametrize("spelling", ["-", "_"])
def test_both_spellings(spelling: str) -> None:
    """Keys have hyphens, as its documentation has them, or underscores, as its code has them."""
    keys = {f"keep{spelling}alive": True, f"graceful{spelling}time": 3}
    tables, lost = converted(processes={"a": {"executable": "run", "arguments": []}}, **keys)
    assert (tables["flagman"], tables["process"]["a"]["graceful-time"], lost) == ({"keep-alive": True}, "3s", [])


@pytest.mark.parametrize(
    ("verifier", "ready"),
    [
        (verified(EXITED), {"type": "exited", "timeout": "30s"}),
        (verified(EXITED, timeout=0.5, expect_code=3), {"type": "exited", "timeout": "500ms", "status": 3}),
        (verified(HTTP, url="http://[::1]:1/"), {"type": "http", "url": "http://[::1]:1/", "timeout": "30s"}),
        (
            verified("utils.http_verifier.HttpOkVerifier", url="http://[::1]:1/", interval=5, headers={"A": "b"}),
            {
                "type": "http",
                "url": "http://[::1]:1/",
                "timeout": "30s",
                "attempt-timeout": "5s",
                "headers": {"A": "b"},
            },
        ),
    ],
)
def test_verifiers(verifier: dict[str, object], ready: dict[str, object]) -> None:
    """The two that there are have counterparts."""
    tables, lost = converted(processes={"a": verifier})
    assert (tables["process"]["a"]["ready"], lost) == (ready, [])


@pytest.mark.parametrize(
    ("kind", "arguments", "why"),
    [
        ("acme.Redis", {}, "its kind is not known"),
        (HTTP, {}, "key 'url'"),
        (HTTP, {"url": "http://[::1]/", "headers": {"A": "@b"}}, "a header begins with @"),
        (HTTP, {"url": "http://[::1]/", "headers": {"A": 1}}, "key 'headers'"),
        (EXITED, {"expect_code": 256}, "key 'status'"),
    ],
)
def test_verifiers_that_have_no_counterpart(kind: str, arguments: dict[str, object], why: str) -> None:
    """They are comments, and the next process still comes afterwards."""
    other = {"executable": "run", "arguments": []}
    tables, (lost,) = converted(processes={"a": verified(kind, **arguments), "b": other})
    assert lost.startswith(f"# not converted: verifier {kind}: ")
    assert why in lost
    assert "ready" not in tables["process"]["a"]
    assert tables["process"]["b"]["after"] == ["a"]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"suppress_output": False}, {}),
        ({"suppress_output": True}, {"output": "null"}),
        ({"redirect_output": "x.log"}, {"output": "./x.log"}),
        ({"working_directory": "/srv"}, {"directory": "/srv"}),
        ({"shell": True}, {"command": ["/bin/sh", "-c", "run a b"]}),
        ({"shell": "/bin/bash"}, {"command": ["/bin/bash", "-c", "run a b"]}),
        (
            {"environment_file": "env"},
            {"command": ["/bin/sh", "-c", 'set -a; . ./env; set +a; exec "$@"', "sh", "run", "a b"]},
        ),
        (
            {"environment_file": "/etc/e f", "shell": True, "working_directory": "/srv"},
            {"command": ["/bin/sh", "-c", "set -a; . '/etc/e f'; set +a; run a b"], "directory": "/srv"},
        ),
    ],
)
def test_options(options: dict[str, object], keys: dict[str, object]) -> None:
    """Those of version 0.2.0, and those that came later."""
    assert one(options=options) == ({"command": ["run", "a b"], "restart": "never", **keys}, [])


def test_what_is_not_there() -> None:
    """Each thing is one comment, and the rest is converted."""
    table, lost = one(options={"suppress_output": True, "redirect_output": "./x", "nice": 3}, more=1)
    assert table == {"command": ["run", "a b"], "restart": "never", "output": "./x"}
    assert [line.split(": ")[1] for line in lost] == ["suppress_output", "more", "nice"]


def test_the_whole() -> None:
    """The port is not opened to all, levels stand for messages, and foreign verifiers are named."""
    tables, lost = converted(
        http={"enabled": True, "port": 5002},
        messages=["process.exit", "verifier.fail", "x"],
        modules={"acme": {"verifiers": ["Redis"]}},
        other=1,
        processes={"a": {"executable": "run", "arguments": []}},
    )
    assert tables["flagman"] == {"control": True, "log-level": "info"}
    assert [line.split(": ")[1] for line in lost] == [
        "http.port 5002",
        "messages",
        "the verifier acme.Redis",
        "other",
    ]


def test_names() -> None:
    """A name that cannot be one is changed, and stays the only one of its kind."""
    keys = {"executable": "run", "arguments": []}
    tables, lost = converted(processes={"a b": keys, "a-b": keys, "A-B": keys, "": keys, "é" * 99: keys})
    assert (list(tables["process"]), lost) == (["a-b", "a-b-2", "A-B-3", "process", "process-2"], [])


def test_a_process_without_a_command() -> None:
    """It is a comment as a whole, and no other one waits for it."""
    broken = {**verified(EXITED), "arguments": [1]}
    tables, lost = converted(processes={"a": broken, "b": {"executable": "run", "arguments": []}})
    assert list(tables["process"]) == ["b"]
    assert "after" not in tables["process"]["b"]
    assert lost[0] == "# not converted: the whole process a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x.json: is not JSON: Expecting property name enclosed in double quotes, line 1 column 2"),
        ('{\n "a": }', "x.json: is not JSON: Expecting value, line 2 column 7"),
        ("[]", "x.json: is no file of pymanager: it has no object 'processes'"),
        ('{"processes": []}', "x.json: is no file of pymanager: it has no object 'processes'"),
        ('{"processes": {}}', "x.json: has no process"),
        ("[" * 200_000, "x.json: is nested too deeply"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    """It is refused in one line, with the place."""
    with pytest.raises(UsageError) as caught:
        pymanager.convert(text, "x.json", ".").text()
    assert str(caught.value) == message
