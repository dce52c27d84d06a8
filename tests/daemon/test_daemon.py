"""The daemon of the library: its stages, what its parent learns, and what is left of the program that started it."""

from __future__ import annotations

import io
import os
import pwd
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flagman.daemon import Daemon, descriptors, read_pid
from flagman.daemon.privileges import Identity
from flagman.exceptions import DaemonError
from support.driven import DEADLINE
from support.programs import starts
from support.starter import UNMEASURED, Starter

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_what_is_read_back(starter: Starter) -> None:
    """A daemon has a session without a terminal, closed descriptors, no core dumps, a umask, and / as its directory."""
    done = starter.run(starts.with_files)
    assert (done.returncode, done.stderr) == (0, "")
    facts = starter.told()
    assert done.stdout == f"0 {facts['pid']}\n"
    assert facts["session"] != facts["pid"]  # so it cannot get a terminal
    assert facts["session"] != os.getsid(0)
    assert facts["group"] == facts["session"]
    assert (facts["tty"], facts["umask"], facts["cwd"], facts["core"]) == (0, 0o077, "/", [0, 0])
    found = facts["found"]
    assert isinstance(found, dict)
    kept = [name for name in found if found[name].endswith("/kept")]
    assert len(kept) == 1
    found.pop(kept[0])
    where = str(starter.directory)
    said = [name for name in found if found[name] == f"{where}/said"]
    assert {found[name] for name in ("0", "1")} == {"/dev/null"}
    assert found["2"] == f"{where}/err"
    assert set(found) == {"0", "1", "2", *said}


@needs_root
def test_the_privileges_are_gone(starter: Starter) -> None:
    """A daemon that changes its user drops all ids and groups for good; the pid file is root's and readable."""
    done = starter.run(starts.without_privileges)
    assert (done.returncode, done.stderr) == (0, "")
    facts = starter.told()
    entry = pwd.getpwnam("nobody")
    assert facts["uids"] == [str(entry.pw_uid)] * 4
    assert facts["gids"] == [str(entry.pw_gid)] * 4
    assert facts["groups"] == sorted(set(os.getgrouplist("nobody", entry.pw_gid)))
    assert facts["home"] == entry.pw_dir
    path = starter.directory / "run" / "d.pid"
    assert path.stat().st_uid == 0
    assert read_pid(path) == facts["pid"]
    found = facts["found"]
    assert isinstance(found, dict)
    left = {number for number, target in found.items() if target != "/dev/null" and not target.endswith("/said")}
    assert len(left) == 1  # only the pid file is open otherwise, and that for reading only
    number = left.pop()
    assert found[number] == str(path)
    assert isinstance(facts["access"], dict)
    assert facts["access"][number] == os.O_RDONLY
    assert isinstance(facts["pid"], int)
    os.kill(facts["pid"], signal.SIGTERM)
    starter._pids.clear()
    while read_pid(path) is not None:
        pass
    assert path.exists()


@needs_root
def test_another_root(starter: Starter) -> None:
    """A daemon in another root has no open descriptor outside of it, not even the directory of the pid file."""
    done = starter.run(starts.in_another_root)
    assert (done.returncode, done.stderr) == (0, "")
    facts = starter.told()
    assert facts["directories"] == 0
    assert facts["here"] == ["in"]
    assert facts["cwd"] == "/in"
    assert read_pid(starter.directory / "d.pid") == facts["pid"]


