"""Commands that have a directory, an environment, a umask and an output of their own, by the file."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from flagman import cli, core
from flagman.config.reader import File
from support.driven import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

HUP, USR1 = signal.SIGHUP, signal.SIGUSR1

LOOK = 'pwd; umask; echo "$COLOR,$HOME,$FLAGMAN_TRIGGER"'


def on(line: str, *keys: str, signal_: str = "USR1") -> str:
    """Return the table of one shell command."""
    more = "\n".join(keys)
    return f'[[on]]\nsignal = "{signal_}"\naction = "exec"\nargs = ["sh", "-c", {json.dumps(line)}]\n{more}\n'


RELOAD = '[[on]]\nsignal = "HUP"\naction = "reload"\n'


def write(directory: Path, *tables: str) -> Path:
    """Write a file."""
    path = directory / "flagman.toml"
    path.write_text("\n".join(tables), encoding="utf-8")
    return path


@pytest.fixture(name="mask", autouse=True)
def _mask() -> object:
    """Start flagman with a known umask."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_each_binding_has_its_own(start: Start, tmp_path: Path) -> None:
    """Directory, environment, umask and output are those of one binding; others run as before."""
    (tmp_path / "wörk 1").mkdir()
    own = on(LOOK, 'directory = "wörk 1"', 'umask = "027"', 'environment = {COLOR = "red", HOME = "/x=y z"}')
    path = write(
        tmp_path,
        own,
        on(LOOK),
        on("echo quiet", 'output = "null"'),
        on("echo logged >&2", 'output = "log"', 'umask = "077"'),
        on("echo last"),
    )
    daemon = start("-c", str(path), environment={"HOME": "/home/me", "COLOR": None}).ready().signal(USR1)
    daemon.expect(f"{tmp_path}/wörk 1", "0027", "red,/x=y z,usr1", str(tmp_path), "0022", ",/home/me,usr1")
    daemon.expect_error("WARNING:flagman.actions.output:sh -c echo logged >&2: logged")
    daemon.expect("last").stop()


def test_a_relative_directory_begins_where_the_command_was_started(start: Start, tmp_path: Path) -> None:
    """As all paths of the file, a directory begins at the start, not at the directory that is changed to."""
    (tmp_path / "work").mkdir()
    path = write(tmp_path, on("pwd", 'directory = "work"'), on("pwd"))
    daemon = start("-c", str(path), "--chdir", "/").ready().signal(USR1)
    daemon.expect(f"{tmp_path}/work", "/").stop()


