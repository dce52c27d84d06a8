"""The verbs that ask a daemon: what they print, and their exit statuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from flagman.ctl.verbs import OPTIONS, VERBS
from support.answers import PROCESSES, RUNS, WEB, ran, run
from support.ctl import ESCAPES, Ctl, on_screen
from support.driven import DEADLINE, clean_environment, script
from support.fake_control import FakeControl, http, mistake, plain


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


HISTORY = """\
BEGAN     FLAG      RESULT      TOOK  ACTIONS
HH:MM:SS  every-5m  succeeded  310ms  http POST https://hc-ping.example.org/5f2a4c1e-alive
HH:MM:SS  hup       failed     310ms  exec systemctl reload nginx; print reloaded
  exec systemctl reload nginx: exit status 1
HH:MM:SS  every-5m  succeeded  310ms  http POST https://hc-ping.example.org/5f2a4c1e-alive
"""


def test_history(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run has a line, and each error below it one more."""
    monkeypatch.setattr("flagman.ctl.history.is_today", lambda _: True)
    monkeypatch.setattr("flagman.ctl.history.moment", lambda _, *, date: "DATE" if date else "HH:MM:SS")
    with FakeControl(ctl.path, {"GET /history": http(200, RUNS)}):
        assert ctl("history") == (0, HISTORY, "")
        monkeypatch.setattr("flagman.ctl.history.is_today", lambda _: False)
        assert "\nDATE" in ctl("history").out


def test_metrics(ctl: Ctl) -> None:
    """The metrics are printed as they come, in their own encoding; an error is one line."""
    text = '# TYPE flagman_ready gauge\nflagman_running{flag="n\u00e4me"} 1\n'
    with FakeControl(ctl.path, {"GET /metrics": plain(text.encode())}) as control:
        assert ctl("metrics") == (0, text, "")
        done = ctl.running("metrics", environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
        assert done.communicate(timeout=DEADLINE) == (text, "")
        control.answers = {"GET /metrics": plain(b"\xff")}
        status, _, error = ctl("metrics")
        assert (status, error.count("\n"), "is no text" in error) == (4, 1, True)
        control.answers = {"GET /metrics": mistake(404, "no-such-path", "there is no path '/metrics'")}
        assert ctl("metrics") == (4, "", "flagmanctl: error: there is no path '/metrics'\n")
    assert ctl("metrics", "--json").status == 2


def test_history_on_a_terminal(ctl: Ctl) -> None:
    """The table fits."""
    with FakeControl(ctl.path, {"GET /history": http(200, RUNS)}):
        done = on_screen("history", "--control", str(ctl.path))
    assert max(map(len, ESCAPES.sub("", done.out).splitlines())) == 80
    assert "\x1b[31mfailed\x1b[m" in done.out


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ((), "/history"),
        (("-n", "5"), "/history?n=5"),
        (("-n5", "usr1"), "/history?flag=usr1&n=5"),
        (("--number=5", "file-/etc/a b"), "/history?flag=file-%2Fetc%2Fa%20b&n=5"),
        (("--", "-x"), "/history?flag=-x"),
    ],
)
def test_what_history_asks(ctl: Ctl, words: tuple[str, ...], target: str) -> None:
    """The number and the flag are told to the daemon, whatever characters the flag has."""
    with FakeControl(ctl.path, {f"GET {target}": http(200, {"runs": []})}):
        done = ctl("history", *words)
    flag = words[-1] if words and not words[-1].startswith(("-n", "5")) else ""
    assert done == (0, f"no run of {flag} yet\n" if flag else "no run yet\n", "")


