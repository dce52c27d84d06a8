"""Real shells, interactive and on a terminal, that complete what is typed."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.ctl.completion import SCRIPTS
from support.driven import DEADLINE, clean_environment, in_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The folder of the scripts.
FOLDER = Path(__file__).parents[2] / "src" / "flagman" / "ctl" / "completions"
# The commands are functions that note their words, each followed by a zero byte.
_COMMANDS = """
flagman() { printf '%s\\0' "$@" >words.new; command mv words.new words; }
ctl() { flagman "$@"; }
"""
_BASH = """
PS1=
bind 'set enable-bracketed-paste off'
"""


class Shell:
    """An interactive shell, on a terminal of its own, that has read the completions.

    :param folder: where it works
    :param start: what it reads first, before the completions
    """

    name = ""

    def __init__(self, folder: Path, start: str = "", environment: Mapping[str, str] | None = None) -> None:
        if shutil.which(self.name) is None:
            pytest.skip(f"{self.name} is not installed")
        self.folder = folder
        self.start = start
        self._said = b""
        variables = {"TERM": "dumb", "COLUMNS": "10000", "HOME": str(folder), "LC_ALL": "C.UTF-8", "PWD": str(folder)}
        surroundings = {
            name: value
            for name, value in clean_environment().items()
            if name not in {"FLAGMAN_CONTROL", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"}
        }
        self.environment = {**surroundings, **variables, **(environment or {})}

    def __call__(self, before: str, word: str = "") -> list[str]:
        """Complete a word, and return all words that this may be, or the word itself if it cannot be completed.

        :param before: what stands before it on the line
        """
        raise NotImplementedError

    def said(self) -> str:
        """Return what it has shown."""
        return self._said.decode()

    def close(self) -> None:
        """End it."""


class OnTerminal(Shell):
    """A shell that notes the words of a line into which it has inserted all completions of the last one."""

    command: tuple[str, ...] = ()
    #: The keys that insert all completions.
    keys = ""

    def __init__(self, folder: Path, start: str = "", environment: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, start, environment)
        (folder / "start").write_text(f"{start}\n{self.set_up()}\n{_COMMANDS}", encoding="utf-8")
        self.process, self.terminal = in_terminal(
            "/usr/bin/env", "-C", str(folder), *self.command, environment=self.environment
        )
        self._run(" . ./start; : >ready", "ready")

    def set_up(self) -> str:
        """Return the commands with which the shell begins."""
        raise NotImplementedError

    def __call__(self, before: str, word: str = "") -> list[str]:
        """Complete a word; see the base class."""
        self._run(before, "words")
        fixed = self._words()
        self._run(f"{before} {word}{self.keys}", "words")
        found = self._words()
        assert found[: len(fixed)] == fixed, found
        return found[len(fixed) :]

    def _words(self) -> list[str]:
        path = self.folder / "words"
        words = path.read_bytes().decode().split("\0")[:-1]
        path.unlink()
        return [] if words == [""] else words

    def _run(self, line: str, file: str) -> None:
        """Type a line, and wait until it has written a file."""
        os.write(self.terminal, f"{line}\n".encode())
        limit = time.monotonic() + DEADLINE
        while not (self.folder / file).exists():
            assert time.monotonic() < limit, self.said()
            if select.select([self.terminal], [], [], 0.005)[0]:
                try:
                    self._said += os.read(self.terminal, 1 << 16)
                except OSError:
                    raise AssertionError(self._said.decode()) from None

    def said(self) -> str:
        """Return all that it has shown, which has what was typed, too."""
        while select.select([self.terminal], [], [], 0)[0]:
            self._said += os.read(self.terminal, 1 << 16)
        return self._said.decode()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(DEADLINE)
        os.close(self.terminal)


class Bash(OnTerminal):
    """The shell bash."""

    name = "bash"
    command = ("bash", "--norc", "--noprofile", "-i")
    keys = "\x1b*"

    def set_up(self) -> str:
        """Return the commands with which the shell begins."""
        return f"{_BASH}. {FOLDER / SCRIPTS['bash']}\ncomplete -F _flagmanctl ctl\n"


class Zsh(OnTerminal):
    """The shell zsh."""

    name = "zsh"
    command = ("zsh", "-f", "-i")
    keys = "\x18a"

    def set_up(self) -> str:
        """Return the commands with which the shell begins."""
        return f"""
PS1=
unsetopt beep prompt_cr prompt_sp; zle_highlight=(none)
zstyle ':completion:*' list-dirs-first no
zle -C note complete-word _main_complete
bindkey '^Xa' note
unsetopt auto_list
LISTMAX=10000
compadd() {{
    if [[ ${{@[1,(i)(-|--)]}} == *-[OAD]* ]]; then
        builtin compadd "$@"
        return
    fi
    local -a hits
    builtin compadd -A hits "$@"
    unsetopt localoptions rcexpandparam
    if (( $#hits )); then
        printf '%s\\0' $IPREFIX${{^hits}} >>$HOME/found
    fi
    builtin compadd "$@"
}}
fpath=({FOLDER} $fpath)
autoload -Uz compinit
compinit -u -d zcompdump
compdef _flagman ctl=flagmanctl
setopt nounset ksharrays shwordsplit
"""

    def __call__(self, before: str, word: str = "") -> list[str]:
        """Complete a word; see the base class."""
        found = self.folder / "found"
        found.write_text("", encoding="utf-8")
        self._run(f"{before} {word}{self.keys}\x01\x0b: >finished", "finished")
        (self.folder / "finished").unlink()
        return found.read_bytes().decode().split("\0")[:-1]


class Fish(Shell):
    """The shell fish, which prints completions of a line itself."""

    name = "fish"

    def __call__(self, before: str, word: str = "") -> list[str]:
        """Complete a word; see the base class."""
        (self.folder / "line").write_text(f"{before} {word}", encoding="utf-8")
        script = (
            f'{self.start}; source {FOLDER / SCRIPTS["fish"]}; complete -c ctl -w flagmanctl; complete -C "$(cat line)"'
        )
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        self._said += done.stderr
        return [line.partition("\t")[0] for line in done.stdout.decode().splitlines()]
