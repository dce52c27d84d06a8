"""What verifies processes of a real flagman: one of each kind, what never answers, and what gets ill later."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from support.processes import SLEEPS, python, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.processes import Kept

    Keep = Callable[..., Kept]

# Waits for the word to be ready, and is so in all ways at once.
SERVES = """
import os, socket, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
open("fifo").readline()
port, number = int(sys.argv[1]), os.environ.get("NOTIFY_SOCKET")
unix = socket.socket(socket.AF_UNIX); unix.bind("unix.sock"); unix.listen()
open("file", "w").close()
if number:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", number.replace("@", chr(0)))
try: os.write(3, b"\\n")
except OSError: pass
server = HTTPServer(("127.0.0.1", port), Handler)
print("serves", flush=True)
server.serve_forever()
"""


@pytest.fixture(name="port")
def _port() -> int:
    """Return the number of a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(name="silent")
def _silent() -> Iterator[int]:
    """Yield the number of a port that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize(
    "check",
    [
        {"type": "tcp", "address": "127.0.0.1:PORT"},
        {"type": "unix", "path": "unix.sock"},
        {"type": "http", "url": "http://127.0.0.1:PORT/health"},
        {"type": "file", "path": "file"},
        {"type": "command", "command": ["test", "-e", "file"]},
        {"type": "notify"},
        {"type": "fd", "fd": 3},
    ],
    ids=lambda check: str(check["type"]),
)
def test_each_kind(keep: Keep, fifo: Path, port: int, check: dict[str, object]) -> None:
    """It is starting until it serves, and ready then; what comes after it has waited."""
    ready = {key: value.replace("PORT", str(port)) if isinstance(value, str) else value for key, value in check.items()}
    daemon = keep(
        {
            "web": {"command": python(SERVES, str(port)), "ready": {**ready, "timeout": "60s"}},
            "late": {"command": shell("echo late; exec sleep 1000"), "after": ["web"]},
        }
    ).served()
    daemon.until("web", state="starting")
    assert daemon.shown("late")["text"].startswith("waiting: web starting for ")
    assert daemon.shown("web")["verifier"]["type"] == check["type"]
    fifo.write_text("go\n", encoding="ascii")
    lines = {daemon.out.next(), daemon.out.next()}
    assert lines == {"serves", "late"}
    daemon.ready().stop()


def test_a_check_that_is_never_answered(keep: Keep, silent: int) -> None:
    """Its time ends, which is a failed start; others go on, and a stop comes through at once."""
    ready = {"type": "http", "url": f"http://127.0.0.1:{silent}/", "timeout": "0.5s"}
    daemon = keep({"web": {"command": SLEEPS, "ready": ready}, "other": {"command": SLEEPS}}).served()
    daemon.logged("answers already, before web was started")
    shown = daemon.until("web", state="backoff")
    assert shown["last"]["reason"] == "not-ready"
    assert shown["last"]["text"].startswith("was not ready: http")
    assert shown["deaths"]["not_ready"] == shown["restarts"]
    assert daemon.shown("other")["state"] == "ready"
    daemon.stop()


def test_a_death_ends_the_verification(keep: Keep, silent: int) -> None:
    """A process that dies is not waited for any longer."""
    ready = {"type": "tcp", "address": f"127.0.0.1:{silent + 1 if silent < 65535 else silent - 1}", "timeout": "1h"}
    daemon = keep({"web": {"command": shell("sleep 0.2; exit 3"), "ready": ready, "restart": "never"}})
    assert daemon.status() == 1
    assert "exited with 3 before it was ready" in "\n".join(daemon.err.rest())


@pytest.mark.parametrize("restart", [True, False])
def test_one_that_gets_ill(keep: Keep, tmp_path: Path, *, restart: bool) -> None:
    """It raises the event fail, and is started again only if that was asked for."""
    (tmp_path / "well").touch()
    liveness = {
        "type": "command",
        "command": ["test", "-e", "well"],
        "every": "0.1s",
        "failures": 2,
        "restart": restart,
    }
    on = '[[on]]\nprocess = "web"\nevent = "fail"\naction = "sh"\nargs = ["echo ill; touch well"]\n'
    daemon = keep({"web": {"command": SLEEPS, "liveness": liveness}}, text=on).ready()
    (tmp_path / "well").unlink()
    daemon.expect("ill")
    if restart:
        shown = daemon.until("web", state="ready", instance=2)
        assert (shown["last"]["reason"], shown["deaths"]["liveness"]) == ("liveness", 1)
    else:
        assert daemon.shown("web")["instance"] == 1
    daemon.stop()


def test_a_watchdog(keep: Keep) -> None:
    """A process that has said READY=1, and then nothing, is ended and started again."""
    code = """
import os, signal, socket
to = os.environ["NOTIFY_SOCKET"].replace("@", chr(0))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", to)
print(os.environ["WATCHDOG_USEC"], flush=True)
signal.pause()
"""
    ready = {"type": "notify", "watchdog": "0.5s"}
    daemon = keep({"web": {"command": python(code), "ready": ready}}).ready().expect("500000", "500000")
    shown = daemon.until("web", restarts=1)
    assert shown["last"]["reason"] == "watchdog"
    daemon.signal(signal.SIGTERM).out.rest()
    assert daemon.status() == 0
