"""flagman as process 1 of a pid namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import SCRIPT, Flagman

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Starts a command as process 1 of a namespace.
NAMESPACE = ["unshare", "-fp", "--kill-child", "--mount-proc"]

#: Skips the tests of a module where that is not possible.
needs_namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "-fp", "--mount-proc", "true"], check=False, capture_output=True).returncode != 0,
    reason="no pid namespaces here",
)


def child_of(pid: int) -> int:
    """Return the only child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii"))


class Contained(Flagman):
    """A flagman that is process 1 in a namespace; its signals are sent to that."""

    def __init__(self, directory: Path, *arguments: str, command: Sequence[str] = SCRIPT, **environment: str) -> None:
        super().__init__(directory, *arguments, command=command, prefix=NAMESPACE, environment=environment)

    @property
    def init(self) -> int:
        """The number of process 1, seen from here."""
        return child_of(self.process.pid)

    def signal(self, *signums: int) -> Contained:
        """Send signals to process 1."""
        for signum in signums:
            os.kill(self.init, signum)
        return self
