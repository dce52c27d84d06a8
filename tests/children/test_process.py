"""What surrounds a command: its session, its environment, its group, and a daemon that was stopped meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from flagman import ActionFailed, Engine
from flagman.actions import ExecAction, ShellAction
from flagman.children import process, reaping, spawning
from flagman.engine.turn import Outcome
from flagman.testing import ActionDriver, Lines
from support.background import status_of
from support.driven import DEADLINE, MODULE, SCRIPT, clean_environment, hide_proc, in_terminal, run, script
from support.hasty import with_grace
from support.programs import engines, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

USR1, USR2, TERM = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    limit = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_a_stopped_command_sees_term(start: Start) -> None:
    """A stopped command gets CONT with its TERM, because it could not clean up otherwise."""
    line = 'trap "echo cleaned; exit" TERM; echo $$; kill -STOP $$; sleep 1000 & wait'
    daemon = start("--stop-timeout", "50ms", "--usr1", "sh", line).ready().signal(USR1)
    pid = int(daemon.out.next())
    wait_until(lambda: status_of(pid)["State"].startswith("T"))
    daemon.signal(TERM).expect("cleaned")
    assert daemon.status() == 0
    daemon = start("--timeout", "1500ms", "--usr1", "sh", line).ready().signal(USR1)
    assert int(daemon.out.next()) > 0
    daemon.expect("cleaned").stop()


def test_a_command_leads_a_session_of_its_own(start: Start) -> None:
    """A command leads its own session and group, so all three numbers are one, and it has no terminal."""
    line = "echo $$ $(cut -d' ' -f5-7 /proc/$$/stat)"
    daemon = start("--usr1", "sh", line).ready().signal(USR1)
    pid, group, session, terminal = daemon.out.next().split()
    assert pid == group == session
    assert terminal == "0"
    daemon.stop()


def test_where_the_c_library_knows_no_sessions(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the C library's posix_spawn cannot start a session, a command gets a process group only."""
    real = os.posix_spawnp

    def old(*arguments: object, **options: object) -> int:
        if options.get("setsid"):
            raise NotImplementedError
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "posix_spawnp", old)
    with ActionDriver(ShellAction, "echo $$ $(cut -d' ' -f5 /proc/$$/stat)") as driver:
        driver.run()
    pid, group = capfd.readouterr().out.split()
    assert pid == group


class Terminal:
    """A flagman in the foreground of a terminal."""

    def __init__(self, *arguments: str) -> None:
        words = [sys.executable, script("shell"), *SCRIPT, "-v", *arguments]
        self.shell, self.master = in_terminal(*words, environment=clean_environment())
        self.lines = Lines(self.master)
        self.pid = int(self.expect("PID: ").rpartition(" ")[2])
        self.expect("Ready")

    def expect(self, part: str) -> str:
        """Read until a line contains this part, and return it."""
        while part not in (line := self.lines.next()):
            pass
        return line

    def close(self) -> None:
        """Kill flagman and its shell."""
        for pid in (self.pid, self.shell.pid):
            os.kill(pid, signal.SIGKILL)
        self.shell.wait()
        os.close(self.master)


@pytest.fixture(name="terminal")
def _terminal() -> Iterator[Callable[..., Terminal]]:
    """Yield a function that starts daemons in terminals; they end with the test."""
    terminals: list[Terminal] = []

    def start_one(*arguments: str) -> Terminal:
        terminals.append(Terminal(*arguments))
        return terminals[-1]

    yield start_one
    for terminal in terminals:
        terminal.close()


def test_a_command_that_wants_the_terminal(terminal: Callable[..., Terminal]) -> None:
    """A command has no terminal, and can report it; if it had flagman's, the terminal would stop both processes."""
    line = "stty sane </dev/tty; echo status $?; head -n1 </dev/tty; echo status $?"
    window = terminal("--usr1", "sh", line, "--usr2", "print", "alive")
    os.kill(window.pid, USR1)
    window.expect("status ")
    window.expect("status ")
    os.kill(window.pid, USR2)
    window.expect("alive")


def test_a_daemon_that_is_stopped_while_it_starts_commands(terminal: Callable[..., Terminal]) -> None:
    """Ctrl-Z during the start of a command, which is still in the daemon's process group, leaves the daemon usable."""
    window = terminal("--overlap", "rerun", "--usr1", "exec", "true", "--usr2", "print", "alive")
    for _ in range(100):
        os.kill(window.pid, USR1)
        os.killpg(window.pid, signal.SIGTSTP)
        wait_until(lambda: status_of(window.pid)["State"].startswith("T"))
        os.killpg(window.pid, signal.SIGCONT)
    os.kill(window.pid, USR2)
    window.expect("alive")


