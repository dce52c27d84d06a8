"""``flagman.pyz``: both commands work from the archive, with all that they read from files or start as processes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman import __version__
from flagman.actions import BUILT_IN
from flagman.daemon import read_pid
from support.archive import contents, write
from support.containers import Contained, needs_namespaces
from support.driven import DEADLINE, Flagman, run, wait_for
from support.imports import PACKAGE
from support.processes import SLEEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.background import Background
    from support.processes import Kept


@pytest.fixture(scope="session", name="archive")
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archive that was built, or else one of the flagman that is tested; flagmanctl is a link beside it."""
    folder = tmp_path_factory.mktemp("archive")
    folder.chmod(0o755)
    path = folder / "flagman.pyz"
    built = os.environ.get("TESTS_ARCHIVE")
    if built:
        path.write_bytes(Path(built).read_bytes())
        path.chmod(0o755)
    else:
        sources = (each for each in PACKAGE.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
        files = {str(each.relative_to(PACKAGE.parent)): each.read_bytes() for each in sources}
        metadata = distribution("flagman")
        for name in ("METADATA", "entry_points.txt"):
            files[f"flagman-{__version__}.dist-info/{name}"] = (metadata.read_text(name) or "").encode()
        write(path, files)
    (folder / "flagmanctl").symlink_to("flagman.pyz")
    return path


@pytest.fixture(name="flagman")
def _flagman(archive: Path) -> list[str]:
    """Return the words that start flagman from the archive."""
    return [sys.executable, str(archive)]


@pytest.fixture(name="flagmanctl")
def _flagmanctl(archive: Path) -> list[str]:
    """Return the words that start flagmanctl from the archive."""
    return [sys.executable, str(archive.with_name("flagmanctl"))]


def page(path: Path) -> str:
    """Ask a daemon for its page, and return the answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def test_the_name_decides_which_command_it_is(archive: Path) -> None:
    """As a program of its own, it runs with the Python that comes first in PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name, command in (("flagman.pyz", "flagman"), ("flagmanctl", "flagmanctl")):
        done = run("--version", command=[str(archive.with_name(name))], PATH=path)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{command} {__version__}\n", "")


def test_exit_statuses(flagman: list[str], flagmanctl: list[str]) -> None:
    """The exit status of the archive is that of the command."""
    assert run("--usr1", "bogus", command=flagman).returncode == 2
    assert run("--check", "--usr1", "print", "x", command=flagman).returncode == 0
    assert run("status", "--name", "nosuch", command=flagmanctl).returncode == 3


def test_the_metadata_is_found(flagman: list[str]) -> None:
    """All built-in actions are listed, none as broken, and nothing that is installed elsewhere comes twice."""
    done = run("--list", command=[flagman[0], "-S", *flagman[1:]])
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^(\w+) +- ", done.stdout, re.MULTILINE)[1:] == list(BUILT_IN)


def test_a_daemon(flagman: list[str], flagmanctl: list[str], tmp_path: Path) -> None:
    """Actions run, requests are answered, the page is served, a reload works, and a stop is graceful."""
    config, control = tmp_path / "f.toml", tmp_path / "c.sock"
    config.write_text('[[on]]\nsignal = "USR1"\naction = "sh"\nargs = ["echo ran"]\n', encoding="utf-8")
    options = ("--config", str(config), "--control", str(control), "--usr2", "print", "hi")
    with Flagman(tmp_path, *options, command=flagman) as daemon:
        daemon.ready().expect("init").signal(signal.SIGUSR1).expect("ran").signal(signal.SIGUSR2).expect("hi")
        done = run("reload", "--wait", "--control", str(control), command=flagmanctl)
        assert (done.returncode, done.stderr) == (0, "")
        assert page(control).startswith("HTTP/1.1 200 ")
        done = run("trigger", "usr1", "--wait", "--control", str(control), command=flagmanctl)
        assert (done.returncode, done.stdout.split()[:2]) == (0, ["usr1:", "succeeded"])
        daemon.expect("ran").stop("cleanup")


def test_in_the_background(flagman: list[str], background: Background) -> None:
    """``--daemon`` detaches it, and it ends in order."""
    done = background.run(*flagman, "--daemon", "--pid-file", str(background.pid_file), "--usr1", "print", "x")
    assert (done.returncode, done.stdout) == (0, "init\n")
    background.stop()
    assert read_pid(background.pid_file) is None


def test_processes_with_steps_and_the_guardian(flagman: list[str], keep: Callable[..., Kept]) -> None:
    """A process that needs the shim is started, and the guardian ends it after kill -9."""
    daemon = keep(
        {"x": {"command": SLEEPS, "umask": "027", "limits": {"nofile": 64}}},
        command=flagman,
        environment={"NOTIFY_SOCKET": None},
    ).served()
    daemon.until("x", state="ready")
    assert len(daemon.left()) == 3  # with the guardian
    daemon.signal(signal.SIGKILL)
    wait_for(lambda: not daemon.left())


def test_a_unit(flagman: list[str], archive: Path) -> None:
    """The printed unit runs the archive, and what it runs is a daemon."""
    done = run("--usr1", "print", "hello", "--print-unit", command=flagman)
    (line,) = re.findall(r"^ExecStart=(.*)$", done.stdout, re.MULTILINE)
    words = shlex.split(line)
    assert words[1:] == [str(archive), "--usr1", "print", "hello"]
    assert run("--check", command=words).returncode == 0


def test_a_new_package(flagmanctl: list[str], tmp_path: Path) -> None:
    """The templates are in the archive, too."""
    done = run("new", "acme-purge", command=flagmanctl, directory=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "acme-purge" / "src" / "acme_purge" / "__init__.py").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_root_and_user(flagman: list[str], open_path: Path) -> None:
    """All that is needed later is imported before the archive is out of reach."""
    options = ("--chroot", str(open_path), "--user", "nobody", "--control", str(open_path / "c.sock"))
    actions = ("--usr1", "acts:Fail", "ValueError", "--usr2", "http", "GET", "https://localhost:1/")
    with Flagman(open_path, *options, *actions, command=flagman) as daemon:
        daemon.ready().signal(signal.SIGUSR1)
        daemon.expect_error("ValueError")
        assert page(open_path / "c.sock").startswith("HTTP/1.1 200 ")
        daemon.signal(signal.SIGUSR2).expect_error("failed")
        daemon.stop("init", "cleanup")


@needs_namespaces
def test_process_1(flagman: list[str], tmp_path: Path) -> None:
    """As process 1 it runs behind an init, which is in the archive."""
    daemon = Contained(tmp_path, "--usr1", "print", "hi", command=flagman)
    try:
        daemon.ready().expect("init").signal(signal.SIGUSR1).expect("hi").stop("cleanup")
    finally:
        daemon.close()


def test_an_archive_can_be_built_again(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files make the same archive, and the variable SOURCE_DATE_EPOCH is its time."""
    del archive
    wheel = tmp_path / "flagman.whl"
    names = ("flagman/__init__.py", "flagman-1.dist-info/RECORD", "flagman-1.dist-info/METADATA", "flagman-1.data/x")
    write(wheel, dict.fromkeys(names, b"x"))
    files = contents(wheel)
    assert sorted(files) == ["__main__.py", "flagman-1.dist-info/METADATA", "flagman/__init__.py"]
    made: list[bytes] = []
    for moment in ("1000000000", "1000000000", "1100000000", "0"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        write(tmp_path / "x.pyz", dict(reversed(files.items())) if made else files)
        made.append((tmp_path / "x.pyz").read_bytes())
    assert made[0] == made[1] != made[2] != made[3]
