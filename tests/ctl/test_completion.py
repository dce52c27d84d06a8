"""The verb completion, and the scripts that it prints: their text, and what they do in real shells."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.actions import BUILT_IN
from flagman.ctl.completion import SCRIPTS
from support import completing
from support.ctl import SCRIPT, Ctl
from support.driven import Flagman
from support.shells import FOLDER, Bash, Fish, Zsh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.shells import Shell


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_agrees_with_the_tables(shell: str) -> None:
    """The script is what its frame and the tables make; if it is another one, this test writes it anew and fails."""
    path = FOLDER / SCRIPTS[shell]
    made = completing.made(shell)
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    if made != golden:
        path.write_text(made, encoding="utf-8")
    assert made == golden


def test_every_action_has_kinds_of_words() -> None:
    """Each built-in action, and no other, says what its words are, as many as it takes."""
    assert list(completing.WORDS) == list(BUILT_IN)
    for name, (least, most, kinds, _) in completing.action_lines().items():
        assert least <= len(kinds), name
        assert most in {len(kinds), completing.MANY}, name


@pytest.fixture
def ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    """Return the command, without a daemon."""
    return Ctl(tmp_path, monkeypatch, capsys)


def test_a_shell_that_has_no_script(ctl: Ctl) -> None:
    """The message names the shells that have one."""
    said = "completion: there is none for 'fsh'; the shells are bash, zsh, fish"
    assert ctl("completion", "fsh") == (2, "", f"flagmanctl: error: {said}\n")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_verb_prints_the_script(ctl: Ctl, shell: str) -> None:
    """It prints the file as it is, and nothing else."""
    assert ctl("completion", shell) == (0, (FOLDER / SCRIPTS[shell]).read_text(encoding="utf-8"), "")


def test_the_scripts_are_installed_where_shells_look() -> None:
    """The metadata names each file of the folder once, so that a new one is not forgotten."""
    text = (FOLDER.parents[3] / "setup.cfg").read_text(encoding="utf-8")
    named = re.findall(r"^    src/flagman/ctl/completions/(.*)$", text, re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in FOLDER.iterdir())


PACKAGE = Path("/usr/share/bash-completion/bash_completion")
CONFIG = """
[flagman]
control = "web.sock"
[process.web]
command = ["sleep", "1000"]
[process."a.b"]
command = ["sleep", "1000"]
  [ process . db ] # with spaces
