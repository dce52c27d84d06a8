"""flagman --daemon: what its parent prints and returns, what becomes of the process, and the init scripts."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman import cli
from flagman.cli import scaffold
from flagman.daemon import read_pid
from support.background import Background, status_of
from support.driven import LIB, SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable

INIT = Path(cli.__file__).parent / "templates" / "init"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_a_life(background: Background) -> None:
    """A start returns when the daemon is ready; signals arrive, a second start is refused, a stop leaves nothing."""
    done = background.start("--usr1", "print", "hi", "--stdout", "out", "--log-file", "log", "-v")
    assert (done.returncode, done.stdout, done.stderr) == (0, "init\n", "")
    pid = background.pid()
    assert f"PID: {pid}" in (background.directory / "log").read_text(encoding="utf-8")
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    assert int(stat[3]) not in (pid, os.getsid(0))
    assert stat[4] == "0"
    assert status_of(pid)["Umask"] == "0077"
    assert str(Path(f"/proc/{pid}/cwd").readlink()) == "/"
    assert "Max core file size        0                    0" in Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    links = [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in range(3)]
    assert links == ["/dev/null", str(background.directory / "out"), "/dev/null"]
    second = background.start("--usr1", "print", "hi")
    assert second.returncode == 1
    assert second.stderr.endswith(f"flagman: error: already running, pid {pid} ({background.pid_file})\n")
    os.kill(pid, signal.SIGUSR1)
    background.wait_for(lambda: (background.directory / "out").read_text(encoding="utf-8") == "hi\n")
    background.stop()
    assert not background.pid_file.exists()
    assert (background.directory / "out").read_text(encoding="utf-8") == "hi\ncleanup\n"


def test_descriptors_of_others_are_closed(background: Background) -> None:
    """A daemon closes descriptors that it has inherited from the program that started it."""
    program = "import os, sys; os.dup2(0, 77); os.set_inheritable(77, True); os.execv(sys.argv[1], sys.argv[1:])"
    words = ["python3", "-c", program, *SCRIPT, "-d", "--pid-file", str(background.pid_file), "--usr1", "print", "x"]
    words[0] = shutil.which("python3", path=str(Path(SCRIPT[0]).parent)) or "python3"
    assert background.run(*words).returncode == 0
    assert not Path(f"/proc/{background.pid()}/fd/77").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--usr1", "prnt"), 2, "flagman: error: --usr1: unknown action 'prnt'; did you mean 'print'?"),
        ((), 2, "flagman: error: no actions are configured"),
        (("--usr1", "delay_print", "x", "y"), 2, "flagman: error: --usr1 delay_print: the delay 'y' is not a number"),
        (
            ("--usr1", "touch", "/no/such/x", "--hup", "signal", "HUP", "4999999"),
            1,
            "flagman: error: hup: setting up `signal HUP 4999999` failed: No such process: the process 4999999 cannot",
        ),
        (
            ("--user", "nobodyx", "--usr1", "print", "x"),
            1,
            "flagman: error: user: no such user 'nobodyx'",
        ),
        (("--chdir", "/no/such", "--usr1", "print", "x"), 1, "flagman: error: working directory '/no/such': cannot be"),
        (
            ("--stdout", "/no/such/x", "--usr1", "print", "x"),
            1,
            "flagman: error: stdout '/no/such/x': cannot be",
        ),
        (("--log-file", "/no/such/x", "--usr1", "print", "x"), 1, "flagman: error: --log-file '/no/such/x': cannot be"),
    ],
)
def test_starts_that_fail(background: Background, arguments: tuple[str, ...], status: int, message: str) -> None:
    """A start that fails gives one line and the daemon's status, and leaves nothing behind."""
    done = background.start(*arguments)
    assert message in done.stderr
    assert done.returncode == status
    assert done.stderr.count("flagman: error") == 1
    assert "Traceback" not in done.stderr
    assert not list(background.pid_file.parent.iterdir())


