"""A real nginx."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from flagman.testing import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def program() -> str:
    """Return the path of nginx, or skip the test."""
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip("nginx is not installed")
    return path


def unused_ports() -> tuple[int, int]:
    """Return two ports at which nothing listens."""
    with socket.socket() as one, socket.socket() as two:
        for unused in (one, two):
            unused.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def keeping(directory: Path, server: str, *, daemon: str = "off") -> list[str]:
    """Configure an nginx, and return the command that runs it; its pid file is ``pid`` in the directory.

    :param directory: for its files; every user must be able to enter it
    :param server: the directives of its one server
    :param daemon: ``on`` if it is to go into the background
    """
    binary = program()
    config = directory / "nginx.conf"
    config.write_text(
        f"""
        daemon {daemon}; pid {directory}/pid; error_log {directory}/error.log; worker_processes 1;
        events {{}}
        http {{
            access_log off; client_max_body_size 1k; absolute_redirect off;
            client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
            uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
            server {{ {server} }}
        }}
        """,
        encoding="ascii",
    )
    return [binary, "-c", str(config), "-e", str(directory / "error.log")]


@contextmanager
def serving(directory: Path, port: int, server: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run nginx until the end of the block; its pid file is ``pid`` in the directory.

    :param directory: for its files; every user must be able to enter it
    :param port: one at which it listens
    :param server: the directives of its one server
    """
    command = keeping(directory, server)
    with subprocess.Popen(command) as process:
        limit = time.monotonic() + DEADLINE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.01)
        yield process
        process.send_signal(signal.SIGTERM)
