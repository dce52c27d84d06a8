"""The pid file: one holder at a time, however it ends, and no tricks with what is in the way."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon import Lines, run

from flagman.daemon import AlreadyRunningError, PidLockFile, read_pid
from flagman.exceptions import FlagmanError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon import Daemon

# Takes the file, says so, and holds it until its input ends.
HOLDER = """
import sys
from flagman.daemon import AlreadyRunningError, PidLockFile
try:
    lock = PidLockFile(sys.argv[1])
    lock.__enter__()
except AlreadyRunningError as error:
    print("no", error.pid, flush=True)
    sys.stdin.read()
else:
    print("yes", flush=True)
    sys.stdin.read()
    if len(sys.argv) < 3:
        lock.release()
"""


class Holder:
    """A process that tries to hold the file."""

    def __init__(self, path: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
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


def test_fifty_starts_at_once(path: Path) -> None:
    """One wins, and the file holds its number; when it is killed, the next one does."""
    for _ in range(2):
        holders = [Holder(path) for _ in range(25)]
        answers = [holder.lines.next() for holder in holders]
        assert answers.count("yes") == 1
        winner = holders[answers.index("yes")].process
        assert read_pid(path) == winner.pid
        assert {answer for answer in answers if answer != "yes"} <= {f"no {winner.pid}", "no None"}
        winner.kill()
        for holder in holders:
            holder.end()
        assert read_pid(path) is None
        assert path.read_text(encoding="ascii") == f"{winner.pid}\n"


@pytest.mark.parametrize("text", ["", "1\n", "999999999\n", "x" * 100, "\0", "-1\n", "12 13\n"])
def test_what_nobody_holds_is_taken_over(path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """With a word in the log, also if a process has that number now."""
    path.write_text(text, encoding="ascii")
    assert read_pid(path) is None
    with PidLockFile(path):
        assert read_pid(path) == os.getpid()
    assert f"Took the pid file {path} over: " in caplog.text


@pytest.mark.parametrize("call", ["open", "flock", "fchmod", "write", "link", "unlink", "rename"])
@pytest.mark.parametrize("stale", [False, True])
def test_killed_at_any_step(path: Path, call: str, stale: bool) -> None:  # noqa: FBT001
    """The next start works, and leaves nothing of the killed one behind."""
    if stale:
        path.write_text("1\n", encoding="ascii")
    module = "fcntl" if call == "flock" else "os"
    program = f"""
import fcntl, os, signal, sys
from flagman.daemon import PidLockFile
real = {module}.{call}
def die(*arguments, **options):
    result = real(*arguments, **options)
    if "{call}" != "open" or ".daemon.pid." in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return result
{module}.{call} = die
PidLockFile(sys.argv[1]).__enter__()
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode in (-signal.SIGKILL, 0)
    with PidLockFile(path):
        assert read_pid(path) == os.getpid()
        assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


@pytest.mark.parametrize("call", ["flock", "fchmod", "write", "link", "rename"])
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
    # A name that is guessed does not lead anywhere either.
    (tmp_path / f".{path.name}.{os.getpid()}").symlink_to(victim)
    with PidLockFile(path):
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    assert victim.read_text(encoding="ascii") == "precious"


def test_directories_in_which_others_may_write(tmp_path: Path) -> None:
    """Are refused, sticky ones too, unless they are wanted."""
    for mode in (0o777, 0o1777, 0o775):
        tmp_path.chmod(mode)
        with pytest.raises(FlagmanError, match="others may write in the directory"):
            PidLockFile(tmp_path / "x").acquire()
        with PidLockFile(tmp_path / "x", shared=True):
            pass
    tmp_path.chmod(0o700)
    with pytest.raises(FileNotFoundError):
        PidLockFile(tmp_path / "no" / "x").acquire()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_directories_of_others(tmp_path: Path) -> None:
    """Are refused, and so is that of the user that the daemon becomes."""
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(FlagmanError, match=r"belongs to another user \(uid 12345\)"):
        PidLockFile(tmp_path / "x").acquire()
    os.chown(tmp_path, 0, -1)
    with PidLockFile(tmp_path / "x", user=12345):
        pass


def test_a_fork_before_the_seal(path: Path) -> None:
    """The child goes on with the lock, and the parent may end; a child after it has no part in it."""
    lock = PidLockFile(path)
    lock.acquire()
    child = os.fork()
    if child == 0:
        lock.seal()
        good = path.read_text(encoding="ascii") == f"{os.getpid()}\n" and read_pid(path) == os.getpid()
        grandchild = os.fork()
        if grandchild == 0:
            lock.release()
            os._exit(lock._descriptor != -1)
        good = good and os.waitpid(grandchild, 0)[1] == 0 and read_pid(path) == os.getpid()
        lock.release()
        os._exit(not good)
    lock._close()
    assert os.waitpid(child, 0)[1] == 0
    assert not path.exists()


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


def test_somebody_else_has_removed_it(path: Path) -> None:
    """Then what is there now is not ours to remove."""
    lock = PidLockFile(path)
    with lock:
        path.unlink()
        path.write_text("other\n", encoding="ascii")
    assert path.read_text(encoding="ascii") == "other\n"


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


def test_of_the_command(start: Callable[..., Daemon], path: Path) -> None:
    """It is there when the daemon is ready, and refuses a second one."""
    daemon = start("--pid-file", str(path), "--usr1", "exec", "sleep", "1000", "--stop-timeout", "50ms").ready()
    assert path.read_text(encoding="ascii") == f"{daemon.process.pid}\n"
    daemon.signal(signal.SIGUSR1)
    second = run("--pid-file", str(path), "--usr1", "print", "x")
    assert second.returncode == 1
    assert second.stderr.endswith(f"flagman: error: already running, pid {daemon.process.pid} ({path})\n")
    assert second.stdout == ""
    daemon.process.kill()
    daemon.status()
    third = start("--pid-file", str(path), "--usr1", "print", "x")
    third.expect_error("Took the pid file")
    third.ready().expect("init").stop("cleanup")
    assert not path.exists()
