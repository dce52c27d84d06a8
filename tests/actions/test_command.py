"""Commands: clean children, honest failures, and nothing left behind."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman import ActionFailed, Engine
from flagman.actions import ExecAction, ShellAction
from flagman.children import output, process, reaping
from flagman.engine.interrupt import Interrupter
from flagman.engine.turn import Outcome
from flagman.testing import ActionDriver
from support.driven import DEADLINE, hide_proc, inheriting, settle
from support.hasty import with_grace

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman

USR1, TERM = signal.SIGUSR1, signal.SIGTERM

# Prints its pid, ignores TERM, and never ends.
STUBBORN = 'trap "" TERM; echo $$; while :; do sleep 0.01; done'


def gone(group: int) -> None:
    """Wait until a process group has no member left."""
    limit = time.monotonic() + DEADLINE
    while reaping.has_members(group):
        assert time.monotonic() < limit, f"the group {group} is still alive"
        time.sleep(0.001)


def test_exec_needs_no_shell(start: Callable[..., Flagman]) -> None:
    """The action exec hands on its words as they are, and passes the output through."""
    daemon = start("--usr1", "exec", "printf", "%s\n", "two words", "$HOME", "--all").ready()
    daemon.signal(USR1).expect("two words", "$HOME", "--all").stop()


def test_sh_is_a_shell(start: Callable[..., Flagman]) -> None:
    """The action sh takes one word, with all that a shell understands."""
    start("--usr1", "sh", "echo $((6 * 7)) | tr 2 0; echo err >&2").ready().signal(USR1).expect("40").expect_error(
        "err"
    )


def test_the_command_knows_why_it_runs(start: Callable[..., Flagman]) -> None:
    """A command's environment tells why it runs, but hides what the service manager told flagman alone."""
    line = "echo $FLAGMAN_TRIGGER $FLAGMAN_ACTION $FLAGMAN_PID $FLAGMAN_COALESCED ${NOTIFY_SOCKET-none} $OTHER"
    daemon = start("--usr1", "sh", line, environment={"OTHER": "kept"}).ready()
    daemon.signal(USR1).expect(f"usr1 sh {daemon.process.pid} 1 none kept").stop()


def test_the_command_knows_how_many_arrivals_it_stands_for(capfd: pytest.CaptureFixture[str]) -> None:
    """A command's environment tells how many arrivals the run covers, and the name of its trigger."""
    with ActionDriver(ShellAction, "echo $FLAGMAN_TRIGGER $FLAGMAN_COALESCED $FLAGMAN_ACTION") as driver:
        driver.run(flag="every-5m", raises=7)
    assert capfd.readouterr().out == "every-5m 7 ShellAction\n"


@pytest.mark.parametrize("flag", [r"bar\udce9", r"bar\ud800", r"bar\u20ac", r"a\0b"])
@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_a_trigger_of_any_name(start: Callable[..., Flagman], flag: str, locale: str) -> None:
    """A command runs even if the locale has no characters for the name of its trigger."""
    environment = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ["acts:Another", f"'{flag}'", "sh", 'printf %s "$FLAGMAN_TRIGGER" | od -An -tx1 -v; echo ran']
    daemon = start("--usr1", *words, environment=environment).ready()
    daemon.signal(USR1)
    value = bytes.fromhex(daemon.out.next())
    assert value.startswith((b"bar", rb"a\x00b"))
    assert len(value) > len(b"bar")
    daemon.expect("ran").stop()


