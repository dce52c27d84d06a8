"""Unix sockets for tests: servers that are dead or alive, and clients that are other users."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ASK = """
import os, socket, sys, json
path, user, group, groups = json.loads(sys.argv[1])
os.setgroups(groups)
os.setgid(group)
os.setuid(user)
client = socket.socket(socket.AF_UNIX)
client.settimeout(60)
try:
    client.connect(path)
    answer = b""
    try:
        client.sendall(b"GET /status HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    except BrokenPipeError:
        pass  # it was answered before
    while data := client.recv(65536):
        answer += data
except ConnectionResetError:
    pass
except OSError as error:
    answer = type(error).__name__.encode()
sys.stdout.buffer.write(answer)
"""


# Opens sockets as systemd does, and becomes the command. Each word is a name, a type and what to do with it.
ACTIVATE = """
import os, socket, sys
folder, words, command = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
os.closerange(3, 100)
for number, word in enumerate(words):
    name, kind = word.split(":")
    opened = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX, getattr(socket, f"SOCK_{kind}", 1))
    assert opened.fileno() == 3 + number
    if kind != "tcp":
        opened.bind(("\\0" if kind == "abstract" else "") + f"{folder}/{number}.sock")
    if kind not in ("DGRAM", "idle"):
        opened.listen()
    os.set_inheritable(opened.detach(), True)
names = [word.split(":")[0] for word in words]
if any(names):
    os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(words))}
os.execvp(command[0], command)
"""


def activating(folder: Path, words: str) -> list[str]:
    """Return a prefix that opens sockets for a command, as systemd does."""
    return [sys.executable, "-IS", "-c", ACTIVATE, str(folder), words]


def request(path: Path, method: str, target: str) -> tuple[int, Any]:
    """Make a request of a daemon; return the status of its answer, and its JSON."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        client.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def is_served(path: Path) -> bool:
    """Return whether a process listens at a path; a socket that was only bound refuses clients."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def dead_socket(path: Path) -> None:
    """Leave a socket behind, as a process that was killed does."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def live_socket(path: Path) -> socket.socket:
    """Return a socket that listens at a path."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def asked(path: Path, user: int = 0, group: int = 0, groups: Sequence[int] = ()) -> str:
    """Return what a request gets back, if another user makes it; or the name of the error."""
    command = [sys.executable, "-IS", "-c", _ASK, json.dumps([str(path), user, group, list(groups)])]
    return subprocess.run(
        command, stdout=subprocess.PIPE, check=True, encoding="utf-8", timeout=DEADLINE, cwd="/"
    ).stdout