def test_a_reload_changes_them(start: Start, tmp_path: Path) -> None:
    """A binding that is otherwise the same keeps its action, and the next run follows the new keys."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    path = write(tmp_path, RELOAD, on(LOOK))
    daemon = start("-v", "-c", str(path), environment={"HOME": "/home/me", "COLOR": None}).ready().signal(USR1)
    daemon.expect(str(tmp_path), "0022", ",/home/me,usr1")
    for keys, lines in [
        (['directory = "one"', 'environment.COLOR = "red"'], [f"{tmp_path}/one", "0022", "red,/home/me,usr1"]),
        (['directory = "two"', 'umask = "077"'], [f"{tmp_path}/two", "0077", ",/home/me,usr1"]),
        ([], [str(tmp_path), "0022", ",/home/me,usr1"]),
    ]:
        write(tmp_path, RELOAD, on(LOOK, *keys))
        daemon.signal(HUP).ready().expect_error("Reloaded: 0 actions are new, 0 were removed")
        daemon.signal(USR1).expect(*lines)
    write(tmp_path, RELOAD, on(LOOK, 'output = "log"'))
    daemon.signal(HUP).ready().signal(USR1).expect_error("INFO:flagman.actions.output:sh -c pwd")
    write(tmp_path, RELOAD, on(LOOK, 'umask = "999"'))
    daemon.signal(HUP).expect_error("[[on]] #2: key 'umask': '999' is not an octal number, such as 027")
    daemon.stop()


def test_a_directory_that_goes_and_comes(start: Start, tmp_path: Path) -> None:
    """A directory that is missing fails the run, with its name, and the next run looks anew."""
    work = tmp_path / "work"
    path = write(tmp_path, on("echo ran", 'directory = "work"'))
    daemon = start("-c", str(path), "--overlap", "rerun").ready()
    failed = f"cannot be started: cannot change to the directory {work}: No such file or directory"
    for _ in range(2):
        daemon.signal(USR1).expect_error(failed)
        work.mkdir()
        daemon.signal(USR1).expect("ran")
        work.rmdir()
    daemon.signal(USR1).expect_error(failed)
    daemon.stop()


def test_failures_under_a_directory(start: Start, tmp_path: Path) -> None:
    """A program that is missing is reported as without a directory, and a status of the command as its own."""
    missing = '[[on]]\nsignal = "USR1"\naction = "exec"\nargs = ["no-such-program"]\n'
    path = write(tmp_path, missing, f'{missing}directory = "."\n', on("exit 127", 'directory = "."'))
    daemon = start("-c", str(path)).ready().signal(USR1)
    failed = "ERROR:flagman.core:usr1: exec no-such-program: failed after "
    for _ in range(2):
        assert daemon.expect_error(failed).endswith(" s: cannot be started: No such file or directory")
    assert daemon.expect_error("usr1: exec sh -c 'exit 127': ").endswith("exited with status 127")
    daemon.stop()


def test_a_timeout_ends_a_command_in_its_directory(start: Start, tmp_path: Path) -> None:
    """A command that takes too long is ended, as any other."""
    path = write(tmp_path, on("echo begun; exec sleep 1000", 'directory = "/"', 'timeout = "200ms"'))
    daemon = start("-c", str(path)).ready().signal(USR1)
    daemon.expect("begun").expect_error(": failed after ")
    daemon.stop()


def test_sh_has_them_too(start: Start, tmp_path: Path) -> None:
    """The action sh obeys the same keys."""
    table = '[[on]]\nsignal = "USR1"\naction = "sh"\nargs = ["pwd; umask; exit 3"]\ndirectory = "/"\numask = "077"\n'
    daemon = start("-c", str(write(tmp_path, table))).ready().signal(USR1)
    daemon.expect("/", "0077").expect_error(" s: exited with status 3")
    daemon.stop()


def test_actions_of_plugins(tmp_path: Path) -> None:
    """An action that is derived from ExecAction may have the keys, and so may one that says that it runs commands."""
    keys = 'directory = "/"\nenvironment.A = "b"\numask = "077"\noutput = "log"\n'
    plain = type("Plain", (core.KNOWN_ACTIONS["stop"],), {})
    for action in (type("Derived", (core.KNOWN_ACTIONS["sh"],), {}), type("Says", (plain,), {"runs_commands": True})):
        args = 'args = ["x"]\n' if action.__name__ == "Derived" else ""
        path = write(tmp_path, f'[[on]]\nsignal = "USR1"\naction = "its"\n{args}{keys}')
        (binding,) = File(str(path)).complete({"its": action}.__getitem__).bindings
        assert binding.options == {
            "directory": "/",
            "environment": {"A": "b"},
            "command_umask": 0o077,
            "output": "log",
        }


def test_one_action_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of one action names the keys of the file, if the action runs commands."""
    assert cli.main(["flagman", "--list", "sh"]) == 0
    assert "\n  directory   - the working directory\n" in capsys.readouterr().out
    assert cli.main(["flagman", "--list", "stop"]) == 0
    assert "directory" not in capsys.readouterr().out


def test_a_unit_looks_for_programs_in_the_path_of_systemd_only(tmp_path: Path) -> None:
    """A program that the binding's own PATH finds is not reported as one that systemd's PATH lacks."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n", encoding="ascii")
    tool.chmod(0o755)
    table = '[[on]]\nsignal = "USR1"\naction = "exec"\nargs = ["tool"]\n'
    for keys, is_lacking in [("", True), (f'environment.PATH = "{tmp_path}"\n', False)]:
        path = write(tmp_path, table + keys)
        done = run("--print-unit", "-c", str(path), directory=str(tmp_path), PATH=f"{tmp_path}:{os.environ['PATH']}")
        assert done.returncode == 0
        assert ("systemd's PATH lacks" in done.stdout) is is_lacking
