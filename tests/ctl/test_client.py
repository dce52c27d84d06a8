"""The client against daemons that answer badly, late, or not at all."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.ctl.client import Client
from flagman.ctl.errors import CtlError
from flagman.ctl.targets import query, quoted
from support.ctl import Ctl
from support.driven import DEADLINE
from support.fake_control import FakeControl, http

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


OK = http(200, {"ready": True})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is no answer of flagman"),
        (b"\x00\x1b[2J" * 20_000, "is no answer of flagman"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "is no answer of flagman"),
        (b"HTTP/1.1 abc\r\nContent-Length: 2\r\n\r\n{}", "is no answer of flagman"),
        (HEAD + b"2\r\nContent-Length: 2\r\n\r\n{}", "is no answer of flagman"),
        (HEAD + b"-2\r\n\r\n{}", "has no length that an answer can have"),
        (HEAD + b"2e3\r\n\r\n{}", "has no length that an answer can have"),
        (HEAD + b"99999999\r\n\r\n{}", "has no length that an answer can have"),
        (HEAD + b"9" * 5000 + b"\r\n\r\n{}", "has no length that an answer can have"),
        (HEAD + b"2\r\n\r\nxx", "is no JSON"),
        (HEAD + b"2\r\n\r\n\xff\xff", "is no JSON"),
        (HEAD + b"200000\r\n\r\n" + b"[" * 200_000, "is no JSON"),
        (HEAD + b"5000\r\n\r\n" + b"9" * 5000, "is no JSON"),
        (HEAD + b"200\r\n\r\n{}", ""),
        (b"HTTP/1.1 200", ""),
        (b"", ""),
    ],
)
def test_answers_that_are_none(ctl: Ctl, answer: bytes, message: str) -> None:
    """Whatever answers there, it is one line and exit status 4."""
    listener = socket.socket(socket.AF_UNIX)
    ctl.path.parent.mkdir()
    listener.bind(str(ctl.path))
    listener.listen()
    code = (
        "import socket, sys; client, _ = socket.socket(fileno=0).accept(); client.recv(65536);"
        "client.sendall(open(sys.argv[1], 'rb').read())"
    )
    content = ctl.folder / "answer"
    content.write_bytes(answer)
    with listener, subprocess.Popen([sys.executable, "-c", code, content], stdin=listener.fileno()) as process:
        listener.close()
        done = ctl("ready")
        process.wait()
    said = (
        f"what {ctl.path} answers {message}"
        if message
        else "the daemon has closed the connection without a whole answer"
    )
    assert (done.status, done.out) == (4, "")
    assert done.err.startswith(f"flagmanctl: error: {said}")
    assert done.err.count("\n") == 1


def connected(end: socket.socket) -> Client:
    """Return a client that uses an end of a pair of sockets."""
    client = Client.__new__(Client)
    client.path, client._socket, client._rest = "x", end, b""
    client._seconds, client._end = DEADLINE, time.monotonic() + DEADLINE
    return client


@given(st.binary())
def test_any_bytes_are_an_answer_or_an_error(received: bytes) -> None:
    """Whatever is received, there is an answer or one error of our own, and no other exception."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    client = connected(ours)
    with ours, theirs:
        theirs.sendall(received)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(CtlError):
            client.ask("GET", "/")


@given(st.lists(st.integers(1, 20), min_size=1))
def test_an_answer_may_come_in_pieces(sizes: list[int]) -> None:
    """Wherever an answer is cut, it is the same."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    client = connected(ours)

    def send() -> None:
        begin = 0
        for size in [*sizes, len(OK)]:
            theirs.sendall(OK[begin : begin + size])
            begin += size

    with ours, theirs:
        sender = threading.Thread(target=send)
        sender.start()
        assert client.ask("GET", "/") == (200, {"ready": True})
        sender.join()


def test_a_daemon_that_is_stopped(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an answer nor a place in the queue of a daemon is waited for without a limit."""
    monkeypatch.setattr("flagman.ctl.client.LIMIT", 0.2)
    monkeypatch.setattr("flagman.ctl.client._GRACE", 0.1)
    ctl.path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(ctl.path))
        listener.listen(3)
        late = (124, "", f"flagmanctl: error: the daemon has not answered within 200ms ({ctl.path})\n")
        assert ctl("status") == late
        assert ctl("trigger", "usr1", "--wait", "100ms") == (late[0], "", late[2].replace("200ms", "100ms"))
        waiting = []
        while True:  # until the queue is full
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)  # noqa: FBT003 - the name says it
            waiting.append(client)
            try:
                client.connect(str(ctl.path))
            except BlockingIOError:
                break
        assert ctl("status") == late
        assert ctl("ready", "--wait", "100ms") == (late[0], "", late[2].replace("200ms", "100ms"))
        for client in waiting:
            client.close()


def test_an_answer_that_drips(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is one for the whole answer, not one for each byte."""
    monkeypatch.setattr("flagman.ctl.client.LIMIT", 0.5)
    ctl.path.parent.mkdir()
    code = (
        "import socket, sys, time; listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]);"
        "listener.listen(); print(flush=True); client, _ = listener.accept()\n"
        "while True: client.sendall(b'HTTP/'); time.sleep(0.1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, ctl.path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        process.stdout.readline()
        assert ctl("status").status == 124
        process.send_signal(signal.SIGKILL)


def test_several_questions_on_one_connection(tmp_path: Path) -> None:
    """Answers that arrive together are kept apart."""
    first = http(200, {"first": True})
    with FakeControl(tmp_path / "x.sock", {"GET /1": first + OK, "GET /2": b" "}):
        client = Client(str(tmp_path / "x.sock"))
        assert client.ask("GET", "/1") == (200, {"first": True})
        assert client.ask("GET", "/2") == (200, {"ready": True})
        client.close()


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("usr1", "usr1"),
        ("a b/c?d&e=f#g%", "a%20b%2Fc%3Fd%26e%3Df%23g%25"),
        ("ü", "%C3%BC"),
        ("\udcff", "%FF"),
        ("", ""),
    ],
)
def test_quoting(word: str, written: str) -> None:
    """Whatever a name has, it stays within its place in the request."""
    assert quoted(word) == written
    assert query({"flag": word}) == f"?flag={written}"
