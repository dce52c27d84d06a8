"""The verb ``convert``: formats, statuses, and files that are not what they seem."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from support.ctl import Ctl

if TYPE_CHECKING:
    from pathlib import Path

PYMANAGER = json.dumps({"processes": {"web": {"executable": "run", "arguments": []}}})
SUPERVISORD = "[supervisord]\nnodaemon = true\n[program:web]\ncommand = run\n"
PROCFILE = "web: run\n"


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    monkeypatch.chdir(tmp_path)
    return Ctl(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x", PYMANAGER),
        ("x.json", f"\n {PYMANAGER}"),
        ("x", SUPERVISORD),
        ("x.conf", SUPERVISORD.replace("\n", "\r\n")),
        ("x", f"; first\n{SUPERVISORD}"),
        ("Procfile.dev", PROCFILE),
        ("x", f"# first\n{PROCFILE}"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_format_is_found_out(ctl: Ctl, name: str, text: str, mark: str) -> None:
    """From the content, or else from the name; with a mark of the order of bytes, too."""
    (ctl.folder / name).write_text(mark + text, encoding="utf-8", newline="")
    status, out, err = ctl("convert", name)
    assert (status, err) == (0, "")
    assert '\n[process.web]\ncommand = ["run"]\n' in out


def test_the_format_can_be_told(ctl: Ctl) -> None:
    """Then nothing else is tried."""
    (ctl.folder / "Procfile").write_text(SUPERVISORD, encoding="utf-8")
    assert ctl("convert", "--format", "supervisord", "Procfile").status == 0
    assert ctl("convert", "--format=pymanager", "Procfile").status == 2
    status, _, err = ctl("convert", "--format", "procfil", "Procfile")
    known = "pymanager, supervisord, procfile; did you mean 'procfile'?"
    assert (status, err) == (2, f"flagmanctl: error: --format: 'procfil' is not one of {known}\n")


def test_the_standard_input(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no name and no place."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PROCFILE.encode()), encoding="utf-8"))
    status, out, _ = ctl("convert", "-")
    assert (status, out.splitlines()[0]) == (0, "# the standard input, as flagmanctl convert has read it")
    assert "directory" not in out
    monkeypatch.setattr(sys, "stdin", None)
    status, _, err = ctl("convert", "-")
    assert (status, err.count("\n"), "the standard input: cannot be read" in err) == (2, 1, True)


def test_what_is_lost_is_counted(ctl: Ctl) -> None:
    """The result is complete all the same."""
    (ctl.folder / "x").write_text(f"{SUPERVISORD}x = 1\nstartretries = 3\n", encoding="utf-8")
    status, out, err = ctl("convert", "x")
    assert (status, err) == (1, "flagmanctl: 2 things could not be converted; see the comments in the result\n")
    assert out.count("\n# not converted: ") == 2
    assert 'command = ["run"]' in out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "x: cannot be read: No such file or directory"),
        (b"", "x: is none of the formats that are known: "),
        (b"hello", "x: is none of the formats that are known: "),
        (b"[process.web]\n", "x: seems to be a file of flagman already"),
        (b"web: \xff", "x: is not UTF-8, at byte 5"),
        (PROCFILE.encode("utf-16"), "x: is not UTF-8, at byte 0"),
        (b"a\nweb: \0", "x: has a NUL character, line 2, and is no text"),
        (b"web: x\n" * 200_000, "x: is too large: it has more than 1048576 bytes"),
        (b"web: x\n" * 100_000, "x: has more than 2000 processes"),
        (b"{" * 200_000, "x: is not JSON: "),
        (b'{"a":' * 100_000, "x: is nested too deeply"),
        (b'{"processes":{"a":{"executable":' + b"[" * 900 + b"]" * 900 + b"}}}", "x: "),
        (b'{"a": ' + b"9" * 5000 + b"}", "x: is not JSON: "),
    ],
)
def test_what_cannot_be_understood(ctl: Ctl, data: bytes | None, message: str) -> None:
    """One line, no traceback, and nothing on the standard output."""
    if data is not None:
        (ctl.folder / "x").write_bytes(data)
    status, out, err = ctl("convert", "x")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"flagmanctl: error: {message}")


def test_files_without_end(ctl: Ctl) -> None:
    """They are read up to a bound, and directories are none."""
    status, _, err = ctl("convert", "/dev/zero")
    assert (status, "is too large" in err) == (2, True)
    status, _, err = ctl("convert", ".")
    assert (status, err) == (2, "flagmanctl: error: .: cannot be read: Is a directory\n")
