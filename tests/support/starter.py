"""Programs that start daemons with the library, for its tests."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from flagman.daemon import read_pid
from support.driven import Lines, end_all, marked, run, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

# What the programs of these tests begin with. A daemon waits for somebody to read what it says, and to be killed.
PROLOGUE = """
import fcntl, json, os, resource, signal, sys, time
from flagman.daemon import Daemon, PidLockFile
where = sys.argv[1]
def tell():
    status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    stat = open("/proc/self/stat").read().rpartition(")")[2].split()
    mask = os.umask(0o77)
    os.umask(mask)
    numbers = list(map(int, os.listdir("/proc/self/fd")))
    found = {}
    for number in numbers:
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass
    fifo = os.open(where + "/said", os.O_WRONLY) if "fifo" not in globals() else fifo_number
    os.write(fifo, (json.dumps({
        "pid": os.getpid(), "group": int(stat[2]), "session": int(stat[3]),
        "tty": int(stat[4]), "umask": mask, "cwd": os.getcwd(),
        "uids": status["Uid"].split(), "gids": status["Gid"].split(), "groups": os.getgroups(),
        "access": {n: fcntl.fcntl(n, fcntl.F_GETFL) & os.O_ACCMODE for n in found},
        "core": resource.getrlimit(resource.RLIMIT_CORE), "found": found, "home": os.environ.get("HOME"),
        "root": os.readlink("/proc/self/root") if os.path.exists("/proc/self") else None,
    }) + "\\n").encode())
    signal.pause()
"""

# This user may not write where the coverage goes.
UNMEASURED = ("env", "-u", "COVERAGE_PROCESS_CONFIG")


class Starter:
    """Runs programs that start daemons, and ends these."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        os.mkfifo(directory / "said")
        (directory / "said").chmod(0o666)
        # Both ends, so that nobody waits for another to open it.
        self._fifo = os.open(directory / "said", os.O_RDWR)
        self._lines = Lines(self._fifo)
        self._pids: list[int] = []

    def run(self, program: str, *prefix: str) -> subprocess.CompletedProcess[str]:
        """Run the process that starts the daemon to its end."""
        words = [*prefix, sys.executable, "-W", "error", "-c", PROLOGUE + program, str(self.directory)]
        # The programs are short, and strict about everything but encodings.
        return run(command=words, PYTHONWARNDEFAULTENCODING="", **marked(self.directory))

    def told(self) -> dict[str, object]:
        """Wait for what the daemon tells about itself."""
        facts: dict[str, object] = json.loads(self._lines.next())
        pid = facts["pid"]
        assert isinstance(pid, int)
        self._pids.append(pid)
        return facts

    def close(self) -> None:
        """End all daemons."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        end_all(self.directory)
        os.close(self._fifo)

    def wait_for_the_end(self) -> None:
        """Wait until no daemon holds the pid file any more."""
        wait_for(lambda: read_pid(self.directory / "d.pid") is None)
