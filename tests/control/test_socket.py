"""The control socket of real daemons: its owner, its life, and a socket from systemd."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from support.driven import SCRIPT, Flagman, descriptors, run, wait_for
from support.unix import activating, asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.background import Background

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

USER, GROUP = 12345, 23456
AS_USER = ("--user", str(USER), "--group", str(GROUP))


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {entry.name for entry in folder.iterdir()}


def state(path: Path) -> tuple[int, int, int]:
    """Return the owner, the group and the mode of a socket."""
    status = path.lstat()
    assert stat.S_ISSOCK(status.st_mode)
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def pid_behind(path: Path) -> tuple[int, int]:
    """Return the process and the user that a client sees at the other end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        pid, uid, _ = struct.unpack("=iII", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def is_served(answer: str) -> bool:
    """Return whether a client was let in."""
    return "Error" not in answer and " 403 " not in answer


@pytest.fixture(name="path")
def _path(open_path: Path) -> Path:
    """Return the path of a control socket in a folder of its own."""
    (open_path / "control").mkdir(mode=0o755)
    return open_path / "control" / "web.sock"


def test_a_life(start: Callable[..., Flagman], path: Path) -> None:
    """The socket is there from the start to the end, and its lock names the process."""
    daemon = start("--control", str(path), "--usr1", "print", "hi").ready().expect("init")
    assert state(path) == (os.geteuid(), os.getegid(), 0o600)
    assert path.with_name("web.sock.lock").read_text(encoding="ascii") == f"{daemon.process.pid}\n"
    assert pid_behind(path) == (daemon.process.pid, os.geteuid())
    assert is_served(asked(path, os.geteuid(), os.getegid(), os.getgroups() if os.geteuid() else ()))
    daemon.signal(signal.SIGUSR1).expect("hi").stop("cleanup")
    assert names(path.parent) == set()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--name", "web"), "web"),
        (("--pid-file", "a.b.pid"), "a.b"),
        (("--config", "site.toml"), "site"),
        ((), "flagman"),
    ],
)
def test_the_usual_place(start: Callable[..., Flagman], tmp_path: Path, options: tuple[str, ...], name: str) -> None:
    """Without a path, the socket is in the user's directory, under the daemon's name."""
    (tmp_path / "site.toml").write_text("[flagman]\ncontrol = true\n", encoding="utf-8")
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": None}
    words = () if "--config" in options else ("--control",)
    start(*words, *options, "--usr1", "print", "hi", environment=environment).ready()
    assert names(tmp_path / "flagman") == {f"{name}.sock", f"{name}.sock.lock"}
    assert stat.S_IMODE((tmp_path / "flagman").stat().st_mode) == 0o700


def test_a_second_daemon(start: Callable[..., Flagman], path: Path) -> None:
    """A second daemon is refused in one line, and the first one goes on."""
    daemon = start("--control", str(path), "--usr1", "print", "hi").ready()
    inode = path.stat().st_ino
    done = run("--control", str(path), "--usr1", "print", "hi")
    told = f"control socket {str(path)!r}: is in use by pid {daemon.process.pid}; give another --name or PATH"
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"flagman: error: {told}"
    assert path.stat().st_ino == inode
    assert pid_behind(path)[0] == daemon.process.pid


def test_after_a_crash(start: Callable[..., Flagman], path: Path) -> None:
    """What a daemon that was killed has left behind is taken over, without a word."""
    daemon = start("--control", str(path), "--usr1", "print", "hi").ready()
    daemon.signal(signal.SIGKILL).status()
    assert names(path.parent) == {"web.sock", "web.sock.lock"}
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(path))
    daemon = start("--control", str(path), "--usr1", "print", "hi").ready()
    assert pid_behind(path)[0] == daemon.process.pid
    daemon.stop("init", "cleanup")
    assert not [line for line in daemon.err.rest() if not line.startswith("INFO:flagman.cli:")]