command = ["sleep", "1000"]
[[on]]
signal = "USR1"
action = "print"
args = ["[process.no]"]
[[on]]
file = "it's a file"
action = "print"
args = ["x"]
"""
# Settings that users may have, and that do no harm.
HARM = {
    "bash": "alias grep=false; IFS=:; set -eu; shopt -s nocasematch failglob",
    "package": f"alias grep=false; . {PACKAGE}",
    "zsh": "alias grep=false",
    "fish": "alias grep=false",
}


@pytest.fixture(scope="module", params=HARM)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Return an interactive shell, with some files; two would make another if their names were evaluated."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "web.toml").write_text(CONFIG, encoding="utf-8")
    for name in ("it's a file", "$(touch evaluated)", "`touch evaluated`"):
        (folder / name).touch()
    (folder / "directory").mkdir()
    (folder / "run" / "flagman").mkdir(parents=True)
    if request.param == "package" and not PACKAGE.exists():
        pytest.skip("the package bash-completion is not installed")
    kind = {"bash": Bash, "package": Bash, "zsh": Zsh, "fish": Fish}[request.param]
    path = f"{Path(SCRIPT).parent}:{os.environ['PATH']}"
    found = kind(folder, HARM[request.param], {"PATH": path, "XDG_RUNTIME_DIR": str(folder / "run")})
    yield found
    said = found.said()
    found.close()
    assert not (folder / "evaluated").exists()
    errors = re.compile(r"^.*(?:bash: |zsh: |_flagman\w*:|unbound|parameter not set).*$", re.MULTILINE)
    assert ([said] if said and request.param == "fish" else errors.findall(said)) == []


ROWS = [
    # Options, and those that are given already.
    ("flagman", "--us", ["--user", "--usr1", "--usr2"]),
    ("flagman --usr1 print x", "--resta", ["--restart"]),
    ("flagman --restart never --usr1 print x", "--resta", []),
    ("flagman --control --control", "--control-g", ["--control-group"]),
    # Their values.
    ("flagman --overlap", "re", ["rerun", "restart"]),
    ("flagman", "--overlap=res", ["--overlap=restart"]),
    ("flagman --chdir", "dir", ["directory"]),
    ("flagman -c", "we", ["web.toml"]),
    ("flagman -vc", "we", ["web.toml"]),
    ("flagman", "--log-file=we", ["--log-file=web.toml"]),
    ("flagman --user", "roo", ["root"]),
    ("flagman --user", "--usr", ["--usr1", "--usr2"]),
    ("flagman --group", "roo", ["root"]),
    ("flagman --list", "dump", ["dump_status"]),
    ("flagman --timeout", "", []),
    # What stands before the action.
    ("flagman --signal", "QU", ["QUIT"]),
    ("flagman --signal", "SIGQ", ["SIGQUIT"]),
    ("flagman --signal", "RTMIN+15", ["RTMIN+15"]),
    ("flagman --signal", "KIL", []),
    ("flagman --on-file", "web", ["web.toml"]),
    ("flagman -c web.toml --on-process", "web:f", ["web:fail"]),
    # Actions and their words.
    ("flagman --usr1", "", list(BUILT_IN)),
    ("flagman --every 5m", "pr", ["print", "print_once"]),
    ("flagman", "--usr1=dump", ["--usr1=dump_status"]),
    ("flagman --usr1 http", "P", ["PATCH", "POST", "PUT"]),
    ("flagman --usr1 http GET url", "--usr", ["--usr1", "--usr2"]),
    ("flagman --usr1 log", "e", ["error"]),
    ("flagman --usr1 touch", "we", ["web.toml"]),
    ("flagman --usr1 signal", "KIL", ["KILL"]),
    ("flagman -c web.toml --usr1 signal HUP", "p", ["pidfile:", "process:"]),
    ("flagman --config=web.toml --usr1 signal HUP", "process:d", ["process:db"]),
    ("flagman --usr1 signal HUP", "pidfile:we", ["pidfile:web.toml"]),
    ("flagman -cweb.toml --usr1 start_process", "", ["a.b", "db", "web"]),
    ("flagman -c ~/web.toml --usr1 stop_process", "a", ["a.b"]),
    ("flagman -c directory --usr1 start_process", "", []),
    # Commands.
    ("flagman --usr1 exec", "printen", ["printenv"]),
    ("flagman --usr1 sh", "printen", ["printenv"]),
    ("flagman --usr1 exec cat", "we", ["web.toml"]),
    ("flagman --usr1 exec cat -n", "--us", ["--usr1", "--usr2"]),
    ("flagman --usr1 exec -- wc", "we", ["web.toml"]),
    ("flagman --usr1 exec wc \\; --restart", "al", ["always"]),
    ("flagman --usr1 print x --", "printen", ["printenv"]),
    ("flagman --restart always -- wc", "we", ["web.toml"]),
    # The second command.
    ("ctl", "sta", ["start", "status"]),
    ("ctl --json --wait 5s", "sta", ["start", "status"]),
    ("ctl ps", "--co", ["--color", "--control"]),
    ("ctl ps --control x", "--co", ["--color"]),
    ("ctl status", "--color=al", ["--color=always"]),
    ("ctl completion", "", ["bash", "fish", "zsh"]),
    ("ctl completion bash", "", []),
    ("ctl signal", "HU", ["HUP"]),
    ("ctl signal HUP", "", ["process:"]),
    ("ctl new x --directory", "dir", ["directory"]),
]


@pytest.mark.parametrize(("before", "word", "expected"), ROWS, ids=lambda row: row if isinstance(row, str) else "")
def test_what_a_shell_offers(shell: Shell, before: str, word: str, expected: list[str]) -> None:
    """It offers what may stand there, and nothing else; a word that cannot be completed stays as it is."""
    found = sorted({each.rstrip("/") for each in shell(before, word)})
    if isinstance(shell, Fish) and expected[-1:] == ["process:"]:  # it offers names at once, and here no daemon runs
        expected = ["pidfile:", "process:a.b", "process:db", "process:web"] if word else []
    if isinstance(shell, Fish) and not expected:
        found = [each for each in found if each.startswith(word)]  # those that are only similar are no matter
    assert found == sorted(expected) or (not expected and found == [word])


@pytest.mark.parametrize("name", ["it's a file", "$(touch evaluated)", "`touch evaluated`"])
def test_names_of_files_are_not_evaluated(shell: Shell, name: str) -> None:
    """Names that would be commands, or have quotes, are offered as they are, and words with them are only read."""
    escaped = re.sub(r"(\W)", r"\\\1", name)
    (found,) = shell("flagman -c", re.sub(r"(\W)", r"\\\1", name[:-1]))
    assert (re.sub(r"\\(.)", r"\1", found) if isinstance(shell, Zsh) else found) == name
    assert shell(f"flagman -c {escaped} --usr1 start_process", "") == []
    assert shell(f"flagman --config={escaped} --log-file", "we") == ["web.toml"]


def test_what_only_the_daemon_knows(shell: Shell) -> None:
    """Names of daemons are those of their sockets; names of flags and processes are those that the daemon tells."""
    place = shell.folder / "run" / "flagman" / "web.sock"
    words = ["-c", str(shell.folder / "web.toml"), "--control", str(place)]
    with Flagman(shell.folder, *words) as daemon:
        daemon.ready()
        assert shell("ctl --name", "") == ["web"]
        assert sorted(shell("ctl --name web restart web", "")) == ["a.b", "db", "web"]
        assert shell("ctl ps", "d") == ["db"]
        assert shell("ctl signal HUP", "process:d") == ["process:db"]
        assert shell("ctl trigger", "us") == ["usr1"]
        assert len(shell("ctl trigger", "")) == 2
        daemon.signal(signal.SIGTERM)  # its processes end with it
        assert daemon.status() == 0
    assert shell("ctl trigger", "us") in ([], ["us"])


def test_no_lint_in_the_script_for_bash() -> None:
    """A check of scripts finds nothing."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    for name in ("flagman", "flagmanctl"):
        done = subprocess.run(["shellcheck", FOLDER / name], capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode, done.stdout) == (0, "")
