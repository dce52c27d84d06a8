"""Printed units: their lines for each command line. The tests with systemd check that it accepts them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import zipapp
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given as over
from hypothesis import strategies

import flagman
from flagman.cli.reading import Line, finder
from flagman.config.options import OPTIONS
from flagman.exceptions import UsageError
from flagman.systemd import unit_command, unit_syntax
from support.driven import SCRIPT, run

if TYPE_CHECKING:
    import subprocess


# Without the variables that would measure the coverage of a copy.
UNMEASURED = [
    "env",
    *(word for name in os.environ if name.startswith("COVERAGE") for word in ("-u", name)),
    sys.executable,
]


def unit(line: str, **environment: str) -> list[str]:
    """Return the lines of the units for a command line."""
    done = run("--print-unit", *shlex.split(line), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_command_is_the_same_with_options_first(tmp_path: Path) -> None:
    """The unit's command has long options first, absolute paths, and no option that is not for the daemon."""
    config = tmp_path / "c.toml"
    config.write_text('[flagman]\noutput = "log"\n', encoding="utf-8")
    line = f"--usr1 print a -vv -c {config} --every 90 exec x y ';' --user --timer 1h --log-file l --once --check"
    line += " --hup='log info -a'"
    command = f" -P -m flagman --config {config} --once --log-file "
    (found,) = [line for line in unit(line, PYTHONPATH="") if line.startswith("ExecStart") and "flagman" in line][:1]
    python, command_, _ = found.removeprefix("ExecStart=").partition(command)
    assert command_
    assert Path(python).samefile(sys.executable)
    assert found.endswith('/l --verbose --verbose --usr1 print a --every 1m30s exec x y "--hup=log info -a"')


RELOADS = {
    "--usr1 print a": [],
    "--hup print a": ["-HUP $MAINPID"],
    "--usr2 reload -c /dev/null": ["-USR2 $MAINPID", "-m flagman --check --config /dev/null --usr2 reload"],
}


@pytest.mark.parametrize("line", RELOADS)
def test_reload(line: str) -> None:
    """A unit can be reloaded if HUP has an action, or another signal the action reload."""
    found = [line.partition("=")[2] for line in unit(line) if line.startswith("ExecReload=")]
    assert [command.endswith(end) for command, end in zip(found, RELOADS[line], strict=True)] == [True] * len(found)


def test_a_unit_for_a_command(tmp_path: Path) -> None:
    """The command comes last, with a path that systemd finds; its status and its grace count, and HUP is its own."""
    program = tmp_path / "serve"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    line = "--graceful-time 100s --usr1 exec ls -- serve --usr1 ';' '$x'"
    path = f"{tmp_path}:{os.environ['PATH']}"
    lines = unit(line.replace("-- serve", "';' -- serve"), PATH=path)
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith(f'--graceful-time 1m40s --usr1 exec ls ";" -- {program} --usr1 ";" "$$x"')
    assert {"SuccessExitStatus=143", "TimeoutStopSec=175"} <= set(lines)
    assert not [line for line in lines if line.startswith("RestartPrevent")]
    for forward, reloads in (("leader", 0), ("none", 2)):
        lines = unit(f"-c /dev/null --forward {forward} -- true")
        assert len([line for line in lines if line.startswith("ExecReload=")]) == reloads


DIRECTORIES = {
    "--usr1 print a": [],
    "--control --usr1 print a": ["flagman/flagman"],
    "--control --name web --usr1 print a --user": ["flagman/web"],
    "--control --pid-file /run/b.pid --usr1 print a": ["flagman/b"],
    "--control /run/x.sock --usr1 print a": [],
}