@pytest.mark.parametrize("stage", Daemon.STAGES)
def test_killed_at_any_stage(starter: Starter, stage: str) -> None:
    """If a daemon is killed at any stage, its parent reports that, and the next start works."""
    done = starter.run(starts.killed_after, stage)
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stderr == "the daemon was killed by signal 9 before it was ready\n"
    again = starter.run(starts.plain, pid_file=starter.directory / "d.pid")
    assert again.returncode == 0
    assert read_pid(starter.directory / "d.pid") == starter.told()["pid"]
    assert not list(starter.directory.glob(".d.pid.*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "no such user"}, "user: no such user 'no such user'"),
        ({"group": "no such group"}, "group: no such group 'no such group'"),
        ({"user": 12345}, "user: 12345 is not in the user database, so the group is unknown; give a group, too"),
        (
            {"working_directory": "/no/such"},
            "working directory '/no/such': cannot be entered: No such file or directory",
        ),
        ({"chroot": "/no/such"}, "chroot '/no/such': cannot be entered: No such file or directory"),
        ({"stdout": "/no/such"}, "stdout '/no/such': cannot be opened: No such file or directory"),
        ({"pid_file": "/no/such/x"}, "pid file '/no/such/x': cannot be written: No such file or directory"),
        ({"stdout": "{where}/fifo"}, "stdout '{where}/fifo': cannot be opened: No such device or address"),
        ({"stdout": Path("/no/such")}, "stdout '/no/such': cannot be opened: No such file or directory"),
    ],
)
def test_stages_that_fail(starter: Starter, options: dict[str, Any], message: str) -> None:
    """If a stage fails, the parent gets one line and a status, and no file is left behind."""
    os.mkfifo(starter.directory / "fifo")
    where = starter.directory
    given = {name: str(where / "fifo") if value == "{where}/fifo" else value for name, value in options.items()}
    done = starter.run(starts.plain, **{"pid_file": where / "d.pid", **given})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == message.format(where=where) + "\n"
    assert sorted(path.name for path in starter.directory.iterdir()) == ["fifo", "said"]


@needs_root
@pytest.mark.parametrize("options", [{"user": "root"}, {"group": "root"}, {"group": 54321}])
def test_without_permission(starter: Starter, options: dict[str, Any]) -> None:
    """Only root can change its user."""
    done = starter.run_under(UNMEASURED, starts.as_another_user, **options)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot change to ")
    assert done.stderr.endswith(": Operation not permitted\n")
    assert done.stderr.count("\n") == 1


