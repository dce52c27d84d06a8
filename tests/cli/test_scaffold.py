"""The commands that a new package tells: they work as they stand, wherever flagman came from."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.cli import origin, scaffold
from flagman.cli.origin import Origin
from flagman.ctl import command as ctl
from flagman.exceptions import UsageError
from support import wheels
from support.driven import Flagman, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
# What setuptools needs to build flagman.
SOURCES = ("LICENSE.rst", "README.rst", "docs", "pyproject.toml", "setup.cfg", "src")
TESTED = [".venv/bin/python -m pytest", ".venv/bin/python -m flagman --usr1 acme-purge runs"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts this flagman elsewhere."""

    def put(came_from: Origin, *, prefix: str = "/opt/flagman") -> None:
        monkeypatch.setattr(origin, "find", lambda: came_from)
        monkeypatch.setattr(sys, "prefix", prefix)
        monkeypatch.setattr(sys, "base_prefix", "/usr")

    return put


@pytest.fixture
def python3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the command python3 this Python."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, Origin()),
        ("no JSON", Origin()),
        ('{"dir_info": {}}', Origin()),
        ('{"url": "file:///a%20b", "dir_info": {}}', Origin(("file:///a%20b",), "/a b")),
        ('{"url": "file:///a", "dir_info": {"editable": false}}', Origin(("file:///a",), "/a")),
        ('{"url": "file:///a", "dir_info": {"editable": true}}', Origin(("-e", "file:///a"), "/a")),
        ('{"url": "file:///a/f.whl", "archive_info": {"hashes": {}}}', Origin(("file:///a/f.whl",), "/a/f.whl")),
        (
            '{"url": "https://a.test/f.zip", "archive_info": {}, "subdirectory": "sub"}',
            Origin(("https://a.test/f.zip#subdirectory=sub",)),
        ),
        (
            '{"url": "ssh://git@a.test/f", "vcs_info": {"vcs": "git", "requested_revision": "v", "commit_id": "0a1b"}}',
            Origin(("git+ssh://git@a.test/f@0a1b",)),
        ),
        (
            '{"url": "file:///r", "vcs_info": {"vcs": "hg", "commit_id": "0a1b"}, "subdirectory": "sub"}',
            Origin(("hg+file:///r@0a1b#subdirectory=sub",), "/r"),
        ),
    ],
)
def test_where_flagman_came_from(
    record: str | None, expected: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an installer records becomes words for pip; without a usable record nothing is known."""
    folder = tmp_path / "flagman-1.0.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: flagman\nVersion: 1.0.0\n", encoding="utf-8")
    if record is not None:
        (folder / "direct_url.json").write_text(record, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert origin.find() == expected


def test_a_flagman_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no metadata, nothing is known."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert origin.find() == Origin()


@pytest.mark.usefixtures("python3")
@pytest.mark.parametrize(
    ("came_from", "words"),
    [
        (Origin(), ""),
        (Origin(("file:///opt/gone",), "/opt/gone"), "file:///opt/gone "),
        (Origin(("-e", "file:///usr"), "/usr"), "-e file:///usr "),
        (Origin(("git+https://a.test/f@0a1b#subdirectory=s",)), "'git+https://a.test/f@0a1b#subdirectory=s' "),
    ],
)
def test_the_commands(came_from: Origin, words: str, here: Callable[..., None]) -> None:
    """The package gets an environment of its own, with flagman from where this one came."""
    here(came_from)
    install = f".venv/bin/python -m pip install {words}-e . pytest"
    assert scaffold.commands("acme-purge") == ["python3 -m venv .venv", install, *TESTED]


@pytest.mark.usefixtures("python3")
@pytest.mark.parametrize("came_from", [Origin(), Origin(("file:///opt/gone",), "/opt/gone")], ids=["none", "gone"])
def test_a_flagman_of_the_system(came_from: Origin, here: Callable[..., None]) -> None:
    """A package of the system, or of conda, is shared with the environment, because it cannot be installed again."""
    here(came_from, prefix="/usr")
    create, install, *others = scaffold.commands("acme-purge")
    assert create == "python3 -m venv --system-site-packages .venv"
    assert install == ".venv/bin/python -m pip install -e . pytest"
    assert others == TESTED


@pytest.mark.usefixtures("python3")
def test_a_checkout_in_the_systems_python(here: Callable[..., None]) -> None:
    """What pip has put into the system can be installed again, as long as its source is there."""
    here(Origin(("file:///usr",), "/usr"), prefix="/usr")
    create, install, *_ = scaffold.commands("acme-purge")
    assert (create, install) == ("python3 -m venv .venv", ".venv/bin/python -m pip install file:///usr -e . pytest")


def test_another_python3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the command python3 is another Python, or a script that chooses one, this one has its path."""
    (tmp_path / "python3").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/opt/a b/python")
    assert scaffold.commands("acme-purge")[0] == "'/opt/a b/python' -m venv .venv"


def test_uv_creates_what_a_python_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ensurepip, as in Debian without python3-venv, uv creates the environment if it is there."""
    monkeypatch.setattr(scaffold, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "executable", "/opt/python")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert scaffold.commands("acme-purge")[0] == "/opt/python -m venv .venv"
    (tmp_path / "uv").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "uv").chmod(0o755)
    assert scaffold.commands("acme-purge")[0] == "uv venv --seed --python /opt/python .venv"


def unit_of(directory: Path) -> list[str]:
    """Return the lines of the unit of a new package."""
    scaffold.create("acme-purge", directory)
    return (directory / "acme-purge.service").read_text(encoding="utf-8").splitlines()


def test_the_user_of_the_unit(open_path: Path, here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The service has a user of its own, unless that could not read what it needs: then it is the user that asked."""
    monkeypatch.setattr(scaffold, "_TEMPORARY", ())
    monkeypatch.setattr(scaffold, "_user", lambda: "alice")
    monkeypatch.setattr(sys, "executable", "/bin/sh")
    here(Origin(("file:///opt",)))
    umask = os.umask(0o022)
    try:
        assert "DynamicUser=yes" in unit_of(open_path / "open")
        os.umask(0o077)
        assert "User=alice" in unit_of(open_path / "own")
        os.umask(0o022)
        assert "User=alice" in unit_of(open_path / "own" / "within")
        monkeypatch.setattr(scaffold, "_TEMPORARY", (open_path,))
        assert "User=alice" in unit_of(open_path / "temporary")
    finally:
        os.umask(umask)


def test_the_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that is in no database is named by its number."""
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert scaffold._user() == "54321"


def test_an_odd_place_of_the_package(tmp_path: Path) -> None:
    """The unit quotes the path of the interpreter for systemd, and keeps its own specifier."""
    folder = tmp_path / "a%b c"
    place = f"{tmp_path}/a%%b c"
    program = f'"{place}/.venv/bin/python" -P -m flagman --config "{place}/acme-purge.toml"'
    assert f"ExecStart={program}" in unit_of(folder)


@pytest.mark.parametrize("kind", ["lsb", "openrc"])
def test_the_kinds_of_init_scripts(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind has its name and its paths, and any other kind is refused."""
    assert ctl.main(["flagmanctl", "new", "acme-purge", "--directory", str(tmp_path), "--init", kind]) == 0
    text = (tmp_path / "acme-purge.init").read_text(encoding="utf-8")
    assert text.startswith({"lsb": "#!/bin/sh\n", "openrc": "#!/sbin/openrc-run\n"}[kind])
    assert f"{tmp_path}/acme-purge.toml" in text
    assert "web-hooks" not in text
    assert ctl.main(["flagmanctl", "new", "acme-purge", "--init", "opensrc"]) == 2
    assert "--init: 'opensrc' is not one of lsb, openrc; did you mean 'openrc'?" in capsys.readouterr().err


def test_a_place_that_holds_no_environment(tmp_path: Path) -> None:
    """Python refuses to create an environment below a colon, so nothing is written there."""
    with pytest.raises(UsageError, match="contains a colon, so no virtual environment can be created there"):
        scaffold.create("acme-purge", tmp_path / "a:b")
    assert list(tmp_path.iterdir()) == []


def installed(kind: str, folder: Path, run: Callable[..., str]) -> Path:
    """Install flagman into an environment, in one of the ways that people do; return the programs there."""
    checkout = folder / "a checkout"
    checkout.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    shutil.rmtree(checkout / "src" / "flagman.egg-info", ignore_errors=True)
    venv.create(folder / "environment", with_pip=True)
    pip = [str(folder / "environment" / "bin" / "python"), "-m", "pip"]
    if kind == "vcs":
        git = ["git", "-C", str(checkout), "-c", "user.name=t", "-c", "user.email=t@t.test"]
        run(*git, "init", "--quiet")
        run(*git, "add", ".")
        run(*git, "commit", "--quiet", "--message=x")
        run(*pip, "install", f"git+{checkout.as_uri()}")
    elif kind == "index":
        run(*pip, "wheel", "--wheel-dir", str(folder / "wheels"), str(checkout))
        run(*pip, "install", "flagman")
    else:
        run(*pip, "install", *["-e"] * (kind == "editable"), str(checkout))
    return folder / "environment" / "bin"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["checkout", "editable", "vcs", "index"])
