"""flagman --daemon: starts that are cut short, and daemons that die."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flagman.daemon import Daemon
from support.background import Background, status_of
from support.driven import DEADLINE, LIB, SCRIPT, script

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize("stage", Daemon.STAGES)
def test_killed_after_any_stage(background: Background, stage: str) -> None:
    """If a daemon is killed after any stage, its parent reports that and fails, and the next start cleans up."""
    words = ["--pid-file", str(background.pid_file), "--usr1", "print", "x"]
    done = background.run(sys.executable, script("die_in_stage"), "SIGKILL", stage, "--daemon", *words)
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stderr.endswith("the daemon was killed by signal 9 before it was ready\n")
    assert "Traceback" not in done.stderr
    assert background.start("--usr1", "print", "x").returncode == 0
    assert background.pid_file.read_text(encoding="ascii") == f"{background.pid()}\n"
    assert list(background.pid_file.parent.iterdir()) == [background.pid_file]


class SlowStart:
    """A daemon that waits in the set_up of its action, and the parent that waits for it."""

    def __init__(self, background: Background, fifo: Path, *prefix: str) -> None:
        words = ["-q", "--pid-file", str(background.pid_file), "--usr1", "acts:SlowSetUp", "a", str(fifo)]
        self.parent = subprocess.Popen(
            [*prefix, *SCRIPT, "--daemon", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(LIB), "NOTIFY_SOCKET": ""},
        )
        self._gate = os.open(fifo, os.O_WRONLY)  # waits until the action reads there
        self.pid = background.pid()

    def go(self) -> None:
        """End the set_up."""
        os.write(self._gate, b"go\n")

    def end(self) -> tuple[str, str]:
        """Wait until the parent ends, and return its output."""
        output, error = self.parent.communicate(timeout=DEADLINE)
        os.close(self._gate)
        return output, error


@pytest.mark.parametrize("way", ["--daemon", "-d"])
def test_what_a_plugin_does_at_the_exit(background: Background, way: str) -> None:
    """A plugin's exit function runs in the daemon and not in its waiting parent, in whichever it was imported."""
    words = [way, "-q", "--pid-file", str(background.pid_file), "--chdir", "."]
    done = background.run(*SCRIPT, *words, "--usr1", "farewell:Farewell", "x")
    assert (done.returncode, done.stderr) == (0, "")
    pid = background.pid()
    background.stop()
    background.wait_for((background.directory / "farewell").exists)
    background.wait_for(lambda: (background.directory / "farewell").read_text(encoding="utf-8"))
    assert (background.directory / "farewell").read_text(encoding="utf-8") == f"{pid}\n"


def test_killed_while_an_action_is_set_up(background: Background, fifo: Path) -> None:
    """If the daemon is killed while an action is set up, the start has failed."""
    slow = SlowStart(background, fifo)
    os.kill(slow.pid, signal.SIGKILL)
    _, error = slow.end()
    assert slow.parent.returncode == 128 + signal.SIGKILL
    assert error.endswith("the daemon was killed by signal 9 before it was ready\n")
    assert background.start("--usr1", "print", "x").returncode == 0


def test_it_returns_when_all_is_set_up(background: Background, fifo: Path) -> None:
    """A start returns when the slowest set_up is done, and not before."""
    slow = SlowStart(background, fifo)
    assert slow.parent.poll() is None
    slow.go()
    assert slow.end() == ("a: init\na: begin\na: end\n", "")
    assert slow.parent.returncode == 0


@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_parent_that_gives_up_waiting(
    background: Background, fifo: Path, signum: signal.Signals, *, is_stopped: bool
) -> None:
    """A parent that gives up takes the daemon along, which cleans up, even if it was stopped."""
    slow = SlowStart(background, fifo)
    if is_stopped:
        os.kill(slow.pid, signal.SIGSTOP)
        background.wait_for(lambda: status_of(slow.pid)["State"].startswith("T"))
    slow.parent.send_signal(signum)
    slow.go()  # a set_up is not interrupted by a first TERM
    slow.end()
    assert slow.parent.returncode == 128 + signum
    background.wait_for(lambda: not background.pid_file.exists())