@needs_root
def test_a_change_of_user_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of user that had no effect is noticed, even if the system calls report success."""
    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, lambda *_: None)
    with pytest.raises(DaemonError, match="the system reports another identity"):
        Identity("nobody").take_on()
    monkeypatch.setattr(Identity, "_is_taken_on", lambda _: os.geteuid() == 0)
    monkeypatch.setattr(os, "getgroups", lambda: sorted(Identity("nobody").groups))
    monkeypatch.setattr(os, "setuid", lambda _: None)
    with pytest.raises(DaemonError, match="could still become root again"):
        Identity("nobody").take_on()


def test_what_it_says_until_it_is_ready(starter: Starter) -> None:
    """Output until a daemon is ready reaches its parent, even more than a pipe holds, and later output does not."""
    done = starter.run(starts.says_something)
    starter.told()
    assert done.stdout.splitlines() == [
        "200001 'err\\n' 0",
        "200001 True True 1",
        "3 ''",
        "1 'the daemon ended before it was ready\\n'",
    ]
    assert done.stderr == ""


def test_stages_by_hand(starter: Starter) -> None:
    """A program may run code between two stages, and what it opens there stays open."""
    done = starter.run(starts.stages_by_hand)
    assert done.stdout.splitlines() == [
        "set_umask() has run already",
        "redirect_streams() cannot run before change_directory()",
        "'nonsense' is not a stag",
    ]
    assert done.returncode == 0
    found = starter.told()["found"]
    assert isinstance(found, dict)
    assert f"{starter.directory}/own" in found.values()


def test_what_it_runs(starter: Starter) -> None:
    """A daemon runs a target with its arguments, or a method of a subclass, in this process if it does not detach."""
    done = starter.run(starts.runs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a-b\nown\n", "")


def test_misuse(starter: Starter) -> None:
    """A daemon starts once, no stage runs after a failed one, and a stage cannot call another."""

    class Wrong(Daemon):
        def detach(self) -> None:
            self.set_umask()

    daemon = Wrong(detach=False)
    with pytest.raises(RuntimeError, match=r"set_umask\(\) cannot run before|cannot run: detach"):
        daemon.advance()
    with pytest.raises(RuntimeError, match=r"cannot run: detach\(\) has failed"):
        daemon.advance()
    done = starter.run(starts.starts_twice)
    assert (done.stdout, done.stderr) == ("x\ndaemons can only be started once\n", "")


class HasMethods(Daemon):
    """Has one method that handles signals, and another attribute that cannot."""

    number = 5

    def hang_up(self, *_: object) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stdin": io.StringIO()}, "stdin: <_io.StringIO object at .* has no file descriptor$"),
        ({"stdout": io.BytesIO()}, "stdout: <_io.BytesIO object at .* has no file descriptor$"),
        ({"stderr": 1.5}, "stderr: 1.5 has no file descriptor"),
        ({"stdin": -1}, "stdin: -1 is not a descriptor"),
        ({"inherit_files": [io.StringIO()]}, "has no file descriptor"),
        ({"signal_map": {"HUP": "hangup"}}, "signal_map: HUP: HasMethods has no method 'hangup'$"),
        ({"signal_map": {signal.SIGHUP: "number"}}, "signal_map: 1: HasMethods has no method 'number'$"),
        ({"signal_map": {"HUP": 7}}, "signal_map: HUP: this is not a handler: 7$"),
        ({"signal_map": {"HUPP": None}}, "'HUPP' is not a signal"),
        ({"signal_map": {999: None}}, "signal_map: 999: a process cannot handle a signal of this number"),
        ({"signal_map": {"KILL": None}}, "signal_map: KILL: a process cannot handle a signal"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    """The constructor refuses what cannot work, because the mistake is in its call."""
    with pytest.raises(ValueError, match=message):
        HasMethods(**options)


@pytest.mark.parametrize(
    ("number", "name"), [(1, "detach"), (3, "drop_privileges"), (6, "take_pid_file"), (9, "redirect_streams")]
)
def test_a_stage_with_a_number(number: int, name: str) -> None:
    """An override by the name that a stage has elsewhere would never be called, so the class cannot be made."""
    with pytest.raises(TypeError, match=rf"Mine\.stage{number}\(\) would never be called; .* {name}\(\)$"):
        type("Mine", (Daemon,), {f"stage{number}": lambda _: None})


def test_none_is_the_default_of_all_that_has_one(starter: Starter) -> None:
    """None is the default of each parameter that has one, as for threads."""
    done = starter.run(starts.nothing_but_none)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_threads_do_not_survive(starter: Starter) -> None:
    """A daemon refuses to fork while other threads run, because they would be lost and CPython would warn."""
    done = starter.run(starts.with_threads)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "detach: other threads run, which would not survive the fork\n"


def test_signals(starter: Starter) -> None:
    """A handler is a function, a method or None, by number or name of its signal; TERM ends it and its pid file."""
    done = starter.run(starts.hears_signals)
    assert (done.returncode, done.stderr) == (0, "")
    assert starter.told()["heard"] == 0  # the daemon waits for its handler
    assert starter.told()["heard"] == signal.SIGUSR1
    facts = starter.told()
    assert facts["heard"] == signal.SIGUSR1
    starter._pids.clear()
    assert isinstance(facts["pid"], int)
    os.kill(facts["pid"], signal.SIGTERM)
    starter.wait_for_the_end()
    assert not (starter.directory / "d.pid").exists()


def test_a_limit_of_a_billion_descriptors(starter: Starter) -> None:
    """The highest possible limit of descriptors makes nothing slower, because only open ones are closed."""
    done = starter.run(starts.with_a_high_limit)
    assert (done.returncode, done.stderr) == (0, "")
    calls, _, left = done.stdout.partition(" ")
    assert 10 <= int(calls) < 100
    assert left == "[]\n"
    starter.told()


@pytest.mark.parametrize("listings", [("/proc/self/fd",), ("/no/such", "/etc"), ()])
def test_descriptors_without_a_list(listings: tuple[str, ...]) -> None:
    """Open descriptors are found even if the system has no list of them."""
    own = os.dup(0)
    found = descriptors.inheritance(listings)
    assert found[own] == (os.fstat(own).st_dev, os.fstat(own).st_ino)
    descriptors.close({own: found[own]}, set())
    assert own not in descriptors.inheritance(listings)


@pytest.mark.parametrize(
    ("environment", "detaches"),
    [({}, True), ({"NOTIFY_SOCKET": "/x"}, True), ({"LISTEN_FDS": "1", "LISTEN_PID": "ours"}, False)],
)
def test_whether_it_detaches(environment: dict[str, str], detaches: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """A daemon does not detach if a supervisor has started it, which would lose sight of it."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr(os, "getppid", lambda: 4711)
    for name, value in environment.items():
        monkeypatch.setenv(name, str(os.getpid()) if value == "ours" else value)
    assert Daemon().detached is detaches
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert not Daemon().detached
    assert Daemon(detach=True).detached


