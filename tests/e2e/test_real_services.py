"""Real servers kept as processes, where they are installed: PostgreSQL, Redis and nginx."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from support import databases, nginx
from support.driven import wait_for
from support.guards import state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.processes import Kept

    Keep = Callable[..., Kept]

HUP = '[[on]]\nsignal = "USR1"\naction = "signal"\nargs = ["HUP", "process:front"]'


# So there is a guardian, which also ends what a failed test has left: these servers overwrite their environment, and
# nothing else finds them.
ALONE = {"NOTIFY_SOCKET": None}


def kept(keep: Keep, processes: dict[str, object], *arguments: str, text: str = "") -> Kept:
    """Start a flagman without a service manager, and wait until its processes are ready."""
    daemon = keep(processes, *arguments, text=text, environment=ALONE).served()
    for name in processes:
        daemon.until(name, state="ready")
    return daemon


def answer(port: int) -> str:
    """Return what a server at a port answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_database_and_what_comes_after_it(keep: Keep, open_path: Path) -> None:
    """The web server goes on over a restart and a crash of the database, and ends before it."""
    port, _ = nginx.unused_ports()
    front = {
        "command": nginx.keeping(open_path, f"listen 127.0.0.1:{port}; return 200 one;"),
        "after": ["db"],
        "stop-signal": "QUIT",
        "ready": {"type": "http", "url": f"http://127.0.0.1:{port}/"},
    }
    daemon = kept(keep, {"db": databases.postgres(open_path), "front": front}, "-v")
    assert answer(port) == "one"
    web = daemon.pid("front")
    assert daemon.does("restart", "db")["wish"]["outcome"] == "reached"
    assert daemon.shown("db")["last"]["text"] == "exited with 0"  # INT: the fast shutdown
    os.kill(daemon.pid("db"), signal.SIGKILL)
    assert daemon.until("db", state="ready", restarts=1)["last"]["signal"] == "KILL"
    assert (daemon.pid("front"), answer(port)) == (web, "one")
    daemon.signal(signal.SIGTERM)
    daemon.logged("Sent QUIT to `front`", "Sent INT to `db`", "database system is shut down")
    assert daemon.status() == 0


def test_nginx_reads_its_file_again(keep: Keep, open_path: Path) -> None:
    """A signal to flagman is passed on to nginx by an action, and nginx goes on."""
    port, _ = nginx.unused_ports()
    front = {
        "command": nginx.keeping(open_path, f"listen 127.0.0.1:{port}; return 200 one;"),
        "ready": {"type": "http", "url": f"http://127.0.0.1:{port}/"},
    }
    daemon = kept(keep, {"front": front}, "-v", text=HUP)
    pid = daemon.pid("front")
    nginx.keeping(open_path, f"listen 127.0.0.1:{port}; return 200 two;")
    daemon.signal(signal.SIGUSR1).logged("sent HUP to front")

    def is_new() -> bool:
        with suppress(OSError):  # the old worker may end just now
            return answer(port) == "two"
        return False

    wait_for(is_new)
    assert daemon.pid("front") == pid
    daemon.stop()


def test_nginx_in_the_background(keep: Keep, open_path: Path) -> None:
    """An nginx that daemonizes itself is no success: the log says so without -v, and the exit status is 1."""
    port, _ = nginx.unused_ports()
    command = nginx.keeping(open_path, f"listen 127.0.0.1:{port}; return 200 one;", daemon="on")
    url = f"http://127.0.0.1:{port}/away"
    # Status 404 is expected: it does not answer so, whichever is first, its answer or the end of its leader.
    daemon = keep({"front": {"command": command, "ready": {"type": "http", "url": url, "expect": 404}}})
    try:
        daemon.logged("`front` exited with 0 before it was ready")
        assert daemon.status() == 1
    finally:
        pid = int((open_path / "pid").read_text(encoding="ascii"))
        os.kill(pid, signal.SIGQUIT)
        wait_for(lambda: not state(pid))


def test_redis(keep: Keep, open_path: Path) -> None:
    """Its log is rotated while it runs; kill -9 of flagman ends it, and another flagman has it back."""
    table = databases.redis(open_path)
    daemon = kept(keep, {"cache": table})
    log = open_path / "redis.log"
    wait_for(lambda: "ready to accept" in log.read_text(encoding="utf-8"))
    log.rename(open_path / "redis.log.1")
    assert daemon.does("restart", "cache")["wish"]["outcome"] == "reached"
    wait_for(lambda: log.exists() and "ready to accept" in log.read_text(encoding="utf-8"))
    pid = daemon.pid("cache")
    daemon.signal(signal.SIGKILL).status()
    wait_for(lambda: not state(pid))
    again = kept(keep, {"cache": table})
    assert again.pid("cache") != pid
    again.stop()
