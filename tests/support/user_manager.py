"""A real ``systemd --user`` manager in a mount namespace of its own; it needs root and systemd, but no booted one."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

# The environment may name another manager than that of the system, with its tools first in PATH.
PLACES = (os.environ.get("SYSTEMD_UNDER_TEST", ""), "/lib/systemd/systemd", "/usr/lib/systemd/systemd")
MANAGER = next((path for path in PLACES if Path(path).is_file()), None)

# Runs in the namespace: a fresh /run, the manager, and a shell that executes what the tests send, one line at a time.
INSIDE = Path(__file__).parent / "scripts" / "manager.sh"


class Manager:
    """The manager, and a shell beside it."""

    def __init__(self) -> None:
        assert MANAGER
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", str(INSIDE), MANAGER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )

    def start(self) -> bool:
        """Wait until the manager answers, and return whether it does."""
        assert self.process.stdout
        if self.process.stdout.readline() != "started\n":
            return False
        limit = time.monotonic() + 30
        while self.run("systemctl --user is-system-running")[0] != 0:
            if time.monotonic() > limit or self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return True

    def run(self, command: str) -> tuple[int, str]:
        """Run a shell command beside the manager, and return its status and its output."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        output = ""
        while not (line := self.process.stdout.readline()).startswith("status "):
            if not line:
                return -1, output
            output += line
        return int(line.split()[1]), output

    def check(self, command: str) -> str:
        """Run a shell command that must succeed."""
        status, output = self.run(command)
        assert status == 0, f"{command}: {status}: {output}"
        return output

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.check(f"systemctl --user show --value -p {name} {unit}").strip()

    def install(self, name: str, text: str) -> None:
        """Write a unit file, and make the manager read it."""
        path = f"/run/home/.config/systemd/user/{name}"
        lines = "".join(f" {shlex.quote(line)}" for line in text.splitlines())
        self.check(f"printf '%s\\n'{lines} > {path} && systemctl --user daemon-reload")

    def stop(self) -> None:
        """End the manager and all that it has started."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
