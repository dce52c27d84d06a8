"""No module is imported in another root, because it could not be found there."""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from flagman.service.late_imports import NOT_FOR_DAEMONS
from support.driven import run, script
from support.imports import imported, modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman

# Modules that only other kinds of processes import, or that another Python has and this one has not.
ELSEWHERE = {"argparse", "colorama"} | ({"annotationlib"} - sys.stdlib_module_names)


def is_module(name: str) -> bool:
    """Return whether there is such a module."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_all_that_a_daemon_may_import_is_imported_before() -> None:
    """All modules that any part of a daemon may import are imported before its root changes."""
    wanted: set[str] = set()
    for module, path in modules().items():
        if not module.startswith(NOT_FOR_DAEMONS):
            names = imported(ast.parse(path.read_text(encoding="utf-8")), types=False)
            wanted.update(name if is_module(name) else name.rpartition(".")[0] for name in names)
    program = "import sys\nfrom flagman.service.late_imports import import_all\nimport_all()\nprint(*sys.modules)"
    done = run(command=[sys.executable, "-c", program])
    missing = {name for name in wanted - set(done.stdout.split()) if is_module(name)}
    assert {name for name in missing if not name.startswith(NOT_FOR_DAEMONS)} <= ELSEWHERE


class Answers(BaseHTTPRequestHandler):
    """Answers with a redirect, an error or a text."""

    def do_GET(self) -> None:
        """Send the answer."""
        status = {"/moved": 302, "/missing": 404}.get(self.path, 200)
        self.send_response(status)
        if status != 200:
            self.send_header("Location", "/there")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(name="port")
def _port() -> Iterator[int]:
    """Serve HTTP, and yield the port."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


FILE = """
[flagman]
log-level = "debug"
overlap = "rerun"
jitter = "1ms"
[logging]
version = 1
disable_existing_loggers = false
[logging.formatters.plain]
format = "%(asctime)s %(message)s"
[logging.handlers.file]
class = "logging.handlers.RotatingFileHandler"
filename = "{directory}/table.log"
formatter = "plain"
[logging.root]
handlers = ["file"]
[[on]]
signal = "USR2"
action = "reload"
[[on]]
every = "1h"
action = "print"
args = ["hour"]
[[on]]
after = "1ms"
action = "print"
args = ["soon"]
{more}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_nothing_is_imported_late(start: Callable[..., Flagman], tmp_path: Path, port: int, log_format: str) -> None:
    """No module is imported late in any action, reload or failure, with or without a table for logging."""
    config = tmp_path / "flagman.toml"
    config.write_text(FILE.format(directory=tmp_path, more=""), encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    actions = [
        ["exec", "true"],
        ["exec", "false"],
        ["exec", "/no/such"],
        ["sh", "kill -TERM $$"],
        ["sh", "echo said"],
        ["http", "GET", f"{url}/moved"],
        ["http", "GET", f"{url}/missing"],
        ["http", "GET", "http://127.0.0.1:1/"],
        ["http", "GET", "http://bücher.invalid/"],
        ["http", "GET", f"https://127.0.0.1:{port}/"],
        ["http", "GET", "unix:/no/such.sock:/"],
        ["signal", "WINCH", str(os.getpid())],
        ["touch", str(tmp_path / "touched")],
        ["touch", "/no/such/file"],
        ["log", "info", "noted"],
        ["acts:Fail", "ValueError"],
        ["acts:FailTearDown"],
        ["print_once", "once"],
    ]
    words = [word for action in actions for word in ("--usr1", *action)]
    options = ["-vv", "--chroot", "/", "-c", str(config), "--log-format", log_format, "--output", "log"]
    daemon = start(*options, *words, command=[sys.executable, script("tell_late_imports")], merged=True)
    daemon.ready()
    seen: list[str] = []

    def wait_for(part: str) -> None:
        while part not in (line := daemon.out.next()):
            seen.append(line)

    daemon.signal(signal.SIGUSR1)
    wait_for("cleanup")  # of the last action, in the middle of all output
    daemon.signal(signal.SIGQUIT)
    wait_for("most recent call first")
    for text in (FILE.format(directory=tmp_path, more="[wrong]"), FILE, FILE.format(directory=tmp_path, more="")):
        config.write_text(text, encoding="utf-8")
        daemon.signal(signal.SIGUSR2)
        daemon.ready()
    daemon.signal(signal.SIGTERM)
    seen += daemon.out.rest()
    assert [line for line in seen if "imported late" in line] == []
