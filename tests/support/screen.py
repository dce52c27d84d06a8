"""A terminal with a real shell in it, and a user who types: in lockstep, each answer within a deadline."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.driven import DEADLINE, clean_environment, script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

#: What the shell prints when it waits for a command.
PROMPT = "outer> "
#: A shell with job control.
BASH = ("/usr/bin/bash", "--norc", "--noprofile", "-i")

CTRL_C = "\x03"
CTRL_D = "\x04"
CTRL_Z = "\x1a"


def program(text: str) -> str:
    """Return the words with which a shell runs a program."""
    return shlex.join([sys.executable, "-ISc", text])


#: Shows each character that is typed, in raw mode.
RAW = program(
    "import os, sys, tty; tty.setraw(0); os.write(1, b'raw %d.' % os.getpid())\n"
    "while True: os.write(1, b'<%s>' % os.read(0, 1).hex().encode())"
)
#: Repeats each line that is typed; what is typed before it has begun may come without an echo.
CAT = "sh -c 'echo begun; exec cat'"
#: What it prints first: the shell's echo of the line does not end so.
BEGUN = "begun\r\n"


def state_of(pid: int) -> str:
    """Return the letter that stands for the state of a process; X if it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


class Screen:
    """A command in a terminal of its own; a context manager.

    :param words: the command: a shell by default
    :param prefix: the command that starts this one, without a terminal
    :param environment: more variables
    """

    def __init__(self, *words: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        variables = {**clean_environment(), "TERM": "dumb", "PS1": PROMPT, "LC_ALL": "C.UTF-8", "HISTFILE": ""}
        self.master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-IS", script("lead_session"), *(words or BASH)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**variables, **(environment or {})},
        )
        os.close(terminal)
        self._unread = ""

    def __repr__(self) -> str:
        return f"<Screen of {self.process!r}, with {self._unread!r}>"

    def type(self, text: str) -> Self:
        """Type characters."""
        os.write(self.master, text.encode())
        return self

    def run(self, line: str, *parts: str) -> Self:
        """Type a line, and wait for parts of what comes."""
        self.type(line + "\n")
        for part in parts:
            self.expect(part)
        return self

    def expect(self, part: str) -> str:
        """Wait until a text comes, and return what came before it."""
        return self.match(re.escape(part))[0]

    def match(self, pattern: str) -> tuple[str, ...]:
        """Wait until a text comes that matches; return what came before it, and the groups of the match."""
        limit = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self._unread)):
            readable, _, _ = select.select([self.master], [], [], max(0, limit - time.monotonic()))
            assert readable, f"nothing like {pattern!r} within {DEADLINE} s; so far: {self._unread!r}"
            try:
                data = os.read(self.master, 65536)
            except OSError:  # no process has the terminal any more
                data = b""
            assert data, f"the end, and nothing like {pattern!r}; so far: {self._unread!r}"
            self._unread += data.decode(errors="replace")
        before, self._unread = self._unread[: found.start()], self._unread[found.end() :]
        return (before, *found.groups())

    def command(self, line: str) -> str:
        """Run a command in the shell, and return what it prints; the shell waits for a command before and after."""
        self.run(line, "\n")
        return self.expect(PROMPT).replace("\r", "")

    def resize(self, rows: int, columns: int) -> Self:
        """Change the size of the window."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        return self

    def close(self) -> None:
        """Close the terminal, which ends what is in it."""
        os.close(self.master)
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
