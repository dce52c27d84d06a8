"""Processes of a real daemon, asked for and steered with flagmanctl."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.ctl import SCRIPT, VARIABLES
from support.driven import DEADLINE, clean_environment, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]
    Table = dict[str, object]

# Prints a line at its start, at each HUP and at its end.
TALKS = """
import signal, sys
def end(*_):
    print("ends", flush=True)
    sys.exit()
signal.signal(signal.SIGHUP, lambda *_: print("reads again", flush=True))
signal.signal(signal.SIGTERM, end)
print("  begins \\x1b[31m", flush=True)
while True:
    signal.pause()
"""
# Ends at TERM, but not before others of its kind have been told to end, too.
MEETS = """
import os, signal, sys, time
name, *names = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
open(f"{name}.begun", "w").close()
signal.sigwait({signal.SIGTERM})
open(f"{name}.told", "w").close()
while not all(map(os.path.exists, [f"{each}.told" for each in names])):
    time.sleep(0.01)
"""


def toml(value: object) -> str:
    """Return a value as the configuration file has it."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value)


class Asked:
    """A daemon with processes, and flagmanctl, which asks it."""

    def __init__(self, start: Start, folder: Path, **processes: Table) -> None:
        self.folder = folder
        self.path = folder / "control.sock"
        config = folder / "flagman.toml"
        lines = []
        for name, keys in processes.items():
            lines += [f"[process.{name}]", *(f"{key} = {toml(value)}" for key, value in keys.items())]
        config.write_text("\n".join(lines), encoding="utf-8")
        self.daemon = start("--config", str(config), "--control", str(self.path))

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start flagmanctl."""
        surroundings = {name: value for name, value in clean_environment().items() if name not in VARIABLES}
        return subprocess.Popen(
            [SCRIPT, *words, "--control", str(self.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=surroundings,
            encoding="utf-8",
        )

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Run flagmanctl, and return its exit status and what it has printed."""
        with self.begin(*words) as process:
            out, err = process.communicate(timeout=DEADLINE)
        return process.returncode, out, err


def python(code: str, *words: str) -> list[str]:
    """Return a command that runs some code."""
    return [sys.executable, "-I", "-S", "-c", code, *words]


def test_what_a_process_prints_is_followed_until_the_daemon_has_ended(start: Start, tmp_path: Path) -> None:
    """The first lines, what it prints at a signal, and what it prints at its end."""
    asked = Asked(start, tmp_path, web={"command": python(TALKS), "output": "log"})
    asked.daemon.ready()
    with asked.begin("logs", "-f", "web") as follower:
        assert follower.stdout
        assert follower.stderr
        assert follower.stdout.readline() == "  begins \\x1b[31m\n"
        assert asked("signal", "HUP", "process:web") == (0, "", "")
        assert follower.stdout.readline() == "reads again\n"
        assert asked("shutdown", "--wait") == (0, "stopped\n", "")
        assert follower.stdout.readline() == "ends\n"
        assert follower.wait(DEADLINE) == 3
        assert follower.stderr.read() == "flagmanctl: error: the daemon has ended\n"


def test_the_output_of_a_process_that_has_not_been_started(start: Start, tmp_path: Path) -> None:
    """There is none yet; one that is followed comes with the first start."""
    later: Table = {"command": python(TALKS), "output": "log", "wanted": "down"}
    asked = Asked(start, tmp_path, web=later, other={"command": python(TALKS)})
    asked.daemon.ready()
    assert asked("logs", "web") == (0, "", "")
    with asked.begin("logs", "-f", "web") as follower:
        assert asked("start", "web") == (0, "web: ready\n", "")
        assert follower.stdout
        assert follower.stdout.readline() == "  begins \\x1b[31m\n"
        assert asked("shutdown", "--wait") == (0, "stopped\n", "")
        follower.communicate(timeout=DEADLINE)


def test_three_restarts_at_once(start: Start, tmp_path: Path) -> None:
    """None of these processes ends before all of them have been told to, so no restart waits for another one."""
    names = ["a", "b", "c"]
    processes: dict[str, Table] = {
        name: {
            "command": python(MEETS, name, *names),
            "directory": str(tmp_path),
            "graceful-time": "1h",
        }
        for name in names
    }
    asked = Asked(start, tmp_path, **processes)
    asked.daemon.ready()
    for name in names:
        wait_for((tmp_path / f"{name}.begun").exists)
    status, out, err = asked("restart", *names)
    assert (status, sorted(out.splitlines()), err) == (0, [f"{name}: ready" for name in names], "")
    table = asked("ps")[1].splitlines()
    assert [line.split()[:2] for line in table[1:]] == [[name, "ready"] for name in names]


def test_a_start_that_fails(start: Start, tmp_path: Path) -> None:
    """It is told why, with the last lines; other processes go on; what is stopped is no failure."""
    fails: Table = {"command": ["sh", "-c", "echo one; echo two >&2; exit 7"], "output": "log", "wanted": "down"}
    fails |= {"restart": "never", "ready": {"type": "tcp", "address": "127.0.0.1:1", "timeout": "1m"}}
    asked = Asked(start, tmp_path, web={"command": ["sleep", "1000"]}, fails=fails)
    asked.daemon.ready()
    assert asked("ps", "fails")[1].splitlines()[1].split()[:2] == ["fails", "stopped"]
    status, out, err = asked("start", "web", "fails")
    assert (status, err) == (1, "")
    assert "web: ready\n" in out
    assert "fails: start failed\n" in out
    assert "    one\n    two\n" in out
    assert asked("stop", "fails") == (0, "fails: stopped\n", "")
    assert asked("stop", "web", "wbe") == (5, "", "flagmanctl: error: there is no process 'wbe'; did you mean 'web'?\n")
    assert asked("ready", "web") == (0, "ready\n", "")
    status, out, _ = asked("stop", "web", "--no-wait")
    assert (status, out.startswith("web: stop (#")) == (0, True)
    assert asked("logs", "web")[0] == 1


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_a_limit(start: Start, tmp_path: Path, verb: str) -> None:
    """A process that neither ends nor becomes ready is told with what it does, and goes on."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)\nwhile True: signal.pause()"
    web: Table = {"command": python(code), "output": "log", "graceful-time": "1h", "optional": True}
    web["ready"] = {"type": "unix", "path": str(tmp_path / "none"), "timeout": "1h"}
    asked = Asked(start, tmp_path, web=web)
    asked.daemon.ready()
    with asked.begin("logs", "-f", "web") as follower:  # it ignores TERM from now on
        assert follower.stdout
        assert follower.stdout.readline() == "\n"
        follower.kill()
    assert asked("ready") == (0, "ready\n", "")
    status, out, _ = asked("ready", "web", "--wait", "100ms")
    assert (status, out.startswith("not ready: web starting")) == (124, True)
    status, out, err = asked(verb, "web", "--wait", "100ms")
    assert (status, out) == (124, "")
    assert err.startswith(f"flagmanctl: error: web: {verb} has not been reached in time: web ")
