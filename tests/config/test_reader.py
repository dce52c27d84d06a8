"""The configuration file: its meaning, and everything that can be wrong with it."""

from __future__ import annotations

import os
import re
import signal
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flagman import cli, core
from flagman.actions import RestartProcessAction, SignalAction, StopAction
from flagman.config.binding import Binding
from flagman.config.processes import check_names
from flagman.config.reader import File
from flagman.config.settings import Settings
from flagman.config.writer import as_toml
from flagman.exceptions import ConfigError, UsageError
from flagman.triggers.by_process import ProcessSource
from flagman.triggers.by_signal import SignalSource
from support.driven import LIB, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2

COMPLETE = """
[flagman]
overlap = "rerun"
on-error = "close"
timeout = "30s"
stop-timeout = 2.5
max-failures = 3
output = "log"
jitter = 1
debounce = "250ms"
run-at-start = true
once = false
successful-empty = true
no-systemd = true
quiet = false
verbose = 2
log-level = "info"
log-format = "json"
log-file = "flagman.log"

[[on]]
signal = "SIGUSR1"
action = "exec"
args = ["systemctl", "reload", "nginx"]
timeout = "10s"
overlap = "ignore"
output = "null"
directory = "a \\n directory"
environment = { LANG = "C", "QUOTES" = "'\\"", EMPTY = "" }
umask = "027"

[[on]]
signal = 12
action = "stop"
on-error = "exit"
max-failures = 1

[[on]]
every = "1h30m"
action = "log"
args = ["info", "ho ho"]
jitter = "5m"

[[on]]
after = 90
action = "stop"

[[on]]
signal = "RTMIN+3"
action = "print"
args = ["quotes \\" and \\\\ and \\u0007"]
debounce = "2s"

[logging]
version = 1
[logging.root]
level = "INFO"
handlers = ["a", "b"]
"""
OF_EXEC = {
    "timeout": 10,
    "overlap": "ignore",
    "output": "null",
    "directory": "a \n directory",
    "environment": {"LANG": "C", "QUOTES": "'\"", "EMPTY": ""},
    "command_umask": 0o027,
}


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Callable[[str], str]:
    """Write a configuration file."""

    def write(text: str) -> str:
        path = tmp_path / "flagman.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_everything(write: Callable[[str], str]) -> None:
    """Each key sets what its option would set."""
    config = File(write(COMPLETE)).complete(core.KNOWN_ACTIONS.__getitem__)
    assert config.options == {
        "overlap": "rerun",
        "on_error": "close",
        "timeout": 30,
        "stop_timeout": 2.5,
        "max_failures": 3,
        "output": "log",
        "jitter": 1,
        "debounce": 0.25,
        "run_at_start": True,
        "once": False,
        "successful_empty": True,
        "systemd": False,
        "quiet": False,
        "verbose": 2,
        "log_level": "info",
        "log_format": "json",
        "log_file": "flagman.log",
    }
    assert [(b.flag, b.name, b.arguments, b.options) for b in config.bindings] == [
        ("usr1", "exec", ("systemctl", "reload", "nginx"), OF_EXEC),
        ("usr2", "stop", (), {"on_error": "exit", "max_failures": 1}),
        ("every-1h30m", "log", ("info", "ho ho"), {"jitter": 300}),
        ("after-1m30s", "stop", (), {}),
        ("rtmin+3", "print", ('quotes " and \\ and \a',), {"debounce": 2}),
    ]
    assert config.logging == {"version": 1, "root": {"level": "INFO", "handlers": ["a", "b"]}}


def test_a_process(write: Callable[[str], str]) -> None:
    """What happens to a process has two keys, which are written so that they can be read again."""
    text = "[process.web]\ncommand = ['web']\n[[on]]\nprocess = 'web'\nevent = 'fail'\naction = 'stop'"
    for _ in range(2):
        config = File(write(text), tables={"process": lambda _: (None, ())}).complete(core.KNOWN_ACTIONS.__getitem__)
        (binding,) = config.bindings
        assert (binding.flag, binding.source.processes()) == ("process:web:fail", ("web",))
        text = as_toml(config.below(Settings()))
        assert '\nprocess = "web"\nevent = "fail"\naction = "stop"\n' in text


