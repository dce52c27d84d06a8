"""The root: the page for a browser, the status for a program, also in another root."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import TYPE_CHECKING

import pytest

from flagman.control.front import prefers_page
from support.driven import DEADLINE, wait_for
from support.pages import Page
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

DASH = " \N{EN DASH} "
# What a browser sends.
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (FIREFOX, True),
        ("text/html", True),
        ("TEXT/HTML ; charset=utf-8", True),
        ("image/png, text/html;q=0.5, application/json", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("application/json, */*;q=0.5, text/html;q=0.4", False),
        ("text/html;q=0", False),
        ("text/html;q=0.0, application/json", False),
        ("text/plain", False),
    ],
)
def test_which_clients_get_the_page(accept: str, is_page: bool) -> None:  # noqa: FBT001 - an expectation
    """The first kind that the root has, as HTML or as JSON, is what is sent; JSON if none is named."""
    assert prefers_page(accept) is is_page


class Client(http.client.HTTPConnection):
    """A client of a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self._path)


def get(path: Path, method: str = "GET", accept: str = FIREFOX) -> tuple[http.client.HTTPResponse, str]:
    """Ask for the root; return the answer and its content."""
    client = Client(path)
    client.request(method, "/", headers={"Accept": accept})
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer, text


def test_a_browser_gets_the_page(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The page shows what has run, and HEAD has the same head; a program gets the status."""
    path = tmp_path / "c.sock"
    daemon = start(
        "--control", "c.sock", "--name", "web", "--usr1", "sh", "exit 3", "--signal", "TERM", "print", "bye"
    ).ready()
    daemon.expect("init")
    assert request(path, "POST", "/flags/usr1?wait")[0] == 200
    answer, text = get(path)
    page = Page(text)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.title == f"1 failing{DASH}web{DASH}flagman"
    assert page.rows["rows"] == ["flag-usr1", "flag-term"]
    assert page.rows["events"] == ["run-1"]
    assert page.all("action") == ["flags/usr1"], "the actions of the stop cannot be run"
    head, nothing = get(path, "HEAD")
    assert (head.headers["Content-Length"], nothing) == (str(len(text.encode())), "")
    assert head.headers["Content-Security-Policy"] == answer.headers["Content-Security-Policy"]
    answer, text = get(path, accept="*/*")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(text).keys() == request(path, "GET", "/status")[1].keys()
    assert request(path, "GET", "/?x=1")[0] == 400
    daemon.stop("bye", "cleanup")


def test_what_a_process_prints_that_is_not_ready(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The page shows the lines of a process that lives, but is not ready as its verifier says."""
    path = tmp_path / "c.sock"
    table = """
        [process.web]
        command = ["sh", "-c", "echo warming; exec sleep 600"]
        output = "log"
        ready = { type = "file", path = "there" }
    """
    (tmp_path / "web.toml").write_text(table, encoding="utf-8")
    daemon = start("--config", "web.toml", "--control", "c.sock", "--usr1", "print", "hi").expect("init")
    wait_for(lambda: "warming" in get(path)[1].partition("<pre")[2])
    page = Page(get(path)[1])
    assert page.texts["pre"] == ["warming"]
    assert page.all("action") == ["reload", "processes/web/restart", "processes/web/stop", "flags/usr1"]
    daemon.stop("cleanup")


def test_the_stream_goes_on_after_the_page(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The page says after which event its stream begins: the first that it gets is the next one."""
    path = tmp_path / "c.sock"
    daemon = start("--control", "c.sock", "--usr1", "print", "hi").ready().expect("init")
    (since,) = Page(get(path)[1]).all("data-since")
    assert request(path, "POST", "/flags/usr1?wait")[0] == 200
    daemon.expect("hi")
    client = Client(path)
    client.request("GET", f"/events?since={since}")
    answer = client.getresponse()
    life, _, number = since.rpartition("-")
    assert answer.readline().decode() == f"id: {life}-{int(number) + 1}\n"
    assert answer.readline() == b"event: change\n"
    client.close()
    daemon.stop("cleanup")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_page_in_another_root(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The template is read before the root changes."""
    jail = tmp_path / "jail"
    jail.mkdir()
    path = tmp_path / "c.sock"
    daemon = start("--control", str(path), "--chroot", str(jail), "--usr1", "print", "hi").ready().expect("init")
    assert Page(get(path)[1]).title == f"all is well{DASH}flagman"
    daemon.stop("cleanup")