def test_trigger(ctl: Ctl) -> None:
    """Without a wait the flag is raised, and that is all."""
    answers = {
        "POST /flags/usr1": http(202, {"flags": ["usr1", "usr1~2s"]}),
        "POST /flags/gr%C3%BC%C3%9Fe%2F%25": http(202, {"flags": ["grüße/%"]}),
    }
    with FakeControl(ctl.path, answers):
        assert ctl("trigger", "usr1") == (0, "raised usr1, usr1~2s\n", "")
        assert ctl("trigger", "grüße/%") == (0, "raised grüße/%\n", "")
        assert ctl("trigger", "usr1", "--json") == (0, '{"flags": ["usr1", "usr1~2s"]}\n', "")


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("succeeded", 0),
        ("closed", 0),
        ("skipped", 0),
        ("failed", 1),
        ("timed-out", 1),
        ("interrupted", 1),
        ("something-new", 1),
    ],
)
def test_the_outcome_of_a_trigger(ctl: Ctl, result: str, status: int) -> None:
    """With a wait the outcome is told, and is the exit status."""
    error = "exit status 7" if status else None
    of_run = run(3, "usr1", result, 0.0, ran("exec", "false", result=result, error=error))
    answer = http(200, {"result": result, "error": error, "runs": [of_run]})
    with FakeControl(
        ctl.path,
        {
            "POST /flags/usr1?wait=": answer,
            "POST /flags/usr1?wait=1.5": answer,
            "POST /flags/usr1?wait=94672800": answer,
        },
    ):
        done = ctl("trigger", "usr1", "--wait")
        assert ctl("trigger", "--wait", "1500ms", "usr1") == done
        assert ctl("trigger", "usr1", "--wait", "--json").status == status
        assert ctl("trigger", "usr1", "--wait", "3y") == done
    assert done == (status, f"usr1: {result} after 310ms\n" + "  exit status 7\n" * status, "")


def test_an_outcome_without_a_run(ctl: Ctl) -> None:
    """A run that never began is told with its reason."""
    answer = http(200, {"result": "interrupted", "error": "the daemon stops", "runs": []})
    with FakeControl(ctl.path, {"POST /flags/usr1?wait=": answer}):
        assert ctl("trigger", "usr1", "--wait=") == (1, "usr1: interrupted\n  the daemon stops\n", "")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (mistake(404, "no-such-flag", "no flag 'usr3'", did_you_mean=["usr1", "usr2"]), 5,
         "no flag 'usr3'; did you mean 'usr1' or 'usr2'?"),
        (mistake(404, "no-such-path", "there is no /flags"), 4, "there is no /flags"),
        (http(404, {"message": "page not found"}), 4, "the daemon answers 404"),
        (mistake(403, "forbidden", "only for root"), 4, "only for root"),
        (mistake(400, "bad-request", "wait: '1x' is no span"), 2, "wait: '1x' is no span"),
        (mistake(409, "stopping", "it runs at the stop alone"), 1, "it runs at the stop alone"),
        (mistake(503, "stopping", "the daemon stops"), 1, "the daemon stops"),
        (mistake(503, "too-many-connections", "too many"), 4, "too many"),
        (mistake(504, "not-in-time", "not within 1s"), 124, "not within 1s"),
        (http(500, {}), 4, "the daemon answers 500"),
        (http(418, {"error": {"code": "x", "message": "a\x1b[2J\nb"}}), 4, "a\\x1b[2J b"),
    ],
)  # fmt: skip
def test_errors(ctl: Ctl, answer: bytes, status: int, message: str) -> None:
    """What the daemon refuses is one line, and an exit status that tells what kind of refusal it is."""
    with FakeControl(ctl.path, {"POST /flags/usr3": answer}):
        assert ctl("trigger", "usr3") == (status, "", f"flagmanctl: error: {message}\n")
        done = ctl("trigger", "usr3", "--json")
    assert (done.status, done.err) == (status, "")
    assert json.loads(done.out) == json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("words", [("trigger", "usr3"), ("history",), ("ready",), ("reload",), ("shutdown",), ("ps",)])
def test_another_program_that_answers(ctl: Ctl, words: tuple[str, ...]) -> None:
    """JSON that is no object is no answer of flagman, and no success of any verb."""
    targets = ("POST /flags/usr3", "GET /history", "GET /ready", "POST /reload", "DELETE /", "GET /processes")
    with FakeControl(ctl.path, dict.fromkeys(targets, http(200, []))):
        assert ctl(*words) == (4, "", f"flagmanctl: error: what {ctl.path} answers is no answer of flagman\n")