@pytest.mark.parametrize("line", DIRECTORIES)
def test_the_directory_of_the_control_socket(line: str) -> None:
    """A unit has a directory for the control socket if that has no path of its own; its command has all options."""
    found = [line.partition("=") for line in unit(line)]
    assert [value for name, _, value in found if name == "RuntimeDirectory"] == DIRECTORIES[line]
    (command,) = [value for name, _, value in found if name == "ExecStart"]
    options = line.partition(" --usr1")[0].split()
    assert "--control" not in options or set(options) <= set(command.split())


def test_the_path_of_a_control_socket_is_absolute() -> None:
    """A relative path is that of the directory in which the unit was printed."""
    (command,) = [line for line in unit("--control x.sock --usr1 print a") if line.startswith("ExecStart=")]
    assert f" --control {Path.cwd()}/x.sock --usr1 print a" in command


WATCHDOGS = {
    "--usr1 print a": None,
    "--usr1 print a --timeout 1s": 30,
    # A minute each and five seconds for ending it, and half of that again between two pings, and a margin.
    "--usr1 print a --usr1 print b --usr2 print c --timeout 1m": 210,
    "--usr1 http GET http://localhost/": 68,
}


@pytest.mark.parametrize("line", WATCHDOGS)
def test_the_watchdog_waits_longer_than_any_turn(line: str) -> None:
    """The watchdog waits longer than any turn, if turns have an end."""
    found = [line for line in unit(line) if "WatchdogSec" in line]
    assert found == ["# WatchdogSec=1min" if WATCHDOGS[line] is None else f"WatchdogSec={WATCHDOGS[line]}"]


def test_the_stop_timeout_is_within_that_of_systemd() -> None:
    """The stop timeout leaves time for tear_downs before systemd's own."""
    assert "TimeoutStopSec=75" in unit("--usr1 print a")
    assert "TimeoutStopSec=255" in unit("--usr1 print a --stop-timeout 2m")
    # The running action, that of TERM, and two tear_downs.
    assert "TimeoutStopSec=135" in unit("--usr1 print a --signal TERM print b")
    assert "TimeoutStopSec=18" in unit("--every 5m print a --usr1 print b --stop-timeout 0")


PROCESSES = """
[process.db]
command = ["postgres-of-mine"]
graceful-time = "40s"
[process.migrate]
command = ["true"]
after = ["db"]
graceful-time = "5s"
[process.web]
command = ["postgres-of-mine"]
after = ["migrate"]
graceful-time = "30s"
[process.mail]
command = ["true"]
after = ["db"]
"""


def test_a_unit_for_processes(tmp_path: Path) -> None:
    """A stop may take as long as the longest chain of processes, and programs that systemd would not find are named."""
    program = tmp_path / "postgres-of-mine"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    config = tmp_path / "site.toml"
    config.write_text(PROCESSES, encoding="utf-8")
    lines = unit(f"-c {config}", PATH=f"{tmp_path}:{os.environ['PATH']}")
    # The running action has the stop timeout, which is 30 s, and the chain is that of db, migrate and web.
    assert {"Type=notify", "KillMode=mixed", "TimeoutStopSec=120", "RestartPreventExitStatus=2"} <= set(lines)
    assert lines.count(f"# In the file, write: {program}") == 1
    config.write_text(f"{PROCESSES}essential = true\n", encoding="utf-8")
    assert not [line for line in unit(f"-c {config}") if line.startswith("RestartPrevent")]


MOMENTS = {
    "90s": ["OnActiveSec=1m30s", "OnUnitActiveSec=1m30s"],
    "5s": ["OnActiveSec=5s", "OnUnitActiveSec=5s", "AccuracySec=100ms"],
    "daily": ["OnCalendar=daily"],
    "'Mon *-*-* 06:00'": ["OnCalendar=Mon *-*-* 06:00"],
}


@pytest.mark.parametrize("spec", MOMENTS)
def test_timers(spec: str) -> None:
    """A timer ticks after a span or by a calendar, and sends the first signal that has work to do."""
    lines = unit(
        f"-c /dev/null --hup reload --every 1s print x --signal TERM print z --signal winch print y --timer {spec}"
    )
    assert lines[lines.index("[Timer]") + 1 : -3] == MOMENTS[spec]
    assert "# /etc/systemd/system/null-winch.timer" in lines
    assert [line for line in lines if "--kill-whom=main --signal=WINCH null.service" in line]