@pytest.mark.parametrize("detach", [(), ("--daemon",)], ids=["foreground", "background"])
@pytest.mark.parametrize(
    "failing", [("--usr1", "acts:FailSetUp"), ("--usr1", "print"), ("--chdir", "/no/such", "--usr1", "print", "x")]
)
def test_a_start_that_fails(path: Path, tmp_path: Path, detach: tuple[str, ...], failing: tuple[str, ...]) -> None:
    """If the start fails later on, nothing is left behind."""
    done = run(*detach, "--control", str(path), *failing, directory=str(tmp_path), NOTIFY_SOCKET="")
    assert done.returncode in {1, 2}
    assert "flagman: error: " in done.stderr
    assert names(path.parent) == set()


# The command, which gets TERM when its socket has just been bound.
STOPPED_EARLY = """
import os, signal, sys
from flagman.__main__ import main
from flagman.control.part import ControlPart
def prepare(part, preparation, bind=ControlPart.prepare):
    bind(part, preparation)
    os.kill(os.getpid(), signal.SIGTERM)
ControlPart.prepare = prepare
sys.exit(main())
"""


@pytest.mark.parametrize("options", [(), ("--pid-file", "x.pid")], ids=["plain", "pid file"])
def test_a_stop_as_soon_as_it_is_bound(path: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    """A stop signal that comes before anything is set up leaves nothing behind."""
    command = [sys.executable, "-c", STOPPED_EARLY]
    done = run("--control", str(path), *options, "--usr1", "print", "hi", command=command, directory=str(tmp_path))
    assert done.returncode in {0, 128 + signal.SIGTERM}, done.stderr
    assert names(path.parent) == set()


def test_a_reload_brings_it_back(start: Callable[..., Flagman], tmp_path: Path, path: Path) -> None:
    """A socket that has vanished comes back at a reload, and a changed path takes effect only after a restart."""
    config = tmp_path / "web.toml"
    text = '[flagman]\ncontrol = "{}"\n[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["hi"]\n'
    config.write_text(text.format(path), encoding="utf-8")
    daemon = start("-c", str(config)).ready()
    daemon.signal(signal.SIGHUP).ready()
    before = path.stat().st_ino
    path.unlink()
    config.write_text(text.format(path.with_name("other.sock")), encoding="utf-8")
    daemon.signal(signal.SIGHUP).ready()
    assert daemon.expect_error("control: a change takes effect only after a restart")
    assert daemon.expect_error("had gone, and was bound again").startswith("WARNING:flagman.control:")
    assert (names(path.parent), path.stat().st_ino != before) == ({"web.sock", "web.sock.lock"}, True)
    assert pid_behind(path)[0] == daemon.process.pid
    assert is_served(asked(path, os.geteuid(), os.getegid()))
    unix = [link for link in descriptors(daemon.process.pid).values() if link.startswith("socket:")]
    assert len(unix) == 2  # this one, and the notification socket
    daemon.stop("init", "cleanup")
    assert names(path.parent) == set()


def test_a_reload_that_fails_brings_it_back_too(start: Callable[..., Flagman], path: Path, tmp_path: Path) -> None:
    """A socket that has vanished comes back even if the configuration has mistakes: it tells which."""
    config = tmp_path / "web.toml"
    config.write_text(f'[flagman]\ncontrol = "{path}"\n[[on]]\nsignal = "USR1"\naction = "stop"\n', encoding="utf-8")
    daemon = start("-c", str(config)).ready()
    path.unlink()
    config.write_text("mistake", encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    daemon.expect_error("had gone, and was bound again")
    daemon.expect_error("Reload failed")
    assert is_served(asked(path, os.geteuid(), os.getegid()))
    daemon.stop()


def test_commands_get_nothing_of_it(start: Callable[..., Flagman], path: Path) -> None:
    """Commands get neither the socket nor its lock."""
    command = 'for each in /proc/self/fd/*; do readlink "$each"; done | grep -e socket: -e lock; echo done'
    daemon = start("--control", str(path), "--usr1", "sh", command).ready()
    daemon.signal(signal.SIGUSR1).expect("done")


@needs_root
@pytest.mark.parametrize(
    ("options", "group", "mode"), [("", 0, 0o600), ("--control-group 5", 5, 0o660), ("--control-mode 666", 0, 0o666)]
)
def test_other_users(start: Callable[..., Flagman], path: Path, options: str, group: int, mode: int) -> None:
    """Other users are kept out by the mode, or else by their credentials; members of the group are let in."""
    start("--control", str(path), *options.split(), "--usr1", "print", "hi").ready()
    assert state(path) == (0, group, mode)
    assert ("PermissionError" if mode != 0o666 else " 403 ") in asked(path, USER, GROUP)
    assert is_served(asked(path, USER, GROUP, [5])) == (group == 5)
    assert is_served(asked(path, USER, 5)) == (group == 5)
    assert is_served(asked(path))


@needs_root
def test_a_refused_peer_is_told_why(start: Callable[..., Flagman], path: Path) -> None:
    """The answer to a user that is refused gives the reason."""
    start("--control", str(path), "--control-mode", "666", "--usr1", "print", "hi").ready()
    answer = asked(path, USER, GROUP)
    assert answer.startswith("HTTP/1.1 403 ")
    assert f"the user {USER} is refused: only root and the user 0 may use this socket" in answer


@needs_root
def test_another_user_in_the_background(background: Background, path: Path) -> None:
    """With --user, the socket belongs to that user, and is bound before the daemon gives up its rights."""
    for _ in range(2):  # the second time, it replaces what the first one could not remove
        done = background.start("--control", str(path), *AS_USER, "--usr1", "print", "hi")
        assert (done.returncode, done.stdout) == (0, "init\n"), done.stderr
        assert state(path) == (USER, GROUP, 0o600)
        assert pid_behind(path) == (background.pid(), USER)
        assert path.with_name("web.sock.lock").read_text(encoding="ascii") == f"{background.pid()}\n"
        assert path.with_name("web.sock.lock").stat().st_uid == 0
        assert is_served(asked(path, USER, GROUP))
        assert is_served(asked(path))
        assert "PermissionError" in asked(path, USER + 1, GROUP)
        links = descriptors(background.pid()).values()
        assert not [link for link in links if link == str(path.parent)]
        background.stop()
        wait_for(lambda: asked(path) == "ConnectionRefusedError")


@needs_root
def test_another_user_in_a_directory_of_its_own(background: Background, path: Path) -> None:
    """In the user's own directory a daemon removes its socket, and binds it anew at a reload."""
    os.chown(path.parent, USER, GROUP)
    config = background.directory / "web.toml"
    config.write_text(
        f'[flagman]\ncontrol = "{path}"\nuser = "{USER}"\ngroup = "{GROUP}"\n'
        '[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["hi"]\n',
        encoding="utf-8",
    )
    config.chmod(0o644)
    done = background.start("-c", str(config))
    assert done.returncode == 0, done.stderr
    assert state(path) == (USER, GROUP, 0o600)
    path.unlink()
    os.kill(background.pid(), signal.SIGHUP)
    wait_for(lambda: is_served(asked(path)))  # a moment after the path is there
    assert pid_behind(path) == (background.pid(), USER)
    assert state(path) == (USER, GROUP, 0o600)
    background.stop()
    wait_for(lambda: names(path.parent) == set())


@needs_root
def test_another_root(background: Background, path: Path) -> None:
    """With --chroot, the socket is outside of the new root, and no reload binds another one inside."""
    jail = background.directory / "jail"
    config = jail / "web.toml"
    (jail / "run").mkdir(parents=True)
    config.write_text('[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["hi"]\n', encoding="utf-8")
    options = ("--chroot", str(jail), "--log-file", "log", "-v")
    done = background.start("--control", str(path), *options, "-c", str(config))
    assert done.returncode == 0, done.stderr
    assert pid_behind(path)[0] == background.pid()
    assert is_served(asked(path))
    (jail / str(path.parent).lstrip("/")).mkdir(parents=True)
    path.unlink()
    os.kill(background.pid(), signal.SIGHUP)
    wait_for(lambda: "Reloaded" in (jail / "log").read_text(encoding="utf-8"))
    background.stop()
    assert list(jail.rglob("*.sock*")) == []
    assert names(path.parent) == {"web.sock.lock"}


def test_a_socket_of_the_manager(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A socket from systemd is used as it is, and stays there at the end; nothing of it reaches commands."""
    command = "env | grep LISTEN_; for each in /proc/self/fd/*; do readlink $each; done | grep socket: ; echo done"
    prefix = activating(tmp_path, "other:tcp control:STREAM")
    daemon = start("--control", "--usr1", "sh", command, prefix=prefix).ready()
    path = tmp_path / "1.sock"
    assert pid_behind(path) == (daemon.process.pid, os.geteuid())
    daemon.signal(signal.SIGUSR1)
    socks = []
    while (line := daemon.out.next()) != "done":
        socks.append(line)
    assert socks == []
    daemon.stop()
    assert path.exists()
    assert not (tmp_path / "1.sock.lock").exists()


@pytest.mark.parametrize("options", [(), ("--control-path",)], ids=["no path", "its own path"])
def test_the_only_socket_of_the_manager(
    start: Callable[..., Flagman], tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The only socket needs no name; its own path may be given, too."""
    words = ("--control", str(tmp_path / "0.sock")) if options else ("--control",)
    daemon = start(*words, "--usr1", "print", "hi", prefix=activating(tmp_path, ":STREAM")).ready()
    assert pid_behind(tmp_path / "0.sock")[0] == daemon.process.pid
    daemon.stop("init", "cleanup")


@pytest.mark.parametrize(
    ("words", "path", "told"),
    [
        ("a:STREAM b:STREAM", "", "the manager has opened 2 sockets, none of them named 'control'"),
        ("control:STREAM control:STREAM", "", "the manager has opened 2 sockets, 2 of them named 'control'"),
        ("control:DGRAM", "", "is not a Unix socket that listens at a path"),
        ("control:SEQPACKET", "", "is not a Unix socket that listens at a path"),
        ("control:idle", "", "is not a Unix socket that listens at a path"),
        ("control:tcp", "", "is not a Unix socket that listens at a path"),
        ("control:abstract", "", "is not a Unix socket that listens at a path"),
        (
            "control:STREAM",
            "/run/x.sock",
            "the manager listens at '{}/0.sock', not at '/run/x.sock'; leave the PATH out",
        ),
    ],
)
def test_sockets_of_the_manager_that_cannot_be(tmp_path: Path, words: str, path: str, told: str) -> None:
    """A socket that cannot be the control socket is a mistake of its unit, in one line."""
    control = ("--control", path) if path else ("--control",)
    done = run(*control, "--usr1", "print", "hi", command=[*activating(tmp_path, words), *SCRIPT])
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("flagman: error: --control: ")
    assert told.format(tmp_path) in done.stderr.splitlines()[-1]


def test_no_socket_where_one_was_promised(start: Callable[..., Flagman], tmp_path: Path, path: Path) -> None:
    """Variables for another process are ignored; a descriptor that is none of a socket is a mistake."""
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    start("--control", str(path), "--usr1", "print", "hi", environment=environment).ready()
    assert path.exists()
    program = "import os, sys; os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}; "
    for opened in ("os.closerange(3, 9); ", "os.dup2(0, 3); "):
        command = [sys.executable, "-IS", "-c", f"{program}{opened}os.execvp(sys.argv[1], sys.argv[1:])", *SCRIPT]
        done = run("--control", "--usr1", "print", "hi", command=command, directory=str(tmp_path))
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("flagman: error: --control: what the manager has opened is no ")


def test_a_socket_of_the_manager_in_the_background(background: Background) -> None:
    """A daemon that goes into the background keeps the socket that was passed to the process that was started."""
    words = ("--daemon", "--pid-file", str(background.pid_file), "--control", "--usr1", "print", "hi")
    done = background.run(*activating(background.directory, "control:STREAM"), *SCRIPT, *words)
    assert done.returncode == 0, done.stderr
    assert pid_behind(background.directory / "0.sock")[0] == background.pid()
    background.stop()


def test_nothing_is_imported_unless_it_is_asked_for() -> None:
    """Another user or root imports all that may be needed, but nothing of control without a control socket."""
    program = (
        "import sys; from flagman.service.late_imports import import_all; import_all(control=False);"
        "print(*(name for name in sys.modules if name.startswith('flagman.control')))"
    )
    found = run(command=[sys.executable, "-c", program]).stdout.split()
    assert found == ["flagman.control", "flagman.control.page"]  # to look what is in them
