"""Procfiles: what runs a line, ports, releases, and the ``.env`` beside them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from flagman.ctl.converters import procfile
from flagman.exceptions import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def converted(text: str, directory: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """Return the tables of the processes, and what could not be converted."""
    found = procfile.convert(text, "Procfile", directory).text()
    return tomllib.loads(found)["process"], [line for line in found.splitlines() if line.startswith("# not converted")]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("gunicorn app -w 4", ["gunicorn", "app", "-w", "4"]),
        ("gunicorn --bind :$PORT", ["sh", "-c", "exec gunicorn --bind :$PORT"]),
        ("run 'a b' *.py", ["sh", "-c", "exec run 'a b' *.py"]),
        ("cd web && run", ["sh", "-c", "cd web && run"]),
        ("DEBUG=1 run", ["sh", "-c", "DEBUG=1 run"]),
        ("exec run", ["sh", "-c", "exec run"]),
        ("run `date`", ["sh", "-c", "run `date`"]),
        ("run > log", ["sh", "-c", "run > log"]),
    ],
)
def test_a_shell_only_where_one_is_needed(line: str, command: list[str]) -> None:
    """It makes place for the program if it has no more to do."""
    tables, lost = converted(f"web: {line}")
    assert (tables["web"]["command"], lost) == (command, [])


def test_ports_and_directory() -> None:
    """Each process has a port, and runs where the file is; flagman looks for programs elsewhere."""
    tables, lost = converted("web: bin/web\n# worker: none\nworker: work\n\n", "/srv")
    assert tables == {
        "web": {
            "command": ["/srv/bin/web"],
            "directory": "/srv",
            "environment": {"PORT": "5000"},
            "restart": "always",
        },
        "worker": {"command": ["work"], "directory": "/srv", "environment": {"PORT": "5100"}, "restart": "always"},
    }
    assert lost == []


def test_a_release() -> None:
    """It is started on request alone, and a comment says so."""
    tables, lost = converted("web: run\nrelease: migrate")
    assert tables["release"]["wanted"] == "down"
    assert [line.split(": ")[1] for line in lost] == ["release"]


def test_variables(tmp_path: Path) -> None:
    """They stay in their file, which a shell reads; what it would read in another way is named."""
    lines = ["A=b", "export B='x y'", 'C="x y"', "# no", "PORT=8000", "D=x y", "E=$HOME", "nothing"]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    tables, lost = converted("web: run\nworker: cd x; work", str(tmp_path))
    begin = f"set -a; . {tmp_path}/.env; PORT="
    assert tables["web"]["command"] == ["sh", "-c", f"{begin}8000; set +a; exec run"]
    assert tables["worker"]["command"] == ["sh", "-c", f"{begin}8100; set +a; cd x; work"]
    assert [line.split(": ")[1] for line in lost] == [".env, line 6", ".env, line 7", ".env, line 8"]


def test_variables_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory of that name, and a port that is none."""
    (tmp_path / ".env").mkdir()
    tables, (lost,) = converted("web: run", str(tmp_path))
    assert tables["web"]["environment"] == {"PORT": "5000"}
    assert ".env: cannot be read" in lost or ".env: is no regular file" in lost
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").write_text("PORT=x", encoding="utf-8")
    assert "it is no number of a port" in converted("web: run", str(tmp_path))[1][0]


def test_what_is_no_process() -> None:
    """A line is named, and a file without any is refused."""
    assert "line 2: hello: it is no process" in converted("web: run\nhello")[1][0]
    with pytest.raises(UsageError, match=r"^Procfile: is no Procfile: no line of it is NAME: COMMAND$"):
        procfile.convert("hello\n", "Procfile", None)