MISTAKES = {
    "--usr1 print a --print-unit --timer banana": "--timer: 'banana' is neither a span",
    "--usr1 print a --print-unit --timer ''": "--timer: the value is empty",
    "--usr1 print a --print-unit --timer 0s": "--timer: '0s' is too short",
    "--usr1 print a --print-unit --timer '1h\nX=Y'": "--timer: '1h\\nX=Y' is neither",
    "--usr1 print a --print-unit --timer '1h \\'": "--timer: '1h \\\\' is neither",
    "--every 1h print a --print-unit --timer 1h": "--timer needs an action bound to a signal",
    "--signal TERM print a --signal INT print a --print-unit --timer 1h": "--timer needs an action bound to a signal",
    "--usr1 stop --print-unit --timer 1h": "--timer needs an action bound to a signal that does not stop",
    "--usr1 print a --timer 1h": "--timer can only be used with --print-unit",
    "--usr1 print a --user": "--user takes a NAME; only with --print-unit it may be left out",
    "--usr1 print a --print-unit --no-systemd": "--print-unit cannot be used with --no-systemd",
    "--usr1 print a --print-unit --print-config": "--print-unit and --print-config cannot be used together",
    "--print-unit": "no actions are configured",
    "--usr1 prnt --print-unit": "unknown action 'prnt'",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes(line: str) -> None:
    """A mistake is reported in one line, and no unit is printed."""
    if "banana" in line and not shutil.which("systemd-analyze"):
        pytest.skip("only systemd-analyze knows what is no calendar")
    done = run(*shlex.split(line))
    assert (done.returncode, done.stdout) == (2, "")
    assert MISTAKES[line] in done.stderr
    assert done.stderr.count("\n") == 1


def test_nothing_is_set_up() -> None:
    """Printing a unit sets up no action, as --check does not."""
    assert not [line for line in unit("--usr1 print a") if line == "init"]
    assert run("--usr1", "acts:FailSetUp", "--print-unit").returncode == 0


@pytest.mark.parametrize(
    ("stem", "name"),
    [("site check", "site-check"), ("é", "flagman"), ("-x", "x"), (".", "flagman"), ("a" * 240, "a" * 200)],
)
def test_the_name_of_the_unit(tmp_path: Path, stem: str, name: str) -> None:
    """The unit is named after the file, as far as systemd accepts the name."""
    config = tmp_path / f"{stem}.toml"
    config.write_text("", encoding="utf-8")
    lines = unit(f"--usr1 print a -c {shlex.quote(str(config))}")
    assert lines[0] == f"# /etc/systemd/system/{name}.service"


def test_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit runs in the directory in which it was printed, because paths may be relative to it."""
    place = tmp_path / "a $b %c"
    place.mkdir()
    monkeypatch.chdir(place)
    lines = unit("--usr1 print a", PYTHONPATH=f"lib{os.pathsep}/abs")
    assert f"WorkingDirectory={tmp_path}/a $b %%c" in lines
    assert f'Environment="PYTHONPATH={tmp_path}/a $b %%c/lib:/abs"' in lines


def test_the_directory_by_the_name_that_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit keeps a symbolic link in PWD, which may lead to the next release, but ignores a wrong PWD."""
    release, link = tmp_path / "release-1", tmp_path / "current"
    release.mkdir()
    link.symlink_to(release)
    monkeypatch.chdir(release)
    assert f"WorkingDirectory={link}" in unit("--usr1 print a", PWD=str(link))
    for wrong in (str(tmp_path), "current", f"{link}/../current", "", "/nowhere", "\udcff"):
        assert f"WorkingDirectory={release}" in unit("--usr1 print a", PWD=wrong)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", os.fsdecode(b"\xff")])
def test_a_directory_that_no_unit_can_name(tmp_path: Path, name: str) -> None:
    """A directory that no unit can name is an error."""
    place = tmp_path / name
    place.mkdir()
    done = run("--usr1", "print", "a", "--print-unit", directory=str(place))
    assert (done.returncode, done.stdout) == (2, "")
    assert "flagman: error: the working directory " in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_options_of_the_interpreter() -> None:
    """A unit keeps the interpreter's options, because they may matter, and the paths of its modules."""
    options = ["-X", "utf8", "-Xdev", "-sW", "ignore", "--check-hash-based-pycs", "never", "-I"]
    done = run("--usr1", "print", "a", "--print-unit", command=[sys.executable, *options, "-Bmflagman"])
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ExecStart=")]
    assert line.endswith(" -X utf8 -Xdev -sW ignore --check-hash-based-pycs never -I -B -m flagman --usr1 print a")
    assert "PYTHONPATH" not in done.stdout, "it does not look there"


def test_an_archive_is_run_as_one(tmp_path: Path) -> None:
    """An archive or directory that contains flagman, which need not be installed, is run as such."""
    package = Path(flagman.__file__).parent
    source = tmp_path / "source"
    shutil.copytree(package, source / "flagman", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "__main__.py").write_text("from flagman.__main__ import main\nmain()\n", encoding="utf-8")
    archive = tmp_path / "flagman.pyz"
    zipapp.create_archive(source, archive)
    for place in (archive, source):
        done = run("--usr1", "print", "a", "--print-unit", command=[*UNMEASURED, place.name], directory=str(tmp_path))
        assert [line for line in done.stdout.splitlines() if line.endswith(f" {place} --usr1 print a")], done.stderr


def test_programs_that_systemd_would_not_find(tmp_path: Path) -> None:
    """A program of exec gets its path if systemd would not find it, and for one of the file there is a comment."""
    for name in ("tool", "ls"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    config = tmp_path / "c.toml"
    config.write_text('[[on]]\nsignal = "USR2"\naction = "exec"\nargs = ["tool", "x"]\n', encoding="utf-8")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    line = (
        f"-c {config} --usr1 exec tool tool --usr1 exec ls --usr1 exec cat --hup sh tool --usr1 exec ./x --usr1 exec no"
    )
    lines = unit(line, PATH=path)
    (found,) = [line for line in lines if line.startswith("ExecStart=")]
    rest = "--hup sh tool --usr1 exec ./x --usr1 exec no"
    assert found.endswith(f" --usr1 exec {tmp_path}/tool tool --usr1 exec {tmp_path}/ls --usr1 exec cat {rest}")
    assert lines[lines.index(found) - 1] == f"# In the file, write: {tmp_path}/tool"
    assert f"--usr1 exec {tmp_path}" not in "".join(unit(f"--chroot {tmp_path} {line}", PATH=path))


WORDS = strategies.text(
    strategies.characters(exclude_characters="\0", codec="utf-8"), max_size=5
) | strategies.sampled_from(["--", ";", "-v", "--quiet", "--usr1", "--check", "print"])


@over(
    strategies.lists(
        strategies.tuples(
            strategies.sampled_from(["--hup", "--usr1", "--signal=WINCH ", "--every=1h30m ", "--after=250ms "]),
            strategies.lists(WORDS, min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
    strategies.lists(
        strategies.sampled_from(
            ["-vv", "-q", "--timeout=90", "--group=-x", "--umask=27", "--log-file=-l", "--jitter=0", "--no-systemd"]
        ),
        unique=True,
    ),
)
@pytest.mark.slow
def test_the_command_reads_back_to_the_same_settings(bindings: list[tuple[str, list[str]]], options: list[str]) -> None:
    """Reading a unit's command gives the settings from which it was written."""
    words = [
        f"{option}{'' if '=' in option else '='}{shlex.join(['exec', '/x', *arguments])}"
        for option, arguments in bindings
    ]
    settings = Line(["flagman", *options, *words]).given(finder(None))
    command = unit_command.Command(settings, settings).words("--check")
    again = Line(command[command.index("-m") + 1 :]).given(finder(None))
    assert again.check
    assert [(b.flag, b.name, b.arguments) for b in again.bindings] == [
        (b.flag, b.name, b.arguments) for b in settings.bindings
    ]
    before, after = (
        {option.setting: getattr(each, option.setting) for option in OPTIONS} for each in (settings, again)
    )
    assert str(after.pop("log_file")) == (str(Path.cwd() / "-l") if before.pop("log_file") else "")
    assert after == {**before, "check": True}


def test_a_dollar_in_the_path_of_the_interpreter() -> None:
    """A dollar in a program's path is not doubled: systemd replaces variables in arguments only, systemd.service(5)."""
    assert unit_syntax.command(["/opt/a$b/python", "$HOME"]) == '"/opt/a$b/python" "$$HOME"'


def test_what_a_new_interpreter_would_not_find(tmp_path: Path) -> None:
    """A unit sets the path of modules that a new interpreter would not find, or is refused if variables are ignored."""
    package = Path(flagman.__file__).parent
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "flagman").symlink_to(package)
    (tmp_path / "place" / "acme.py").write_text("from flagman.actions import PrintAction as P\n", encoding="utf-8")
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import sys; sys.path.insert(0, 'place'); from flagman.cli import main; sys.exit(main())", encoding="utf-8"
    )
    base = str(Path(sys._base_executable))  # type: ignore[attr-defined]
    for action in ("print", "acme:P"):
        done = run(
            *("--usr1", action, "x", "--print-unit"),
            command=[base, str(launcher)],
            directory=str(tmp_path),
            PYTHONPATH="",
        )
        assert f"Environment=PYTHONPATH={tmp_path}/place" in done.stdout.splitlines(), done.stderr
    done = run("--usr1", "print", "x", "--print-unit", command=[base, "-I", str(launcher)], directory=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "a unit would not find flagman or its plugins: they are not installed where" in done.stderr


def test_where_plugins_are(tmp_path: Path) -> None:
    """A unit finds plugins beside the program, in an archive and in a package, and refuses those in the program."""
    plugin = "from flagman.actions import PrintAction as P\nclass Own(P):\n    pass\n"
    (tmp_path / "alone.py").write_text(plugin, encoding="utf-8")
    (tmp_path / "part" / "wide").mkdir(parents=True)
    (tmp_path / "part" / "wide" / "deep.py").write_text(plugin, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("zipped.py", plugin)
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import sys; sys.path += ['part', 'z.zip']\nfrom flagman.cli import main\n"
        "from flagman.actions import PrintAction\nclass Mine(PrintAction): pass\nsys.exit(main())",
        encoding="utf-8",
    )

    def printed(action: str) -> subprocess.CompletedProcess[str]:
        line = ["--usr1", action, "x", "--print-unit"]
        return run(*line, command=[sys.executable, str(launcher)], directory=str(tmp_path), PYTHONPATH="")

    for module, place in (("alone", ""), ("wide.deep", "/part"), ("zipped", "/z.zip")):
        for name in ("P", "Own"):
            lines = printed(f"{module}:{name}").stdout.splitlines()
            assert f"Environment=PYTHONPATH={tmp_path}{place}" in lines
    done = printed("__main__:Mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a unit would not find actions of the program that has called flagman" in done.stderr


def test_a_relative_path_of_programs(tmp_path: Path) -> None:
    """A relative path of the interpreter is made absolute, and system programs are looked for where systemd does."""
    for name in ("kill", "systemctl"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    path = f".{os.pathsep}{Path(sys.executable).parent.relative_to('/')}{os.pathsep}{os.environ['PATH']}"
    done = run("--hup", "print", "x", "--timer", "1h", "--print-unit", directory=str(tmp_path), PATH=path)
    for name in ("kill", "systemctl"):
        assert f"={shutil.which(name, path='/usr/bin') or f'/usr/bin/{name}'} " in done.stdout
    place = Path(sys.executable).parent
    done = run(
        "--usr1",
        "print",
        "x",
        "--print-unit",
        command=["sh", "-c", 'cd "$0" && exec bin/"$@"', str(place.parent), Path(sys.executable).name, "-m", "flagman"],
    )
    assert f"ExecStart={sys.executable} -P -m flagman" in done.stdout


def test_no_user_site_and_the_end_of_options() -> None:
    """PYTHONNOUSERSITE becomes an option, and words after two dashes are no options."""
    done = run("--usr1", "print", "x", "--print-unit", PYTHONNOUSERSITE="1")
    assert " -P -s -m flagman --usr1 print x" in done.stdout
    done = run("--usr1", "print", "x", "--print-unit", command=[sys.executable, "-X", "utf8", "--", *SCRIPT])
    assert f"ExecStart={sys.executable} -X utf8 -P -m flagman --usr1 print x" in done.stdout


SIGNALS = {
    "--usr1 stop --hup reload --usr2 print x": "USR2",
    "--usr1 stop --hup reload": "HUP",
    "--hup reload --usr2 print x": "USR2",
    "--usr1 print x --usr1 stop --usr2 print x": "USR2",
}


@pytest.mark.parametrize("line", SIGNALS)
def test_the_signal_of_a_timer(line: str) -> None:
    """The signal of a timer runs an action or else reloads, and never stops the daemon."""
    lines = unit(f"-c /dev/null {line} --timer 1h")
    assert any(f"--signal={SIGNALS[line]} null.service" in found for found in lines)


@pytest.mark.parametrize("place", ["/opt/it's", '/opt/"x"', "/opt/back\\slash", "/opt/a\tb"])
def test_a_program_that_systemd_does_not_take(place: str) -> None:
    """If systemd does not accept the path of a program, a shell starts, and becomes the program."""
    line = unit_syntax.command([f"{place}/python", "$x"])
    assert line.startswith('/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/opt/')
    assert line.endswith('/python" "$$x"')


@pytest.mark.parametrize("program", ["python", "", os.fsdecode(b"/opt/\xff")])
def test_a_program_that_no_unit_can_name(program: str) -> None:
    """A program that no unit can name is an error."""
    with pytest.raises(UsageError, match=r"a unit needs the full path|it cannot be written in a unit"):
        unit_syntax.command([program])


def test_units_that_are_written(tmp_path: Path) -> None:
    """The files have the printed lines, replace older ones, and the next command is printed."""
    (tmp_path / "flagman.service").write_text("old", encoding="utf-8")
    line = ["--usr1", "print", "x", "--print-unit", "--timer", "15m"]
    done = run(*line, "--into", str(tmp_path))
    *paths, following = done.stdout.splitlines()
    names = ["flagman.service", "flagman-usr1.service", "flagman-usr1.timer"]
    assert paths == [f"{tmp_path}/{name}" for name in names]
    command = "systemctl daemon-reload && systemctl enable --now"
    assert following == f"Next: {command} {paths[0]} && {command} {paths[2]}"
    printed = [each for each in run(*line).stdout.splitlines() if not each.startswith(("# /etc", "# Save it"))]
    written = [line for path in paths for line in ["", *Path(path).read_text(encoding="utf-8").splitlines()]]
    assert [each for each in printed if each] == [each for each in written if each]
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert all(Path(path).stat().st_mode & 0o777 == 0o600 for path in paths)
    done = run("--usr1", "print", "x", "--print-unit", "--into", f"{tmp_path}/no/such")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert run("--usr1", "print", "x", "--into", str(tmp_path)).returncode == 2