def test_a_manager_that_watches(background: Background) -> None:
    """If a service manager watches the process, --daemon is ignored with a warning."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(background.directory / "notify"))
        address = str(background.directory / "notify")
        done = background.start("--usr1", "print", "x", "--once", "--run-at-start", NOTIFY_SOCKET=address)
    assert done.returncode == 0
    assert "WARNING:flagman.cli:--daemon: a service manager watches this process" in done.stderr
    assert done.stdout == "init\nx\ncleanup\n"


def test_a_mistake_in_the_journal(background: Background) -> None:
    """A mistake has its priority in the journal, though the daemon's own standard error is not the journal."""
    journal = background.directory / "journal"
    script = f'exec 2>{journal}; JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"'
    for option in ("--daemon", "-d"):
        done = background.run(
            "sh", "-c", script, "sh", *SCRIPT, option, "--usr1", "acts:FailSetUp", PYTHONPATH=str(LIB)
        )
        assert done.returncode == 1
        assert journal.read_text(encoding="utf-8").splitlines()[-1].startswith("<3>flagman: error: usr1: setting up `")


@pytest.mark.parametrize("place", ["/no/such", "left behind"])
def test_a_manager_that_watches_no_more(background: Background, place: str) -> None:
    """A variable of a manager that does not listen any more has no effect."""
    address = background.directory / place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        if place != "/no/such":
            listener.bind(str(address))
    done = background.start("--usr1", "print", "x", NOTIFY_SOCKET=str(address))
    assert done.returncode == 0
    assert "service manager" not in done.stderr
    assert background.pid()


def test_from_a_file(background: Background) -> None:
    """A file can configure a daemon, and a reload finds the file again after a change of directory."""
    (background.directory / "d.toml").write_text(
        f"""
        [flagman]
        daemon = true
        umask = "027"
        chdir = "{background.directory}"
        stdout = "out"
        pid-file = "{background.pid_file}"
        [[on]]
        signal = "HUP"
        action = "reload"
        [[on]]
        signal = "USR1"
        action = "print"
        args = ["one"]
        """,
        encoding="utf-8",
    )
    assert background.run(*SCRIPT, "-c", "d.toml", "--chdir", "/").returncode == 0
    pid = background.pid()
    assert status_of(pid)["Umask"] == "0027"
    text = (background.directory / "d.toml").read_text(encoding="utf-8")
    (background.directory / "d.toml").write_text(text.replace("one", "two"), encoding="utf-8")
    os.kill(pid, signal.SIGHUP)
    out = background.directory / "out"
    background.wait_for(lambda: out.read_text(encoding="utf-8") == "init\ncleanup\n")
    os.kill(pid, signal.SIGUSR1)
    background.wait_for(lambda: out.read_text(encoding="utf-8").endswith("two\n"))
    background.stop()


@needs_root
@pytest.mark.parametrize("detach", [True, False])
def test_another_user(background: Background, start: Callable[..., object], detach: bool) -> None:  # noqa: FBT001
    """A daemon of another user has a log of that user, in the background and in the foreground."""
    entry = pwd.getpwnam("nobody")
    own = background.directory / "own"
    own.mkdir()
    os.chown(own, entry.pw_uid, entry.pw_gid)
    words = ["--user", "nobody", "--log-file", str(own / "log"), "--usr1", "exec", "touch", str(own / "stamp")]
    if detach:
        done = background.start(*words)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        environment: dict[str, str | None] = dict.fromkeys((n for n in os.environ if n.startswith("COVERAGE")), None)
        start("--pid-file", str(background.pid_file), *words, environment=environment).ready()  # type: ignore[attr-defined]
    pid = background.pid()
    assert status_of(pid)["Uid"].split() == [str(entry.pw_uid)] * 4
    assert status_of(pid)["Gid"].split() == [str(entry.pw_gid)] * 4
    assert set(map(int, status_of(pid)["Groups"].split())) <= set(os.getgrouplist("nobody", entry.pw_gid))
    os.kill(pid, signal.SIGUSR1)
    background.wait_for((own / "stamp").exists)
    assert (own / "stamp").stat().st_uid == entry.pw_uid
    assert (own / "log").stat().st_uid == entry.pw_uid
    background.stop()
    assert background.pid_file.read_text(encoding="ascii") == f"{pid}\n"  # root's, and not to be removed
    status = background.run(
        str(Path(SCRIPT[0]).with_name("flagmanctl")), "status", "--pid-file", str(background.pid_file)
    )
    assert status.returncode == 1