def test_ready(ctl: Ctl) -> None:
    """The gate is open, or each reason why it is not has a line."""
    closed = http(503, {"ready": False, "reasons": ["starting: set_up of exec", "a\nb"]})
    answers = {"GET /ready": http(200, {"ready": True, "reasons": []}), "GET /ready?wait=60": closed}
    answers["GET /ready?wait=0.000001"] = closed
    with FakeControl(ctl.path, answers):
        assert ctl("ready") == (0, "ready\n", "")
        told = "not ready: starting: set_up of exec\nnot ready: a b\n"
        assert ctl("ready", "--wait", "1m") == (1, told, "")  # it never will be
        assert ctl("ready", "--wait", "1us") == (124, told, "")
        assert ctl("ready", "--json") == (0, '{"ready": true, "reasons": []}\n', "")
        answers["GET /ready"] = mistake(503, "too-many-connections", "too many")
        assert ctl("ready") == (4, "", "flagmanctl: error: too many\n")
        answers["GET /ready"] = http(503, {"ready": False})
        assert ctl("ready") == (1, "not ready\n", "")


def test_processes_that_are_ready(ctl: Ctl) -> None:
    """With names the gate is for these processes."""
    closed = http(503, {"ready": False, "reasons": ["web waiting: db in back-off (3)"]})
    answers = {
        "GET /ready?process=db": http(200, {"ready": True, "reasons": []}),
        "GET /ready?process=db%2Cweb&wait=30": closed,
        "GET /ready?process=x": mistake(404, "no-such-process", "no process 'x'"),
    }
    with FakeControl(ctl.path, answers):
        assert ctl("ready", "db") == (0, "ready\n", "")
        assert ctl("ready", "db", "web", "--wait", "30s") == (1, "not ready: web waiting: db in back-off (3)\n", "")
        assert ctl("ready", "x") == (5, "", "flagmanctl: error: no process 'x'\n")


@pytest.mark.parametrize(
    ("typed", "told"), [("HUP", "HUP"), ("sigusr1", "USR1"), ("15", "TERM"), ("rtmin+1", "RTMIN+1")]
)
def test_a_signal_to_a_process(ctl: Ctl, typed: str, told: str) -> None:
    """The name of the signal is in the body, however it was typed."""
    sent = {"process": "web", "pid": 4712, "signal": told}
    with FakeControl(ctl.path, {"POST /processes/web/signal": http(200, sent)}) as daemon:
        assert ctl("signal", typed, "process:web") == (0, "", "")
        assert json.loads(ctl("signal", typed, "process:web", "--json", "--control", str(ctl.path)).out) == sent
    assert daemon.bodies == [{"signal": told}] * 2


def test_a_signal_that_is_not_sent(ctl: Ctl) -> None:
    """The process does not run, does not exist, or may not get this signal; or the signal is none."""
    answers = {
        "POST /processes/web/signal": mistake(409, "not-running", "web does not run"),
        "POST /processes/x/signal": mistake(404, "no-such-process", "no process 'x'"),
        "POST /processes/db/signal": mistake(400, "bad-request", "signal: 'KILL' may not be sent"),
    }
    with FakeControl(ctl.path, answers):
        assert ctl("signal", "HUP", "process:web") == (1, "", "flagmanctl: error: web does not run\n")
        assert ctl("signal", "HUP", "process:x") == (5, "", "flagmanctl: error: no process 'x'\n")
        assert ctl("signal", "KILL", "process:db") == (2, "", "flagmanctl: error: signal: 'KILL' may not be sent\n")
        assert ctl("signal", "FOO", "process:web").status == 2
    assert ctl("signal", "HUP", "process:web", "--control", "/x").status == 3


