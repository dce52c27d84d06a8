"""Daemons in the background, for the tests of the command."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from flagman.daemon import read_pid
from support.driven import SCRIPT, end_all, marked, run, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable


class Background:
    """Starts daemons in a directory, each with its pid file there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pid_file = directory / "run" / "d.pid"
        self.pid_file.parent.mkdir(mode=0o755)

    def run(self, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        """Run the command until the process that was started has ended."""
        options = {"NOTIFY_SOCKET": "", **marked(self.directory), **options}
        return run(command=arguments, directory=str(self.directory), **options)

    def start(self, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        """Start a daemon."""
        return self.run(*SCRIPT, "--daemon", "--pid-file", str(self.pid_file), *arguments, **options)

    def pid(self) -> int:
        """Return the daemon's pid."""
        pid = read_pid(self.pid_file)
        assert pid
        return pid

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true."""
        wait_for(condition)

    def stop(self) -> None:
        """End the daemon with TERM, and wait until it has released its pid file."""
        os.kill(self.pid(), signal.SIGTERM)
        wait_for(lambda: read_pid(self.pid_file) is None)

    def close(self) -> None:
        """Kill all daemons."""
        if (pid := read_pid(self.pid_file)) is not None:
            os.kill(pid, signal.SIGKILL)
        end_all(self.directory)


def status_of(pid: int) -> dict[str, str]:
    """Read what the kernel shows of a process, see :manpage:`proc_pid_status(5)`."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