def test_a_second_interrupt(background: Background, fifo: Path) -> None:
    """A second interrupt ends the parent at once, even if the daemon does not end."""
    slow = SlowStart(background, fifo)
    os.kill(slow.pid, signal.SIGSTOP)
    background.wait_for(lambda: status_of(slow.pid)["State"].startswith("T"))
    slow.parent.send_signal(signal.SIGINT)
    # The watcher has passed it on, and continues the daemon; its set_up goes on, though.
    background.wait_for(lambda: status_of(slow.pid)["State"].startswith("S"))
    slow.parent.send_signal(signal.SIGINT)
    slow.end()
    assert slow.parent.returncode == 128 + signal.SIGINT
    os.kill(slow.pid, signal.SIGTERM)
    background.wait_for(lambda: not background.pid_file.exists())


def test_hang_ups_that_are_ignored(background: Background, fifo: Path) -> None:
    """Hangups that are ignored, as under nohup(1), stop no start."""
    slow = SlowStart(background, fifo, "sh", "-c", 'trap "" HUP QUIT; exec "$@"', "sh")
    slow.parent.send_signal(signal.SIGHUP)
    slow.parent.send_signal(signal.SIGQUIT)
    slow.go()
    slow.end()
    assert slow.parent.returncode == 0
    assert background.pid() == slow.pid


def test_stopped_before_it_was_ready(background: Background, fifo: Path) -> None:
    """A daemon that is stopped before it is ready has not started."""
    slow = SlowStart(background, fifo)
    os.kill(slow.pid, signal.SIGTERM)
    slow.go()
    output, error = slow.end()
    assert slow.parent.returncode == 1
    assert "the daemon ended before it was ready\n" in error
    assert "a: cleanup\n" in output
    assert not background.pid_file.exists()


@pytest.mark.parametrize("log", [(), ("--log-file", "log")], ids=["crash file", "log"])
@pytest.mark.parametrize("mistaken", [True, False], ids=["a mistake of ours", "tear_down"])
def test_last_words(background: Background, log: tuple[str, ...], mistaken: bool) -> None:  # noqa: FBT001
    """The last traceback is in the log, or else in a file that only its owner can read."""
    words = ["--daemon", "--pid-file", str(background.pid_file), "--usr1", "acts:FailTearDown", "-q", *log]
    state = background.directory / "state"
    done = background.run(sys.executable, script("make_mistake"), str(mistaken), *words, XDG_STATE_HOME=str(state))
    assert (done.returncode, done.stderr) == (0, "")
    if not mistaken:
        os.kill(background.pid(), signal.SIGTERM)
    background.wait_for(lambda: not background.pid_file.exists())
    path = background.directory / "log" if log else state / "d.errors"
    background.wait_for(path.exists)
    text = path.read_text(encoding="utf-8")
    assert "because of an unhandled error\nTraceback" in text
    assert ("KeyError: 'a mistake'" if mistaken else "RuntimeError: no tear-down today") in text
    assert state.exists() is not bool(log)
    assert path.stat().st_mode & 0o077 == 0


@needs_root
def test_a_group_alone(background: Background) -> None:
    """With --group alone the user stays, and supplementary groups are dropped."""
    assert background.start("--group", "nogroup", "--usr1", "print", "x").returncode == 0
    status = status_of(background.pid())
    assert status["Uid"].split() == ["0"] * 4
    assert set(status["Gid"].split()) | set(status["Groups"].split()) == {status["Gid"].split()[0]}
    assert status["Gid"].split()[0] != "0"


def test_what_goes_to_standard_error(background: Background) -> None:
    """Standard error is the terminal until all is ready, and then the file, which is appended to."""
    (background.directory / "err").write_text("before\n", encoding="utf-8")
    done = background.start("-v", "--stderr", "err", "--stdout", "err", "--usr1", "exec", "/no/such")
    assert done.returncode == 0
    assert "INFO:flagman.service:Ready" in done.stderr
    os.kill(background.pid(), signal.SIGUSR1)
    path = background.directory / "err"
    background.wait_for(lambda: "/no/such" in path.read_text(encoding="utf-8"))
    background.stop()
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert "Ready" not in text
    assert "Stopping as asked" in text


def test_a_fifo_without_a_reader(background: Background) -> None:
    """A FIFO without a reader is refused, because opening it would wait for ever."""
    os.mkfifo(background.directory / "out")
    done = background.start("--usr1", "print", "x", "--stdout", "out")
    assert done.returncode == 1
    path = background.directory / "out"
    assert done.stderr == f"flagman: error: stdout {str(path)!r}: cannot be opened: No such device or address\n"


