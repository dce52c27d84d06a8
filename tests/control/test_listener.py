"""The control socket, as it is bound, taken over, lost and removed; and what is in its way."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from flagman.control.listener import Listener
from flagman.control.place import Place
from flagman.daemon.privileges import Identity
from flagman.exceptions import FlagmanError, UsageError
from support.unix import dead_socket, live_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

USER, GROUP = 12345, 23456


@pytest.fixture(name="path")
def _path(open_path: Path) -> Path:
    """Return the path of a socket that is still to be bound."""
    return open_path / "web.sock"


@pytest.fixture(name="bound")
def _bound() -> Iterator[Callable[..., Listener]]:
    """Yield a function that binds; all is closed at the end."""
    made: list[Listener] = []

    def bound(path: Path, identity: Identity | None = None, **options: int | None) -> Listener:
        made.append(Listener(Place(str(path), **options), identity))  # type: ignore[arg-type]
        made[-1].bind()
        return made[-1]

    yield bound
    for listener in made:
        listener.close()


def mode(path: Path) -> int:
    """Return the mode of what is at a path itself."""
    return stat.S_IMODE(path.lstat().st_mode)


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize("umask", [0, 0o022, 0o777], ids=oct)
@pytest.mark.parametrize("wanted", [0o600, 0o660, 0o666], ids=oct)
def test_the_mode(path: Path, bound: Callable[..., Listener], umask: int, wanted: int) -> None:
    """The socket and its lock have their modes, whatever the umask is."""
    before = os.umask(umask)
    try:
        bound(path, mode=wanted)
    finally:
        os.umask(before)
    assert mode(path) == wanted
    assert mode(path.with_name("web.sock.lock")) == 0o600


def test_no_moment_has_a_wider_mode(
    path: Path, bound: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is private from its very creation, and has its group before that group may use it."""
    seen: list[tuple[str, int, int]] = []

    def watched(name: str, real: Callable[..., object]) -> None:
        def call(*args: object, **kwargs: object) -> object:
            status = path.lstat() if path.exists() else None
            seen.append((name, stat.S_IMODE(status.st_mode), status.st_gid) if status else (name, -1, -1))
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    before = os.umask(0)
    try:
        for name in ("chmod", "chown"):
            watched(name, getattr(os, name))
        bound(path, mode=0o660, group=os.getegid())
    finally:
        os.umask(before)
    assert [(name, mode) for name, mode, _ in seen] == [("chown", 0o600), ("chmod", 0o600)]
    assert seen[-1][2] == os.getegid()


def test_connections_come_after_listen(path: Path, bound: Callable[..., Listener]) -> None:
    """A client is refused until the daemon listens, and then sees this process."""
    listener = bound(path)
    with socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(ConnectionRefusedError):
            client.connect(str(path))
        listener.listen()
        client.connect(str(path))
        accepted, _ = listener.listening.accept()
        accepted.close()
    assert not listener.listening.get_inheritable()
    with pytest.raises(BlockingIOError):
        listener.listening.accept()


def test_the_end(path: Path, bound: Callable[..., Listener]) -> None:
    """The socket and the lock are removed at the end, and closing once more does nothing to those of the next one."""
    first = bound(path)
    assert names(path.parent) == {"web.sock", "web.sock.lock"}
    first.close()
    assert names(path.parent) == set()
    bound(path)
    first.close()
    assert names(path.parent) == {"web.sock", "web.sock.lock"}


def test_the_end_of_a_socket_that_was_closed(path: Path, bound: Callable[..., Listener]) -> None:
    """If a plugin has closed the descriptor, the end still removes everything, and uses the number for nothing else."""
    listener = bound(path)
    number = listener.listening.fileno()
    lower = []
    while (copy := os.dup(0)) < number:
        lower.append(copy)
    os.close(copy)
    os.close(number)  # now this is the number of what is opened next
    listener.close()
    assert names(path.parent) == set()
    for copy in lower:
        os.close(copy)


def untouched(status: os.stat_result) -> list[float]:
    """Return what nothing changes but a change: the time of the last look does not count."""
    return [status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime]


