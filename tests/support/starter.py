"""Programs that start daemons with the library, for its tests."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, ParamSpec

from flagman.daemon import read_pid
from support.driven import Lines, end_all, marked, run, wait_for
from support.programs import words

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path

P = ParamSpec("P")

# Another user may not write where the coverage goes.
UNMEASURED = ("env", "-u", "COVERAGE_PROCESS_CONFIG")


class Starter:
    """Runs programs that start daemons, and kills the daemons at the end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        os.mkfifo(directory / "said")
        (directory / "said").chmod(0o666)
        # Both ends, so that no process waits for another to open it.
        self._fifo = os.open(directory / "said", os.O_RDWR)
        self._lines = Lines(self._fifo)
        self._pids: list[int] = []

    def run(self, program: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> subprocess.CompletedProcess[str]:
        """Run the process that starts the daemon to its end.

        :param program: a function of :mod:`.programs`; the other arguments are passed to it
        """
        return self.run_under((), program, *args, **kwargs)

    def run_under(
        self, prefix: Sequence[str], program: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> subprocess.CompletedProcess[str]:
        """Run a program through another command, which gets its command line."""
        python, *others = words(program, *args, **kwargs)
        command = [*prefix, python, "-W", "error", *others]
        # The programs are short, and strict about everything but encodings.
        return run(command=command, PYTHONWARNDEFAULTENCODING="", **marked(self.directory))

    def told(self) -> dict[str, object]:
        """Wait for the report of a daemon, and return its facts."""
        facts: dict[str, object] = json.loads(self._lines.next())
        pid = facts["pid"]
        assert isinstance(pid, int)
        self._pids.append(pid)
        return facts

    def close(self) -> None:
        """Kill all daemons."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        end_all(self.directory)
        os.close(self._fifo)

    def wait_for_the_end(self) -> None:
        """Wait until no daemon holds the pid file any more."""
        wait_for(lambda: read_pid(self.directory / "d.pid") is None)