def test_what_ended_in_time_has_not_taken_too_long(start: Start) -> None:
    """If the daemon alone was stopped, its alarm comes late and does not fail a command that has ended in time."""
    daemon = start("--timeout", "2s", "--usr1", "sh", "echo $$; sleep 0.1; echo done").ready().signal(USR1)
    pid = int(daemon.out.next())
    daemon.signal(signal.SIGSTOP)
    alarm = 1 << signal.SIGALRM - 1
    wait_until(lambda: int(status_of(daemon.process.pid)["ShdPnd"], 16) & alarm)
    wait_until(lambda: status_of(pid)["State"].startswith("Z"))
    daemon.signal(signal.SIGCONT).expect("done").stop()
    assert not [line for line in daemon.err.rest() if "failed" in line]


def environment_of(line: list[str], variables: dict[str, str]) -> dict[str, str]:
    """Return what ``env`` prints as an action of a flagman that is started with these variables alone."""
    done = subprocess.run(
        [*line, "--once", "--run-at-start", "--usr1", "exec", "env"],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=True,
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return {name: value for name, value in found.items() if not name.startswith("FLAGMAN_") and name != "PATH"}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LC_CTYPE": "C"},
        {"LC_CTYPE": "C.UTF-8"},
        {"LANG": "C", "HOME": "/"},
        {"LC_ALL": "C"},
        {"LC_CTYPE": "de_DE.UTF-8"},
        {"LC_CTYPE": ""},
    ],
)
def test_commands_get_no_locale_that_was_not_set(variables: dict[str, str]) -> None:
    """Commands do not inherit the locale that Python has set in its own environment (PEP 538)."""
    assert environment_of(MODULE, variables) == variables
    if os.geteuid() == 0:
        options = [["--user", "daemon", "--chdir", "/"]]
        if shutil.which("env") == "/usr/bin/env":
            options.append(["--chroot", "/"])
        for option in options:
            found = environment_of([*MODULE, *option], variables)
            locale = {name: value for name, value in found.items() if name.startswith("L") and name != "LOGNAME"}
            assert locale == {name: value for name, value in variables.items() if name != "HOME"}


