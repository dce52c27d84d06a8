"""flagman around a command: which signals reach it, how it stops, and what flagman's end says of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.ctl import SCRIPT as CTL
from support.driven import (
    DEADLINE,
    SCRIPT,
    Flagman,
    descriptors,
    end_all,
    inheriting,
    marked,
    run,
    settle,
    wait_for,
)
from support.wrapped import FORWARDED, STOPS, TELL, name_of, up

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End all that a test has started: a flagman that is killed leaves its command behind."""
    for name, value in marked(tmp_path).items():
        monkeypatch.setenv(name, value)
    yield
    end_all(tmp_path)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; it may be a zombie of another process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("status", [0, 1, 2, 126, 127, 128, 143, 255])
def test_its_exit_status_is_flagmans(status: int) -> None:
    """The exit status of the command is that of flagman."""
    assert run("--", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize(
    ("code", "status"), [("exit 3", 0), ("kill -TERM $$", 0), ("exit 143", 0), ("exit 4", 4), ("kill -INT $$", 130)]
)
def test_a_status_that_counts_as_0(code: str, status: int) -> None:
    """A status of --success-exit-status is 0 for flagman, also if it stands for a death by a signal."""
    assert run("--success-exit-status", "3,143", "--", "sh", "-c", code).returncode == status


def test_a_status_that_counts_as_0_is_no_failure() -> None:
    """The command is not started again after it, and flagman ends with 0."""
    done = run("--restart", "on-failure", "--success-exit-status=3", "--", "sh", "-c", "exit 3")
    assert (done.returncode, "is started again" in done.stderr) == (0, False)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_another_stop_signal(tmp_path: Path, asked: signal.Signals) -> None:
    """With --stop-signal the command gets that one for the first request to stop; others are passed on as ever."""
    with Flagman(tmp_path, "--stop-signal", "USR2", "--", *TELL) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("SIGUSR1")
        daemon.signal(asked).expect("SIGUSR2", "SIGCONT")
        daemon.signal(asked)
        assert daemon.status() == 128 + signal.SIGKILL


@pytest.mark.parametrize("name", ["TERM", "KILL", "HUP", "SEGV", "USR1"])
def test_a_death_by_a_signal(name: str) -> None:
    """A death by a signal gives 128 and its number, as a shell says it."""
    assert run("--", "sh", "-c", f"kill -{name} $$").returncode == 128 + getattr(signal, f"SIG{name}")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("nosuch",), 127, "cannot start 'nosuch': No such file or directory"),
        (("./nosuch",), 127, "No such file or directory"),
        (("./dangling",), 127, "the interpreter that its first line names is not"),
        (("./plain",), 126, "Permission denied"),
        (("./headless",), 126, "a script begins with a line such as #!/bin/sh"),
        (("/",), 126, "Permission denied"),
        (("echo hi",), 127, "it is one word here: leave out its quotes"),
    ],
)
def test_a_command_that_cannot_be_started(words: tuple[str, ...], status: int, message: str, tmp_path: Path) -> None:
    """It is one line and the status that shells use, and the actions that were set up are torn down."""
    (tmp_path / "plain").write_text("#!/bin/sh\n", encoding="utf-8")
    for name, text in (("headless", "echo hi\n"), ("dangling", "#!/nosuch/interpreter\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = run("--usr1", "print", "x", "--", *words, directory=str(tmp_path))
    assert (done.returncode, done.stdout) == (status, "init\ncleanup\n")
    errors = [line for line in done.stderr.splitlines() if not line.startswith("INFO:")]
    assert len(errors) == 1
    assert errors[0].startswith("flagman: error: cannot start")
    assert message in errors[0]


@pytest.mark.parametrize("arguments", [(), ("--hup", "stop", ";")], ids=["alone", "with an action"])
def test_every_signal_is_passed_on(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Each signal that has no actions, and that is not flagman's own, reaches the command, and it alone."""
    bound = {signal.SIGHUP, signal.SIGALRM} if arguments else set()  # ALRM is the clock of actions
    with Flagman(tmp_path, *arguments, "--", *TELL, prefix=["setsid"]) as daemon:  # a terminal has TSTP for itself
        up(daemon)
        daemon.ready()
        for signum in FORWARDED:
            if signum not in bound:
                daemon.signal(signum).expect(name_of(signum))
        daemon.signal(signal.SIGTERM).expect("SIGTERM", "")
        assert daemon.status() == 3


@pytest.mark.parametrize("name", sorted(STOPS))
def test_each_stop_signal_arrives_as_it_is(name: str, tmp_path: Path) -> None:
    """The first TERM, INT or QUIT goes to the command as it is: a server's quick or graceful stop is its own."""
    with Flagman(tmp_path, "--", *TELL) as daemon:
        up(daemon)
        daemon.ready().signal(getattr(signal, f"SIG{name}")).expect(f"SIG{name}", "")
        assert daemon.status() == 3


def test_a_bound_signal_is_not_passed_on(tmp_path: Path) -> None:
    """A signal with actions runs them, and the command does not see it."""
    with Flagman(tmp_path, "--usr1", "print", "hi", "--", *TELL) as daemon:
        daemon.expect("init")
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("hi").signal(signal.SIGUSR2).expect("SIGUSR2")
        daemon.signal(signal.SIGTERM).expect("SIGTERM", "cleanup", "")
        assert daemon.status() == 3


def test_a_signal_is_passed_on_while_an_action_runs(tmp_path: Path) -> None:
    """The command gets its signals at once, however long an action runs."""
    with Flagman(tmp_path, "--usr1", "sh", "echo begun; exec sleep 600", "--", *TELL) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("begun")
        for signum in (signal.SIGHUP, signal.SIGUSR2, signal.SIGWINCH, signal.SIGHUP):
            daemon.signal(signum).expect(name_of(signum))


def test_the_actions_of_term_come_first(tmp_path: Path) -> None:
    """A stop signal with actions runs them, and then the command gets it."""
    with Flagman(tmp_path, "--signal", "INT", "print", "bye", "--", *TELL) as daemon:
        daemon.expect("init")
        up(daemon)
        daemon.ready().signal(signal.SIGINT).expect("bye", "SIGINT", "cleanup", "")
        assert daemon.status() == 3


def test_hup_goes_to_the_command_even_with_a_file(tmp_path: Path) -> None:
    """With a command HUP is a signal like all others; with --forward none it reloads the file."""
    (tmp_path / "f.toml").write_text('[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["x"]\n', encoding="utf-8")
    with Flagman(tmp_path, "--config", "f.toml", "--", *TELL) as daemon:
        daemon.expect("init")
        up(daemon)
        daemon.ready().signal(signal.SIGHUP).expect("SIGHUP")
    alone = ["setsid"]  # with a terminal HUP would be its end, and TSTP would stop flagman
    with Flagman(tmp_path, "--forward", "none", "--config", "f.toml", "-v", "--", *TELL, prefix=alone) as daemon:
        daemon.expect("init")
        up(daemon)
        daemon.ready().signal(signal.SIGHUP).expect_error("Reloaded")
        daemon.signal(signal.SIGUSR2).expect_error("usr2")
        for signum in FORWARDED:
            if signum not in {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGCONT}:
                daemon.signal(signum)  # it would kill flagman, and leave the command behind
        daemon.signal(signal.SIGTERM).expect("SIGTERM", "cleanup", "")


def test_the_whole_group_gets_signals(tmp_path: Path) -> None:
    """With --forward group the children of the command get its signals, too; without it they do not."""
    line = f"{' '.join(TELL)} SIGUSR1 & wait; wait"
    for forward, is_told in (("leader", False), ("group", True)):
        leader = f"trap 'echo leader' USR1; {line}; sleep 600"
        with Flagman(tmp_path, "--forward", forward, "--", "sh", "-c", leader) as daemon:
            up(daemon)
            daemon.ready().signal(signal.SIGUSR1)
            assert {daemon.out.next() for _ in range(1 + is_told)} == {"leader", *["SIGUSR1"] * is_told}


def test_a_stop_before_its_start(tmp_path: Path, fifo: Path) -> None:
    """A stop signal that comes while actions are set up ends flagman, and the command is never started."""
    with Flagman(tmp_path, "--usr1", "acts:SlowSetUp", "slow", str(fifo), "--", *TELL) as daemon:
        daemon.expect("slow: init", "slow: begin").signal(signal.SIGTERM)
        fifo.write_text("go\n", encoding="utf-8")
        daemon.expect("slow: end", "slow: cleanup", "")
        assert daemon.status() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "arguments", [("--", *TELL), ("--control", "s", "--usr1", "print", "x")], ids=["--", "control"]
)
def test_a_stop_while_nothing_reads_the_first_records(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A stop signal ends a start that waits for the reader of the log, and what was prepared is undone."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    process = subprocess.Popen(
        [*SCRIPT, "-v", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer, cwd=tmp_path
    )
    os.close(writer)
    try:
        wait_for(lambda: not arguments[0].startswith("--c") or (tmp_path / "s").exists())
        settle(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 128 + signal.SIGTERM
        assert not (tmp_path / "s").exists()
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def test_a_command_that_ignores_term_is_killed(tmp_path: Path) -> None:
    """At the end of the grace the whole group gets KILL."""
    line = f"trap '' TERM; {' '.join(TELL)} alone & wait; sleep 600"
    with Flagman(tmp_path, "--graceful-time", "0.2", "--", "sh", "-c", line) as daemon:
        pid = up(daemon)
        daemon.ready().signal(signal.SIGTERM).expect_error("has not ended within 0.2 s")
        assert daemon.status() == 128 + signal.SIGKILL
        assert is_gone(pid)


def test_the_second_stop_signal_kills(tmp_path: Path) -> None:
    """The second stop signal does not wait for the end of the grace, and interrupts the running action."""
    with Flagman(tmp_path, "--usr1", "sh", "echo begun; exec sleep 600", "--", *TELL, "alone") as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("begun").signal(signal.SIGTERM).expect("SIGTERM")
        daemon.signal(signal.SIGINT).expect_error("Killing")
        assert daemon.status() == 128 + signal.SIGKILL


def test_the_third_stop_signal_ends_at_once(tmp_path: Path) -> None:
    """The third stop signal kills the group and ends flagman, though an action clings on."""
    action = "trap '' TERM INT; echo begun; while :; do sleep 600; done"
    with Flagman(tmp_path, "--usr1", "sh", action, "--", *TELL, "alone") as daemon:
        pid = up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("begun").signal(signal.SIGTERM).expect("SIGTERM")
        daemon.signal(signal.SIGINT).expect_error("Killing")
        daemon.signal(signal.SIGTERM)
        assert daemon.status() == 128 + signal.SIGTERM
        wait_for(lambda: is_gone(pid))


def test_a_running_action_has_no_more_time_than_the_command(tmp_path: Path) -> None:
    """At the grace's end the running action is interrupted, though its own stop timeout is longer."""
    with Flagman(
        tmp_path, "--graceful-time", "0.2", "--usr1", "sh", "echo begun; exec sleep 600", "--", *TELL, "alone"
    ) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("begun").signal(signal.SIGTERM).expect("SIGTERM")
        daemon.expect_error("it took longer than the stop timeout of 0.2 s")
        assert daemon.status() == 128 + signal.SIGKILL


def test_the_rest_of_the_group_has_its_grace(tmp_path: Path) -> None:
    """When the leader has ended, the rest of its group gets TERM and may finish; only then does flagman end."""
    with Flagman(tmp_path, "--", "sh", "-c", f"trap 'exit 5' USR1; {' '.join(TELL)} & wait") as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("SIGTERM", "")
        assert daemon.status() == 5


def test_a_child_that_ignores_term_does_not_keep_flagman(tmp_path: Path) -> None:
    """What is left of the group when the grace is over gets KILL; the exit status is the leader's."""
    line = f"trap 'exit 5' USR1; {' '.join(TELL)} alone & wait"
    with Flagman(tmp_path, "--graceful-time", "0.2", "--", "sh", "-c", line) as daemon:
        pid = up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("SIGTERM").expect_error("Killing")
        assert daemon.status() == 5
        assert is_gone(pid)


def test_a_command_without_its_leader_is_not_ready(tmp_path: Path) -> None:
    """While only the rest of its group is left, the gate for health checks is closed."""
    socket = tmp_path / "s"
    line = f"trap 'exit 5' USR1; {' '.join(TELL)} alone & wait"
    with Flagman(tmp_path, "--control", str(socket), "--", "sh", "-c", line) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("SIGTERM")
        done = run("--control", str(socket), "ready", command=[CTL])
        assert (done.returncode, done.stdout) == (1, "not ready: waiting: the leader of sh has ended\n")
        daemon.signal(signal.SIGTERM, signal.SIGINT)
        assert daemon.status() == 5


def test_a_stopped_command_sees_a_stop_signal(tmp_path: Path) -> None:
    """CONT follows TERM, or a command that has stopped itself would sit out its grace."""
    with Flagman(tmp_path, "--", "sh", "-c", "trap 'echo term; exit 4' TERM; echo up $$; kill -STOP $$") as daemon:
        pid = up(daemon)
        daemon.ready()
        wait_for(lambda: Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T")
        daemon.signal(signal.SIGTERM).expect("term", "")
        assert daemon.status() == 4


def test_a_command_that_becomes_another_program(tmp_path: Path) -> None:
    """A command that executes another program is the same process, and goes on getting its signals."""
    with Flagman(tmp_path, "--", "sh", "-c", f"exec {' '.join(TELL)}") as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGHUP).expect("SIGHUP").signal(signal.SIGTERM).expect("SIGTERM", "")
        assert daemon.status() == 3


def test_the_end_of_the_command_lets_an_action_finish(tmp_path: Path) -> None:
    """An action that runs when the command ends may finish, and the status is the command's."""
    (tmp_path / "go").touch()
    action = "echo begun; kill -USR2 $FLAGMAN_PID; while test -e go; do sleep 0.01; done; echo done"
    command = "trap 'rm go; exit 6' USR2; echo up $$; while :; do sleep 0.01; done"
    with Flagman(tmp_path, "--usr1", "sh", action, "--", "sh", "-c", command) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("begun", "done", "")
        assert daemon.status() == 6


def test_the_end_of_the_command_bounds_an_action(tmp_path: Path) -> None:
    """An action that hangs when the command has ended is interrupted after the stop timeout."""
    command = "trap 'exit 6' USR2; echo up $$; while :; do sleep 0.01; done"
    action = "echo begun; kill -USR2 $FLAGMAN_PID; exec sleep 600"
    with Flagman(tmp_path, "--stop-timeout", "0.2", "--usr1", "sh", action, "--", "sh", "-c", command) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("begun").expect_error("the stop timeout of 0.2 s")
        assert daemon.status() == 6


def test_no_action_is_needed(tmp_path: Path) -> None:
    """A command is enough to run for, also when all actions have closed."""
    with Flagman(tmp_path, "--usr1", "print_once", "bye", "--", *TELL) as daemon:
        daemon.expect("init")
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("bye", "cleanup").signal(signal.SIGHUP).expect("SIGHUP")


def test_readiness_means_that_it_has_been_started(tmp_path: Path) -> None:
    """READY=1 comes when the command has been started, and STOPPING=1 before it is waited for."""
    with Flagman(tmp_path, "--", *TELL, "alone") as daemon:
        pid = up(daemon)
        daemon.ready()
        assert "flagman" not in os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - a text, not a path
        daemon.signal(signal.SIGTERM).expect("SIGTERM")
        assert daemon.notified().splitlines()[0] == "STOPPING=1"
        daemon.signal(signal.SIGTERM)
        assert daemon.status() == 128 + signal.SIGKILL
        assert "EXIT_STATUS=137" in daemon.notified()


def test_what_it_inherits() -> None:
    """The command has an empty mask, no ignored signals, and the streams and descriptors of flagman's start."""
    reader, writer = os.pipe()
    line = (
        "echo $NOTIFY_SOCKET $FLAGMAN_PID; cat; readlink /proc/$$/fd/2; exec grep -E '^Sig(Blk|Ign)' /proc/self/status"
    )
    done = subprocess.run(
        [*inheriting(ignored=[signal.SIGUSR1], blocked=[signal.SIGUSR2]), *SCRIPT, "-q", "--", "sh", "-c", line],
        check=True,
        input="typed\n",
        capture_output=True,
        encoding="utf-8",
        pass_fds=[writer],
        env={**os.environ, "NOTIFY_SOCKET": "/nowhere"},
        timeout=DEADLINE,
    )
    os.close(reader)
    os.close(writer)
    pid, typed, error, blocked, ignored = done.stdout.splitlines()
    assert blocked.split() == ["SigBlk:", "0" * 16]
    # The C library ignores the two signals that it keeps for itself.
    assert not int(ignored.split()[1], 16) & ~(1 << 31 | 1 << 32)
    assert int(pid) > 1
    assert typed == "typed"
    assert error.startswith("pipe:")


def test_nohup_is_for_the_command_too(tmp_path: Path) -> None:
    """A HUP that was ignored at the start is ignored by the command, too."""
    line = "kill -HUP $$; kill -HUP $FLAGMAN_PID; echo alive"
    done = run("--", "sh", "-c", line, command=[*inheriting(ignored=[signal.SIGHUP]), *SCRIPT], directory=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_restart_keeps_the_spacing(tmp_path: Path) -> None:
    """A command that fails early is started again after a second, and a stop ends it."""
    (tmp_path / "first").touch()
    line = "echo up $$; rm first 2>/dev/null && exit 9; exec sleep 600"
    with Flagman(tmp_path, "--restart", "on-failure", "--", "sh", "-c", line) as daemon:
        up(daemon)
        began = time.monotonic()
        daemon.ready().expect_error("s: exited with status 9")
        up(daemon)
        assert time.monotonic() - began > 0.9  # a lower bound: no load makes it earlier
        daemon.signal(signal.SIGTERM)
        assert daemon.status() == 128 + signal.SIGTERM


def test_a_restart_that_is_not_due(tmp_path: Path) -> None:
    """With on-failure a good end is the end; with always it is not, and a stop in the pause ends flagman at once."""
    assert run("--restart", "on-failure", "--", "true").returncode == 0
    with Flagman(tmp_path, "--restart", "always", "--", "sh", "-c", "exit 7") as daemon:
        # The third pause is long enough for a slow machine, too.
        daemon.ready()
        for _ in range(3):
            daemon.expect_error("is started again in")
        daemon.signal(signal.SIGTERM)
        assert daemon.status() == 7


def test_a_command_in_its_pause_is_not_ready(tmp_path: Path) -> None:
    """While the command waits for its next start, the gate for health checks is closed, and says why."""
    socket = tmp_path / "s"
    line = "echo up $$; test -e good || exit 9; exec sleep 600"
    with Flagman(tmp_path, "--control", str(socket), "--restart", "always", "--", "sh", "-c", line) as daemon:
        daemon.ready().expect_error("is started again in")
        asked = ("--control", str(socket), "ready")
        done = run(*asked, command=[CTL])
        assert (done.returncode, done.stdout) == (1, "not ready: waiting: sh exited with status 9\n")
        (tmp_path / "good").touch()
        assert run(*asked, "--wait", "50s", command=[CTL]).returncode == 0
        daemon.signal(signal.SIGTERM)
        assert daemon.status() == 128 + signal.SIGTERM


def test_a_missing_program_may_come_later(tmp_path: Path) -> None:
    """With a restart policy a command that cannot be started is tried again, and READY waits for it."""
    with Flagman(tmp_path, "--restart", "always", "--", "./late") as daemon:
        daemon.expect_error("s: cannot be started: No such file or directory")
        assert not [message for message in daemon.pending() if "READY=1" in message]
        (tmp_path / "new").write_text(f"#!/bin/sh\nexec {' '.join(TELL)}\n", encoding="utf-8")
        (tmp_path / "new").chmod(0o755)
        (tmp_path / "new").rename(tmp_path / "late")
        up(daemon)
        daemon.ready().signal(signal.SIGTERM).expect("SIGTERM", "")
        assert daemon.status() == 3


def test_nothing_leaks(tmp_path: Path) -> None:
    """Restarts leave no descriptor behind."""
    with Flagman(tmp_path, "--restart", "always", "--", "sh", "-c", "echo up $$; exec sleep 600") as daemon:
        first = up(daemon)
        daemon.ready()
        settle(daemon.process.pid)
        before = descriptors(daemon.process.pid)
        os.kill(first, signal.SIGKILL)
        daemon.expect_error("was killed by KILL")
        up(daemon)
        wait_for(lambda: len(descriptors(daemon.process.pid)) == len(before))


def test_too_many_open_files(tmp_path: Path) -> None:
    """If it cannot be seen whether the group is empty, flagman waits no longer than for one that cannot be killed."""
    arguments = ("--graceful-time", "0.1", "--usr1", "acts:TakesAllFiles", ";")
    with Flagman(
        tmp_path, *arguments, "--", "sh", "-c", "trap 'exit 5' USR2; echo up $$; while :; do sleep 0.01; done"
    ) as daemon:
        up(daemon)
        daemon.ready().signal(signal.SIGUSR1).expect("full").signal(signal.SIGUSR2)
        assert daemon.status() == 5


def test_no_signal_is_lost(tmp_path: Path) -> None:
    """Each signal reaches the command, whatever arrives with it, and whatever flagman does meanwhile."""
    signums = [signal.SIGHUP, signal.SIGUSR2, signal.SIGWINCH, signal.SIGRTMIN + 1]
    with Flagman(tmp_path, "--usr1", "sh", ":", "--", *TELL) as daemon:
        up(daemon)
        daemon.ready()
        for _ in range(200):
            daemon.signal(signal.SIGUSR1, *signums)
            assert {daemon.out.next() for _ in signums} == set(map(name_of, signums))


@pytest.mark.parametrize("detach", [(), ("--daemon",)], ids=["in front", "in the background"])
def test_its_streams_are_the_daemons(detach: tuple[str, ...], tmp_path: Path) -> None:
    """The output of the command goes where that of the daemon goes, from its first line on."""
    # A command that ends before the daemon reports that it has started would be a start that fails.
    go = tmp_path / "go"
    line = f"echo out; echo err >&2; readlink /proc/$$/fd/0; until [ -e {go} ]; do sleep 0.05; done; exit 3"
    arguments = (
        "--pid-file",
        str(tmp_path / "pid"),
        "--stdout",
        str(tmp_path / "out"),
        "--stderr",
        str(tmp_path / "err"),
    )
    if not detach:
        go.touch()
    status = run(*detach, *arguments, "--", "sh", "-c", line, NOTIFY_SOCKET="").returncode
    assert status == (0 if detach else 3)
    go.touch()
    wait_for(lambda: not (tmp_path / "pid").exists())
    out = (tmp_path / "out").read_text(encoding="utf-8").splitlines()
    assert out[0] == "out"
    assert (out[1] == "/dev/null") or not detach
    assert "err" in (tmp_path / "err").read_text(encoding="utf-8").splitlines()


def test_hup_reaches_the_command_of_a_daemon(tmp_path: Path) -> None:
    """A daemon has no terminal that could hang up, so HUP is for its command."""
    arguments = ("--daemon", "--pid-file", str(tmp_path / "pid"), "--stdout", str(tmp_path / "out"))
    assert run(*arguments, "--", *TELL, NOTIFY_SOCKET="").returncode == 0
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    wait_for(lambda: "up" in (tmp_path / "out").read_text(encoding="utf-8"))
    for signum in (signal.SIGHUP, signal.SIGTERM):
        os.kill(pid, signum)
        told = name_of(signum)
        wait_for(lambda told=told: told in (tmp_path / "out").read_text(encoding="utf-8"))  # type: ignore[misc]
    wait_for(lambda: not (tmp_path / "pid").exists())


def test_a_daemon_whose_command_cannot_be_started(tmp_path: Path) -> None:
    """The command that starts the daemon tells why, and has the same status."""
    done = run("--daemon", "--pid-file", str(tmp_path / "pid"), "--", "nosuch", NOTIFY_SOCKET="")
    assert done.returncode == 127
    assert "cannot start 'nosuch'" in done.stderr
