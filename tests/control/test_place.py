"""The place of the control socket."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.config.checks import is_name
from flagman.config.naming import name_of
from flagman.config.settings import Settings
from flagman.control import place
from flagman.exceptions import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def found(*, uid: int = os.geteuid(), **options: object) -> tuple[str, int | None]:
    """Return the path for some options, and the mode of its directory."""
    (where,) = place.find(Settings(**{"control": (True,), **options}), uid)
    return where.path, where.directory_mode


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "flagman"),
        ({"config": "/etc/web.toml"}, "web"),
        ({"config": "/etc/web.example.toml"}, "web.example"),
        ({"config": "/etc/web.toml", "pid_file": "/run/b.pid"}, "b"),
        ({"config": "/etc/my app.toml", "pid_file": "b", "name": "c"}, "c"),
    ],
)
def test_the_name(options: dict[str, str], name: str) -> None:
    """The name is the given one, or that of the pid file, or that of the configuration file."""
    assert name_of(Settings(**options)) == name
    assert found(uid=0, **options)[0] == f"/run/flagman/{name}.sock"


@pytest.mark.parametrize("options", [{"config": "my app.toml"}, {"pid_file": "/run/.pid"}, {"config": "ä.toml"}])
def test_a_file_without_a_usable_name(options: dict[str, object]) -> None:
    """A file's name that cannot be the daemon's is refused, and the message says what to do."""
    with pytest.raises(UsageError, match=r"^--name has to be given, because '.*', from the \w+ ?\w* file, is not a"):
        place.check(Settings(control=(True,), **options))


@given(st.text(max_size=70) | st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"))
def test_names_are_safe(text: str) -> None:
    """A name has nothing in it that would be special in a path, in a unit or for a shell."""
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    is_safe = 0 < len(text) <= 63 and text[0] in safe and set(text) <= {*safe, *"._-"}
    assert is_name(text) == is_safe


def test_the_directory_of_the_manager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The manager's first directory comes before the user's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/flagman/web:/run/other")
    assert found() == ("/run/flagman/web/flagman.sock", None)
    monkeypatch.setenv("RUNTIME_DIRECTORY", "flagman")
    assert found() == (f"{tmp_path}/flagman/flagman.sock", 0o700)


def test_the_directory_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's directory counts only if it belongs to the user that the daemon will be."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/")
    assert found() == (f"{tmp_path}/flagman/flagman.sock", 0o700)
    assert found(uid=os.geteuid() + 1) == ("/run/flagman/flagman.sock", 0o755)
    for wrong in (str(tmp_path / "missing"), "relative", ""):
        monkeypatch.setenv("XDG_RUNTIME_DIR", wrong)
        assert found() == ("/run/flagman/flagman.sock", 0o755)


def test_a_path_begins_where_the_command_was_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative path is made absolute, and its directory is not created."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    assert found(control=("a/x.sock",)) == (f"{tmp_path}/a/x.sock", None)


def test_the_longest_path() -> None:
    """A path may have as many bytes as the kernel has room for."""
    longest = f"/{'x' * 106}"
    assert found(control=(longest,)) == (longest, None)
    for path in (f"{longest}x", f"/{'ä' * 54}"):
        with pytest.raises(UsageError, match="too long for a socket"):
            found(control=(path,))


@pytest.mark.parametrize(
    ("options", "mode"),
    [({}, 0o600), ({"control_group": "0"}, 0o660), ({"control_mode": 0o666}, 0o666)],
)
def test_the_mode(options: dict[str, object], mode: int) -> None:
    """With a group its members can connect, too."""
    (where,) = place.find(Settings(control=("/x.sock",), **options), 0)
    assert where.mode == mode
