"""The examples of the documentation are true: Python blocks are executed, and sessions are replayed in a real shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import tomllib
from pathlib import Path

import pytest

from flagman import cli
from flagman.supervise.processes.tables import read
from support.driven import DEADLINE, Flagman, Lines, settle

ROOT = Path(__file__).parents[2]
FILES = [
    ROOT / "README.rst",
    *(path for folder in (".", "migration", "man") for path in sorted((ROOT / "docs" / folder).glob("*.rst"))),
]

BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>\w+)\n(?P<options>(?:   :.*\n)*)\n(?P<text>(?:(?:   .*)?\n)+)", re.MULTILINE
)
CAPTION = re.compile(r":caption: (\S+\.(?:py|toml))$", re.MULTILINE)

# The pid in all sessions.
PID = "49220"
# What depends on the machine, and what the pages show instead.
OF_THE_MACHINE = [
    (re.compile(r"\S+ -m venv( --system-site-packages)?(?= \.venv )"), "python3 -m venv"),
    (re.compile(r"(?<= -m pip install )(.*)(?=-e \. pytest )"), "file:///home/me/flagman "),
]


def blocks(path: Path, language: str) -> list[tuple[str, str]]:
    """Return the blocks of a language in a file, as pairs of options and text."""
    found = BLOCK.finditer(path.read_text(encoding="utf-8") + "\n")
    return [(block["options"], textwrap.dedent(block["text"])) for block in found if block["language"] == language]


PYTHON = [path for path in FILES if blocks(path, "python")]
SESSIONS = [(path, number) for path in FILES for number in range(len(blocks(path, "console")))]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.stem)
def test_python_examples(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All Python blocks of a file run in order in one namespace, and then the tests that they define."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace: dict[str, object] = {"__name__": path.stem.replace("-", "_")}
    for options, text in blocks(path, "python"):
        for name in CAPTION.findall(options):  # a later block may import it
            (tmp_path / name).write_text(text, encoding="utf-8")
            monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
        exec(compile(text, str(path), "exec"), namespace)
    for name, value in list(namespace.items()):
        if name.startswith("test_") and callable(value):
            value()


PROCESSES = [path for path in FILES if any("[process." in text for _, text in blocks(path, "toml"))]
# What an example cannot have: processes that it does not show, hosts, and files of this machine.
ABSENT = re.compile("there is no process|cannot be resolved|cannot be used: No such file")


@pytest.mark.parametrize("path", PROCESSES, ids=lambda path: path.stem)
def test_tables_of_processes(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables ``[process.NAME]`` that a page shows have no mistakes, and neither have the verifiers."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for options, text in blocks(path, "python"):
        for name in CAPTION.findall(options):
            (tmp_path / name).write_text(text, encoding="utf-8")
    for _, text in blocks(path, "toml"):
        is_part = re.match("(ready|liveness) = ", text)
        found = tomllib.loads(f'[process.x]\ncommand = ["x"]\n{text}' if is_part else text)
        _, mistakes = read(found.get("process", {}))
        assert [mistake for mistake in mistakes if not ABSENT.search(mistake)] == []


def commands(path: Path) -> list[list[str]]:
    """Return the words of each complete flagman command in the blocks of a file that are to be typed into a shell."""
    found = []
    for language in ("shell", "sh"):
        for _, text in blocks(path, language):
            splitter = shlex.shlex(text.replace("\\\n", " ").replace("\n", ";"), posix=True, punctuation_chars=True)
            splitter.whitespace_split = True
            splitter.commenters = ""
            command: list[str] = []
            for word in (*splitter, ";"):
                if set(word) <= set("&|;()<>"):
                    found.append(command)
                    command = []
                else:
                    command.append(word)
    return [words for words in found if words and Path(words[0]).name == "flagman" and "..." not in words]


# The actions on the page about writing actions are not installed.
COMMANDS = [path for path in FILES if commands(path) and path.stem != "writing-actions"]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_commands(path: Path, tmp_path: Path) -> None:
    """What a page says to type into a shell passes ``--check``, with the files that the page shows."""
    for words in commands(path):
        given = words[1:]
        for option in ("--into", "--timer"):  # these belong to --print-unit
            if option in given:
                del given[given.index(option) : given.index(option) + 2]
        if "--config" in given:
            name = given[given.index("--config") + 1]
            shown = [text for options, text in blocks(path, "toml") if name in CAPTION.findall(options)]
            file = tmp_path / Path(name).name
            other = '[[on]]\nsignal = "HUP"\naction = "reload"\n'
            file.write_text(shown[0] if shown else other, encoding="utf-8")
            given[given.index("--config") + 1] = str(file)
        assert cli.main(["flagman", "--check", *(word for word in given if word != "--print-unit")]) == 0, words


def test_the_links_of_the_readme() -> None:
    """Sphinx does not read the README, so only this test notices that a page has moved."""
    links = re.findall(r"`[^`]+ <([^>]+)>`_", (ROOT / "README.rst").read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []


class Shell:
    """A shell that runs one command at a time, and reports when it has returned."""

    def __init__(self, directory: Path) -> None:
        done, told = os.pipe()
        scripts = sysconfig.get_path("scripts")
        environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONPATH": str(directory)}
        environment.pop("PYTHONUNBUFFERED", None)
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
            pass_fds=[told],
        )
        os.close(told)
        self.told = told
        self.done = Lines(done)
        self.done_descriptor = done
        assert self.process.stdout
        self.out = Lines(self.process.stdout.fileno())
        self.pid = PID
        self.stopped = False
        self.directory = directory

    def run(self, command: str) -> None:
        """Run a command and wait until the shell would show its prompt."""
        assert self.process.stdin
        line = f"{command}\n__status=$?; echo done >&{self.told}; (exit $__status)\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        assert self.done.next() == "done"

    def replay(self, line: str) -> None:
        """Replay a line of a session: run a command, or expect a line of output."""
        if line.startswith("$ "):
            if self.pid != PID:
                settle(int(self.pid))  # as a person reads before typing
            self.stopped = line == f"$ kill {PID}"
            self.run(line.removeprefix("$ ").replace(PID, self.pid))
        elif line.startswith("(traceback, ending in) "):
            assert self.out.next() == "Traceback (most recent call last):"
            while self.out.next() != line.removeprefix("(traceback, ending in) "):
                pass
        elif line:
            while not (shown := self.out.next()) and not self.out.ended:
                pass  # an empty line of the output stands on the page too
            if found := re.search(r"PID: (\d+)", shown):
                self.pid = found[1]
            shown = shown.replace(self.pid, PID).replace(str(self.directory), "/home/me")
            for pattern, replacement in OF_THE_MACHINE:
                shown = pattern.sub(replacement, shown)
            assert _without_times(shown) == _without_times(line)

    def close(self) -> list[str]:
        """End the shell and a daemon that it left behind, and return their remaining output."""
        assert self.process.stdin
        assert self.process.stdout
        # A second TERM would interrupt the tear-down that the session has asked for.
        self.process.stdin.write(b"wait\n" if self.stopped else b"kill %% 2>/dev/null\nwait\n")
        self.process.stdin.close()
        rest = self.out.rest()
        self.process.wait(DEADLINE)
        self.process.stdout.close()
        os.close(self.done_descriptor)
        return rest


def _without_times(line: str) -> str:
    """Return a line without the seconds that a run took, which no page can know."""
    return re.sub(r"\b\d+\.\d\d s\b", "T s", line)


@pytest.mark.parametrize(("path", "number"), SESSIONS, ids=lambda value: getattr(value, "stem", value))
def test_sessions(path: Path, number: int, tmp_path: Path) -> None:
    """The output of a session is exactly the lines that the page shows, in their order."""
    for options, text in blocks(path, "python") + blocks(path, "toml"):
        for name in CAPTION.findall(options):
            (tmp_path / Path(name).name).write_text(text, encoding="utf-8")
    shell = Shell(tmp_path)
    try:
        text = blocks(path, "console")[number][1]
        for line in re.sub(r" \\\n +", " ", text).splitlines():  # a backslash continues a command
            shell.replay(line)
    except BaseException:
        shell.close()
        raise
    assert shell.close() == []


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("curl")), reason="needs jq and curl")
def test_the_alert_for_monitoring(tmp_path: Path) -> None:
    """It is silent only if a daemon answers, and each flag has succeeded in its last run."""
    found = [text for _, text in blocks(ROOT / "docs" / "control.rst", "sh") if "--exit-status" in text]
    alert = found[0].replace("/run/flagman/web.sock", str(tmp_path / "web.sock"))

    def is_well() -> bool:
        return subprocess.run(["/bin/sh", "-c", alert], capture_output=True, check=False).returncode == 0

    assert not is_well()
    with Flagman(tmp_path, "--control", "web.sock", "--usr1", "sh", "exit 3") as daemon:
        daemon.ready()
        assert is_well()
        flagmanctl = Path(sysconfig.get_path("scripts")) / "flagmanctl"
        words = [str(flagmanctl), "--control", str(tmp_path / "web.sock"), "trigger", "usr1", "--wait"]
        assert subprocess.run(words, stdout=subprocess.DEVNULL, check=False, timeout=DEADLINE).returncode == 1
        assert not is_well()