def test_tables_are_written_as_they_are_typed(write: Callable[[str], str]) -> None:
    """Tables of processes are written with bare keys, each under its whole name, and an empty one is not lost."""
    text = "[process.web]\ncommand = ['web']\nready = {type = 'http', headers = {'X Y' = 'z'}}\n[process.x]"
    config = File(write(text), tables={"process": lambda _: (None, ())}).complete(core.KNOWN_ACTIONS.__getitem__)
    written = as_toml(config.below(Settings()))
    assert tomllib.loads(written)["process"] == tomllib.loads(text)["process"]
    end = '[process.web.ready]\ntype = "http"\n\n[process.web.ready.headers]\n"X Y" = "z"\n\n[process.x]\n'
    assert written.endswith(f'\n\n[process.web]\ncommand = ["web"]\n\n{end}')


def test_a_process_that_there_is_not() -> None:
    """A binding that is about a process which the file does not have is refused, and the message says what to do."""
    bindings = [Binding(ProcessSource(name, "fail"), "stop", StopAction, ()) for name in ("wbe", "db", "web")]
    usr1 = SignalSource(USR1)
    bindings += [Binding(usr1, "restart_process", RestartProcessAction, (name,)) for name in ("web", "cachee")]
    bindings += [Binding(usr1, "signal", SignalAction, ("HUP", target)) for target in ("1", "process:db")]
    with pytest.raises(ConfigError) as caught:
        check_names(bindings, ("web", "cache"))
    assert caught.value.mistakes == [
        "process:wbe:fail: there is no process 'wbe'; did you mean 'web'?",
        "process:db:fail: there is no process 'db'",
        "usr1: restart_process: there is no process 'cachee'; did you mean 'cache'?",
        "usr1: signal: there is no process 'db'",
    ]
    what = "; each process is a table [process.NAME] of the configuration file"
    with pytest.raises(UsageError, match=re.escape(f"process:db:fail: there is no process 'db'{what}")):
        Settings(bindings=tuple(bindings[1:2])).check_together()


def test_the_command_line_beats_the_file(write: Callable[[str], str]) -> None:
    """Options of the command line replace those of the file, and its actions follow those of the file."""
    path = write(COMPLETE)
    line = ["flagman", "--usr1", "print", "last", "--config", path, "--overlap", "ignore", "--stop-timeout", "1m"]
    parsed = cli.parse_args(line)
    assert (parsed.overlap, parsed.stop_timeout, parsed.on_error, parsed.verbose) == ("ignore", 60, "close", 2)
    assert [binding.name for binding in parsed.bindings] == ["exec", "stop", "log", "stop", "print", "print"]
    # Bindings with a trigger or debounce of their own form separate bundles.
    assert [b.flag for b in parsed.bindings[2:]] == ["every-1h30m~5m", "after-1m30s", "rtmin+3~2s", "usr1"]


