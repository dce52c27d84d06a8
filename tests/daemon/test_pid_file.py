"""The pid file: one holder at a time, however that ends, and no harm from what is in its place."""

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
        """End the process by closing its input."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """Return the path of a pid file."""
    return tmp_path / "daemon.pid"


def test_the_life_of_a_pid_file(path: Path) -> None:
    """The file exists, complete and readable, as long as it is held."""
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
    """In each of many rounds one of fifty starts wins, and the file holds its pid, with or without an old file."""
    if quarter:
        path.write_text("1\n", encoding="ascii")
    # Not measured, because coverage takes longer at each fork than all the rest.
    done = run(command=["env", "-u", "COVERAGE_PROCESS_CONFIG", *words(pid_files.rounds, path)])
    assert (done.stdout, done.returncode) == ("good\n", 0), done.stderr[-2000:]


def test_starts_of_whole_processes(path: Path) -> None:
    """One of several processes wins, and after it is killed the next start wins."""
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
def test_a_file_without_a_holder_is_taken_over(path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """A file without a holder is taken over with a log message, even if a process has that pid now."""
    path.write_text(text, encoding="ascii")
    assert read_pid(path) is None
    with PidLockFile(path):
        assert read_pid(path) == os.getpid()
    assert f"Took over the pid file {path}: " in caplog.text


@pytest.mark.parametrize("call", ["open", "flock", "fchmod", "write", "unlink", "rename"])
@pytest.mark.parametrize("stale", [False, True])
def test_killed_at_any_step(path: Path, call: str, stale: bool) -> None:  # noqa: FBT001
    """If a start is killed at any step, the next one works and leaves none of its files behind."""
    if stale:
        path.write_text("1\n", encoding="ascii")
    done = subprocess.run(words(pid_files.dies_at, path, call), check=False)
    assert done.returncode == -signal.SIGKILL
    with PidLockFile(path):
        assert read_pid(path) == os.getpid()
        assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


@pytest.mark.parametrize("call", ["flock", "fchmod", "write", "rename"])
def test_a_full_disk(path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk raises an error and leaves nothing half done: a stale file stays as it was."""
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
    """A pid that cannot be written completely is not written at all."""
    done = run(command=words(pid_files.with_one_byte, path), COVERAGE_PROCESS_START="")
    assert done.stdout == "No space left on device\n", done.stderr
    assert os.listdir(path.parent) == []  # noqa: PTH208
    path.write_text("17", encoding="ascii")
    with path.open(encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert read_pid(path) is None


def test_a_recycled_pid(path: Path) -> None:
    """A process with a recycled pid is never taken for the holder, during a take-over or if a stranger has the lock."""
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
    """Start a process that locks the file as any user may that can read it."""
    process = subprocess.Popen(
        words(pid_files.locks_as_anybody, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    return process


def test_threads(path: Path) -> None:
    """One of several threads wins, though all have the same pid."""
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
    """A holder in another container counts as running, with an unknown pid."""
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
        assert read_pid(path) == 1  # its pid here, where /proc shows those of another namespace
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_file_that_is_replaced_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the seal replaces while it is read has a holder all the time."""
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


def test_an_interrupted_start_leaves_the_turn_of_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that is interrupted before its turn does not remove the lock file of another start."""
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
    """Waits for its turn for a moment only."""

    def _turn(self, limit: float = 0) -> AbstractContextManager[None]:
        return start_lock.taken(self._directory, f".{self._name}.lock", limit, patience=0.05)


def test_a_start_that_does_not_go_on(path: Path) -> None:
    """If another start hangs, a start stops waiting for its turn after some time."""
    first = PidLockFile(path)
    first._open_directory()
    with first._turn(), pytest.raises(FlagmanError, match="another start is in progress and does not finish"):
        Impatient(path).acquire()
    first.release()


def test_a_file_that_is_gone_before_the_seal(path: Path) -> None:
    """A file that was removed before the seal is written again."""
    lock = PidLockFile(path)
    lock.acquire()
    path.unlink()
    lock._owner = 0  # as in a child
    lock.seal()
    assert read_pid(path) == os.getpid()
    lock.release()


def test_children_do_not_inherit_it(path: Path) -> None:
    """Neither a forked child nor an executed program inherits the lock: it ends with its owner."""
    said = path.with_name("said")
    with said.open("w", encoding="ascii") as file:  # not a pipe, because the children would keep it open
        done = subprocess.run(words(pid_files.leaves_children, path), stdout=file, check=False)
    try:
        assert done.returncode == -signal.SIGKILL
        assert read_pid(path) is None
    finally:
        for pid in said.read_text(encoding="ascii").split():
            os.kill(int(pid), signal.SIGKILL)


def test_the_open_file_is_read_only(path: Path) -> None:
    """The holder has the file open for reading only, because the process may have changed its user."""
    lock = PidLockFile(path)
    with lock:
        for descriptor in lock.descriptors:
            assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def test_another_process_took_it_before_the_seal(path: Path) -> None:
    """If another process has taken the file before the seal, the seal fails, and that process keeps the file."""
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
    """A link, FIFO or directory in the file's place is not followed, opened or removed."""
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
    # Links with the names of temporary files are not followed either.
    (tmp_path / f".{path.name}.new").symlink_to(victim)
    with PidLockFile(path):
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    (tmp_path / f".{path.name}.lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        PidLockFile(path).acquire()
    assert sorted(os.listdir(tmp_path)) == [f".{path.name}.lock", victim.name]  # noqa: PTH208
    assert victim.read_text(encoding="ascii") == "precious"


def test_directories_in_which_others_may_write(tmp_path: Path) -> None:
    """A directory in which others may write is refused, even a sticky one, unless it is asked for."""
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
    """Links that only root can have made are followed, forth and back, but not in a loop."""
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
    """If a directory is replaced by a link at any moment, nothing is created where the user could not create it."""
    home, secret = tmp_path / "home", tmp_path / "secret"
    (home / "d" / "log").mkdir(parents=True)
    (secret / "log").mkdir(parents=True)
    os.chown(home, 12345, -1)
    os.chown(home / "d", 12345, -1)
    calls = [0]

    # Two looks for each component of the path.
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
    """A group is private if it is the owner's own and has no other member, listed or primary."""

    def account(uid: int, gid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd(("me" if uid == 1000 else "other", "x", uid, gid, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", lambda uid: account(uid, primary))
    monkeypatch.setattr(pwd, "getpwall", lambda: [account(uid, gid) for uid, gid in accounts])
    monkeypatch.setattr(
        grp, "getgrgid", lambda gid: grp.struct_group(("me" if gid == 100 else "users", "x", gid, members))
    )
    assert directory._is_private(primary if primary == 102 else 100, 1000) is is_private


def test_an_unknown_group() -> None:
    """An unknown group may have any member, so it is not private."""
    assert not directory._is_private(4_000_001, os.geteuid())
    assert not directory._is_private(os.getegid(), 4_000_001)


def test_a_directory_of_a_private_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that a private group may write in, as mkdir makes it with umask 002, is accepted."""
    tmp_path.chmod(0o775)
    monkeypatch.setattr(directory, "_is_private", lambda *_: True)
    with PidLockFile(tmp_path / "x"):
        pass
    tmp_path.chmod(0o777)
    with pytest.raises(FlagmanError, match="other users may write in the directory"):
        PidLockFile(tmp_path / "x").acquire()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_directories_of_others(tmp_path: Path) -> None:
    """A directory of another user is refused, even of the user that the daemon becomes."""
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
    """A child that is forked before the seal keeps the lock when its parent ends, and its own children do not."""
    assert run(command=words(pid_files.forks_before_the_seal, path)).stdout == "0 False\n"


def test_a_start_that_waits_gets_it(path: Path) -> None:
    """A start that waits gets the lock when its holder releases it."""
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
    """The file that a dead process has left is removed, but no file of another process."""
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


def test_a_file_that_was_replaced_is_not_removed(path: Path) -> None:
    """At its end a holder does not remove a file that has replaced its own."""
    lock = PidLockFile(path)
    with lock:
        path.unlink()
        path.write_text("other\n", encoding="ascii")
    assert path.read_text(encoding="ascii") == "other\n"


@pytest.mark.parametrize("before", ["nothing", "a block", "acquire", "acquire and seal"])
def test_a_block_leaves_the_lock_as_it_was(path: Path, before: str) -> None:
    """A block releases the lock only if it has acquired it itself."""
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
    """A block that cannot begin releases only what it has acquired."""
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
    """Calls in the wrong order are refused, and repeated calls have no effect."""
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


def test_the_pid_file_of_the_command(start: Callable[..., Flagman], path: Path) -> None:
    """The command's pid file exists when the daemon is ready, and a second start is refused."""
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