@needs_root
def test_files_that_only_root_may_make(background: Background) -> None:
    """Log and streams are opened in a directory of root's before the privileges go, and belong to the user."""
    directory = background.directory
    words = [
        "--user",
        "nobody",
        "--log-format",
        "plain",
        "--log-file",
        "log",
        "--stdout",
        "out",
        "--stderr",
        "err",
        "--umask",
        "027",
    ]
    actions = ["--usr1", "log", "warning", "x", "--usr1", "sh", "echo out; echo err >&2", "--hup", "reload"]
    config = directory / "c.toml"
    config.write_text("", encoding="utf-8")
    done = background.start(*words, *actions, "-c", str(config))
    assert (done.returncode, done.stderr) == (0, "")
    pid = background.pid()
    for name in ("log", "out", "err"):
        status = (directory / name).stat()
        assert (status.st_uid, status.st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid, 0o640)

    def lines(name: str) -> list[str]:
        return (directory / name).read_text(encoding="utf-8").splitlines()

    os.kill(pid, signal.SIGUSR1)
    background.wait_for(lambda: "err" in lines("err") and "out" in lines("out"))
    assert "WARNING:flagman.log:x" in lines("log")
    for name in ("log", "out", "err"):  # as logrotate does with a line that creates the file for the user nobody
        (directory / name).rename(directory / f"{name}.1")
        (directory / name).touch(0o640)
        shutil.chown(directory / name, "nobody")
    os.kill(pid, signal.SIGHUP)

    def has_answered() -> bool:
        os.kill(pid, signal.SIGUSR1)  # again and again: the first run may still be in progress, and cover it
        return "err" in lines("err") and "out" in lines("out")

    background.wait_for(has_answered)
    assert "WARNING:flagman.log:x" in lines("log")
    background.stop()
    again = background.start(*words, *actions, "-c", str(config))
    assert (again.returncode, "Permission denied" in again.stderr) == (0, False), "it opens what is there, too"


def _renamed(before: Path, after: Path) -> None:
    before.rename(after)


def _of_another_user(path: Path) -> None:
    path.touch()
    os.chown(path, 4711, -1)


# What the daemon's user, or a group, may have put in the place of a log file.
PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "a link": lambda path, victim: path.symlink_to(victim),
    "a second name": lambda path, victim: path.hardlink_to(victim),
    "a FIFO": lambda path, _: os.mkfifo(path, 0o666),
    "a file of another user": lambda path, _: _of_another_user(path),
    "a directory": lambda path, _: path.mkdir(),
    "a file of root's": lambda path, victim: _renamed(victim, path),
}


@needs_root
@pytest.mark.parametrize("kind", PLANTED)
def test_root_is_not_led_astray(background: Background, kind: str) -> None:
    """Root opens for the user only a regular file that belongs to root or to that user."""
    directory = background.directory
    place = directory / "group"
    place.mkdir()
    place.chmod(0o775)
    os.chown(place, 0, 4711)
    victim = place / "victim" if kind == "a file of root's" else directory / "victim"
    victim.touch(0o600)
    PLANTED[kind](place / "log", victim)
    done = background.start("--user", "nobody", "--log-file", str(place / "log"), "--usr1", "print", "x")
    assert done.returncode == 1
    assert f"flagman: error: --log-file '{place}/log': cannot be opened: " in done.stderr
    victim = place / "log" if kind == "a file of root's" else victim
    assert victim.read_bytes() == b""
    assert victim.stat().st_uid == 0


