"""All messages that users provoke, in one file that is read as prose."""

from __future__ import annotations

import logging
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flagman import cli
from flagman.ctl import command as ctl
from flagman.testing import DEADLINE

MESSAGES = Path(__file__).with_name("messages.txt")


def played(text: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Return the text with what its commands print now.

    :param folder: where they run
    """
    lines: list[str] = []
    content: Path | None = None
    is_output = False
    for line in text.splitlines():
        if line.startswith("$ "):
            program, *words = shlex.split(line[2:])
            if "--once" in words:  # in this process the log would be that of pytest
                command = [sys.executable, "-m", program, *words]
                done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=DEADLINE)
                status, said = done.returncode, done.stdout + done.stderr
            else:
                status = (ctl if program == "flagmanctl" else cli).main([program, *words])
                said = "".join(capfd.readouterr())
            said = re.sub(r"PID: \d+", "PID: 49220", said.replace(str(folder), "FOLDER"))
            said = re.sub(r"after \d+\.\d\d s", "after 0.01 s", said)
            lines += [line, *said.splitlines(), *([f"exit status {status}"] if status != 2 else [])]
            is_output, content = True, None
            continue
        if line.startswith("# "):
            content = folder / line[2:]
            content.write_text("", encoding="utf-8")
        elif line.startswith("|") and content is not None:
            with content.open("a", encoding="utf-8") as file:
                file.write(f"{line[2:]}\n")
        is_output = is_output and line != "" and not line.startswith("# ")
        if not is_output:
            lines.append(line)
    return "\n".join([*lines, ""])


@pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="argparse and tracebacks are worded differently elsewhere")
def test_the_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Each command prints what the file says; if not, this test writes the file anew and fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = MESSAGES.read_text(encoding="utf-8")
    try:
        now = played(before, tmp_path, capfd)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    if now != before:
        MESSAGES.write_text(now, encoding="utf-8")
    assert now == before, "the messages were others; they have been written anew"
