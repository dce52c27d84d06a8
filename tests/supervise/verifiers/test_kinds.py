"""The kinds of verifiers, with real processes, sockets and files."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from flagman.supervise.verifiers import dialing
from flagman.supervise.verifiers.command import Command
from flagman.supervise.verifiers.kind import Around, Gifts
from flagman.text.shown import shown
from support.driven import wait_for
from support.fake_loop import FakeLoop
from support.verifying import Server, free_port, life_fixture, looped_fixture

if TYPE_CHECKING:
    from flagman.supervise.verifiers.kind import Target
    from support.verifying import Begin, Looped

__all__ = ["life_fixture", "looped_fixture"]


def test_started(life: Begin) -> None:
    """A process that has been started is ready."""
    assert life("started").verdict() == ""


def test_delay(life: Begin) -> None:
    """A process that has lived for a time is ready, and one that ends before is not."""
    assert life({"type": "delay", "for": "10ms"}).verdict() == ""
    assert life({"type": "delay", "for": "1h"}, "true").verdict() == "died"


@pytest.mark.parametrize(
    ("table", "line", "verdict"),
    [
        ({}, "exit 0", ""),
        ({"status": 3}, "exit 3", ""),
        ({}, "exit 3", "exited with status 3, and not with status 0"),
        ({"status": 3}, "exit 0", "exited with status 0, and not with status 3"),
        ({}, "kill -KILL $$", "was killed by KILL, and not with status 0"),
        ({"timeout": "50ms"}, "exec sleep 600", "exited: has not ended within 50ms"),
    ],
)
def test_exited(life: Begin, table: dict[str, object], line: str, verdict: str) -> None:
    """A process that has ended with the right status is ready."""
    assert life({"type": "exited", **table}, "sh", "-c", line).verdict() == verdict


def answer_nothing(_: socket.socket) -> None:
    """Accept a connection, and do nothing with it."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
def test_tcp(life: Begin, host: str) -> None:
    """A process that accepts connections is ready; tries go on until then."""
    port = free_port()
    begun = life({"type": "tcp", "address": f"{host}:{port}"})
    wait_for(lambda: begun.verification.tries == 3)
    assert begun.verdicts == []
    assert begun.verification.last_error == "Connection refused"
    assert begun.verification.looked_before() == ""
    server = Server(answer_nothing, ("127.0.0.1", port))
    assert begun.verdict() == ""
    server.close()


def test_tcp_that_never_answers(life: Begin) -> None:
    """If nothing listens until the time is over, the verdict says what was tried, how often, and why it failed."""
    begun = life({"type": "tcp", "address": f"127.0.0.1:{free_port()}", "timeout": "300ms"})
    verdict = begun.verdict()
    assert re.fullmatch(
        r"tcp 127\.0\.0\.1:[0-9]+: no answer within 300ms \([12] tr(y|ies)\): Connection refused", verdict
    )


def test_tcp_with_a_full_queue(life: Begin) -> None:
    """If a server's queue is full, a connection is not made, and a try ends with its time."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = []
        for _ in range(8):
            client = socket.socket()
            client.settimeout(0)
            client.connect_ex(address)
            waiting.append(client)
        begun = life({"type": "tcp", "address": f":{address[1]}", "attempt-timeout": "50ms", "timeout": "200ms"})
        assert begun.verdict().endswith("no answer within 50ms")
        for client in waiting:
            client.close()


def test_tcp_that_answered_before(life: Begin, caplog: pytest.LogCaptureFixture) -> None:
    """If a port answers before the process is started, a warning says so."""
    server = Server(answer_nothing)
    assert life({"type": "tcp", "address": f":{server.port}"}).verdict() == ""
    assert f"web: :{server.port} answers already, before web was started" in caplog.messages
    server.close()


def test_a_connection_to_itself_does_not_count() -> None:
    """If the system chooses the very port that is asked for our own side, nothing has answered."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        assert not dialing._is_connected(sock, 0)