@pytest.mark.parametrize("way", ["--daemon", "-d", "file"])
def test_a_plugin_with_a_thread(background: Background, way: str) -> None:
    """A plugin keeps its thread, because the fork comes before any plugin is imported, however --daemon was given."""
    (background.directory / "threaded.py").write_text(
        "import threading\nfrom flagman.actions import PrintAction\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        encoding="utf-8",
    )
    path = f"{background.directory}:{LIB}"
    (background.directory / "c.toml").write_text("[flagman]\ndaemon = true\n", encoding="utf-8")
    asks = ["-c", "c.toml"] if way == "file" else [way]
    words = ["--usr1", "threaded:PrintAction", "x", "--pid-file", str(background.pid_file)]
    assert background.run(*SCRIPT, *asks, *words, PYTHONPATH=path, PYTHONWARNINGS="error").returncode == 0
    assert int(status_of(background.pid())["Threads"]) == 2


@pytest.mark.parametrize("asks", [["-d"], ["--daemon"], ["-vd"], ["-c", "c.toml"]])
def test_a_daemon_that_is_asked_for_too_late(background: Background, asks: list[str]) -> None:
    """--daemon after the first action, when plugins are already imported, is a mistake, and nothing starts."""
    (background.directory / "c.toml").write_text("[flagman]\ndaemon = true\n", encoding="utf-8")
    done = background.run(*SCRIPT, "--usr1", "print", "x", *asks)
    assert done.returncode == 2
    assert "before the first action" in done.stderr
    assert background.run(*SCRIPT, "--usr1", "print", "x", ";", *asks, "--check").returncode == 0


@pytest.mark.parametrize("late", ["--check", "--list", "--help", "--version", "--print-config", "--print-unit"])
def test_an_answer_that_is_asked_for_too_late(background: Background, late: str) -> None:
    """An option that only prints is refused after the first action, because the daemon has detached by then."""
    done = background.run(*SCRIPT, "-d", "--usr1", "print", "x", late)
    assert done.returncode == 2
    assert done.stderr.startswith("flagman: error: with --daemon, ")
    assert "before the first action" in done.stderr
    assert background.run(*SCRIPT, "-d", late, "--usr1", "print", "x").returncode == 0


@pytest.mark.parametrize("words", [(), ("-v",), ("--log-format", "json")], ids=" ".join)
def test_output_of_a_start_that_is_given_up(background: Background, words: tuple[str, ...]) -> None:
    """The output of a start that is given up is shown, because it may tell where the start hangs."""
    script = 'WAITS=$$ exec "$@"'
    line = ("sh", "-c", script, "sh", *SCRIPT, "-d", *words, "--usr1", "hangs:Action")
    done = background.run(*line)
    assert done.returncode == 128 + signal.SIGTERM
    assert "it hangs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_cannot_be_written(background: Background) -> None:
    """If the parent cannot print the output, the start has still succeeded, because the daemon runs."""
    words = [*SCRIPT, "--daemon", "--pid-file", str(background.pid_file), "--usr1", "print", "x"]
    assert background.run("sh", "-c", '"$@" >/dev/full', "sh", *words).returncode == 0
    assert background.pid()