def test_commands_get_what_a_plugin_has_set(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's environment is that of the moment of set_up, even if a plugin has set a locale in it."""
    monkeypatch.setenv("LC_CTYPE", "fr_FR.UTF-8")
    monkeypatch.setenv("OTHER", "x")
    with ActionDriver(ShellAction, "echo $LC_CTYPE $OTHER") as driver:
        monkeypatch.setenv("OTHER", "y")
        driver.run()
    assert capfd.readouterr().out == "fr_FR.UTF-8 x\n"


@pytest.mark.parametrize("name", ["-tool", "+tool", "--", "-c"])
def test_a_line_of_shell_that_begins_like_an_option(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command line for sh that begins with a dash or a plus is not taken for an option of the shell."""
    tool = tmp_path / name
    tool.write_text("#!/bin/sh\necho ran $0\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with ActionDriver(ShellAction, name) as driver:
        driver.run()
    assert capfd.readouterr().out == f"ran {tool}\n"


def test_records_show_no_more_of_a_command_than_can_be_read(start: Start) -> None:
    """Records show only a readable part of a command, and no control characters, wherever they name it."""
    long = "x" * 100_000
    odd = "false; \x1b[2J\nfalse"
    words = ["--usr1", "exec", "false", long, "--usr1", "sh", f"{odd}; : {long}", "--usr1", "touch", f"/{long}\x1b\n"]
    words += ["--usr1", "http", "GET", f"http://127.0.0.1:1/{long}"]
    daemon = start("-v", "--output", "log", *words, "--usr1", "sh", f"echo hi; : {odd} {long}").ready().signal(USR1)
    parts = ("usr1: exec ", "WARNING", "usr1: touch ", "usr1: http ", ": hi")
    records = [daemon.expect_error(part) for part in parts]
    assert all(len(record) < 1000 for record in records)
    assert r"\x1b[2J\nfalse" in records[1]
    assert "\x1b" not in "".join(records)
    daemon.stop()
    dry = run("--dry-run", "--once", "--run-at-start", *words)
    mistake = run("--usr1", "delay_print", "x", long + "\x1b\n")
    slow = run("--timeout", "100ms", "--once", "--run-at-start", "-v", "--usr1", "sh", f"sleep 9; : {odd} {long}")
    for done in (dry, mistake, slow):
        assert done.stderr.count("\n") <= 8
        assert max(map(len, done.stderr.splitlines())) < 1200
        assert "\x1b" not in done.stderr
    assert mistake.returncode == 2
    assert mistake.stderr.endswith("seconds\n")


@pytest.mark.parametrize("where", ["file", "pipe"])
def test_both_streams_into_one_file_keep_their_order(tmp_path: Path, where: str) -> None:
    """Both streams of a command share a pipe if they go to one file, so their lines keep their order."""
    path = tmp_path / "out"
    line = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
    redirection = f">{path} 2>&1" if where == "file" else f"2>&1 | cat >{path}"
    command = f'"$@" {redirection}'
    arguments = [*SCRIPT, "-q", "--once", "--run-at-start", "--usr1", "sh", line]
    subprocess.run(["sh", "-c", command, "sh", *arguments], check=True, timeout=DEADLINE)
    expected = [f"{stream} {number}" for number in range(1, 10) for stream in ("out", "err")]
    assert path.read_text(encoding="utf-8").splitlines() == expected


def test_streams_into_two_files_stay_apart(tmp_path: Path) -> None:
    """The two streams stay apart if they go to two files, though both are of the same kind."""
    arguments = [*SCRIPT, "-q", "--once", "--run-at-start", "--usr1", "sh", "echo out; echo err >&2"]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        subprocess.run(arguments, check=True, timeout=DEADLINE, stdout=out, stderr=err)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "out\n"
    assert (tmp_path / "err").read_text(encoding="utf-8") == "err\n"


@ROOT
@pytest.mark.skipif(
    subprocess.run(["unshare", "-fp", "true"], check=False, capture_output=True).returncode != 0,
    reason="no pid namespaces here",
)
@pytest.mark.parametrize("proc", [["--mount-proc"], []], ids=["with its own /proc", "with a foreign /proc"])
def test_the_grace_in_a_pid_namespace(proc: list[str], tmp_path: Path) -> None:
    """In a pid namespace the members of a group are looked for in /proc only if that is the namespace's own."""
    line = f"trap 'sleep 0.5; echo tidy >{tmp_path}/mark; exit' TERM; sleep 1000 >/dev/null 2>&1 & wait"
    words = ["-v", "--timeout", "1s", "--once", "--run-at-start", "--usr1", "sh", line]
    done = subprocess.run(
        ["unshare", "-fp", *proc, "--kill-child", *SCRIPT, *words],
        check=False,
        timeout=DEADLINE,
        capture_output=True,
        encoding="utf-8",
    )
    assert (tmp_path / "mark").exists(), done.stderr
    assert "sent KILL" not in done.stderr


@pytest.mark.parametrize("grandchild", ["", "(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 &"])
def test_the_grace_without_proc(
    grandchild: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Without /proc the grace ends with the group: a zombie does not count as a member, a grandchild does."""
    hide_proc(monkeypatch)
    with Engine(timeout=1, max_failures=1) as engine:
        engine.set_up(
            "usr1", with_grace(0.5 if grandchild else 1000), f"echo $$; {grandchild} trap exit TERM; sleep 1000 & wait"
        )
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.FAILED
    assert ("sent KILL" in caplog.text) is bool(grandchild)
    group = int(capfd.readouterr().out)
    wait_until(lambda: not reaping.has_members(group))


def test_a_group_that_is_stopped_in_its_grace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If flagman itself was stopped during the grace, it grants the lost time once more."""
    real = process.Process._poll
    left = [1.5]

    def stall(self: process.Process, patience: float | None) -> None:
        if self._is_ending and left:
            time.sleep(left.pop())
        real(self, patience)

    monkeypatch.setattr(process.Process, "_poll", stall)
    with Engine(timeout=0.1, max_failures=1) as engine:
        engine.set_up("usr1", with_grace(0.6), 'trap "sleep 1.8; exit" TERM; sleep 1000 & wait')
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.run()
    assert "sent KILL" not in caplog.text


def test_a_descriptor_above_the_limit(start: Start) -> None:
    """A descriptor above the limit is closed for commands: a script may open it and lower the limit afterwards."""
    launcher = ["bash", "-c", 'exec 200</dev/null; ulimit -n 100; exec "$@"', "bash"]
    daemon = start("--usr1", "sh", "echo $(ls /proc/self/fd)", prefix=launcher).ready().signal(USR1)
    daemon.expect("0 1 2 3").stop()


@pytest.mark.parametrize("listing", ["/dev/fd", "/no/such/directory"])
def test_descriptors_without_a_limit(
    listing: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a limit of descriptors, commands start with a list of the open descriptors and without one."""
    monkeypatch.setattr(os, "sysconf", lambda _: -1)
    actions = spawning.closing(close_from=None, listing=listing)
    assert reaping.wait_for(os.posix_spawnp("echo", ["echo", "hi"], os.environ, file_actions=actions)) == 0
    assert capfd.readouterr().out == "hi\n"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0


def test_the_exit_status_is_not_asked_for_with_waitpid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit statuses are not read with waitpid, because gevent replaces it."""

    def replaced(*_: object) -> tuple[int, int]:
        raise AssertionError("not this one")

    monkeypatch.setattr(os, "waitpid", replaced)
    for line, message in (("exit 7", "status 7"), ("kill -9 $$", "killed by KILL")):
        with ActionDriver(ShellAction, line) as driver, pytest.raises(ActionFailed, match=message):
            driver.run()
    with ActionDriver(ExecAction, "true") as other:
        other.run()


def test_where_there_is_no_waitid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has no waitid, as on macOS with an older Python, exit statuses are still read."""
    monkeypatch.delattr(os, "waitid")
    child = reaping.Child(os.posix_spawn(sys.executable, [sys.executable, "-c", "exit(3)"], os.environ))
    wait_until(child.has_ended)
    assert child.is_reaped
    assert child.reap() == 3
    child = reaping.Child(os.posix_spawn("/bin/sh", ["sh", "-c", "kill -9 $$"], os.environ))
    assert child.reap() == -9
    assert child.has_ended()


def test_an_exit_status_that_a_debugger_holds_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a debugger holds the exit status back, flagman polls for it, because the pidfd reports the end only once."""
    real = reaping.Child.has_ended
    until: list[float] = []

    def held(self: reaping.Child) -> bool:
        if real(self):
            until.append(time.monotonic() + 0.2)
        return bool(until) and time.monotonic() >= until[0]

    monkeypatch.setattr(reaping.Child, "has_ended", held)
    with ActionDriver(ExecAction, "true") as driver:
        driver.run()
    assert until


def test_output_goes_where_a_program_has_led_it() -> None:
    """A command's output goes where the program has redirected sys.stdout, even if that is no file."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), ActionDriver(ShellAction, "echo hi; echo err >&2") as driver:
        driver.run()
    assert stream.getvalue() == "hi\n"


@pytest.mark.parametrize("where", ["inherit", "log"])
def test_the_last_words_are_heard(start: Start, tmp_path: Path, where: str) -> None:
    """Output after TERM is passed on, long lines too; with a log file it does not matter whether stderr is read."""
    script = tmp_path / "script"
    script.write_text(f"trap 'echo {'y' * 20_000}; echo last; exit' TERM; echo $$; sleep 1000 & wait", encoding="ascii")
    log = tmp_path / "log"
    words = ["-v", "--timeout", "1s", "--output", where, "--log-file", str(log), "--usr1", "exec", "sh", str(script)]
    daemon = start(*words).ready().signal(USR1)
    if where == "inherit":
        assert int(daemon.out.next()) > 0
        daemon.expect("y" * 20_000, "last")
    wait_until(lambda: "failed" in log.read_text(encoding="utf-8"))
    daemon.stop()
    if where == "log":
        lines = log.read_text(encoding="utf-8").splitlines()
        assert [line.rpartition(": ")[2] for line in lines if "output:" in line][1:3] == ["y" * 20_000, "last"]


def test_an_engine_with_a_timeout_in_another_thread() -> None:
    """An engine in another thread sets no timeout and no alarm, because signals are for the main thread alone."""
    assert subprocess.run(words(engines.in_a_thread), check=False, timeout=DEADLINE).returncode == 0


def test_no_line_is_lost_at_a_timeout(tmp_path: Path) -> None:
    """A timeout neither loses nor doubles a line if the output can be written."""
    path = tmp_path / "out"
    line = "i=0; trap exit TERM; while :; do i=$((i + 1)); echo $i; done"
    with path.open("wb") as out:
        words = ["-q", "--timeout", "200ms", "--once", "--run-at-start", "--usr1", "sh", line]
        subprocess.run([*SCRIPT, *words], check=True, timeout=DEADLINE, stdout=out)
    numbers = [int(number) for number in path.read_text(encoding="ascii").split()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_alarm_that_an_action_has_taken_is_taken_back(start: Start) -> None:
    """Flagman sets its handler of ALRM again if an action has replaced it, because timeouts need it."""
    daemon = start("--timeout", "100ms", "--usr1", "acts:TakesAlarm", "--usr1", "sh", "sleep 1000").ready().signal(USR1)
    daemon.expect_error("took longer than the timeout")
    daemon.stop()
