"""flagmanctl page, between browsers and a real daemon."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.browsing import JSON, Browser
from support.ctl import SCRIPT as CTL
from support.driven import DEADLINE, Lines, clean_environment, settle, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPResponse

    from support.driven import Flagman

    Start = Callable[..., Flagman]

INT, TERM = signal.SIGINT, signal.SIGTERM


class Page:
    """A process of flagmanctl page."""

    def __init__(self, folder: Path, *words: str) -> None:
        command = [CTL, "page", "--control", "control.sock", *words]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
        )
        assert self.process.stdout is not None
        self._lines = Lines(self.process.stdout.fileno())

    def address(self) -> str:
        """Return the line that it prints."""
        return self._lines.next()

    def end(self, signum: int = TERM) -> tuple[int, bytes, bytes]:
        """Send a signal and wait for its end; return the exit status and the rest of its output."""
        self.process.send_signal(signum)
        return self.rest()

    def rest(self) -> tuple[int, bytes, bytes]:
        """Wait for its end."""
        out, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, out, errors


@pytest.fixture(name="page")
def _page(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Yield a function that starts the command; it ends with the test."""
    pages: list[Page] = []

    def start(*words: str) -> Page:
        pages.append(Page(tmp_path, *words))
        return pages[-1]

    yield start
    for each in pages:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def daemon_in(start: Start, *words: str) -> Flagman:
    """Start a daemon, which is ready."""
    return start("--control", "control.sock", *words).ready()


class Events:
    """Reads events."""

    def __init__(self, browser: Browser, target: str = "/events") -> None:
        self.response: HTTPResponse = browser.begin("GET", target, Accept="text/event-stream")
        assert self.response.getheader("Content-Type") == "text/event-stream"

    def next(self) -> tuple[str, str, dict[str, object]]:
        """Return the id of the next event, its name and its data."""
        number, name, data, empty = (self.response.readline().decode().rstrip("\n") for _ in range(4))
        assert empty == ""
        return number.removeprefix("id: "), name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def until_run(self, flag: str) -> dict[str, object]:
        """Return the next run of a flag."""
        while True:
            run = self.next()[2].get("run")
            if isinstance(run, dict) and run["flag"] == flag:
                return run


def test_a_browser(start: Start, page: Callable[..., Page]) -> None:
    """It opens the address, sees the page and what happens, and presses buttons."""
    daemon = daemon_in(start, "--usr1", "print", "hi", "--usr2", "print", "no")
    gateway = page()
    address = gateway.address()
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/#[A-Za-z0-9_-]{43}", address)
    browser = Browser(address)
    assert "<form" in browser.show().text
    assert browser.ask("GET", "/status").status == 401
    browser.enter()
    shown = browser.show()
    assert shown.status == 200
    assert 'action="flags/usr1"' in shown.text
    assert shown.fields["Referrer-Policy"] == "same-origin"
    events = Events(browser)
    assert events.next()[1] == "snapshot"
    assert browser.ask("POST", "/flags/usr1", "{}", Content_Type=JSON, Origin=browser.origin).status == 202
    assert events.until_run("usr1")["result"] == "succeeded"
    # Without JavaScript.
    back = browser.form("/flags/usr1").fields["Location"]
    assert events.until_run("usr1")["result"] == "succeeded"
    assert '<p id="said" role="status">The flag is raised.</p>' in browser.ask("GET", back, Accept="text/html").text
    assert browser.form("/reload").fields["Location"] == "/?said=no-configuration"
    assert browser.form("/flags/nope").fields["Location"] == "/?said=no-such-flag"
    assert browser.ask("GET", "/metrics").text.startswith("# ")
    assert browser.ask("GET", "/ready").json == {"ready": True, "reasons": []}
    daemon.expect("init", "init", "hi", "hi").stop("cleanup", "cleanup")
    events.response.close()
    assert gateway.end() == (0, b"", b"")


def test_the_daemon_is_started_anew(start: Start, page: Callable[..., Page]) -> None:
    """The page stays, and so does the cookie; a reader that comes back gets a snapshot."""
    daemon = daemon_in(start, "--usr1", "print", "hi")
    gateway = page()
    browser = Browser(gateway.address()).enter()
    events = Events(browser)
    last, _, before = events.next()
    daemon.signal(TERM)
    while events.response.readline():
        pass
    assert daemon.status() == 0
    assert browser.ask("GET", "/status").status == 502
    assert "trying again" in browser.show().text.lower()
    daemon_in(start, "--usr1", "print", "hi")
    assert browser.show().status == 200
    _, name, after = Events(browser, f"/events?since={last}").next()
    assert name == "snapshot"
    assert pid_of(before) != pid_of(after)
    assert gateway.end() == (0, b"", b"")


def pid_of(snapshot: dict[str, object]) -> object:
    """Return the pid of the daemon that has made a snapshot."""
    status = snapshot["status"]
    assert isinstance(status, dict)
    return status["pid"]


def test_two_browsers(start: Start, page: Callable[..., Page]) -> None:
    """Each needs a gateway of its own, because a key is good for one; both see the same run."""
    daemon_in(start, "--usr1", "print", "hi")
    first, second = (Browser(page().address()) for _ in range(2))
    first.enter()
    second.key, key = first.key, second.key
    assert second.form("/login", key=second.key).status == 401
    second.key = key
    second.enter()
    readers = [Events(each) for each in (first, second)]
    assert [each.next()[1] for each in readers] == ["snapshot", "snapshot"]
    assert second.form("/flags/usr1").status == 303
    assert [each.until_run("usr1")["result"] for each in readers] == ["succeeded", "succeeded"]
    for cookie in (second.cookie, f"{first.name}={second.cookie.partition('=')[2]}"):
        first.cookie = cookie
        assert first.ask("GET", "/status").status == 401