@needs_root
def test_a_directory_of_the_user_is_not_roots_business(background: Background) -> None:
    """Root creates no file where the user may replace a directory by a link."""
    home, target = background.directory / "home", background.directory / "target"
    home.mkdir()
    target.mkdir()
    shutil.chown(home, "nobody")
    (home / "logs").symlink_to(target)
    for log in (home / "logs" / "log", home / ".." / "home" / "logs" / "log"):
        done = background.start("--user", "nobody", "--log-file", str(log), "--usr1", "print", "x")
        assert (done.returncode, list(target.iterdir())) == (1, [])
    done = background.start("--user", "nobody", "--log-file", str(home / "log"), "--usr1", "print", "x")
    assert done.returncode == 0
    assert (home / "log").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@needs_root
def test_a_user_without_a_name(background: Background) -> None:
    """A user without a name gets no variables of another user."""
    environment = {"HOME": "/elsewhere", "USER": "me", "LOGNAME": "me", "XDG_STATE_HOME": "/elsewhere/state"}
    words = ["--user", "54321", "--group", "54321", "--stdout", "out", "--chdir", "/"]
    action = "echo $HOME; env | grep -c -e ^USER= -e ^LOGNAME= -e ^XDG_"
    done = background.start(*words, "--run-at-start", "--usr1", "sh", action, **environment)
    assert done.returncode == 0, done.stderr
    out = background.directory / "out"
    background.wait_for(lambda: out.read_text(encoding="utf-8") == "/\n0\n")


@needs_root
def test_a_link_to_the_configuration_within_another_root(background: Background) -> None:
    """A link to the configuration within another root is followed again at each reload."""
    jail = background.directory / "jail"
    for number in ("1", "2"):
        (jail / "etc" / number).mkdir(parents=True)
        text = (
            '[[on]]\nsignal = "HUP"\naction = "reload"\n[[on]]\nsignal = "USR1"\naction = "log"\nargs = ["error", "%s"]'
        )
        (jail / "etc" / number / "c.toml").write_text(text % number, encoding="utf-8")
    (jail / "etc" / "current").symlink_to("1")
    (jail / "etc" / "c.toml").symlink_to("current/c.toml")
    (background.directory / "other").symlink_to("jail")
    log = jail / "log"
    for config in ("jail/etc/c.toml", "other/etc/c.toml", "jail/etc/current/c.toml"):
        (jail / "etc" / "current").unlink()
        (jail / "etc" / "current").symlink_to("1")
        done = background.start("-c", config, "--chroot", "jail", "--log-file", "log", "-v")
        assert (done.returncode, done.stderr) == (0, "")
        (jail / "etc" / "current").unlink()
        (jail / "etc" / "current").symlink_to("2")
        os.kill(background.pid(), signal.SIGHUP)
        background.wait_for(lambda: "Reloaded: 1 action is new" in log.read_text(encoding="utf-8"))
        os.kill(background.pid(), signal.SIGUSR1)
        background.wait_for(lambda: "ERROR:flagman.log:2" in log.read_text(encoding="utf-8"))
        background.stop()
        log.unlink()
    # Such a link means another file in there: the file that was read at the start is read again.
    (jail / "etc" / "c.toml").unlink()
    (jail / "etc" / "c.toml").symlink_to(jail / "etc" / "2" / "c.toml")
    done = background.start("-c", "jail/etc/c.toml", "--chroot", "jail", "--log-file", "log", "-v")
    os.kill(background.pid(), signal.SIGHUP)
    background.wait_for(lambda: "Reloaded: 0 actions are new" in log.read_text(encoding="utf-8"))


