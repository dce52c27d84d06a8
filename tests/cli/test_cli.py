"""The command's functions, called as a library, and its mistakes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import flagman
from flagman import cli, core
from flagman.config.binders import TRIGGERS
from flagman.config.options import LONG_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman

GOLDEN = Path(__file__).parent / "help.txt"


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="argparse shows short and long options differently from 3.13 on"
)
def test_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The help is the text of the golden file; if it differs, this test rewrites the file and fails, for review."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["flagman", "--help"]) == 0
    shown = capsys.readouterr().out
    golden = GOLDEN.read_text(encoding="utf-8")
    if shown != golden:
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == golden
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("90", 90), ("200", 100)])
def test_the_help_is_as_wide_as_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, widest: int
) -> None:
    """The options are explained in as many columns as there are, up to a hundred."""
    monkeypatch.setenv("COLUMNS", columns)
    assert cli.main(["flagman", "--help"]) == 0
    options, _, _ = capsys.readouterr().out.partition("notes:")
    assert widest - 12 <= max(map(len, options.splitlines())) <= widest


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The option --version prints the version of the package."""
    assert cli.main(["flagman", "--version"]) == 0
    assert capsys.readouterr().out == f"flagman {flagman.__version__}\n"


DEFAULTS: dict[str, object] = {
    "hup": [],
    "usr1": [],
    "usr2": [],
    "bindings": (),
    "overlap": "ignore",
    "on_error": "continue",
    "timeout": None,
    "max_failures": 0,
    "output": "inherit",
    "jitter": 0,
    "file_interval": 5,
    "pythonpath": "",
    "into": "",
    "debounce": 0,
    "run_at_start": False,
    "once": False,
    "stop_timeout": 30,
    "successful_empty": False,
    "systemd": True,
    "no_systemd": False,
    "quiet": False,
    "verbose": 0,
    "list": False,
    "check": False,
    "dry_run": False,
    "config": "",
    "print_config": False,
    "print_unit": False,
    "daemon": False,
    "user": None,
    "group": None,
    "umask": None,
    "chdir": None,
    "chroot": None,
    "stdout": None,
    "stderr": None,
    "timer": "",
    "logging": None,
    "tables": {},
    "pid_file": "",
    "name": None,
    "command": (),
    "forward": "leader",
    "graceful_time": 10,
    "restart": "never",
    "stop_signal": None,
    "success_exit_status": (),
    "keep_alive": False,
    "guardian": True,
    "control": (),
    "control_token": "",
    "control_mode": None,
    "control_group": None,
    "log_level": "warning",
    "log_format": "auto",
    "metrics_file": "",
    "runlog": "",
    "log_file": "",
}


def test_every_option_is_documented() -> None:
    """Every option has an entry in the reference, not only in the help."""
    text = (Path(__file__).parents[2] / "docs" / "cli.rst").read_text(encoding="utf-8")
    reference = text.partition("\nOptions\n")[2].partition("\nActions\n")[0]
    entries = {word for line in re.findall(r"^\.\. option:: (.*)$", reference, re.MULTILINE) for word in line.split()}
    assert entries >= {*LONG_OPTIONS, *TRIGGERS}


def test_defaults() -> None:
    """Without options the settings are the documented defaults, and the negative options have positive names."""
    settings = cli.parse_args(["flagman"])
    assert (settings.overlap, settings.on_error, settings.stop_timeout) == ("ignore", "continue", 30)
    assert (settings.systemd, settings.successful_empty, settings.list, settings.quiet) == (True, False, False, False)
    assert (settings.verbose, settings.bindings) == (0, ())
    assert vars(settings) == DEFAULTS


