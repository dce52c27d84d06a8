"""flagman --daemon: what its parent says and returns, what becomes of the process, and the init scripts."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from background import Background, status_of
from daemon import SCRIPT

from flagman.daemon import read_pid

if TYPE_CHECKING:
    from collections.abc import Callable

INIT = Path(__file__).parents[2] / "docs" / "init"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_a_life(background: Background) -> None:
    """It returns when the daemon is ready; signals arrive; a second one is refused; nothing is left at the end."""
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
    """Whoever starts it may have anything open."""
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
        (("--usr1", "delay_print", "x", "y"), 1, "flagman: error: setting up the action DelayedPrintAction failed"),
        (
            ("--user", "nobodyx", "--usr1", "print", "x"),
            1,
            "flagman: error: user 'nobodyx': there is none of this name",
        ),
        (("--chdir", "/no/such", "--usr1", "print", "x"), 1, "flagman: error: working directory '/no/such': cannot be"),
        (
            ("--stdout", "/no/such/x", "--usr1", "print", "x"),
            1,
            "flagman: error: stdout '/no/such/x': cannot be",
        ),
        (("--log-file", "/no/such/x", "--usr1", "print", "x"), 1, "flagman: error: log-file '/no/such/x': cannot be"),
    ],
)
def test_starts_that_fail(background: Background, arguments: tuple[str, ...], status: int, message: str) -> None:
    """The parent says why, in one line, and returns the daemon's status; nothing is left."""
    done = background.start(*arguments)
    assert message in done.stderr
    assert done.returncode == status
    assert done.stderr.count("flagman: error") == 1
    assert "Traceback" not in done.stderr
    assert not list(background.pid_file.parent.iterdir())


def test_a_manager_watches(background: Background) -> None:
    """Then it stays in the foreground, as it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(background.directory / "notify"))
        address = str(background.directory / "notify")
        done = background.start("--usr1", "print", "x", "--once", "--run-at-start", NOTIFY_SOCKET=address)
    assert done.returncode == 0
    assert "WARNING:flagman.cli:--daemon: a service manager watches this process" in done.stderr
    assert done.stdout == "init\nx\ncleanup\n"


@pytest.mark.parametrize("place", ["/no/such", "left behind"])
def test_a_manager_that_watches_no_more(background: Background, place: str) -> None:
    """The variable was inherited by mistake."""
    address = background.directory / place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        if place != "/no/such":
            listener.bind(str(address))
    done = background.start("--usr1", "print", "x", NOTIFY_SOCKET=str(address))
    assert done.returncode == 0
    assert "service manager" not in done.stderr
    assert background.pid()


def test_from_a_file(background: Background) -> None:
    """The same keys; a reload finds the file again, whatever the directory."""
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
    """In the background and in the foreground; also with its own log, which is that user's."""
    entry = pwd.getpwnam("nobody")
    own = background.directory / "own"
    own.mkdir()
    os.chown(own, entry.pw_uid, entry.pw_gid)
    words = ["--user", "nobody", "--usr1", "exec", "touch", str(own / "stamp"), "--log-file", str(own / "log")]
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
def test_another_root(background: Background) -> None:
    """Everything that it imports late is there already: a reload, JSON, a failing action, a timer with jitter."""
    jail = background.directory / "jail"
    (jail / "dev").mkdir(parents=True)
    (jail / "dev" / "null").touch()  # what commands read
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


@pytest.mark.parametrize("script", ["lsb", "openrc"])
def test_init_scripts(background: Background, script: str) -> None:
    """Start, reload, status and stop; OpenRC's own part is played by a few functions."""
    binaries = Path(SCRIPT[0]).parent
    directory = background.directory
    config = directory / "web.toml"
    config.write_text(f'[[on]]\nsignal = "HUP"\naction = "touch"\nargs = ["{directory}/stamp"]\n', encoding="utf-8")
    text = (INIT / script).read_text(encoding="utf-8")
    if script == "lsb":
        text = text.replace("PID_FILE=/run/$NAME.pid", f"PID_FILE={background.pid_file}")
        text = text.replace("CONFIG=/etc/flagman/$NAME.toml", f"CONFIG={config}")
        text = text.replace("/var/log/$NAME.log", f"{directory}/log")
    else:
        text = text.replace("/run/${RC_SVCNAME}.pid", str(background.pid_file))
        text = f"""ebegin() {{ echo "$@"; }}; eend() {{ return "$1"; }}
        RC_SVCNAME=web; flagman_config={config}; flagman_log={directory}/log
        {text}
        "$1"
        """
    path = directory / "script"
    path.write_text(text, encoding="utf-8")

    def call(verb: str) -> int:
        done = background.run("sh", "-u", str(path), verb, PATH=f"{binaries}:{os.environ['PATH']}")
        assert "Traceback" not in done.stderr
        return done.returncode

    assert call("status") == 3
    assert call("start") == 0
    assert call("status") == 0
    assert call("reload") == 0
    background.wait_for((directory / "stamp").exists)
    assert call("stop") == 0
    assert call("status") == 3
    assert call("start") == 0
    os.kill(background.pid(), signal.SIGKILL)
    background.wait_for(lambda: read_pid(background.pid_file) is None)
    assert call("status") == 1
    assert call("stop") == 0
    if script == "lsb":
        assert call("stop") == 0
        assert call("start") == 0
        assert call("start") == 0
        assert call("restart") == 0
        assert call("nonsense") == 2
        assert call("stop") == 0
