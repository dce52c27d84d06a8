"""Runs flagmanctl in the process of the tests, or on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sysconfig
import termios
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flagman.ctl import command, place
from support.driven import DEADLINE, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

#: The variables that decide where daemons are looked for, and how the output looks.
VARIABLES = (
    *("FLAGMAN_CONTROL", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"),
    *("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS"),
)
SCRIPT = str(Path(sysconfig.get_path("scripts")) / "flagmanctl")
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Done(NamedTuple):
    """What a command has come to."""

    status: int
    out: str
    err: str


class Ctl:
    """Calls flagmanctl, in surroundings in which there is no daemon yet.

    :param folder: stands for the folder of the system's sockets
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(place, "_SYSTEM", str(folder / "run"))
        self.folder = folder
        #: The socket that is found without any option.
        self.path = folder / "run" / "web.sock"
        self._capsys = capsys

    def __call__(self, *words: str) -> Done:
        """Call it."""
        status = command.main(["flagmanctl", *words])
        return Done(status, *self._capsys.readouterr())

    def running(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it as a process of its own, with pipes for its output."""
        surroundings = {n: v for n, v in clean_environment().items() if n not in {*VARIABLES, "PYTHONUNBUFFERED"}}
        return subprocess.Popen(
            [SCRIPT, *words, "--control", str(self.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**surroundings, **(environment or {})},
            encoding="utf-8",
        )


def on_screen(*words: str, columns: int = 80, environment: dict[str, str] | None = None) -> Done:
    """Run flagmanctl on a terminal of its own, and return what that has got, without carriage returns."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {"TERM": "xterm", "LC_ALL": "C.UTF-8", **(environment or {})}
    surroundings = {name: value for name, value in clean_environment().items() if name not in VARIABLES}
    process = subprocess.Popen(
        [SCRIPT, *words], stdin=terminal, stdout=terminal, stderr=terminal, env={**surroundings, **variables}
    )
    os.close(terminal)
    received = b""
    while True:
        try:
            more = os.read(master, 1 << 16)
        except OSError:  # the terminal has no other side any more
            break
        received += more
    os.close(master)
    return Done(process.wait(DEADLINE), received.decode().replace("\r", ""), "")