def test_a_child_starts_clean(start: Callable[..., Flagman]) -> None:
    """A command inherits no blocked or ignored signal and no extra descriptor that flagman itself was started with."""
    everything = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    spoilt = inheriting(ignored=everything, blocked=everything)
    look = (
        "grep -E '^Sig(Blk|Ign)' /proc/self/status; echo $(ls /proc/self/fd); readlink /proc/self/fd/0;"
        " cut -d' ' -f1,5 /proc/self/stat | xargs -n1; echo $$"
    )
    launcher = ["sh", "-c", 'exec 9</dev/null; exec "$@"', "sh"]
    daemon = start("--usr1", "sh", look, prefix=[*launcher, *spoilt]).ready().signal(USR1)
    lines = [daemon.out.next() for _ in range(7)]
    (blocked, ignored) = (int(line.split()[1], 16) for line in lines[:2])
    assert blocked == 0
    # The C library keeps 32 and 33 for its threads, and posix_spawn(3) leaves them ignored.
    assert ignored & ~0x180000000 == 0
    assert lines[2] == "0 1 2 3"  # the last is that of ls itself
    assert lines[3] == "/dev/null"
    group = int(lines[5])
    assert group != os.getpgid(daemon.process.pid)
    assert group == int(lines[6])
    daemon.stop()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "sh 'echo one; echo two >&2; exit 3'",
            r"^ERROR:flagman.core:usr1: sh 'echo one; echo two >&2; exit 3': failed after .* s: exited with status 3",
        ),
        ("sh 'kill -9 $$'", r"was killed by KILL$"),
        ("sh 'kill -USR1 $$'", r"was killed by USR1, the signal for which it was started, .*--kill-whom=main"),
        (
            "exec /no/such/program",
            r"exec /no/such/program: failed after .* s: cannot be started: No such file or directory",
        ),
        ("exec /etc", r"exec /etc: failed after .* s: cannot be started: (Permission denied|Is a directory)"),
    ],
)
def test_a_failure_is_logged_and_the_next_signal_works(
    start: Callable[..., Flagman], command: str, message: str
) -> None:
    """A command that fails gives one record without a traceback, and the next signal is served."""
    daemon = start("--usr1", *shlex.split(command), "--usr2", "sh", "echo alive").ready().signal(USR1)
    record = daemon.expect_error("failed")
    assert re.search(message, record), record
    if "one" in command:
        assert record.endswith("its last output:")
        assert sorted([daemon.err.next(), daemon.err.next()]) == ["  one", "  two"]
        daemon.expect("one")
    daemon.signal(signal.SIGUSR2).expect("alive").stop()
    assert not [line for line in daemon.err.rest() if "Traceback" in line]


def test_a_fork_that_fails_is_a_failed_run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A fork that fails, with EAGAIN for example, fails this run only, because the reason may pass."""
    real = os.posix_spawnp

    def fail(*_: object, **__: object) -> int:
        monkeypatch.setattr(os, "posix_spawnp", real)
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with ActionDriver(ExecAction, "echo", "hi") as driver:
        before = descriptors()
        monkeypatch.setattr(os, "posix_spawnp", fail)
        with pytest.raises(ActionFailed, match=r"^cannot be started: Resource temporarily unavailable"):
            driver.run()
        driver.run()
        assert descriptors() == before
    assert capfd.readouterr().out == "hi\n"


def children() -> str:
    """List the children of this process, including those of other tests."""
    return Path("/proc/thread-self/children").read_text(encoding="ascii")


def descriptors() -> list[str]:
    """List the open descriptors."""
    return sorted(os.listdir("/dev/fd"))  # noqa: PTH208 - names, not paths


def bounded(command: str, timeout: float = 0.3, kind: type[ShellAction] = ShellAction) -> Outcome:
    """Run a shell command for this many seconds at most."""
    with Engine(timeout=timeout, max_failures=1) as engine:
        engine.set_up("usr1", kind, command)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        return engine.run()


def test_a_timeout_ends_the_whole_group(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """A timeout sends TERM to the whole group, and the last output of the group is still passed on."""
    line = 'trap "echo bye; exit" TERM; echo $$; sleep 1000 & while :; do sleep 0.01; done'
    assert bounded(line) is Outcome.FAILED
    group, last = capfd.readouterr().out.split()
    assert last == "bye"
    gone(int(group))
    assert "it took longer than the timeout of 0.3 s" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        STUBBORN,
        # The leader ends at TERM; a grandchild does not, and holds the pipe.
        f"({STUBBORN}) & echo $$; wait",
        f"({STUBBORN}) >/dev/null 2>&1 & echo $$; wait",
    ],
    ids=["the command itself", "a grandchild that holds the pipe", "a grandchild that does not"],
)
def test_a_command_that_ignores_term_is_killed(
    line: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A command that ignores TERM is killed after a time of grace, with its whole group."""
    assert bounded(line, kind=with_grace(0.2)) is Outcome.FAILED
    for word in capfd.readouterr().out.split():
        gone(int(word))  # KILL takes a moment
    assert "has not ended 0.2 s after TERM: sent KILL" in caplog.text


