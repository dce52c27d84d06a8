"""What is measured: flagman, the floor of C and of Python, shells, and the supervisors that are installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from bench.running import Target

ANCHORS = Path(__file__).parent / "anchors"
LOOPS = [sys.executable, "-E", "-s", str(ANCHORS / "loops.py")]
#: The names of flagman's own rows.
FLAGMAN = "flagman"
PRINT = ("--usr1", "print", "x")
STAMP = ("--overlap", "rerun", "--pythonpath", str(ANCHORS), "--usr1", "stamping:Stamp")


@cache
def find(name: str) -> str | None:
    """Return the path of a command, that of this environment first, or None if it is not installed."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


@cache
def anchor() -> str | None:
    """Return the program in C, compiled now, or None without a compiler."""
    compiler = find("cc")
    if not compiler:
        return None
    path = Path(tempfile.mkdtemp(prefix="bench-anchor-")) / "anchor"
    # Without libraries to load, so that a child costs no more than a child has to.
    for options in (["-static"], []):
        done = subprocess.run(
            [compiler, "-O2", *options, "-o", path, ANCHORS / "anchor.c"], capture_output=True, check=False
        )
        if not done.returncode:
            return str(path)
    return None


def remove_anchor() -> None:
    """Remove what was compiled."""
    if path := anchor():
        shutil.rmtree(Path(path).parent, ignore_errors=True)
    anchor.cache_clear()


def flagman(*words: str, name: str = FLAGMAN, files: dict[str, str] | None = None) -> Target:
    """Return flagman with a command line."""
    return Target(name, [find("flagman") or "flagman", *words], files=files or {})


def in_c(part: str, *words: str, name: str) -> list[Target]:
    """Return a part of the program in C, if there is a compiler."""
    return [Target(name, [path, part, *words])] if (path := anchor()) else []


def in_python(loop: str, *words: str, name: str) -> Target:
    """Return one of the bare loops."""
    return Target(name, [*LOOPS, loop, *words])


def stamp() -> list[str]:
    """Return the command that writes a record: in C, or in Python without a compiler."""
    path = anchor()
    return [path, "stamp"] if path else [*LOOPS, "stamp"]


def in_shell(shell: str, *words: str) -> list[Target]:
    """Return a trap in a shell, if the shell is there."""
    path = find(shell)
    return [Target(f"{shell}, trap", [path, str(ANCHORS / "trap.sh"), *words], "line:ready")] if path else []


def s6(*, with_action: bool = False) -> list[Target]:
    """Return s6-svscan without services, and with a command for USR1."""
    path = find("s6-svscan")
    files = {"scan/.s6-svscan/finish*": "#!/bin/sh\nexit 0\n"}
    if with_action:
        # The kernel starts a program with one argument itself, and no shell comes first.
        begin = "#!" if anchor() else "#!/bin/sh\nexec "
        files["scan/.s6-svscan/SIGUSR1*"] = f"{begin}{' '.join(stamp())}\n"
    return [Target("s6-svscan", [path, "-d", "3", "{dir}/scan"], "fd:3", files)] if path else []


def inits() -> list[Target]:
    """Return those that pass a signal on to the command that they wrap, as far as they are installed; flagman first."""
    child = anchor()
    if not child:
        return []
    found = [flagman("--", child, "signalfd")]
    for name, options in (("tini", ["-s"]), ("dumb-init", [])):
        if path := find(name):
            found.append(Target(name, [path, *options, child, "signalfd"]))
    return found


SUPERVISORD = """\
[supervisord]
nodaemon=true
logfile={dir}/log
pidfile={dir}/pid
childlogdir={dir}
[unix_http_server]
file={dir}/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{dir}/socket
"""
CIRCUS = """\
[circus]
endpoint=ipc://{dir}/e
pubsub_endpoint=ipc://{dir}/p
"""


def supervisord(programs: str = "") -> list[Target]:
    """Return supervisord, if it is installed."""
    path = find("supervisord")
    command = [path or "", "-n", "-c", "{dir}/s.conf"]
    return [Target("supervisord", command, "file:{dir}/socket", {"s.conf": SUPERVISORD + programs})] if path else []


def circus(watchers: str = "") -> list[Target]:
    """Return circus, if it is installed."""
    path = find("circusd")
    return (
        [Target("circus", [path, "{dir}/c.ini"], "line:Arbiter now waiting", {"c.ini": CIRCUS + watchers})]
        if path
        else []
    )


def absent(*names: str) -> list[str]:
    """Return a note for each command that is not installed."""
    return [f"{name} is not installed here, and is left out." for name in names if not find(name)]