@pytest.mark.parametrize("option", ["-vh", "-hv", "-ql", "--list"])
def test_what_needs_no_daemon(background: Background, option: str) -> None:
    """An option that needs no daemon is answered at once, even in a group of options."""
    done = background.start(option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_directory_that_is_gone(background: Background) -> None:
    """A working directory that is gone is an error only for relative paths."""
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    words = ["sh", "-c", script, "sh", *SCRIPT, "--daemon", "--pid-file", str(background.pid_file)]
    relative = background.run(*words, "--usr1", "print", "x", "--stdout", "out")
    assert relative.returncode == 2
    assert "'out' is not an absolute path, and the current directory does not exist any more" in relative.stderr
    assert background.run(*words, "--usr1", "print", "x").returncode == 0
    assert background.pid()


def test_a_log_without_a_reader(background: Background) -> None:
    """A FIFO without a reader is refused as a log file, in the background and in the foreground."""
    path = background.directory / "log"
    os.mkfifo(path)
    words = ["--usr1", "print", "x", "--log-file", str(path)]
    for done in (background.start(*words), background.run(*SCRIPT, *words)):
        assert done.returncode == 1
        assert f"flagman: error: --log-file {str(path)!r}: cannot be opened: No such device or address\n" in done.stderr
    assert not list(background.pid_file.parent.iterdir())


@needs_root
@pytest.mark.parametrize("daemon", ["--daemon", "-q"], ids=["background", "foreground"])
def test_a_full_disk(background: Background, daemon: str) -> None:
    """On a full file system, which only this test and its child see, a start fails in one line and leaves nothing."""
    folder = background.pid_file.parent
    script = f"""
        mount -t tmpfs -o size=4k,mode=755 none {folder} && printf 0123 > {folder}/full || exit 99
        "$@"
        status=$?
        ls -A {folder}
        exit $status
    """
    words = [*SCRIPT, daemon, "--pid-file", str(background.pid_file), "--usr1", "print", "x"]
    done = background.run("unshare", "-m", "sh", "-c", script, "sh", *words)
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 1
    path = str(background.pid_file)
    assert done.stderr == f"flagman: error: pid file {path!r}: cannot be written: No space left on device\n"
    assert done.stdout == "full\n"


@needs_root
def test_what_is_left_to_root(background: Background) -> None:
    """If the start fails after a change of user, the watcher removes the pid file for the daemon, which may not."""
    done = background.start("--user", "nobody", "--chdir", "/no/such", "--usr1", "print", "x")
    assert done.returncode == 1
    assert not list(background.pid_file.parent.iterdir())


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_the_engine_runs(background: Background, signum: signal.Signals) -> None:
    """A start in the foreground that is stopped before the engine runs leaves nothing behind."""
    words = ["--pid-file", str(background.pid_file), "--usr1", "print", "x"]
    done = background.run(sys.executable, script("die_in_stage"), signum.name, "take_pid_file", *words)
    assert done.returncode == 128 + signum
    assert "Traceback" not in done.stderr
    assert not list(background.pid_file.parent.iterdir())


def test_a_hang_up_in_the_background(background: Background) -> None:
    """In the background a hangup without actions has no effect, because no terminal can have sent it."""
    assert background.start("--usr1", "print", "x", "--stdout", "out").returncode == 0
    os.kill(background.pid(), signal.SIGHUP)
    os.kill(background.pid(), signal.SIGUSR1)
    out = background.directory / "out"
    background.wait_for(lambda: out.read_text(encoding="utf-8") == "x\n")


@needs_root
def test_keys_of_the_file(background: Background) -> None:
    """The keys of the file have the meaning of the options."""
    jail = background.directory / "jail"
    jail.mkdir(mode=0o755)
    (background.directory / "d.toml").write_text(
        f"""
        [flagman]
        daemon = true
        user = "nobody"
        group = "daemon"
        chroot = "{jail}"
        umask = "027"
        stderr = "/err"
        pid-file = "{background.pid_file}"
        [[on]]
        signal = "USR1"
        action = "print"
        args = ["x"]
        """,
        encoding="utf-8",
    )
    (jail / "err").touch()
    (jail / "err").chmod(0o666)
    done = background.run(*SCRIPT, "-c", "d.toml")
    assert (done.returncode, done.stderr.count("error")) == (0, 0)
    pid = background.pid()
    status = status_of(pid)
    assert status["Uid"].split() == [str(pwd.getpwnam("nobody").pw_uid)] * 4
    assert status["Gid"].split() == [str(grp.getgrnam("daemon").gr_gid)] * 4
    assert status["Umask"] == "0027"
    assert os.readlink(f"/proc/{pid}/root") == str(jail)  # noqa: PTH115 - as the kernel shows it
    assert os.readlink(f"/proc/{pid}/fd/2") == str(jail / "err")  # noqa: PTH115


@needs_root
def test_last_words_of_the_system(background: Background) -> None:
    """The last traceback of a daemon of root's is in the directory of the system's logs."""
    name = f"flagman-test-{os.getpid()}"
    path = Path("/var/log") / f"{name}.errors"
    background.pid_file = background.pid_file.with_name(f"{name}.pid")
    try:
        assert background.start("--usr1", "acts:FailTearDown").returncode == 0
        background.stop()
        background.wait_for(path.exists)
        assert "no tear-down today" in path.read_text(encoding="utf-8")
    finally:
        path.unlink(missing_ok=True)
