"""A process that floods a log that is not read, with a whole daemon around it."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios
from typing import TYPE_CHECKING

from support.driven import DEADLINE, SCRIPT, end_all, marked, wait_for

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
[process.flood]
command = ["yes"]
output = "log"
[process.quiet]
command = ["sh", "-c", "while :; do echo line; sleep 0.01; done"]
output = "{path}"
"""


def held_by(pipe: int) -> int:
    """Return the number of bytes in a pipe."""
    (held,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(held)


def test_a_flood_of_a_log_that_is_not_read(tmp_path: Path) -> None:
    """The daemon goes on, looks after other processes, and ends when it is asked to."""
    path, configuration = tmp_path / "quiet.log", tmp_path / "flagman.toml"
    configuration.write_text(CONFIGURATION.format(path=path), encoding="ascii")
    reader, writer = os.pipe()
    daemon = subprocess.Popen(
        [*SCRIPT, "-v", "--config", str(configuration)],
        env={**os.environ, **marked(tmp_path)},
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    try:
        wait_for(lambda: held_by(reader) > 30_000)  # it may be full with so few: a page of it need not be
        before = path.stat().st_size
        wait_for(lambda: path.stat().st_size > before + 100)
        daemon.terminate()
        assert daemon.wait(DEADLINE) == 0
        said = os.read(reader, 1_000_000)
        assert b"INFO:flagman.process:flood: y\n" in said
    finally:
        daemon.kill()
        daemon.wait()
        end_all(tmp_path)
        os.close(reader)