def test_no_descriptor_left(life: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there are too many open files, a try fails, and tries go on."""
    make, server = socket.socket, Server(answer_nothing)
    begun = None

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("flagman.supervise.verifiers.dialing.socket.socket", refuse)
    begun = life({"type": "tcp", "address": f"127.0.0.1:{server.port}"})
    wait_for(lambda: begun.verification.tries == 2)
    assert begun.verification.last_error == "Too many open files"
    monkeypatch.setattr("flagman.supervise.verifiers.dialing.socket.socket", make)
    assert begun.verdict() == ""
    server.close()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_unix(life: Begin, tmp_path: Path, kind: socket.SocketKind) -> None:
    """A process that has a Unix socket of any type which can be connected to is ready."""
    path = tmp_path / "s"
    begun = life({"type": "unix", "path": str(path)})
    wait_for(lambda: begun.verification.last_error)
    assert begun.verification.last_error == "No such file or directory"
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            wait_for(lambda: begun.verification.last_error == "Connection refused")
            server.listen()
        assert begun.verdict() == ""
        assert begun.check.text() == f"unix {path}"


def test_an_abstract_unix_socket(life: Begin) -> None:
    """The name of an abstract socket begins with an @; if it answers before the start, that is told."""
    name = f"flagman-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        begun = life({"type": "unix", "path": f"@{name}"})
        assert begun.verdict() == ""
        assert begun.verification.looked_before() == f"@{name}"


def test_file(life: Begin, tmp_path: Path) -> None:
    """A process that makes a file is ready."""
    path = tmp_path / "up"
    begun = life({"type": "file", "path": str(path)})
    wait_for(lambda: begun.verification.last_error)
    assert begun.verification.last_error == "No such file or directory"
    path.touch()
    assert begun.verdict() == ""
    begun = life({"type": "file", "path": str(path), "timeout": "50ms"})
    assert begun.verdict().endswith("not there within 50ms (1 try): it is as it was before the start")


@pytest.mark.parametrize("way", ["touch", "write", "replace"])
def test_an_old_file_does_not_count(life: Begin, tmp_path: Path, way: str) -> None:
    """A file that was there before the start counts when it has changed, or at once if the table says so."""
    path = tmp_path / "up"
    path.write_text("1", encoding="ascii")
    os.utime(path, (4e9, 4e9))  # by a clock that was wrong
    assert life({"type": "file", "path": str(path), "fresh": False}).verdict() == ""
    begun = life({"type": "file", "path": str(path)})
    wait_for(lambda: begun.verification.tries == 2)
    assert begun.verdicts == []
    if way == "touch":
        os.utime(path, (1, 1))
    elif way == "write":
        path.write_text("12", encoding="ascii")
    else:
        (tmp_path / "new").write_text("1", encoding="ascii")
        (tmp_path / "new").rename(path)
    assert begun.verdict() == ""


def test_a_file_for_liveness(life: Begin, tmp_path: Path) -> None:
    """A process works for as long as a file is there, however old it is."""
    path = tmp_path / "up"
    path.touch()
    begun = life({"type": "file", "path": str(path), "every": "100ms", "failures": 2}, liveness=True)
    wait_for(lambda: not begun.liveness.last_error)
    path.unlink()
    wait_for(lambda: begun.failures)
    path.touch()
    wait_for(lambda: begun.failures[-1] == "")
    assert begun.failures[0] == f"file {path}: No such file or directory (2 failures in a row)"


def test_fd(life: Begin) -> None:
    """A process that has written a newline is ready; what it writes later is read, too, so that it can go on."""
    line = "printf wait >&3; echo >&3; i=0; while [ $i -lt 40 ]; do printf %01000d 0 >&3; i=$((i+1)); done; sleep 600"
    assert life("fd", "sh", "-c", line).verdict() == ""


def test_another_fd(life: Begin) -> None:
    """A process can have another descriptor; and if it dies after the newline, it was ready before."""
    begun = life({"type": "fd", "fd": 7}, "sh", "-c", "echo >&7; sleep 600")
    assert begun.verdict() == ""
    assert begun.check.text() == "fd 7"


def test_fd_that_is_closed(life: Begin) -> None:
    """If the process closes the descriptor, that is no failure yet, because time may bring its end first."""
    begun = life({"type": "fd", "timeout": "200ms"}, "sh", "-c", "printf nothing >&3; exec 3>&-; exec sleep 600")
    assert begun.verdict() == "fd 3: no newline within 200ms: the process has closed the descriptor"


def test_fd_of_a_process_that_dies(life: Begin) -> None:
    """If the process dies without a newline, the owner learns of the end."""
    assert life("fd", "sh", "-c", "printf nothing >&3").verdict() == "died"


def test_a_flood_does_not_hold_up_the_loop(life: Begin, looped: Looped) -> None:
    """A process that never stops writing to its descriptor does not keep the loop from other things."""
    begun = life("fd", "sh", "-c", "exec cat /dev/zero >&3")
    for _ in range(20):
        looped.call(list)
    assert begun.verdicts == []


def test_command(life: Begin, tmp_path: Path) -> None:
    """A process is ready when the command ends with status 0; else the last line of its output is told."""
    path = tmp_path / "up"
    line = f"test -e {path} || {{ echo no; echo '\033[1mnot yet' >&2; echo; exit 3; }}"
    begun = life({"type": "command", "command": ["sh", "-c", line], "attempt-timeout": "60s"})
    wait_for(lambda: begun.verification.last_error)
    assert begun.verification.last_error == r"exited with status 3: \x1b[1mnot yet"
    path.touch()
    assert begun.verdict() == ""
    assert begun.check.text() == f"command sh -c {shown(line)}"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["no-such-program"], "No such file or directory: 'no-such-program'"),
        (["/"], "Permission denied: '/'"),
        (["false"], "exited with status 1"),
        (["sh", "-c", "kill -SEGV $$"], "was killed by SEGV"),
        (["sh", "-c", "yes | head -c 1000000; echo last; sleep 600 & exit 4"], "exited with status 4: last"),
    ],
)
def test_a_command_that_fails(life: Begin, words: list[str], why: str) -> None:
    """It is told how a command has failed, also if it leaves a process behind that has its output open."""
    begun = life({"type": "command", "command": words, "attempt-timeout": "60s"})
    wait_for(lambda: begun.verification.last_error)
    assert begun.verification.last_error == why


def test_a_command_that_hangs(life: Begin, tmp_path: Path) -> None:
    """A command that has not ended in time is killed with its group, and the next try waits for that."""
    path = tmp_path / "pid"
    os.mkfifo(path)
    line = f"trap '' TERM HUP INT; sleep 600 & echo $! >{path}; wait"
    begun = life({"type": "command", "command": ["sh", "-c", line], "attempt-timeout": "300ms", "timeout": "1h"})
    grandchild = int(path.read_text(encoding="ascii"))
    wait_for(lambda: begun.verification.last_error == "not ended within 300ms")
    wait_for(lambda: not alive(grandchild))


def alive(pid: int) -> bool:
    """Return whether a process lives, and is no zombie of another process."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_command_has_the_environment_of_the_process(life: Begin) -> None:
    """The command is started as the process itself is."""
    assert (
        life({"type": "command", "command": ["sh", "-c", 'test -n "$PATH"'], "attempt-timeout": "1m"}).verdict() == ""
    )


def test_liveness_of_a_port(life: Begin) -> None:
    """When a port does not answer any more, that is told after so many failures in a row."""
    server = Server(answer_nothing)
    begun = life({"type": "tcp", "address": f":{server.port}", "every": "100ms", "failures": 3}, liveness=True)
    wait_for(lambda: server.seen >= 2)
    assert begun.failures == []
    server.close()
    wait_for(lambda: begun.failures)
    assert begun.failures[0] == f"tcp :{server.port}: Connection refused (3 failures in a row)"


def test_a_command_that_cannot_be_killed() -> None:
    """While the command of a former try cannot be killed, no other one is started, and the try has failed."""
    answers: list[str] = []
    around = Around(FakeLoop(), cast("Target", None), Gifts(), print, print)
    around.is_busy = lambda: True
    Command(("true",)).attempt(around, answers.append).cancel()
    assert answers == ["the command of the try before cannot be killed"]
