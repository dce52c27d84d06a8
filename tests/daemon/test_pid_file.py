"""The pid file: one holder at a time, however it ends, and no tricks with what is in the way."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import signal
import stat
import subprocess
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from flagman.daemon import AlreadyRunningError, PidLockFile, directory, holder, read_pid, signal_holder, start_lock
from flagman.exceptions import FlagmanError
from support.driven import Lines, run
from support.programs import pid_files, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.driven import Flagman


class Holder:
    """A process that tries to hold the file."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(words(pid_files.hold, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout
        self.lines = Lines(self.process.stdout.fileno())

    def end(self) -> None:
        """Let it end."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """Give the path of a pid file."""
    return tmp_path / "daemon.pid"


def test_a_life(path: Path) -> None:
    """The file is there, whole and readable, as long as it is held."""
    old = os.umask(0o077)
    try:
        with PidLockFile(path):
            assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
            assert stat.S_IMODE(path.stat().st_mode) == 0o644
            assert read_pid(path) == os.getpid()
            assert os.listdir(path.parent) == [path.name]  # noqa: PTH208
            with pytest.raises(AlreadyRunningError, match=rf"^already running, pid {os.getpid()} \({path}\)$"):
                PidLockFile(path).acquire()
    finally:
        os.umask(old)
    assert not path.exists()
    assert read_pid(path) is None


@pytest.mark.parametrize("quarter", range(4))
def test_fifty_starts_at_once(path: Path, quarter: int) -> None:
    """One wins in each of a hundred rounds, and the file holds its number; an old one may be there or not."""
    if quarter:
        path.write_text("1\n", encoding="ascii")
    # Not measured: what is done for that at each fork takes longer than all the rest.
    done = run(command=["env", "-u", "COVERAGE_PROCESS_CONFIG", *words(pid_files.rounds, path)])
    assert (done.stdout, done.returncode) == ("good\n", 0), done.stderr[-2000:]


def test_starts_of_whole_processes(path: Path) -> None:
    """The same with interpreters of their own; when the winner is killed, the next one wins."""
    for _ in range(2):
        holders = [Holder(path) for _ in range(10)]
        answers = [one.lines.next() for one in holders]
        assert answers.count("yes") == 1
        winner = holders[answers.index("yes")].process
        assert read_pid(path) == winner.pid
        assert {answer for answer in answers if answer != "yes"} <= {f"no {winner.pid}", "no None"}
        winner.kill()
        for one in holders:
            one.end()
        assert read_pid(path) is None
        assert path.read_text(encoding="ascii") == f"{winner.pid}\n"


@pytest.mark.parametrize("text", ["", "1\n", "999999999\n", "x" * 100, "\0", "-1\n", "12 13\n"])
def test_what_nobody_holds_is_taken_over(path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """With a word in the log, also if a process has that number now."""
    path.write_text(text, encoding="ascii")
    assert read_pid(path) is None
    with PidLockFile(path):
        assert read_pid(path) == os.getpid()
    assert f"Took over the pid file {path}: " in caplog.text


@pytest.mark.parametrize("call", ["open", "flock", "fchmod", "write", "unlink", "rename"])
@pytest.mark.parametrize("stale", [False, True])
def test_killed_at_any_step(path: Path, call: str, stale: bool) -> None:  # noqa: FBT001
    """The next start works, and leaves nothing of the killed one behind."""
    if stale:
        path.write_text("1\n", encoding="ascii")
    done = subprocess.run(words(pid_files.dies_at, path, call), check=False)
    assert done.returncode == -signal.SIGKILL
    with PidLockFile(path):
        assert read_pid(path) == os.getpid()
        assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


@pytest.mark.parametrize("call", ["flock", "fchmod", "write", "rename"])
def test_a_full_disk(path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes out, and nothing is half done: a stale file is as it was."""
    if call == "rename":
        path.write_text("1\n", encoding="ascii")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(os.listdir("/dev/fd"))  # noqa: PTH208
    monkeypatch.setattr(fcntl if call == "flock" else os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        PidLockFile(path).acquire()
    monkeypatch.undo()
    assert os.listdir(path.parent) == ([path.name] if call == "rename" else [])  # noqa: PTH208
    assert sorted(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_a_disk_that_takes_half_a_number(path: Path) -> None:
    """What is not written as a whole is not written at all."""
    done = run(command=words(pid_files.with_one_byte, path), COVERAGE_PROCESS_START="")
    assert done.stdout == "No space left on device\n", done.stderr
    assert os.listdir(path.parent) == []  # noqa: PTH208
    path.write_text("17", encoding="ascii")
    with path.open(encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert read_pid(path) is None


def test_a_number_that_another_process_has_got(path: Path) -> None:
    """It is never taken for the holder: neither while somebody takes the file over, nor if a stranger locks it."""
    bystander = subprocess.Popen(["sleep", "1000"])
    path.write_text(f"{bystander.pid}\n", encoding="ascii")
    stranger = run_stranger(path)
    try:
        assert read_pid(path) is None
        assert signal_holder(path, signal.SIGTERM) is None
        seen = []

        class Watched(PidLockFile):
            def _write(self) -> None:
                seen.append(read_pid(path))
                super()._write()
                seen.append(read_pid(path))

        with Watched(path):
            assert seen == [None, os.getpid()]
        assert bystander.poll() is None
    finally:
        for process in (bystander, stranger):
            process.kill()
            process.communicate()


def run_stranger(path: Path) -> subprocess.Popen[str]:
    """Start a process that locks the file as anybody could who may read it."""
    process = subprocess.Popen(
        words(pid_files.locks_as_anybody, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    return process


def test_threads(path: Path) -> None:
    """One wins, though all have the same number."""
    barrier = threading.Barrier(4)
    winners: list[PidLockFile] = []

    def take() -> None:
        lock = PidLockFile(path)
        barrier.wait()
        with suppress(AlreadyRunningError):
            lock.acquire()
            winners.append(lock)

    for _ in range(50):
        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 1
        winners.pop().release()


def test_a_holder_that_cannot_be_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one in another container: it runs, but nobody knows under which number."""
    path.write_text("1\n", encoding="ascii")
    stranger = run_stranger(path)
    try:
        assert read_pid(path) is None
        monkeypatch.setattr(os, "major", lambda _: 0xFFF)
        with pytest.raises(FlagmanError, match="a process that is not visible from here has locked"):
            read_pid(path)
        with pytest.raises(AlreadyRunningError, match="pid unknown"):
            PidLockFile(path).acquire()
        with pytest.raises(FlagmanError, match="not visible from here"):
            signal_holder(path, signal.SIGTERM)
        monkeypatch.setattr(os, "readlink", lambda _: "1")
        monkeypatch.setattr(holder, "_numbers", lambda _: {1})
        assert read_pid(path) == 1  # its number here, where /proc tells those of another namespace
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_file_that_is_replaced_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the seal: there is a holder all the time."""
    path.write_text("1\n", encoding="ascii")
    lock = PidLockFile(path)
    real = holder.holder_of

    def late(descriptor: int) -> int | None:
        monkeypatch.setattr(holder, "holder_of", real)
        lock.acquire()
        return real(descriptor)

    monkeypatch.setattr(holder, "holder_of", late)
    assert read_pid(path) == os.getpid()
    lock.release()


def test_an_interrupted_start_leaves_another_ones_turn(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not got it yet."""
    first = PidLockFile(path)
    first._open_directory()
    with first._turn():

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(fcntl, "flock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            PidLockFile(path).acquire()
        monkeypatch.undo()
        assert (path.parent / f".{path.name}.lock").exists()
    first.release()
    assert not list(path.parent.iterdir())


class Impatient(PidLockFile):
    """Waits for its turn for no more than a moment."""

    def _turn(self, limit: float = 0) -> AbstractContextManager[None]:
        return start_lock.taken(self._directory, f".{self._name}.lock", limit, patience=0.05)


def test_a_start_that_does_not_go_on(path: Path) -> None:
    """Nobody waits for ever until it is his turn."""
    first = PidLockFile(path)
    first._open_directory()
    with first._turn(), pytest.raises(FlagmanError, match="another start is in progress and does not finish"):
        Impatient(path).acquire()
    first.release()


def test_a_file_that_is_gone_before_the_seal(path: Path) -> None:
    """It is written anew."""
    lock = PidLockFile(path)
    lock.acquire()
    path.unlink()
    lock._owner = 0  # as in a child
    lock.seal()
    assert read_pid(path) == os.getpid()
    lock.release()


def test_children_do_not_inherit_it(path: Path) -> None:
    """Neither those that only fork, nor those that become another program: the lock ends with its owner."""
    said = path.with_name("said")
    with said.open("w", encoding="ascii") as file:  # no pipe, whose end the children would keep from being seen
        done = subprocess.run(words(pid_files.leaves_children, path), stdout=file, check=False)
    try:
        assert done.returncode == -signal.SIGKILL
        assert read_pid(path) is None
    finally:
        for pid in said.read_text(encoding="ascii").split():
            os.kill(int(pid), signal.SIGKILL)


def test_nobody_else_can_change_the_number(path: Path) -> None:
    """What its holder has open, which may have become somebody else, is for reading."""
    lock = PidLockFile(path)
    with lock:
        for descriptor in lock.descriptors:
            assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def test_somebody_else_took_it_before_the_seal(path: Path) -> None:
    """Then this one has lost, and the other one's file stays."""
    first = PidLockFile(path)
    first.acquire()
    path.unlink()
    holder = Holder(path)
    assert holder.lines.next() == "yes"
    first._owner = 0  # as in a child
    with pytest.raises(AlreadyRunningError, match=f"pid {holder.process.pid} "):
        first.seal()
    first.release()
    assert read_pid(path) == holder.process.pid
    holder.end()


def test_what_is_in_the_way(path: Path, tmp_path: Path) -> None:
    """No link is followed, no device opened, and nothing of it removed."""
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="ascii")
    path.symlink_to(victim)
    with pytest.raises(FlagmanError, match="not a regular file"):
        PidLockFile(path).acquire()
    with pytest.raises(OSError, match="symbolic"):
        read_pid(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FlagmanError, match="not a regular file"):
        PidLockFile(path).acquire()
    path.unlink()
    path.mkdir()
    with pytest.raises(FlagmanError, match="not a regular file"):
        PidLockFile(path).acquire()
    path.rmdir()
    # The names on the way there do not lead anywhere either.
    (tmp_path / f".{path.name}.new").symlink_to(victim)
    with PidLockFile(path):
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    (tmp_path / f".{path.name}.lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        PidLockFile(path).acquire()
    assert sorted(os.listdir(tmp_path)) == [f".{path.name}.lock", victim.name]  # noqa: PTH208
    assert victim.read_text(encoding="ascii") == "precious"


def test_directories_in_which_others_may_write(tmp_path: Path) -> None:
    """Are refused, sticky ones too, unless they are wanted."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 0, 12345)
    for mode in (0o777, 0o1777, *([0o775] if os.geteuid() == 0 else [])):
        tmp_path.chmod(mode)
        with pytest.raises(FlagmanError, match="other users may write in the directory"):
            PidLockFile(tmp_path / "x").acquire()
        with PidLockFile(tmp_path / "x", shared=True):
            pass
    tmp_path.chmod(0o700)
    with pytest.raises(FileNotFoundError):
        PidLockFile(tmp_path / "no" / "x").acquire()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_way_to_a_directory_of_roots(tmp_path: Path) -> None:
    """Links are followed that only root can have made, also there and back again; not for ever."""
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (tmp_path / "absolute").symlink_to(place)
    (tmp_path / "relative").symlink_to("absolute/../b/.")
    (tmp_path / "loop").symlink_to("loop")
    for way in ("a/b", "absolute", "relative", "a//b/.", "a/../a/b", "../../" * 20 + str(place)[1:]):
        descriptor = directory._walk(f"{tmp_path}/{way}")
        assert os.path.samestat(os.fstat(descriptor), place.stat())
        os.close(descriptor)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        directory._walk(f"{tmp_path}/loop")
    os.chown(tmp_path / "absolute", 12345, -1, follow_symlinks=False)
    for way in ("absolute", "relative"):
        with pytest.raises(FlagmanError, match=f"because 'absolute' in {tmp_path} is their link$"):
            directory._walk(f"{tmp_path}/{way}")
    os.chown(tmp_path / "a", 12345, -1)
    with pytest.raises(FlagmanError, match=f"because they may write in {tmp_path}/a$"):
        directory._walk(f"{tmp_path}/a/b")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("moment", range(8))
def test_a_directory_that_is_replaced_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """At any moment: nothing is created where the user could not."""
    home, secret = tmp_path / "home", tmp_path / "secret"
    (home / "d" / "log").mkdir(parents=True)
    (secret / "log").mkdir(parents=True)
    os.chown(home, 12345, -1)
    os.chown(home / "d", 12345, -1)
    calls = [0]

    # Two looks for each step of the way.
    swap_at = 2 * (len(home.parts) - 3) + moment

    def replacing(look: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def call(*args: object, **kwargs: object) -> os.stat_result:
            calls[0] += 1
            if calls[0] == swap_at:
                (home / "d").rename(home / "old")
                (home / "d").symlink_to(secret)
            return look(*args, **kwargs)

        return call

    monkeypatch.setattr(os, "stat", replacing(os.stat))
    monkeypatch.setattr(os, "fstat", replacing(os.fstat))
    assert directory.open_for(f"{home}/d/log/x", 12345, 12345, 0o600) is None
    monkeypatch.undo()
    assert not list((secret / "log").iterdir())


@pytest.mark.parametrize(
    ("primary", "members", "accounts", "is_private"),
    [
        (100, [], [(1000, 100)], True),
        (102, [], [(1000, 102)], False),
        (100, ["me"], [(1000, 100), (1001, 101)], True),
        (100, ["me", "other"], [(1000, 100)], False),
        (100, [], [(1000, 100), (1001, 100)], False),
        (101, [], [(1000, 101)], False),
        (101, ["me"], [(1000, 101)], False),
    ],
)
def test_a_group_of_one_user(
    primary: int,
    members: list[str],
    accounts: list[tuple[int, int]],
    is_private: bool,  # noqa: FBT001 - the expectation
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who writes there is the owner, if it is the owner's own group and has no other member of either kind."""

    def account(uid: int, gid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd(("me" if uid == 1000 else "other", "x", uid, gid, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", lambda uid: account(uid, primary))
    monkeypatch.setattr(pwd, "getpwall", lambda: [account(uid, gid) for uid, gid in accounts])
    monkeypatch.setattr(
        grp, "getgrgid", lambda gid: grp.struct_group(("me" if gid == 100 else "users", "x", gid, members))
    )
    assert directory._is_private(primary if primary == 102 else 100, 1000) is is_private


def test_a_group_that_nobody_knows() -> None:
    """It may have any member."""
    assert not directory._is_private(4_000_001, os.geteuid())
    assert not directory._is_private(os.getegid(), 4_000_001)


def test_a_directory_of_a_private_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As mkdir makes it with the umask 002."""
    tmp_path.chmod(0o775)
    monkeypatch.setattr(directory, "_is_private", lambda *_: True)
    with PidLockFile(tmp_path / "x"):
        pass
    tmp_path.chmod(0o777)
    with pytest.raises(FlagmanError, match="other users may write in the directory"):
        PidLockFile(tmp_path / "x").acquire()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_directories_of_others(tmp_path: Path) -> None:
    """Are refused, and so is that of the user that the daemon becomes."""
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(FlagmanError, match=r"belongs to another user \(uid 12345\)"):
        PidLockFile(tmp_path / "x").acquire()
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o755)
    with pytest.raises(
        FlagmanError, match=f"other users may replace the directory, because they may write in {tmp_path}$"
    ):
        PidLockFile(inner / "x").acquire()
    os.chown(tmp_path, 0, -1)
    with PidLockFile(inner / "x"):
        pass


def test_a_fork_before_the_seal(path: Path) -> None:
    """The child goes on with the lock, and the parent may end; a child after it has no part in it."""
    assert run(command=words(pid_files.forks_before_the_seal, path)).stdout == "0 False\n"


def test_whoever_waits_gets_it(path: Path) -> None:
    """When its holder lets go."""
    holder = Holder(path)
    assert holder.lines.next() == "yes"
    lock = PidLockFile(path, timeout=0.05)
    with pytest.raises(AlreadyRunningError, match=f"pid {holder.process.pid} "):
        lock.acquire()
    assert holder.process.stdin
    holder.process.stdin.close()
    lock.acquire(timeout=60)
    lock.release()
    holder.process.wait()
    assert holder.process.stdout
    holder.process.stdout.close()


def test_what_the_dead_have_left(path: Path) -> None:
    """It is removed for them, but nothing of anybody else."""
    path.write_text("4711\n", encoding="ascii")
    (path.parent / f".{path.name}.new").touch()
    PidLockFile(path).remove_after(4712)
    assert list(path.parent.iterdir()) == [path]
    assert path.exists()
    PidLockFile(path).remove_after(4711)
    assert not path.exists()
    with PidLockFile(path):
        PidLockFile(path).remove_after(os.getpid())
        assert path.exists()


def test_somebody_else_has_removed_it(path: Path) -> None:
    """Then what is there now is not ours to remove."""
    lock = PidLockFile(path)
    with lock:
        path.unlink()
        path.write_text("other\n", encoding="ascii")
    assert path.read_text(encoding="ascii") == "other\n"


@pytest.mark.parametrize("before", ["nothing", "a block", "acquire", "acquire and seal"])
def test_a_block_leaves_the_lock_as_it_was(path: Path, before: str) -> None:
    """What has been acquired before it is released by whoever has acquired it."""
    lock = PidLockFile(path)
    with ExitStack() as outer:
        if before == "a block":
            outer.enter_context(lock)
        elif before != "nothing":
            lock.acquire()
            outer.callback(lock.release)
        if before == "acquire and seal":
            lock.seal()
        with lock, lock:
            assert read_pid(path) == os.getpid()
        assert read_pid(path) == (None if before == "nothing" else os.getpid())
        with pytest.raises(KeyError), lock:
            raise KeyError
        assert read_pid(path) == (None if before == "nothing" else os.getpid())
    assert not path.exists()


def test_a_block_that_cannot_begin(path: Path) -> None:
    """It releases what it has acquired, and nothing else."""
    lock = PidLockFile(path)
    with PidLockFile(path), pytest.raises(AlreadyRunningError), lock:
        pass
    with lock:
        path.unlink()
        with PidLockFile(path), pytest.raises(AlreadyRunningError), lock:
            lock._owner = 0
            lock.seal()
        assert lock.descriptors
    assert not lock.descriptors


def test_misuse(path: Path) -> None:
    """The order matters; twice does not."""
    lock = PidLockFile(path)
    with pytest.raises(RuntimeError, match="after acquire"):
        lock.seal()
    lock.release()
    lock.acquire()
    lock.acquire()
    lock.seal()
    lock.seal()
    lock.release()
    lock.release()


def test_of_the_command(start: Callable[..., Flagman], path: Path) -> None:
    """It is there when the daemon is ready, and refuses a second one."""
    daemon = start("--pid-file", str(path), "--usr1", "exec", "sleep", "30", "--stop-timeout", "50ms").ready()
    assert path.read_text(encoding="ascii") == f"{daemon.process.pid}\n"
    daemon.signal(signal.SIGUSR1)
    second = run("--pid-file", str(path), "--usr1", "print", "x")
    assert second.returncode == 1
    assert second.stderr.endswith(f"flagman: error: already running, pid {daemon.process.pid} ({path})\n")
    assert second.stdout == ""
    daemon.process.kill()
    daemon.status()
    third = start("--pid-file", str(path), "--usr1", "print", "x")
    third.expect_error("Took over the pid file")
    third.ready().expect("init").stop("cleanup")
    assert not path.exists()