def test_what_is_printed_reads_back(write: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """The printed configuration reads back to the same settings, defaults included."""
    first = write(COMPLETE)
    assert cli.main(["flagman", "-c", first, "--print-config", "--once", "--hup", "print", "more"]) == 0
    printed = capsys.readouterr().out
    before = cli.parse_args(["flagman", "-c", first, "--once", "--hup", "print", "more"])
    after = cli.parse_args(["flagman", "-c", write(printed)])
    assert describe(before) == describe(after)
    assert cli.main(["flagman", "-c", write(printed), "--print-config"]) == 0
    assert capsys.readouterr().out == printed
    assert cli.main(["flagman", "-c", write(printed), "--check"]) == 0


def test_the_defaults_read_back(write: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """The printed configuration of one action reads back to the defaults."""
    assert cli.main(["flagman", "--usr1", "stop", "--print-config"]) == 0
    printed = capsys.readouterr().out
    assert describe(cli.parse_args(["flagman", "-c", write(printed)])) == {
        **describe(cli.parse_args(["flagman", "--usr1", "stop"])),
        "usr1": [["stop"]],
    }


def describe(parsed: object) -> dict[str, object]:
    """Return the settings in a form that can be compared."""
    options = dict(vars(parsed))
    options["bindings"] = [(b.flag, b.name, b.arguments, b.options) for b in options["bindings"]]
    return {name: value for name, value in options.items() if name != "config"}


EXEC = "[[on]]\nsignal = 'HUP'\naction = 'exec'\nargs = ['true']\n"
MISTAKES = {
    "is not TOML: ": "[flagman",
    "is not TOML: Cannot overwrite a value": "a = 1\na = 2",
    "table 'onn': unknown; did you mean 'on'?": "[[onn]]",
    "key 'signal': stands outside of a table; begin with [flagman] or [[on]]": "signal = 'USR1'",
    "flagman: is not a table; write [flagman]": "flagman = 1",
    "on: is not an array of tables; write [[on]]": "[on]\nsignal = 'USR1'",
    "logging: is not a table; write [logging]": "logging = 3",
    "[flagman]: key 'overlp': unknown; did you mean 'overlap'?": "[flagman]\noverlp = 'ignore'",
    "[flagman]: key 'list': unknown": "[flagman]\nlist = true",
    "[flagman]: key 'stop_timeout': unknown; did you mean 'stop-timeout'?": "[flagman]\nstop_timeout = 1",
    "[flagman]: key 'overlap': 'never' is not one of ignore, rerun": "[flagman]\noverlap = 'never'",
    "[flagman]: key 'on-error': 'close!' is not one of continue, skip, close, exit; did you mean 'close'?": (
        "[flagman]\non-error = 'close!'"
    ),
    "[flagman]: key 'overlap': is not a string": "[flagman]\noverlap = 1",
    "[flagman]: key 'timeout': 'soon' is not a span of time": "[flagman]\ntimeout = 'soon'",
    "[flagman]: key 'timeout': is not a string or a number": "[flagman]\ntimeout = true",
    "[flagman]: key 'timeout': '-1' is not a span": "[flagman]\ntimeout = -1",
    "[flagman]: key 'timeout': 'nan' is not a span": "[flagman]\ntimeout = nan",
    "[flagman]: key 'max-failures': '1.5' is not a whole number": "[flagman]\nmax-failures = 1.5",
    "[flagman]: key 'once': is neither true nor false": "[flagman]\nonce = 'yes'",
    "[flagman]: key 'verbose': is not a number, such as 1": "[flagman]\nverbose = true",
    "[flagman]: key 'log-level': 'loud' is not one of": "[flagman]\nlog-level = 'loud'",
    "[flagman]: key 'log-file': 'a\\x00b' is not a path": '[flagman]\nlog-file = "a\\u0000b"',
    "[flagman]: key 'verbose': is not a number": f"[flagman]\nverbose = 0x{'f' * 5000}",
    "[[on]] #1: key 'signal': is not a string": f"[[on]]\naction = 'stop'\nsignal = 0x{'f' * 5000}",
    "is not TOML: Exceeds the limit": f"a = {'9' * 5000}",
    "[logging]: key 'version': must be 1": "[logging]\nversion = 2",
    "[[on]] #1: needs one of the keys 'signal', 'every', 'after', 'file', 'process'; none is given": (
        "[[on]]\naction = 'stop'"
    ),
    "[[on]] #1: needs one of the keys 'signal', 'every', 'after', 'file', 'process'; signal and every are given": (
        "[[on]]\naction = 'stop'\nsignal = 'HUP'\nevery = 5"
    ),
    "[[on]] #1: key 'event': is missing": "[[on]]\naction = 'stop'\nprocess = 'web'",
    "[[on]] #1: key 'process': is not a string": "[[on]]\naction = 'stop'\nprocess = 80\nevent = 'fail'",
    "[[on]] #1: key 'process' and key 'event': 'fails' is not an event of a process; the events are ready": (
        "[[on]]\naction = 'stop'\nprocess = 'web'\nevent = 'fails'"
    ),
    "[[on]] #1: key 'process' and key 'event': ':fail' is not NAME:EVENT": (
        "[[on]]\naction = 'stop'\nprocess = ''\nevent = 'fail'"
    ),
    "[[on]] #1: key 'event': goes with the key 'process', and not with 'signal'": (
        "[[on]]\naction = 'stop'\nsignal = 'HUP'\nevent = 'fail'"
    ),
    "[[on]] #1: key 'action': is missing": "[[on]]\nsignal = 'HUP'",
    "[[on]] #1: key 'action': is not a string": "[[on]]\nsignal = 'HUP'\naction = 3",
    "[[on]] #2: key 'action': unknown action 'prnt'; did you mean 'print'?": (
        "[[on]]\nsignal = 'HUP'\naction = 'stop'\n[[on]]\nsignal = 'HUP'\naction = 'prnt'"
    ),
    "[[on]] #1: key 'signal': 'USR3' is not a signal": "[[on]]\nsignal = 'USR3'\naction = 'stop'",
    "[[on]] #1: key 'signal': 'KILL' cannot be bound": "[[on]]\nsignal = 'KILL'\naction = 'stop'",
    "[[on]] #1: key 'signal': is not a string ": "[[on]]\nsignal = true\naction = 'stop'",
    "[[on]] #1: key 'every': '5x' is not a span": "[[on]]\nevery = '5x'\naction = 'stop'",
    "[[on]] #1: key 'args': is not an array of strings": "[[on]]\nsignal = 'HUP'\naction = 'print'\nargs = [1]",
    "[[on]] #1: key 'args': is not an array": "[[on]]\nsignal = 'HUP'\naction = 'print'\nargs = 'x'",
    "[[on]] #1: key 'args': print: takes 1 argument (message: str), got none": (
        "[[on]]\nsignal = 'HUP'\naction = 'print'"
    ),
    "[[on]] #1: key 'args': log: 'loud' is not a log level": (
        "[[on]]\nsignal = 'HUP'\naction = 'log'\nargs = ['loud', 'x']"
    ),
    "[[on]] #1: key 'overlap': 'x' is not one of": "[[on]]\nsignal = 'HUP'\naction = 'stop'\noverlap = 'x'",
    "[[on]] #1: key 'output': is for actions that run commands, such as exec; 'stop' runs none": (
        "[[on]]\nsignal = 'HUP'\naction = 'stop'\noutput = 'log'"
    ),
    "[[on]] #1: key 'output': 'x' is not one of": f"{EXEC}output = 'x'",
    "[[on]] #1: key 'umask': is for actions that run commands": (
        "[[on]]\nsignal = 'HUP'\naction = 'print'\nargs = ['x']\numask = '077'"
    ),
    "[[on]] #1: key 'umask': is not a string": f"{EXEC}umask = 77",
    "[[on]] #1: key 'umask': '8' is not an octal number": f"{EXEC}umask = '8'",
    "[[on]] #1: key 'directory': '' is not a path": f"{EXEC}directory = ''",
    "[[on]] #1: key 'directory': 'a\\x00b' is not a path": f'{EXEC}directory = "a\\u0000b"',
    "[[on]] #1: key 'environment': is not a table of strings, such as {LANG = \"C\"}": f"{EXEC}environment = 'A=b'",
    "[[on]] #1: key 'environment': '' is not the name of a variable": f"{EXEC}environment = {{'' = 'x'}}",
    "[[on]] #1: key 'environment': 'A=B' is not the name of a variable": f"{EXEC}environment = {{'A=B' = 'x'}}",
    "[[on]] #1: key 'environment': '1A' is not the name of a variable": f"{EXEC}environment = {{'1A' = 'x'}}",
    "[[on]] #1: key 'environment': 'é' is not the name of a variable": f"{EXEC}environment = {{'é' = 'x'}}",
    "[[on]] #1: key 'environment': 'FLAGMAN_PID' cannot be set: ": f"{EXEC}environment.FLAGMAN_PID = 'x'",
    "[[on]] #1: key 'environment': the value of 'PORT' is not a string": f"{EXEC}environment.PORT = 80",
    "[[on]] #1: key 'environment': the value of 'A' contains a NUL": f'{EXEC}environment.A = "\\u0000"',
    "[flagman]: key 'directory': unknown": "[flagman]\ndirectory = '/'",
    "[[on]] #1: key 'actoin': unknown; did you mean 'action'?": "[[on]]\nsignal = 'HUP'\nactoin = 'stop'",
}


@pytest.mark.parametrize("message", MISTAKES)
@pytest.mark.parametrize("mode", ["--check", "--print-config", "-q"])
def test_mistakes(message: str, mode: str, write: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake is reported in one line that names the file, the place, and the error."""
    path = write(MISTAKES[message])
    assert cli.main(["flagman", mode, "-c", path]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert all(line.startswith(f"flagman: error: {path}: ") for line in lines)
    assert [line for line in lines if f"{path}: {message.rstrip()}" in line]


def test_all_mistakes_at_once(write: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """All mistakes of a file are reported at once, so that its author can correct them together."""
    text = "[flagman]\na = 1\ntimeout = 'x'\n[[on]]\nb = 1\nsignal = 'X'\naction = 'nope'\n[[on]]\n"
    assert cli.main(["flagman", "--check", "-c", write(text)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 7


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If a file cannot be read, the message gives the reason."""
    (tmp_path / "latin").write_bytes(b"a = '\xe9'")
    for name, message in (
        ("none", "cannot be read: No such file"),
        ("", "cannot be read: Is a"),
        ("latin", "is not UTF-8"),
    ):
        assert cli.main(["flagman", "-c", f"{tmp_path}/{name}"]) == 2
        captured = capsys.readouterr().err
        assert message in captured
        assert captured.count("\n") == 1


def test_a_file_without_actions(write: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """A file without actions is refused unless the command line binds one."""
    assert cli.main(["flagman", "-c", write("")]) == 2
    assert "binds no action" in capsys.readouterr().err
    assert cli.main(["flagman", "-c", write(""), "--usr1", "stop", "--check"]) == 0


def test_a_daemon_with_a_file(start: Callable[..., Flagman], write: Callable[[str], str]) -> None:
    """Actions of a file run in its order, and those of the command line follow."""
    text = "".join(f"[[on]]\nsignal = 'USR1'\naction = 'print'\nargs = ['{word}']\n" for word in "ab")
    daemon = start("-c", write(text), "--usr1", "print", "c").ready().expect("init", "init", "init")
    daemon.signal(USR1).expect("a", "b", "c").stop("cleanup", "cleanup", "cleanup")


def test_overlap_of_one_binding(start: Callable[..., Flagman], write: Callable[[str], str], fifo: Path) -> None:
    """With overlap = "rerun" for one binding, only its action runs again for a signal during the run."""
    text = f"""
        [[on]]
        signal = "USR1"
        action = "acts:Gate"
        args = ["a", "{fifo}"]
        [[on]]
        signal = "USR1"
        action = "print"
        args = ["again"]
        overlap = "rerun"
        """
    daemon = start("-c", write(text)).ready().expect("a: init", "init").signal(USR1).expect("a: begin").signal(USR1)
    settle(daemon.process.pid)
    fifo.write_text("\n", encoding="utf-8")
    daemon.expect("a: end", "again", "again")
    settle(daemon.process.pid)
    daemon.signal(USR1).expect("a: begin")
    fifo.write_text("\n", encoding="utf-8")
    daemon.expect("a: end", "again").stop("cleanup", "a: cleanup")


def test_debounce_of_one_binding(start: Callable[..., Flagman], write: Callable[[str], str]) -> None:
    """Only the debounced binding waits for quiet, and its trigger has the name of the signal."""
    text = """
        [[on]]
        signal = "HUP"
        action = "sh"
        args = ["echo later $FLAGMAN_TRIGGER"]
        debounce = "30ms"
        [[on]]
        signal = "HUP"
        action = "sh"
        args = ["echo now $FLAGMAN_TRIGGER"]
        """
    daemon = start("-c", write(text)).ready().signal(signal.SIGHUP).expect("now hup", "later hup")
    daemon.stop()


def test_limits_of_one_binding(start: Callable[..., Flagman], write: Callable[[str], str], fifo: Path) -> None:
    """A binding may have its own timeout, on-error and max-failures."""
    text = f"""
        [flagman]
        max-failures = 1
        [[on]]
        signal = "USR1"
        action = "acts:Gate"
        args = ["a", "{fifo}"]
        timeout = "30ms"
        on-error = "close"
        max-failures = 2
        """
    daemon = start("-c", write(text), "--usr2", "acts:Fail", "ValueError").ready().expect("a: init", "init")
    daemon.signal(USR1).expect("a: begin", "a: cleanup").expect_error(": removed because it failed")
    daemon.signal(USR2).expect("cleanup", "")
    assert daemon.status() == 1


TOML = st.recursive(
    st.booleans() | st.integers(-5, 100) | st.floats() | st.text(max_size=5) | st.sampled_from(["USR1", "5m", "print"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "overlap",
        "on-error",
        "timeout",
        "jitter",
        "debounce",
        "max-failures",
        "signal",
        "every",
        "after",
        "action",
        "args",
        "once",
        "verbose",
        "output",
        "x",
    ]
)
TABLES = st.dictionaries(KEYS, TOML, max_size=6)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flagman=TABLES | TOML, on=st.lists(TABLES, max_size=3) | TOML)
def test_any_file_is_checked_without_a_traceback(
    flagman: object, on: object, write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Checking any file accepts it or reports each mistake in one line, without a traceback."""
    from flagman.config.writer import _value  # noqa: PLC0415 - it writes TOML

    text = f"flagman = {_value(flagman)}\non = {_value(on)}\n".replace("\\u0000", "")
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeError):
        return
    try:
        status = cli.main(["flagman", "--check", "-c", write(text)])
    except UnicodeEncodeError:
        return
    captured = capsys.readouterr()
    assert status in (0, 2)
    assert all(line.startswith(("flagman: error: ", "good: ")) for line in (captured.out + captured.err).splitlines())


def test_a_broken_plugin_in_a_file(write: Callable[[str], str]) -> None:
    """A broken plugin is reported with the table that uses it."""
    done = run("--check", "-c", write("[[on]]\nsignal = 'HUP'\naction = 'broken_plugin:X'\n"), PYTHONPATH=str(LIB))
    assert done.returncode == 2
    assert "[[on]] #1: key 'action': the action 'broken_plugin:X' is broken: RuntimeError" in done.stderr
    assert os.linesep.join(done.stderr.splitlines()[1:]) == ""


def test_the_error_knows_all_mistakes(write: Callable[[str], str]) -> None:
    """The exception holds all mistakes, for programs that show them in their own way."""
    with pytest.raises(ConfigError) as caught:
        File(write("a = 1\nb = 2\n")).complete(core.KNOWN_ACTIONS.__getitem__)
    assert len(caught.value.mistakes) == 2


def test_what_toml_cannot_say(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no valid text cannot be printed as TOML, and the error shows the character."""
    assert cli.main(["flagman", "--print-config", "--usr1", "touch", "/tmp/\udcff"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'\\udcff' is not a character that can be written" in captured.err


def test_an_early_signal_reaches_all_bindings(
    start: Callable[..., Flagman], write: Callable[[str], str], fifo: Path
) -> None:
    """A signal during the start reaches all bindings, including the debounced ones."""
    tables = "".join(
        f"[[on]]\nsignal = 'USR1'\naction = 'print'\nargs = ['{word}']\n{more}\n"
        for word, more in (("now", ""), ("later", "debounce = '20ms'"))
    )
    slow = f"[[on]]\nsignal = 'USR2'\naction = 'acts:SlowSetUp'\nargs = ['slow', '{fifo}']\n"
    path = write(slow + tables)
    Path(path).unlink()
    os.mkfifo(path)
    daemon = start("-c", path)
    with Path(path).open("w", encoding="utf-8") as file:  # flagman waits here for its configuration
        daemon.signal(USR1)
        settle(daemon.process.pid)
        file.write(slow + tables)
    daemon.expect("slow: init", "slow: begin")
    fifo.write_text("\n", encoding="utf-8")
    daemon.ready().expect("slow: end", "init", "init", "now", "later").stop("cleanup", "cleanup", "slow: cleanup")


@pytest.mark.parametrize(("key", "message"), [("every", "'' is not a span of time"), ("signal", "'' is not a signal")])
def test_an_empty_trigger(
    write: Callable[[str], str], key: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trigger with an empty value is refused like any other wrong value, not taken for one that needs none."""
    assert cli.main(["flagman", "--check", "-c", write(f'[[on]]\n{key} = ""\naction = "stop"\n')]) == 2
    assert message in capsys.readouterr().err