@pytest.mark.parametrize("kind", ["file", "directory", "FIFO", "symbolic link", "dangling link"])
def test_what_is_no_socket_stays(path: Path, bound: Callable[..., Listener], kind: str) -> None:
    """Anything that is no socket is refused, and neither followed nor touched; no lock is left beside it."""
    target = path.with_name("target")
    if kind == "symbolic link":
        dead_socket(target)
    if kind == "file":
        path.write_text("precious", encoding="utf-8")
    elif kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    before, there = path.lstat(), names(path.parent)
    with pytest.raises(FlagmanError, match=rf"{kind if 'link' not in kind else 'symbolic link'}, not a socket$"):
        bound(path)
    assert untouched(path.lstat()) == untouched(before)
    assert names(path.parent) == there


def two_names(path: Path) -> None:
    """Make a file that has another name, too."""
    path.with_name("other").touch()
    path.hardlink_to(path.with_name("other"))


LOCKS: dict[str, Callable[[Path], object]] = {
    "of others": lambda lock: lock.write_text("my notes\n", encoding="utf-8"),
    "a link": lambda lock: lock.symlink_to("/etc/passwd"),
    "a dangling link": lambda lock: lock.symlink_to(lock.with_name("new")),
    "a FIFO": os.mkfifo,
    "a directory": lambda lock: lock.mkdir(),
    "with another name": two_names,
}


@pytest.mark.parametrize("kind", LOCKS)
def test_what_is_no_lock_stays(path: Path, bound: Callable[..., Listener], kind: str) -> None:
    """In the place of the lock, too, nothing is touched that no daemon can have left there."""
    lock = path.with_name("web.sock.lock")
    LOCKS[kind](lock)
    before, there = lock.lstat(), names(path.parent)
    with pytest.raises(FlagmanError, match=r"^control socket '.*/web.sock': .*web\.sock\.lock"):
        bound(path)
    assert untouched(lock.lstat()) == untouched(before)
    assert names(path.parent) == there


def test_a_living_daemon_is_not_disturbed(path: Path, bound: Callable[..., Listener]) -> None:
    """A lock that is held decides, even if the socket has vanished."""
    first = bound(path)
    with pytest.raises(FlagmanError, match=rf"is in use by pid {os.getpid()}; give another --name or PATH$"):
        bound(path)
    path.unlink()
    with pytest.raises(FlagmanError, match="is in use"):
        bound(path)
    assert not path.exists()
    first.close()
    bound(path)


def test_a_dead_daemon_is_replaced(path: Path, bound: Callable[..., Listener]) -> None:
    """The socket and the lock of a daemon that was killed are taken over, also if its child still has the socket."""
    with live_socket(path):
        path.with_name("web.sock.lock").write_text("4194304\n", encoding="ascii")
        bound(path).listen()
        assert path.with_name("web.sock.lock").read_text(encoding="ascii") == f"{os.getpid()}\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_the_socket_of_another_program(path: Path, bound: Callable[..., Listener]) -> None:
    """Without a lock beside it, a socket is replaced only if no program listens there."""
    with live_socket(path), ExitStack() as clients:
        inode = path.stat().st_ino
        with pytest.raises(FlagmanError, match=r"another program listens there; give another PATH$"):
            bound(path)
        assert (path.stat().st_ino, names(path.parent)) == (inode, {"web.sock"})
        with suppress(BlockingIOError):
            while True:  # until its queue is full
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.settimeout(0)
                client.connect(str(path))
        with pytest.raises(FlagmanError, match="another program listens there"):
            bound(path)
    bound(path)


def test_two_daemons_start_at_once(path: Path) -> None:
    """Of many starts at the same moment exactly one gets the socket."""
    program = (
        "import sys; from flagman.control.listener import Listener; from flagman.control.place import Place;"
        "from flagman.exceptions import FlagmanError\n"
        "listener = Listener(Place(sys.argv[1]))\n"
        "sys.stdin.readline()\n"
        "try: listener.bind(); print('bound', flush=True)\n"
        "except FlagmanError as error: print(error, flush=True)\n"
        "sys.stdin.readline(); listener.close()\n"
    )
    for _ in range(3):
        dead_socket(path)
        path.with_name("web.sock.lock").write_text("4194304\n", encoding="ascii")
        command = [sys.executable, "-c", program, str(path)]
        started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") for _ in range(6)
        ]
        said: list[str] = []
        for process in started:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            assert process.stdout
            said.append(process.stdout.readline())
        for process in started:
            process.communicate("\n")
        assert said.count("bound\n") == 1
        assert sum("is in use by" in line for line in said) == 5
        assert names(path.parent) == set()


@pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning")
def test_a_fork_holds_nothing(path: Path, bound: Callable[..., Listener]) -> None:
    """A forked child holds no lock, and removes nothing at its end."""
    first = bound(path)
    (born_reader, born), (end, end_writer) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(born, b"x")
        os.close(end_writer)
        os.read(end, 1)
        first.close()
        os._exit(0)
    os.read(born_reader, 1)
    lock = os.open(path.with_name("web.sock.lock"), os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        first._lock.abandon()  # type: ignore[union-attr]
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(end_writer)
        os.waitpid(pid, 0)
        for descriptor in (lock, born_reader, born, end):
            os.close(descriptor)
    assert names(path.parent) == {"web.sock", "web.sock.lock"}


def test_a_socket_that_has_vanished(
    path: Path, bound: Callable[..., Listener], caplog: pytest.LogCaptureFixture
) -> None:
    """A socket that has vanished is bound anew, and the old one is given back to be closed."""
    listener = bound(path, mode=0o660)
    listener.listen()
    assert listener.rebind() is None
    path.unlink()
    old, new = listener.listening, None
    assert listener.rebind() is old
    old.close()
    new = listener.listening
    assert (new is old, mode(path)) == (False, 0o660)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert caplog.record_tuples == [
        ("flagman.control", logging.WARNING, f"The control socket {str(path)!r} had gone, and was bound again")
    ]
    listener.close()
    assert names(path.parent) == set()


def test_the_whole_directory_has_vanished(tmp_path: Path, bound: Callable[..., Listener]) -> None:
    """The directory, the lock and the socket come back, if the directory is one that is created."""
    folder = tmp_path / "flagman"
    before = os.umask(0o077)
    try:
        listener = bound(folder / "web.sock", directory_mode=0o755)
    finally:
        os.umask(before)
    assert mode(folder) == 0o755
    for name in names(folder):
        (folder / name).unlink()
    folder.rmdir()
    old = listener.rebind()
    assert old is not None
    old.close()
    assert names(folder) == {"web.sock", "web.sock.lock"}
    with pytest.raises(FlagmanError, match="is in use"):
        bound(folder / "web.sock")


@pytest.mark.parametrize("way", ["file", "daemon", "folder"])
def test_a_place_that_is_taken_meanwhile(
    path: Path, bound: Callable[..., Listener], caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """If the socket cannot come back, that is logged, the old one stays, and nothing of others is touched."""
    listener = bound(path)
    for name in names(path.parent):
        (path.parent / name).unlink()
    if way == "file":
        path.write_text("precious", encoding="utf-8")
    elif way == "daemon":
        bound(path)
    else:
        path.parent.rmdir()
    before = listener.listening
    assert listener.rebind() is None
    assert listener.listening is before
    assert before.fileno() >= 0
    (record,) = caplog.records
    told = {"file": "a file, not a socket", "daemon": f"is now in use by pid {os.getpid()}", "folder": "not exist"}
    assert told[way] in record.getMessage()
    listener.close()
    there = {"file": {"web.sock"}, "daemon": {"web.sock", "web.sock.lock"}}
    assert (names(path.parent) if path.parent.exists() else None) == there.get(way)
    path.parent.mkdir(exist_ok=True)


@pytest.mark.parametrize(("folder_mode", "entries"), [(0o777, 0), (0o1777, 2), (0o755, 2)])
def test_a_directory_in_which_others_may_write(
    path: Path, bound: Callable[..., Listener], folder_mode: int, entries: int
) -> None:
    """A directory in which others could replace the socket is refused."""
    path.parent.chmod(folder_mode)
    if entries:
        bound(path)
    else:
        with pytest.raises(FlagmanError, match="other users may write in the directory; use one such as /run"):
            bound(path)
    assert len(names(path.parent)) == entries


@pytest.mark.parametrize("name", ["missing/web.sock", "file/web.sock", ""])
def test_paths_that_cannot_be(tmp_path: Path, bound: Callable[..., Listener], name: str) -> None:
    """A path that cannot be one of a socket is reported in one line."""
    (tmp_path / "file").touch()
    with pytest.raises(FlagmanError) as raised:
        bound(tmp_path / name if name else tmp_path) if name else Listener(Place(f"{tmp_path}/")).bind()
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, UsageError) == (name == "")


@needs_root
def test_another_user_in_a_directory_of_roots(path: Path, bound: Callable[..., Listener]) -> None:
    """In root's directory the socket is given to the user, and the lock stays root's."""
    identity = Identity(str(USER), str(GROUP))
    bound(path, identity)
    status = path.lstat()
    assert (status.st_uid, status.st_gid, mode(path)) == (USER, GROUP, 0o600)
    assert path.with_name("web.sock.lock").stat().st_uid == 0


@needs_root
def test_another_user_in_a_directory_of_its_own(path: Path, bound: Callable[..., Listener]) -> None:
    """In a directory of that user's, root does nothing as root, and is root again afterwards."""
    os.chown(path.parent, USER, GROUP)
    before = os.getresuid(), os.getresgid(), os.getgroups()
    bound(path, Identity(str(USER), str(GROUP)), group=GROUP, mode=0o660)
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
    assert {(entry.lstat().st_uid, entry.lstat().st_gid) for entry in path.parent.iterdir()} == {(USER, GROUP)}
    with pytest.raises(FlagmanError, match="Operation not permitted"):
        bound(path.with_name("b.sock"), Identity(str(USER), str(GROUP)), group=0)
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
    assert names(path.parent) == {"web.sock", "web.sock.lock"}


@needs_root
def test_root_does_not_trust_a_directory_of_another_user(path: Path, bound: Callable[..., Listener]) -> None:
    """Root refuses a directory in which another user than the daemon's could replace anything."""
    os.chown(path.parent, USER, GROUP)
    for identity in (None, Identity(str(USER + 1), str(GROUP))):
        with pytest.raises(FlagmanError, match=f"the directory belongs to another user \\(uid {USER}\\)"):
            bound(path, identity)
    assert names(path.parent) == set()


@needs_root
def test_a_user_puts_a_link_in_the_way(path: Path, bound: Callable[..., Listener]) -> None:
    """A link that a user puts in the place of its socket leads root nowhere, at no moment."""
    os.chown(path.parent, USER, GROUP)
    precious = path.parent.with_name(f"{path.parent.name}-precious")
    precious.write_text("secret", encoding="utf-8")
    precious.chmod(0o600)
    try:
        for name in ("web.sock", "web.sock.lock"):
            (path.parent / name).symlink_to(precious)
            with pytest.raises(FlagmanError):
                bound(path, Identity(str(USER), str(GROUP)))
            (path.parent / name).unlink()
        assert (precious.stat().st_uid, mode(precious)) == (0, 0o600)
        assert precious.read_text(encoding="utf-8") == "secret"
    finally:
        precious.unlink()


@needs_root
def test_a_directory_that_is_created_belongs_to_the_user_of_its_parent(
    open_path: Path, bound: Callable[..., Listener]
) -> None:
    """A directory below that of a user is created as this user, not as root."""
    os.chown(open_path, USER, GROUP)
    bound(open_path / "flagman" / "web.sock", Identity(str(USER), str(GROUP)), directory_mode=0o700)
    assert (open_path / "flagman").stat().st_uid == USER
    assert mode(open_path / "flagman") == 0o700


@needs_root
def test_a_disk_that_is_read_only(open_path: Path) -> None:
    """A disk that is read-only is reported in one line, also where the directory would have to be created."""
    program = (
        "mount -t tmpfs tmpfs {0} && mkdir {0}/there && mount -o remount,ro {0} && for d in there missing; do "
        "{1} --control {0}/$d/x.sock --usr1 print x; XDG_RUNTIME_DIR={0} {1} --control --usr1 print x; done"
    ).format(open_path, f"{sys.executable} -m flagman")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", program], check=False, capture_output=True, encoding="utf-8", timeout=60
    )
    if "unshare" in done.stderr:
        pytest.skip("no mount namespace can be made here")
    errors = [line for line in done.stderr.splitlines() if line.startswith("flagman: error: ")]
    assert len(errors) == 4
    assert "Read-only file system" in errors[0]
    assert "its directory cannot be created: Read-only file system" in errors[1]
    assert "Traceback" not in done.stderr