@needs_root
def test_another_root(background: Background) -> None:
    """A daemon in another root has already imported all modules for reloads, JSON, failing actions and jitter."""
    jail = background.directory / "jail"
    (jail / "dev").mkdir(parents=True)
    (jail / "dev" / "null").touch()  # commands read it
    (jail / "d.toml").write_text(
        '[[on]]\nsignal = "HUP"\naction = "reload"\n[[on]]\nsignal = "USR1"\naction = "exec"\nargs = ["/no/such"]\n'
        '[[on]]\nevery = "1h"\njitter = "1s"\naction = "http"\nargs = ["GET", "http://localhost:1/"]\n',
        encoding="utf-8",
    )
    done = background.start(
        "-c", "jail/d.toml", "--chroot", "jail", "--log-file", "log", "--log-format", "json", "-v", "--run-at-start"
    )
    assert (done.returncode, done.stderr) == (0, "")
    log = jail / "log"
    background.wait_for(lambda: "exec" in log.read_text(encoding="utf-8"))
    os.kill(background.pid(), signal.SIGHUP)
    background.wait_for(lambda: "Reloaded: 0 actions are new" in log.read_text(encoding="utf-8"))
    assert "ModuleNotFoundError" not in log.read_text(encoding="utf-8")
    assert str(Path(f"/proc/{background.pid()}/root").readlink()) == str(jail)
    background.stop()
    outside = background.start("-c", "/etc/hostname", "--chroot", "jail", "--usr1", "print", "x")
    assert outside.returncode == 2


class InitScript:
    """An init script of the documentation with other places; a few functions stand in for OpenRC."""

    def __init__(self, background: Background, script: str) -> None:
        self.background = background
        self.is_lsb = script == "lsb"
        directory = background.directory
        self.config = directory / "web.toml"
        text = (INIT / script).read_text(encoding="utf-8")
        if self.is_lsb:
            text = text.replace("PID_FILE=/run/$NAME.pid", f"PID_FILE={background.pid_file}")
            text = text.replace("CONFIG=/etc/flagman/$NAME.toml", f"CONFIG={self.config}")
            text = text.replace("/var/log/$NAME.log", f"{directory}/log")
        else:
            text = text.replace("/run/${RC_SVCNAME}.pid", str(background.pid_file))
            text = f"""ebegin() {{ echo "$@"; }}; eend() {{ return "$1"; }}
            RC_SVCNAME=web; flagman_config={self.config}; flagman_log={directory}/log
            {text}
            "$1"
            """
        self._path = directory / "script"
        self._path.write_text(text, encoding="utf-8")

    def __call__(self, verb: str, **environment: str) -> int:
        """Run a verb, and return its status."""
        path = f"{Path(SCRIPT[0]).parent}:{os.environ['PATH']}"
        done = self.background.run("sh", "-u", str(self._path), verb, **{"PATH": path, "RC_CMD": verb, **environment})
        assert "Traceback" not in done.stderr
        return done.returncode


@pytest.fixture(name="call", params=["lsb", "openrc"])
def _call(background: Background, request: pytest.FixtureRequest) -> InitScript:
    script = InitScript(background, request.param)
    stamp = background.directory / "stamp"
    script.config.write_text(f'[[on]]\nsignal = "HUP"\naction = "touch"\nargs = ["{stamp}"]\n', encoding="utf-8")
    return script


def test_init_scripts(background: Background, call: InitScript) -> None:
    """The init scripts start, reload, report and stop a daemon."""
    assert call("status") == 3
    assert call("start") == 0
    assert call("status") == 0
    assert call("reload") == 0
    background.wait_for((background.directory / "stamp").exists)
    assert call("stop") == 0
    assert call("status") == 3
    assert call("start") == 0
    assert call("stop") == 0
    assert call("status") == 3
    assert call("start") == 0
    os.kill(background.pid(), signal.SIGKILL)
    background.wait_for(lambda: read_pid(background.pid_file) is None)
    assert call("status") == 1
    assert call("stop") == 0
    if call.is_lsb:
        assert call("stop") == 0
        assert call("start") == 0
        assert call("start") == 0
        assert call("restart") == 0
        assert call("nonsense") == 2
        assert call("stop") == 0