def test_reload(ctl: Ctl) -> None:
    """What was kept, added and removed is a table; all mistakes are told."""
    changes = {
        "kept": [{"flag": "hup", "name": "exec", "arguments": ["systemctl", "reload", "nginx"]}],
        "added": [{"flag": "usr1", "name": "print", "arguments": ["x"]}],
        "removed": [{"flag": "usr2", "name": "print", "arguments": []}],
    }
    rows = ["CHANGE   FLAG  ACTION", "kept     hup   exec systemctl reload nginx", "added    usr1  print x"]
    table = "\n".join([*rows, "removed  usr2  print", ""])
    answers = {"POST /reload": http(200, changes)}
    with FakeControl(ctl.path, answers):
        assert ctl("reload") == (0, table, "")
        processes = {"kept": ["db"], "changed": ["web"], "added": [], "removed": ["x"]}
        answers["POST /reload"] = http(200, {**changes, "processes": processes})
        of_processes = "\nCHANGE   PROCESS\nkept     db\nchanged  web\nremoved  x\n"
        assert ctl("reload") == (0, table + of_processes, "")
        answers["POST /reload"] = http(200, {"kept": [], "added": [], "removed": []})
        assert ctl("reload") == (0, "reloaded; no action is bound\n", "")
        mistakes = ["x.toml: key 'a': unknown", "x.toml: key 'b': unknown"]
        answers["POST /reload"] = mistake(409, "reload-failed", "two mistakes", mistakes=mistakes)
        assert ctl("reload") == (1, "", "".join(f"flagmanctl: error: {line}\n" for line in mistakes))


def test_shutdown(ctl: Ctl) -> None:
    """Without a wait the daemon has begun to stop."""
    with FakeControl(ctl.path, {"DELETE /": http(202, {"state": "stopping"})}):
        assert ctl("shutdown") == (0, "stopping\n", "")
        assert ctl("shutdown", "--json") == (0, '{"state": "stopping"}\n', "")


def test_a_shutdown_that_waits_for_no_process(ctl: Ctl) -> None:
    """The peer is not the daemon, as with a socket of the service manager: the answer is all there is."""
    stopped = http(200, {"state": "stopped"})
    answers = {"GET /status": http(200, {**WEB, "pid": 1}), "DELETE /?wait=5": stopped, "DELETE /?wait=0.1": stopped}
    with FakeControl(ctl.path, answers, closes_after="DELETE /?wait=5") as daemon:
        assert ctl("shutdown", "--wait", "5s") == (0, "stopped\n", "")
        late = "the daemon has stopped its work, but its process has not ended in time"
        assert ctl("shutdown", "--wait", "100ms") == (124, "", f"flagmanctl: error: {late}\n")
        answers["DELETE /?wait=5"] = b""
        done = ctl("shutdown", "--wait", "5s")
    assert done.status == 4
    assert "has closed the connection without a whole answer" in done.err
    assert daemon.asked[:2] == ["GET /status", "DELETE /?wait=5"]


SERVER = """
import json, os, socket, sys, time
def http(answer):
    body = json.dumps(answer)
    return f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode()
path, answers = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
print("ready", flush=True)
client, _ = listener.accept()
client.recv(65536)
client.sendall(http({"pid": os.getpid()}))
client.recv(65536)
if answers == "yes":
    client.sendall(http({"state": "stopped"}))
if answers == "yes, but":
    client.sendall(http({"state": "stopped"}))
    sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ("yes", 0, "stopped"),
        ("no", 1, "flagmanctl: error: the daemon has ended before it had answered"),
        ("yes, but", 124, "flagmanctl: error: the daemon has stopped its work, but its process has not ended in time"),
    ],
)
def test_a_shutdown_waits_for_the_process(ctl: Ctl, answers: str, status: int, said: str) -> None:
    """With a wait the process has ended when the command has."""
    ctl.path.parent.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, ctl.path, answers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        done = ctl("shutdown", "--wait", "1s" if status == 124 else "3y")
        if status != 124:
            assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    assert (done.status, (done.out + done.err).strip()) == (status, said)


def test_every_verb_has_a_module_and_a_help(ctl: Ctl) -> None:
    """The table of verbs, their modules and their help agree."""
    for name, verb in VERBS.items():
        assert callable(import_module(f"flagman.ctl.{name}").run)
        told = ctl(name, "--help").out
        assert told.startswith(f"usage: flagmanctl [OPTION ...] {name}")
        assert verb.argument.strip("[]") in told
        for option in OPTIONS:
            assert (f" {option.names[-1]}" in told) == (name in option.verbs), (name, option.names)
        assert name in ctl("--help").out


def test_the_documentation_of_the_verbs() -> None:
    """The page about the command line explains all verbs and options, and no others."""
    text = (Path(__file__).parents[2] / "docs" / "cli.rst").read_text(encoding="utf-8").partition(".. _flagmanctl:")[2]
    assert re.findall(r"^``([a-z]+)[ \w\[\]|.-]*``$", text, re.MULTILINE) == list(VERBS)
    entries = re.findall(r"^\.\. option:: (.*)$", text, re.MULTILINE)
    found = {name for entry in entries for name in re.findall(r"(?:^|, )(-[\w-]+)", entry)}
    assert found == {name for option in OPTIONS for name in option.names}


OURS = {
    "flagman",
    "flagman.ctl",
    "flagman.ctl.asking",
    "flagman.ctl.client",
    "flagman.ctl.command",
    "flagman.ctl.errors",
    "flagman.ctl.fields",
    "flagman.ctl.overview",
    "flagman.ctl.place",
    "flagman.ctl.screen",
    "flagman.ctl.status",
    "flagman.ctl.table",
    "flagman.ctl.times",
    "flagman.ctl.verbs",
    "flagman.ctl.words",
    "flagman.exceptions",
    "flagman.text",
    "flagman.text.shown",
}
SLOW = {"argparse", "logging", "socket", "select", "subprocess", "pathlib", "shutil", "contextlib", "typing", "http"}


STREAM = b"""HTTP/1.1 200 OK\r
Content-Type: text/event-stream\r
\r
id: ab-7
event: change
data: {"id": 7, "since": "ab-7", "at": "2026-11-27T08:30:09.020780Z", "event": "stopping"}

