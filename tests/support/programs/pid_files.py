"""Programs that take pid files, and die with them or leave them to others."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from flagman.daemon import AlreadyRunningError, PidLockFile, read_pid

if TYPE_CHECKING:
    from pathlib import Path


def hold(path: Path, *, releases: bool = True) -> None:
    """Take the file, print whether that worked, and hold it until the input ends."""
    try:
        lock = PidLockFile(path)
        lock.__enter__()
    except AlreadyRunningError as error:
        print("no", error.pid, flush=True)
        sys.stdin.read()
    else:
        print("yes", flush=True)
        sys.stdin.read()
        if releases:
            lock.release()


def _contend(path: Path, gate: tuple[int, int], answers: tuple[int, int], end: tuple[int, int]) -> None:
    """Try to hold the file as soon as the gate opens, report the result, and hold it until the end."""
    os.close(gate[1])
    os.close(end[1])
    os.read(gate[0], 1)
    lock = PidLockFile(path)
    try:
        lock.acquire()
        lock.seal()
        os.write(answers[1], b"yes %d;" % os.getpid())
    except AlreadyRunningError:
        os.write(answers[1], b"no;")
    except BaseException as error:  # noqa: BLE001 - the test sees any exception
        os.write(answers[1], b"%r;" % str(error).encode())
    os.read(end[0], 1)
    os._exit(0)


def rounds(path: Path) -> None:
    """Make many processes try to hold the file at once, again and again, where no winner cleans up."""
    for _ in range(25):
        gate, answers, end = os.pipe(), os.pipe(), os.pipe()
        children = []
        for _ in range(50):
            child = os.fork()
            if child == 0:
                _contend(path, gate, answers, end)
            children.append(child)
        os.close(gate[1])
        said = b""
        while said.count(b";") < 50:
            said += os.read(answers[0], 4096)
        winners = [word for word in said.split(b";") if word.startswith(b"yes")]
        assert len(winners) == 1, said
        assert winners[0] == b"yes %d" % (read_pid(path) or 0), (winners, read_pid(path))
        assert said.count(b"no;") == 49, said
        os.close(end[1])
        for child in children:
            os.waitpid(child, 0)
        for descriptor in (gate[0], *answers, end[0]):
            os.close(descriptor)
    print("good")


def dies_at(path: Path, call: str) -> None:
    """Take the file, and be killed right after the first call of this system function."""
    module = fcntl if call == "flock" else os
    real = getattr(module, call)

    def die(*arguments: Any, **options: Any) -> object:  # noqa: ANN401 - any arguments
        result: object = real(*arguments, **options)
        if call != "open" or ".daemon.pid." in str(arguments[0]):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, call, die)
    PidLockFile(path).__enter__()


def with_one_byte(path: Path) -> None:
    """Take the file where no file can be longer than a byte."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
    try:
        PidLockFile(path).acquire()
    except OSError as error:
        print(error.strerror)


def locks_as_anybody(path: Path) -> None:
    """Lock the file, as any user may that can read it, until there is a line of input."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        print("locked", flush=True)
        input()


def leaves_children(path: Path) -> None:
    """Take the file, start children of both kinds, print their pids, and be killed."""
    PidLockFile(path).__enter__()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b".")
        signal.pause()
    os.read(reader, 1)  # the hooks after the fork have run
    other = subprocess.Popen(["sleep", "1000"], close_fds=False)
    print(child, other.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def forks_before_the_seal(path: Path) -> None:
    """Take the file, leave it to a child that seals it and has a child itself, and print the status of the first."""
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
    print(os.waitpid(child, 0)[1], path.exists())