def test_init_scripts_and_a_file_that_is_wrong(background: Background, call: InitScript) -> None:
    """With a wrong file each verb of an init script leaves the good daemon running, and fails with a reason."""
    assert call("start") == 0
    pid = background.pid()
    good = call.config.read_text(encoding="utf-8")
    call.config.write_text("wrong", encoding="utf-8")
    assert call("reload") != 0
    if call.is_lsb:
        assert call("restart") == call("force-reload") == call("try-restart") == 6
    else:
        assert call("stop_pre", RC_CMD="stop") == 0
        assert call("stop_pre", RC_CMD="restart") != 0
    assert background.pid() == pid
    call.config.write_text(good, encoding="utf-8")
    if call.is_lsb:
        assert call("try-restart") == 0
        assert background.pid() != pid
    assert call("stop") == 0


@pytest.mark.parametrize("kind", ["lsb", "openrc"])
def test_the_init_script_of_a_new_package(background: Background, kind: str) -> None:
    """It runs the flagman of the package with its configuration, where the package is, whatever its path."""
    package = background.directory / "it's $HOME"
    scaffold.create("acme-purge", package, kind)
    python = package / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    script = f'#!/bin/sh\nPYTHONPATH={LIB}:"{package}/src" exec {sys.executable} "$@"\n'
    python.write_text(script.replace("$H", r"\$H"), encoding="utf-8")
    python.chmod(0o755)
    config, path = package / "acme-purge.toml", package / "acme-purge.init"
    # The package is not installed, so its action has no name of its own.
    text = config.read_text(encoding="utf-8").replace('"acme-purge"', '"acme_purge:AcmePurgeAction"')
    config.write_text(text, encoding="utf-8")
    assert os.access(path, os.X_OK)
    text = path.read_text(encoding="utf-8").replace("/var/log/", f"{background.directory}/")
    text = text.replace("/run/$NAME.pid", str(background.pid_file)).replace(
        "/run/${RC_SVCNAME}.pid", str(background.pid_file)
    )
    if kind == "openrc":
        text = f'ebegin() {{ :; }}; eend() {{ return "$1"; }}; RC_SVCNAME=acme-purge\n{text}\n"$1"\n'
    path.write_text(text, encoding="utf-8")

    def call(verb: str) -> int:
        return background.run("sh", "-u", str(path), verb, PATH="/usr/bin:/bin", RC_CMD=verb).returncode

    assert call("status") == 3
    assert call("start") == 0
    assert call("status") == 0
    os.kill(background.pid(), signal.SIGUSR1)
    background.wait_for(lambda: (package / "runs").read_text(encoding="utf-8").count("\n") == 1)
    assert call("reload") == 0
    log = background.directory / "acme-purge.log"
    background.wait_for(log.exists)
    assert call("stop") == 0
    assert call("status") == 3


@needs_root
def test_init_scripts_and_another_user(background: Background, call: InitScript) -> None:
    """An init script starts a daemon of a user that cannot create a log file in a directory of root's."""
    good = call.config.read_text(encoding="utf-8")
    call.config.write_text(f'[flagman]\nuser = "nobody"\n{good}', encoding="utf-8")
    assert call("start") == 0
    assert (background.directory / "log").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert call("stop") == 0
    assert call("start") == 0
    assert call("stop") == 0


@pytest.mark.parametrize(
    ("options", "is_logged"), [((), True), (("--stdout", "out"), False), (("--output", "null"), False)]
)
def test_the_output_of_commands_in_the_background(
    background: Background,
    options: tuple[str, ...],
    is_logged: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """It is logged if it would lead nowhere, and nothing else was asked for."""
    log = background.directory / "log"
    done = background.start("-v", "--log-file", "log", *options, "--usr1", "sh", "echo from the command")
    assert done.returncode == 0, done.stderr
    os.kill(background.pid(), signal.SIGUSR1)
    background.wait_for(lambda: ": succeeded in " in log.read_text(encoding="utf-8"))
    assert ("INFO:flagman.actions.output:" in log.read_text(encoding="utf-8")) is is_logged
    background.stop()