def test_a_manager_that_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service manager counts only if it listens on its socket, because the variable may be a leftover."""
    place = str(tmp_path / "notify")
    monkeypatch.setattr(os, "getppid", lambda: 4711)
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(place)
        assert not Daemon().detached
    assert Daemon().detached


def test_a_super_server(starter: Starter) -> None:
    """A super-server hands over a connection or a listening socket as standard input."""
    done = starter.run(starts.of_a_super_server)
    assert (done.stdout, done.stderr) == ("False\nTrue\nFalse\n", "")


@pytest.mark.parametrize("log", [False, True])
def test_last_words(starter: Starter, log: bool) -> None:  # noqa: FBT001
    """The traceback of an error goes to the log, or else to a file in a private directory."""
    state = starter.directory / "state"
    done = starter.run(starts.dies_of_an_error, log=log)
    assert (done.returncode, done.stderr) == (0, "")
    starter.told()
    starter._pids.clear()
    path = starter.directory / "log" if log else state / "named.errors"
    text = path.read_text(encoding="utf-8")
    assert text.rstrip().endswith("KeyError: 'last words'")
    assert "because of an unhandled error\nTraceback" in text
    if not log:
        assert path.stat().st_mode & 0o777 == 0o600
        assert state.stat().st_mode & 0o777 == 0o700


def test_no_last_words_where_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A last traceback is not written to a world-writable directory, through a link, or to a file with two names."""
    from flagman.daemon import crash  # noqa: PLC0415 - only for this test

    system = str(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "/no/such" if os.geteuid() else "/dev/null/x")
    path = tmp_path / "d.errors"
    tmp_path.chmod(0o1777)
    crash.write_down("d", KeyError("x"), system)
    assert not path.exists()
    tmp_path.chmod(0o755)
    victim = tmp_path / "victim"
    victim.touch()
    path.symlink_to(victim)
    crash.write_down("d", KeyError("x"), system)
    path.unlink()
    path.hardlink_to(victim)
    crash.write_down("d", KeyError("x"), system)
    assert victim.read_bytes() == b""
    path.unlink()
    crash.write_down("../d", KeyError("x"), system)
    crash.write_down("d", KeyError("x"), system)
    assert "KeyError" in path.read_text(encoding="utf-8")
    crash.write_down("--", KeyError("x"), system)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["d.errors", "daemon.errors", "victim"]


def test_last_words_of_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a user without a home directory no directory named ~ is made."""
    from flagman.daemon import crash  # noqa: PLC0415 - as above

    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_001)
    crash.write_down("d", KeyError("x"), "/no/such")
    monkeypatch.setenv("HOME", "relative")
    crash.write_down("d", KeyError("x"), "/no/such")
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_program_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon has a default name if the program has none, such as that of ``python -c``."""
    for argument, name in (("-c", "daemon"), ("-m", "daemon"), ("", "daemon"), ("/x/backup.py", "backup")):
        monkeypatch.setattr(sys, "argv", [argument])
        assert Daemon().name == name


def test_a_parent_that_gives_up_waiting(starter: Starter) -> None:
    """If Ctrl-C interrupts the parent, it stops the daemon, so that none starts unnoticed."""
    done = starter.run(starts.gives_up)
    assert done.stdout == "143 the daemon was killed by signal 15 before it was ready\n"


def test_a_parent_that_gives_up_too_late(starter: Starter) -> None:
    """An interrupted parent stops the daemon even if this has become ready at the same moment."""
    done = starter.run(starts.gives_up_too_late)
    assert (done.returncode, done.stderr) == (0, "")
    status, pid = map(int, done.stdout.split())
    assert status == 1
    limit = time.monotonic() + DEADLINE
    while read_pid(starter.directory / "d.pid") == pid:
        assert time.monotonic() < limit


def test_the_package_offers_the_daemon() -> None:
    """The package offers Daemon under its own name, and no unknown names."""
    from flagman import daemon  # noqa: PLC0415 - as a name

    assert daemon.Daemon is Daemon
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        daemon.nonsense  # noqa: B018