def test_what_is_printed_works_as_it_stands(kind: str, tmp_path: Path) -> None:
    """A newcomer pastes both lines, copies the unit, and each of them runs the action."""
    if kind == "vcs" and not shutil.which("git"):
        pytest.skip("needs git")
    (tmp_path / "wheels").mkdir()
    environment = {**clean_environment(), **wheels.collect(tmp_path / "wheels")}
    environment = {name: value for name, value in environment.items() if not name.startswith(("COVERAGE", "PYTHON"))}

    def run(*words: str) -> str:
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    programs = installed(kind, tmp_path, run)
    package = tmp_path / "it's $HOME"
    *_, following, last = run(
        str(programs / "flagmanctl"), "new", "acme-purge", "--directory", str(package)
    ).splitlines()
    readme = (package / "README.rst").read_text(encoding="utf-8")
    assert all(f"   {command}\n" in readme for command in following.split(" && ")[1:])
    assert f"   {last.removeprefix('Then: ')}\n" in readme
    assert "3 passed" in run("sh", "-c", following.removeprefix("Next: "))
    shown = [line for line in (package / "acme-purge.service").read_text("utf-8").splitlines() if "ExecStart" in line]
    program = shlex.split(shown[0].removeprefix("ExecStart=").replace("$$", "$"))
    pasted = ["sh", "-c", f'cd {shlex.quote(str(package))} && exec {last.removeprefix("Then: ")} "$@"', "sh"]
    for command, runs in ((pasted, package / "runs"), (program, tmp_path / "runs")):
        daemon = Flagman(tmp_path, "--usr1", "print", "done", command=command, environment=dict.fromkeys(covering()))
        with daemon:
            daemon.ready().signal(signal.SIGUSR1).expect("init", "done")
            assert len(runs.read_text(encoding="utf-8").splitlines()) == 1
            daemon.stop("cleanup")


def covering() -> list[str]:
    """Return the names of the variables by which coverage starts in processes."""
    return [name for name in os.environ if name.startswith("COVERAGE")]