def test_a_reader_that_stands_still(start: Start, page: Callable[..., Page]) -> None:
    """It changes nothing for another one, nor for the daemon."""
    daemon = daemon_in(start, "--usr1", "exec", "true", "x" * 60_000)
    browser = Browser(page().address()).enter()
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", browser.port))
    stalled.sendall(f"GET /events HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {browser.cookie}\r\n\r\n".encode())
    events = Events(browser)
    assert events.next()[1] == "snapshot"
    for _ in range(60):
        assert browser.ask("POST", "/flags/usr1?wait", Origin=browser.origin).status == 200
        assert events.until_run("usr1")["result"] == "succeeded"
    stalled.close()
    daemon.signal(TERM)
    assert daemon.status() == 0


def test_nothing_wakes_up(start: Start, page: Callable[..., Page]) -> None:
    """While a page is open and nothing happens, neither the gateway nor the daemon does anything."""
    daemon = daemon_in(start, "--usr1", "print", "hi")
    gateway = page()
    events = Events(Browser(gateway.address()).enter())
    assert events.next()[1] == "snapshot"
    pids = [daemon.process.pid, gateway.process.pid]

    def switches() -> list[str]:
        for pid in pids:
            settle(pid)
        tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
        return re.findall(
            r"ctxt_switches:\t([0-9]+)", "".join((task / "status").read_text(encoding="ascii") for task in tasks)
        )

    def is_quiet() -> bool:
        before = switches()
        time.sleep(0.5)
        return switches() == before

    # What was planned for the connection is looked at once, ten seconds after its begin, and never again.
    wait_for(is_quiet)
    events.response.close()


@pytest.mark.parametrize(("signum", "status"), [(TERM, 0), (INT, 130)])
def test_the_end(start: Start, page: Callable[..., Page], signum: int, status: int) -> None:
    """TERM is the way to end it, Ctrl-C interrupts it; a reader is told by the end of its answer."""
    daemon = daemon_in(start, "--usr1", "print", "hi")
    gateway = page()
    events = Events(Browser(gateway.address()).enter())
    events.next()
    assert gateway.end(signum) == (status, b"", b"")
    assert events.response.read() == b""
    daemon.expect("init").stop("cleanup")


def test_on_a_terminal(start: Start, tmp_path: Path) -> None:
    """There it says what to do with the address; the output has the address alone, for scripts."""
    daemon_in(start, "--usr1", "print", "hi")
    master, terminal = pty.openpty()
    command = [CTL, "page", "--control", str(tmp_path / "control.sock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, encoding="utf-8") as process:
        os.close(terminal)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        assert b"open this address in a browser" in os.read(master, 4096)
        process.send_signal(TERM)
        assert process.wait(DEADLINE) == 0
    os.close(master)


def test_its_port(start: Start, page: Callable[..., Page]) -> None:
    """It can be chosen, and used again at once; one that is taken is an error."""
    daemon_in(start, "--usr1", "print", "hi")
    first = page()
    browser = Browser(first.address()).enter()
    events = Events(browser)
    port = str(browser.port)
    status, out, errors = page("--port", port).rest()
    assert (status, out) == (1, b"")
    assert errors == f"flagmanctl: error: 127.0.0.1:{port} is in use by another process; give another --port\n".encode()
    first.end()
    events.response.close()
    second = page("--port", port)
    again = Browser(second.address())
    assert again.origin == browser.origin
    # What the browser has of the former gateway is good for nothing.
    assert browser.ask("GET", "/status").status == 401
    assert browser.form("/login", key=browser.key).status == 401
    assert again.enter().ask("GET", "/status").status == 200


def test_only_this_machine_is_served(start: Start, page: Callable[..., Page]) -> None:
    """It listens at the loopback address and nowhere else."""
    daemon_in(start, "--usr1", "print", "hi")
    gateway = page()
    port = Browser(gateway.address()).port
    rows = [row.split() for row in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    assert [row[1] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"] == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 3, "not running: nothing listens on control.sock"),
        (("--port", "x"), 2, "--port: 'x' is not the number of a port, such as 8080"),
        (("--port", "65536"), 2, "--port: '65536' is not the number of a port, such as 8080"),
        (("--port", "-1"), 2, "--port: '-1' is not the number of a port, such as 8080"),
        (("--json",), 2, "--json is no option of page; see flagmanctl page --help"),
    ],
)
def test_what_is_wrong(page: Callable[..., Page], words: tuple[str, ...], status: int, message: str) -> None:
    """Nothing is served."""
    assert page(*words).rest() == (status, b"", f"flagmanctl: error: {message}\n".encode())


def test_in_the_background_of_a_script(start: Start, tmp_path: Path) -> None:
    """There INT is ignored, and it stays so."""
    daemon_in(start, "--usr1", "print", "hi")
    command = f'trap "" INT; exec {CTL} page --control control.sock'
    with subprocess.Popen(["sh", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        browser = Browser(Lines(process.stdout.fileno()).next())
        os.kill(process.pid, INT)
        browser.enter()
        os.kill(process.pid, TERM)
        assert process.wait(DEADLINE) == 0
