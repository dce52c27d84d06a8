"""Files of other programs, converted, and run by a real daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from support.ctl import SCRIPT
from support.driven import DEADLINE, clean_environment, wait_for
from support.unix import request
from support.verifying import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

# Answers at a port, and appends its name to a file when it begins.
SERVES = """
import http.server, socketserver, sys
name, port = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
socketserver.TCPServer.allow_reuse_address = True
with socketserver.TCPServer(("127.0.0.1", int(port)), Handler) as server:
    with open("begun", "a") as file:
        file.write(f"{name}\\n")
    server.serve_forever()
"""


def python(code: str, *words: str) -> dict[str, object]:
    """Return a process that runs some code."""
    return {"executable": sys.executable, "arguments": ["-I", "-S", "-c", code, *words]}


def test_pymanager(start: Start, tmp_path: Path) -> None:
    """The processes start in their order, each after the verifier of the one before, and a client can restart them."""
    port = free_port()
    prints = 'open("begun", "a").write("{0}\\n")'
    specification = {
        "modules": {"pymutils.http_verifier": {"verifiers": ["HttpOkVerifier"]}},
        "keep-alive": True,
        "processes": {
            "prepare it": {
                **python(prints.format("prepare")),
                "verifier": {"type": "pymutils.exited_verifier.ExitedVerifier"},
            },
            "db": {
                **python(SERVES, "db", str(port)),
                "verifier": {
                    "type": "pymutils.http_verifier.HttpOkVerifier",
                    "arguments": {"url": f"http://127.0.0.1:{port}/"},
                },
            },
            "web": python(f"{prints.format('web')}; import signal; signal.pause()"),
        },
    }
    (tmp_path / "pymanager.json").write_text(json.dumps(specification), encoding="utf-8")
    done = subprocess.run(
        [SCRIPT, "convert", "pymanager.json"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "flagman.toml").write_text(done.stdout, encoding="utf-8")
    control = tmp_path / "control.sock"
    daemon = start("--config", str(tmp_path / "flagman.toml"), "--control", str(control))
    daemon.ready()
    wait_for(lambda: begun(tmp_path)[2:])
    assert begun(tmp_path) == ["prepare", "db", "web"]
    status, answer = request(control, "POST", "/restart/1")
    assert (status, answer["success"], answer["process"]["id"]) == (200, True, 1)
    assert (answer["process"]["status"], answer["process"]["code"]) == ("terminated", 0)
    status, answer = request(control, "POST", "/restart/db")
    assert (status, answer["process"]["id"], answer["process"]["status"]) == (200, 2, "running")
    assert begun(tmp_path)[3:] == ["prepare", "db"]
    assert request(control, "POST", "/restart/4")[0] == 404


def begun(folder: Path) -> list[str]:
    """Return what has begun, in that order."""
    path = folder / "begun"
    return path.read_text(encoding="utf-8").split() if path.exists() else []