def test_all_options() -> None:
    """Each option sets its own setting."""
    line = (
        "flagman -d --pythonpath lib "
        "--usr1 print a --hup print b --usr1 delay_print c 1 --overlap rerun --on-error=exit "
        "--stop-timeout 2s500ms --successful-empty --no-systemd -q -vv -l --signal winch stop --every 5m stop "
        "--after 1h stop --timeout 5s --max-failures 3 --output log --debounce 2s --jitter 1s --run-at-start --once "
        "--file-interval 9 --into units "
        "--check --dry-run --print-config --print-unit --user --timer daily "
        "--log-level debug --log-format json --log-file x.log --runlog x.runs --metrics-file x.prom --pid-file x.pid "
        "--name web --control --control 127.0.0.1:9000 --control-token /etc/web.token "
        "--control-mode 660 --control-group adm "
        "--group g --umask 027 --chdir c --chroot r --stdout o --stderr e "
        "--forward group --graceful-time 3s --restart always --stop-signal quit "
        "--success-exit-status 2,143 --keep-alive --no-guardian -- nginx -g x"
    )
    settings = cli.parse_args(line.split())
    assert vars(settings) == {
        "hup": [["print", "b"]],
        "usr1": [["print", "a"], ["delay_print", "c", "1"]],
        "usr2": [],
        "bindings": settings.bindings,
        "overlap": "rerun",
        "on_error": "exit",
        "stop_timeout": 2.5,
        "successful_empty": True,
        "systemd": False,
        "no_systemd": True,
        "quiet": True,
        "verbose": 2,
        "list": True,
        "timeout": 5,
        "max_failures": 3,
        "output": "log",
        "debounce": 2,
        "jitter": 1,
        "file_interval": 9,
        "pythonpath": "lib",
        "into": "units",
        "run_at_start": True,
        "once": True,
        "check": True,
        "dry_run": True,
        "config": "",
        "print_config": True,
        "print_unit": True,
        "daemon": True,
        "user": "",
        "group": "g",
        "umask": 0o027,
        "chdir": "c",
        "chroot": "r",
        "stdout": "o",
        "stderr": "e",
        "timer": "daily",
        "logging": None,
        "tables": {},
        "pid_file": "x.pid",
        "name": "web",
        "control": (True, "127.0.0.1:9000"),
        "control_token": "/etc/web.token",
        "control_mode": 0o660,
        "control_group": "adm",
        "log_level": "debug",
        "log_format": "json",
        "log_file": "x.log",
        "metrics_file": "x.prom",
        "runlog": "x.runs",
        "command": ("nginx", "-g", "x"),
        "forward": "group",
        "graceful_time": 3,
        "keep_alive": True,
        "guardian": False,
        "restart": "always",
        "stop_signal": signal.SIGQUIT,
        "success_exit_status": (2, 143),
    }
    assert vars(settings).keys() == DEFAULTS.keys()
    assert [(binding.flag, *binding.arguments) for binding in settings.bindings] == [
        ("usr1", "a"),
        ("hup", "b"),
        ("usr1", "c", "1"),
        ("winch",),
        ("every-5m",),
        ("after-1h",),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "no actions are configured; bind one, for example: flagman --usr1 print hello"),
        ("-v", "no actions are configured"),
        ("--bogus", "unknown option '--bogus'; see flagman --help"),
        ("--ussr1 print x", "unknown option '--ussr1'; did you mean '--usr1'?"),
        ("--hu print x", "unknown option '--hu'; did you mean '--hup'?"),
        ("--verb", "unknown option '--verb'; did you mean '--verbose'?"),
        ("-x", "unknown option '-x'; see flagman --help"),
        ("--umask 8 --usr1 print x", "--umask: '8' is not an octal number, such as 027"),
        ("--umask 0 --usr1 print x", "--umask: '0' would let all users write; use 022, 027 or 077"),
        ("--check --user nobodyx --usr1 print x", "user: no such user 'nobodyx'"),
        ("print x", "'print' belongs to no option; an action follows the signal that runs it: --usr1 print hello"),
        ("--usr1 print", "--usr1 print: takes 1 argument (message: str), got none"),
        ("--usr1 prnt hi", "--usr1: unknown action 'prnt'; did you mean 'print'?"),
        ("--overlap never --usr1 print x", "--overlap: 'never' is not one of ignore, rerun"),
        ("--overlap", "--overlap takes one of ignore, rerun"),
        ("--on-error panic", "--on-error: 'panic' is not one of continue, skip, close, exit"),
        ("--stop-timeout soon", "--stop-timeout: 'soon' is not a span of time such as 90, 250ms"),
        ("--stop-timeout -1", "--stop-timeout"),
        ("--stop-timeout=nan", "'nan' is not a span of time"),
        ("--stop-timeout=2000d", "'2000d' is too long; the longest span is 1157d"),
        ("--list=x", "unknown action 'x'; flagman --list shows all actions"),
        ("--once=x", "--once takes no value"),
        ("--stop-signal cont -- x", "--stop-signal: 'cont' ends no process"),
        ("--stop-signal 0 -- x", "--stop-signal: '0' is not a signal of this system"),
        ("--stop-signal quit --usr1 print x", "--stop-signal is for a command to wrap, and -- COMMAND is missing"),
        ("--success-exit-status 256 -- x", "--success-exit-status: '256' is not an exit status from 0 to 255"),
        ("--success-exit-status 1, -- x", "--success-exit-status: '' is not an exit status from 0 to 255"),
    ],
)
def test_mistakes_are_one_line_and_status_2(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake is reported in one line with status 2, and nothing is set up."""
    assert cli.main(["flagman", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("flagman: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_parse_args_exits_as_argparse_does() -> None:
    """The function parse_args raises SystemExit for a mistake, as argparse does."""
    with pytest.raises(SystemExit) as caught:
        cli.parse_args(["flagman", "--bogus"])
    assert caught.value.code == 2


def test_list_actions(capsys: pytest.CaptureFixture[str]) -> None:
    """The function list_actions prints the documented lines."""
    cli.list_actions()
    assert (
        "print           - A simple Action that prints messages at the various stages of\n"
        "                  execution.\n"
        "                  (message: str)\n"
    ) in capsys.readouterr().out


def test_main_uses_the_arguments_of_the_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions main and main_wrapper take the arguments of the process."""
    monkeypatch.setattr(sys, "argv", ["flagman", "--version"])
    assert cli.main() == cli.main_wrapper() == 0
    assert capsys.readouterr().out == f"flagman {flagman.__version__}\n" * 2


def test_the_catalog_is_looked_up_when_it_is_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog is looked up when it is used, so that a program may replace it."""
    monkeypatch.setattr(core, "KNOWN_ACTIONS", {"shout": flagman.actions.PrintAction})
    assert cli.main(["flagman", "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("shout - ")


def test_a_closed_pipe_behind_a_list_is_no_traceback() -> None:
    """If the reader of a list closes the pipe, as in `flagman --list | head -1`, there is no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "flagman", "--list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, encoding="utf-8", check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_body_that_looks_like_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    """A body of a request that looks like an option is refused, because options have to come first."""
    assert cli.main(["flagman", "--check", "--usr1", "http", "GET", "http://localhost/", "--timeout", "5s"]) == 2
    assert "--usr1 http: '--timeout' looks like an option" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["--list", "--bogus", ""])
@pytest.mark.parametrize("streams", [">&- 2>&-", "2>/dev/full"])
def test_streams_that_cannot_be_written_change_no_status(arguments: str, streams: str) -> None:
    """Standard streams that cannot be written change no status and produce no message."""
    command = f"{sys.executable} -m flagman {arguments} {streams}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == (0 if arguments == "--list" else 2)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_list_that_cannot_be_written_is_one_line() -> None:
    """If a list cannot be written because the disk is full, one line reports it."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "flagman", "--list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "flagman: error: [Errno 28] No space left on device\n"


def test_a_program_gets_its_options_and_a_warning_tells_so(start: Callable[..., Flagman]) -> None:
    """A warning names flagman's options among the words of a program, unless two dashes precede these words."""
    words = ("sh", "-c", 'echo "$@"', "x", "renew", "--quiet")
    daemon = start("--usr1", "exec", *words).ready()
    daemon.expect_error("WARNING:flagman.cli:--usr1 exec: --quiet goes to sh; flagman's own options come first")
    daemon.signal(signal.SIGUSR1).expect("renew --quiet").stop()
    daemon = start("--usr1", "exec", "--", *words, "--usr2").ready()
    assert daemon.expect_error(":").startswith("INFO:flagman.cli:PID")
    daemon.signal(signal.SIGUSR1).expect("renew --quiet --usr2").stop()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "--usr1 exec find . -exec rm {} ; -print",
            "see flagman --help; a lone ';' has ended",
        ),
        ("--log-level --usr1 print hi ; debug", "--log-level takes one of debug, info"),
        ("-c {file} --usr1 print hi -c /no/such", "/no/such: cannot be read"),
        ("--usr1 exec --timeout 5s true", "'--timeout' is not a program; flagman's own options come first"),
        ("--usr1 exec 'a b' --signal HUP x", "write exec -- 'a b' ... --signal ..."),
        ("--usr1 http POST http://localhost/ -- -x", "write -- right after the action's name"),
    ],
)
def test_what_stands_at_a_wrong_place(
    line: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word at a wrong place is a mistake, and the message says what would be right."""
    (tmp_path / "c.toml").write_text("[flagman]\n", encoding="utf-8")
    assert cli.main(["flagman", *shlex.split(line.replace("{file}", f"{tmp_path}/c.toml"))]) == 2
    assert message in capsys.readouterr().err


def test_a_body_after_two_dashes() -> None:
    """The body of a request may look like an option after two dashes."""
    assert cli.main(["flagman", "--check", "--usr1", "http", "--", "POST", "http://localhost/", "-1"]) == 0


def test_a_warning_about_a_word_quotes_no_more_of_it_than_the_option(caplog: pytest.LogCaptureFixture) -> None:
    """The warning about an option quotes only its name: its value may be a secret, or look like another record."""
    words = ["exec", "curl\x1b[2J", "--user=admin:secret", "--log-file=a\nCRITICAL:root:x", "https://localhost/"]
    assert cli.main(["flagman", "--check", "--usr1", *words]) == 0
    assert caplog.messages == [
        rf"--usr1 exec: {option} goes to curl\x1b[2J; flagman's own options come first"
        for option in ("--user", "--log-file")
    ]


def test_the_last_of_two_equal_options_counts() -> None:
    """Of two equal options the last counts, and each -v counts, wherever they stand."""
    line = "flagman -v --overlap ignore --usr1 print x --overlap rerun -v ; --overlap ignore -v"
    settings = cli.parse_args(line.split())
    assert (settings.overlap, settings.verbose) == ("ignore", 3)
