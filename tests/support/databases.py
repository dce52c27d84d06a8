"""A real PostgreSQL and a real Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.processes import Table

# Debian keeps the server, of which there can be several versions, out of PATH.
_SERVERS = "/usr/lib/postgresql"


def postgres(folder: Path) -> Table:
    """Return the table of a PostgreSQL that listens at a socket in a folder, or skip the test.

    :param folder: for its files; every user must be able to enter it
    """
    places = [os.environ["PATH"], *sorted(str(path) for path in Path(_SERVERS).glob("*/bin"))]
    tools = {name: shutil.which(name, path=":".join(places)) for name in ("initdb", "postgres", "pg_isready")}
    if None in tools.values():
        pytest.skip("PostgreSQL is not installed")
    is_root = os.geteuid() == 0
    user = "postgres" if is_root else None  # it refuses to run as root
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user, user)
    new = [str(tools["initdb"]), *("-D", str(data)), *("--auth", "trust"), *("--locale", "C"), "--no-sync"]
    subprocess.run(new, check=True, user=user, group=user, cwd=folder, stdout=subprocess.DEVNULL)
    options = [*("-D", str(data), "-k", str(data)), *("-c", "listen_addresses="), *("-c", "fsync=off")]
    return {
        "command": [str(tools["postgres"]), *options],
        **({"user": user} if user else {}),
        "stop-signal": "INT",
        "output": "log",
        "ready": {"type": "command", "command": [str(tools["pg_isready"]), "-q", "-h", str(data)], "timeout": "60s"},
    }


def redis(folder: Path) -> Table:
    """Return the table of a Redis that listens at a socket in a folder, or skip the test."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed")
    path = str(folder / "redis.sock")
    return {
        "command": [program, *("--port", "0"), *("--unixsocket", path), *("--save", ""), *("--dir", str(folder))],
        "output": str(folder / "redis.log"),
        "ready": {"type": "unix", "path": path},
        "liveness": {"type": "unix", "path": path, "every": "100ms"},
    }