"""
WORDS = {
    "trigger": ["usr1"],
    "start": ["db"],
    "stop": ["db", "web"],
    "restart": ["db"],
    "logs": ["db"],
    "signal": ["HUP", "process:db"],
    "completion": ["bash"],
}


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"convert", "new", "page"}))
def test_a_verb_imports_what_it_uses(ctl: Ctl, verb: str) -> None:
    """No engine, no plugin, no log, no argparse: checks are run every few seconds."""
    answers = {
        "GET /status": http(200, WEB),
        "GET /history": http(200, RUNS),
        "GET /metrics": http(200, {}),
        "GET /ready": http(200, {"ready": True}),
        "POST /reload": http(200, {}),
        "POST /flags/usr1": http(202, {}),
        "DELETE /": http(202, {}),
        "GET /processes": http(200, {"processes": PROCESSES}),
        "GET /plan": http(200, {"processes": [{"name": "db", "stage": 1}]}),
        "GET /processes/db/output?n=30": http(200, {"lines": ["x"]}),
        "POST /processes/db/signal": http(200, {}),
        "GET /events": STREAM,
        **{
            f"POST /processes/{name}/{wish}?wait=": http(200, {"wish": {"outcome": "reached"}})
            for name in ("db", "web")
            for wish in ("start", "stop", "restart")
        },
    }
    with FakeControl(ctl.path, answers, closes_after="GET /events"):
        words = [verb, *WORDS.get(verb, ()), *(["--control", str(ctl.path)] if verb != "completion" else [])]
        done = subprocess.run(
            [sys.executable, script("ctl_modules"), *words],
            env=clean_environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=DEADLINE,
        )
    assert done.returncode == (3 if verb == "events" else 0)  # the daemon has ended
    found = set(done.stderr.split())
    assert not found & (SLOW - {"select"} if verb == "stop" else SLOW)  # it waits for two answers
    ours = {name for name in found if name.startswith("flagman")}
    assert {name.split(".")[1] for name in ours if "." in name} == {"ctl", "exceptions", "text"}
    if verb == "status":
        assert ours == OURS


def test_the_page_imports_its_server_when_there_is_a_daemon(ctl: Ctl) -> None:
    """Without one, nothing of it is imported."""
    words = ["page", "--control", str(ctl.path)]
    done = subprocess.run(
        [sys.executable, script("ctl_modules"), *words],
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 3
    found = done.stderr.splitlines()[-1].split()
    assert not [name for name in found if name.startswith(("flagman.control", "flagman.ctl.gateway", "flagman.engine"))]