def test_a_stop_kills_one_that_ignores_term(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Once the stop timeout is over, a stop kills a command that ignores TERM, as a timeout does."""
    with Engine(timeout=1000) as engine:
        engine.set_up("usr1", with_grace(0.2), STUBBORN)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.interrupter.bound(0.3)  # the stop timeout, as the handler of TERM sets it
        assert engine.run() is Outcome.STOPPED
        engine.interrupter.close()
    (pid,) = capfd.readouterr().out.split()
    gone(int(pid))
    assert "has not ended 0.2 s after TERM: sent KILL" in caplog.text
    assert "longer than the stop timeout of 0.3 s" in caplog.text


def test_after_a_timeout_the_next_signal_is_served(start: Callable[..., Flagman]) -> None:
    """A timeout ends the command, and the daemon goes on and serves the next signal."""
    daemon = start("--usr1", "sh", "echo $$; exec sleep 1000", "--usr2", "sh", "echo alive", "--timeout", "200ms")
    pid = int(daemon.ready().signal(USR1).out.next())
    daemon.expect_error("longer than the timeout of 0.2 s")
    gone(pid)
    daemon.signal(signal.SIGUSR2).expect("alive").stop()


def test_what_a_command_leaves_behind_on_purpose_lives(start: Callable[..., Flagman]) -> None:
    """A run ends when its command ends, even if a child of the command holds the pipe; that child lives on."""
    daemon = (
        start("--usr1", "sh", "sleep 1000 & echo $!", "--usr1", "print", "next").ready().expect("init").signal(USR1)
    )
    left = int(daemon.out.next())
    daemon.expect("next")
    os.kill(left, 0)
    os.kill(left, signal.SIGKILL)
    daemon.stop("cleanup")


def test_a_stop_lets_the_command_finish(start: Callable[..., Flagman], fifo: Path) -> None:
    """A stop lets the running command finish within the stop timeout."""
    daemon = start("--usr1", "sh", f"echo begin; cat {fifo}; echo end").ready().signal(USR1).expect("begin")
    daemon.signal(TERM)
    fifo.write_text("data\n", encoding="utf-8")
    daemon.expect("data", "end", "")
    assert daemon.status() == 0


@pytest.mark.parametrize("how", ["a second TERM", "the stop timeout"])
def test_a_stop_ends_a_command_that_goes_on(start: Callable[..., Flagman], how: str) -> None:
    """A command that outlives the stop timeout, or meets a second stop signal, is ended with TERM to its group."""
    line = 'trap "echo bye; exit" TERM; echo $$; while :; do sleep 0.01; done'
    timeout = "1000s" if how == "a second TERM" else "50ms"
    daemon = start("--usr1", "sh", line, "--stop-timeout", timeout, "-vv").ready().signal(USR1)
    group = int(daemon.out.next())
    daemon.signal(TERM)
    if how == "a second TERM":
        settle(daemon.process.pid)  # or the second could merge with the first
        daemon.signal(TERM)
    daemon.expect("bye", "")
    assert daemon.status() == 0
    gone(group)
    daemon.expect_error(": interrupted after ")


def test_the_third_stop_signal_leaves_no_orphan(start: Callable[..., Flagman]) -> None:
    """The third stop signal ends the daemon at once, without a time of grace, and kills the command's group."""
    daemon = start("--usr1", "sh", STUBBORN, "-v").ready().signal(USR1)
    group = int(daemon.out.next())
    daemon.signal(TERM)
    while daemon.process.poll() is None:  # a signal that comes too soon after another merges with it
        daemon.signal(TERM)
        time.sleep(0.001)
    assert daemon.status() == 128 + TERM
    gone(group)


def test_output_to_the_log(start: Callable[..., Flagman]) -> None:
    """With --output log each line of output becomes a record that begins with the command."""
    daemon = start("--usr1", "sh", "echo out; echo err >&2", "--output", "log", "-v").ready().signal(USR1)
    lines = sorted([daemon.expect_error("flagman.actions.output"), daemon.expect_error("flagman.actions.output")])
    assert lines == [
        "INFO:flagman.actions.output:echo out; echo err >&2: out",
        "WARNING:flagman.actions.output:echo out; echo err >&2: err",
    ]
    daemon.stop()


def test_output_to_nowhere(start: Callable[..., Flagman]) -> None:
    """With --output null the record of a failure still shows the last output."""
    daemon = start("--usr1", "sh", "echo hidden; false", "--usr1", "print", "next", "--output", "null").ready()
    daemon.expect("init").signal(USR1).expect("next").expect_error("its last output:")
    assert daemon.err.next() == "  hidden"
    daemon.stop("cleanup")


def test_output_that_cannot_be_passed_on(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """If its output cannot be passed on, a command still runs to its end, and then counts as failed."""
    prefix = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    line = f"echo one; echo two; touch {tmp_path}/end"
    daemon = start("--usr1", "sh", line, prefix=prefix).ready().signal(USR1)
    record = daemon.expect_error("could not be passed on")
    assert "No space left on device" in record
    assert (tmp_path / "end").exists()


def test_odd_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Bytes that are no text, a last line without a newline, and very long lines pass as they are."""
    with ActionDriver(ShellAction, r"printf 'a\377b\n\nend'; head -c 200000 /dev/zero | tr '\0' x") as driver:
        driver.run()
    assert capfdbinary.readouterr().out == b"a\xffb\n\nend" + b"x" * 200_000 + b"\n"


def test_a_cut_line_gets_its_end(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A line that was passed on in parts gets its newline, even if nothing of it is left when the command ends."""
    reader, writer = os.pipe()
    stream = output.Stream(reader, output.PassOn(sys.stdout, bool), output.new_tail(), Interrupter())
    for _ in range(2):  # together they are as long as a line may be
        os.write(writer, b"x" * 32768)
        stream.read()
    os.close(writer)
    stream.finish()
    stream.finish()
    stream.close()
    assert capfdbinary.readouterr().out == b"x" * 65536 + b"\n"


def test_all_of_a_large_pipe(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """All output is passed on even if a program enlarges its pipe and leaves much in it when it ends."""
    program = "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20); os.write(1, b'x\\n' * 400000)"
    with ActionDriver(ExecAction, sys.executable, "-c", program) as driver:
        driver.run()
    assert len(capfdbinary.readouterr().out) == 800_000


def test_the_log_stays_a_log(start: Callable[..., Flagman]) -> None:
    """In the log, output sends no control characters to a terminal, and no line of it looks like a record."""
    daemon = start("--usr1", "sh", r"printf 'a\r\033[2J\tb\n' >&2; false", "--output", "log").ready().signal(USR1)
    daemon.expect_error(r"a\r\x1b[2J" + "\tb")
    daemon.expect_error("its last output:")
    assert daemon.err.next() == r"  a\r\x1b[2J" + "\tb"


@pytest.mark.slow
def test_stdout_that_is_not_read(start: Callable[..., Flagman], fifo: Path) -> None:
    """A full pipe behind stdout delays a run, but neither its timeout nor the KILL."""
    holder = os.open(fifo, os.O_RDWR)
    try:
        prefix = ["sh", "-c", f'exec "$@" >{fifo}', "sh"]
        line = "echo pid $$ >&2; while :; do echo a flood; done"
        daemon = start("--usr1", "sh", line, "--timeout", "1s", prefix=prefix).ready().signal(USR1)
        group = int(daemon.expect_error("pid ").split()[1])
        daemon.expect_error("took longer than the timeout of 1 s")
        gone(group)
        daemon.signal(TERM)
        assert daemon.status() == 0
    finally:
        os.close(holder)


def test_a_command_that_may_not_be_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A command of another user, which cannot be killed, is left behind, and its status is taken when it ends."""
    real = os.killpg

    def refuse(_group: int, _signum: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    with Engine(timeout=0.5) as engine:
        action = engine.set_up("usr1", with_grace(0.05), f"echo $$ >{tmp_path}/pid; exec sleep 1000")
        assert isinstance(action, ShellAction)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.run()
        assert "cannot be killed, and goes on" in caplog.text
        pid = int((tmp_path / "pid").read_text(encoding="ascii"))
        assert [left.pid for left in action._left] == [pid]
        monkeypatch.setattr(os, "killpg", real)
        os.kill(pid, signal.SIGKILL)
        while action._left:
            action._left = [left for left in action._left if not left.is_reaped()]
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_a_grace_without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a grandchild that ignores TERM takes almost no CPU time."""
    looks: list[float | None] = []
    real = process.Process._poll

    def count(self: process.Process, patience: float | None) -> None:
        looks.append(patience)
        real(self, patience)

    monkeypatch.setattr(process.Process, "_poll", count)
    assert bounded(f"({STUBBORN}) >/dev/null 2>&1 & wait", kind=with_grace(0.5)) is Outcome.FAILED
    assert len(looks) < 30


def test_the_tail_is_short() -> None:
    """The record of a failure shows only a short tail of the output, however long the output was."""
    line = "seq 100000; head -c 9999 /dev/zero | tr '\\0' x; exit 1"
    with ActionDriver(ShellAction, line) as driver, pytest.raises(ActionFailed) as caught:
        driver.run()
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[1] == "  99992"
    assert len(lines[-1]) == 502


def test_a_flood_ends_with_its_command(capfd: pytest.CaptureFixture[str]) -> None:
    """A background child that writes for ever does not delay the end of a run."""
    with ActionDriver(ShellAction, "yes & echo $!") as driver:
        driver.run()
    assert capfd.readouterr().out


def test_nothing_is_left_after_many_runs() -> None:
    """Many runs leave no descriptor and no child behind."""
    with ActionDriver(ExecAction, "true") as driver:
        driver.run()
        before, others = descriptors(), children()
        for _ in range(50):
            driver.run()
        assert descriptors() == before
        assert children() == others


def test_a_stolen_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """If other code takes a command's exit status, the failure says so, and no process is killed."""
    with ActionDriver(ExecAction, "true") as driver:
        before = descriptors()
        real = reaping.Child.has_ended

        def steal(self: reaping.Child) -> bool:
            os.waitpid(self.pid, 0)
            return real(self)

        monkeypatch.setattr(reaping.Child, "has_ended", steal)
        with pytest.raises(ActionFailed, match="other code has collected its exit status"):
            driver.run()
        assert descriptors() == before


def test_without_pidfds_and_without_proc(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Without pidfds and without /proc, as on macOS, commands are waited for by polling."""
    monkeypatch.delattr(os, "pidfd_open")
    hide_proc(monkeypatch)
    with ActionDriver(ShellAction, "echo hi; exit 7") as driver, pytest.raises(ActionFailed, match="status 7"):
        driver.run()
    assert capfd.readouterr().out == "hi\n"
    assert bounded("sleep 1000", kind=with_grace(0.1)) is Outcome.FAILED


@pytest.mark.parametrize("words", [[""], ["a\0b"], ["echo", "a\0b"], ["--timeout", "5s", "true"]])
def test_impossible_commands(words: list[str]) -> None:
    """An impossible command is a mistake in the arguments."""
    with pytest.raises(ValueError, match=r"is empty|NUL|'--timeout' is not a program"):
        ExecAction.check_arguments(*words)


class Warm(ExecAction):
    """Runs its command once before any flag is raised."""

    def set_up(self, program: str, *arguments: str) -> None:
        """Run the command."""
        super().set_up(program, *arguments)
        self.run()


def test_a_command_outside_of_all_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command outside of all turns does not get FLAGMAN_TRIGGER from an outer flagman that has started this one."""
    monkeypatch.setenv("FLAGMAN_TRIGGER", "outer")
    with Engine() as engine:
        engine.set_up("usr1", Warm, "sh", "-c", f'echo "<$FLAGMAN_TRIGGER>" >{tmp_path}/said')
    assert (tmp_path / "said").read_text(encoding="utf-8") == "<>\n"
