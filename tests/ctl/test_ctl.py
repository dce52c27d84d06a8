"""The command flagmanctl, and the package that it writes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import flagman
from flagman.cli import scaffold
from flagman.ctl import command as ctl
from flagman.exceptions import UsageError
from support.driven import Flagman, clean_environment, script

FILES = [
    ".gitignore",
    "README.rst",
    "acme-purge.init",
    "acme-purge.service",
    "acme-purge.toml",
    "pyproject.toml",
    "src/acme_purge/__init__.py",
    "src/acme_purge/py.typed",
    "tests/test_action.py",
]


def files(directory: Path) -> list[str]:
    """Return the paths of all files below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_the_script(tmp_path: Path) -> None:
    """The installed script writes the package and prints the next steps."""
    script = Path(sysconfig.get_path("scripts")) / "flagmanctl"
    done = subprocess.run(
        [script, "new", "acme-purge"], cwd=tmp_path, check=True, capture_output=True, encoding="utf-8"
    )
    assert done.stderr == ""
    *listed, following, last = done.stdout.splitlines()
    assert listed == [f"acme-purge/{name}" for name in FILES]
    assert following.startswith(f"Next: cd {tmp_path}/acme-purge && ")
    assert last == "Then: .venv/bin/python -m flagman --usr1 acme-purge runs"
    assert files(tmp_path / "acme-purge") == FILES


def test_an_empty_directory_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An existing empty directory is good enough for a new package, also the current one."""
    assert ctl.main(["flagmanctl", "new", "acme-purge", "--directory", str(tmp_path)]) == 0
    assert files(tmp_path) == FILES
    assert f"{tmp_path}/README.rst\n" in capsys.readouterr().out


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory with one file is refused, and nothing in it is overwritten."""
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    assert ctl.main(["flagmanctl", "new", "acme-purge", "--directory", str(tmp_path)]) == 2
    assert files(tmp_path) == ["notes"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"flagmanctl: error: {tmp_path} is not empty, and nothing is overwritten\n"


@pytest.mark.parametrize("exists", [True, False])
def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exists: bool) -> None:
    """If the disk becomes full, a new package leaves nothing half done."""
    target = tmp_path / "package"
    if exists:
        target.mkdir()
    real = Path.write_text
    left = [None] * 4

    def fail(self: Path, *arguments: str, **options: str) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        scaffold.create("acme-purge", target)
    assert list(tmp_path.rglob("*")) == ([target] if exists else [])


def test_without_a_verb_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The command alone shows what it can do."""
    assert ctl.main(["flagmanctl"]) == 0
    assert capsys.readouterr().out.startswith("usage: flagmanctl [OPTION ...] VERB [ARGUMENT]\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["bogus"], 2, "unknown verb 'bogus'; the verbs are status, history, "),
        (["STATUS"], 2, "unknown verb 'STATUS'; did you mean 'status'?"),
        (["terminate"], 2, "unknown verb 'terminate'; did you mean 'shutdown'?"),
        (["restart"], 2, "restart: NAME is missing; did you mean 'reload'?"),
        (["stop"], 2, "stop: NAME is missing; did you mean 'shutdown'?"),
        (["start"], 2, "start: NAME is missing; see flagmanctl start --help"),
        (["stop", "web", "--wait", "--no-wait"], 2, "--wait and --no-wait exclude each other"),
        (["signal", "HUP"], 2, "signal: --pid-file PATH is missing, or process:NAME after the signal; see"),
        (["signal", "HUP", "web"], 2, "'web' is not a process such as process:web; did you mean 'process:web'?"),
        (["signal", "HUP", "process:"], 2, "signal: 'process:' is not a process such as process:web"),
        (["signal", "0", "process:web"], 2, "signal: a process gets no signal 0; flagmanctl ps shows whether it runs"),
        (["signal", "HUP", "process:web", "process:db"], 2, "one word too many: 'process:db'"),
        (["new"], 2, "new: NAME is missing; see flagmanctl new --help"),
        (["new", "a", "b"], 2, "one word too many: 'b'; see flagmanctl new --help"),
        (["new", "Acme"], 2, "'Acme' is not a name such as acme-purge"),
        (["new", "../x"], 2, "'../x' is not a name"),
        (["new", ""], 2, "'' is not a name"),
        (["new", "a" * 61], 2, "is not a name"),
        (["new", "print"], 2, "'print' is the name of a built-in action"),
        (["new", "email"], 2, "'email' would hide the Python module or keyword 'email'"),
        (["new", "import"], 2, "would hide the Python module or keyword"),
        (["new", "pytest"], 2, "would hide the Python module or keyword 'pytest'"),
        (["new", "test-it"], 2, "would hide the Python module or keyword 'test_it'"),
        (["new", "flagman"], 2, "would hide the Python module or keyword"),
        (["new", "x", "--directory", "/proc/nope"], 1, "No such file or directory"),
        (["new", "x", "--directory", "/dev/null"], 1, "Not a directory"),
    ],
)
def test_mistakes(arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake is reported in one line."""
    assert ctl.main(["flagmanctl", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("flagmanctl: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_mistake_never_goes_to_the_standard_output() -> None:
    """Also if there is no standard error, as after ``2>&-``."""
    script = Path(sysconfig.get_path("scripts")) / "flagmanctl"
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" bogus 2>&-', script], stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The option --version prints the version of the package."""
    assert ctl.main(["flagmanctl", "--version"]) == 0
    assert capsys.readouterr().out == f"flagmanctl {flagman.__version__}\n"
    assert ctl.main(["flagmanctl", "new", "--help"]) == 0


def test_names_become_modules_and_classes(tmp_path: Path) -> None:
    """Dashes in the name of a package do not appear in its module and class."""
    scaffold.create("a1-b2-c", tmp_path)
    assert "class A1B2CAction(Action):" in (tmp_path / "src/a1_b2_c/__init__.py").read_text(encoding="utf-8")
    assert 'a1-b2-c = "a1_b2_c:A1B2CAction"' in (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    with pytest.raises(UsageError):
        scaffold.create("a1-b2-c", tmp_path)


@pytest.mark.slow
def test_the_package_works_as_it_stands(tmp_path: Path) -> None:
    """A new package can be built, installed, tested, checked for types, and run."""
    package = tmp_path / "acme-purge"
    scaffold.create("acme-purge", package)
    environment = package / ".venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    # Packages that are installed here come first there: flagman itself, pytest, setuptools, mypy. No network is needed.
    places = [sysconfig.get_path("purelib"), str(Path(flagman.__file__).parent.parent)]
    folder = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (folder / "host.pth").write_text(f"import sys; sys.path[:0] = {places}\n", encoding="utf-8")

    def run(*words: str) -> str:
        done = subprocess.run(
            [python, *words],
            cwd=package,
            env={**clean_environment(), "MYPY_CACHE_DIR": str(tmp_path / "cache"), "PIP_NO_INPUT": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    install = ["-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps", "--quiet", str(package)]
    run(*install)
    assert "3 passed" in run("-m", "pytest", "-p", "no:cacheprovider")
    run("-m", "mypy", "--strict", "src", "tests")
    assert "acme-purge" in run("-m", "flagman", "--list")
    assert run("-m", "flagman", "-c", "acme-purge.toml", "--check") == "good: usr1 runs 1 action\n"
    runs = tmp_path / "runs"
    daemon = Flagman(
        tmp_path,
        *("--usr1", "acme-purge", str(runs), "--usr1", "print", "done"),
        command=[str(python), "-m", "flagman"],
        environment={name: None for name in os.environ if name.startswith("COVERAGE")},
    )
    with daemon:
        daemon.ready().signal(signal.SIGUSR1).expect("init", "done")
        assert len(runs.read_text(encoding="utf-8").splitlines()) == 1
        daemon.stop("cleanup")
    if shutil.which("systemd-analyze"):
        verify = ["systemd-analyze", "verify", str(package / "acme-purge.service")]
        done = subprocess.run(verify, capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_signal_and_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verbs signal and status work on a daemon that runs, that was killed, and that is not there."""
    path = tmp_path / "daemon.pid"

    def flagmanctl(*words: str) -> tuple[int, str]:
        status = ctl.main(["flagmanctl", *words, "--pid-file", str(path)])
        return status, "".join(capsys.readouterr())

    with Flagman(tmp_path, "--pid-file", str(path), "--usr1", "print", "hi") as daemon:
        daemon.ready().expect("init")
        assert flagmanctl("status") == (0, f"running, pid {daemon.process.pid}\n")
        assert flagmanctl("signal", "usr1") == (0, "")
        daemon.expect("hi")
        assert flagmanctl("signal", "0") == (0, "")
        daemon.process.kill()
        daemon.status()
        assert flagmanctl("status") == (1, f"dead, but its pid file exists ({path})\n")
        assert flagmanctl("signal", "0")[0] == 3
        assert flagmanctl("signal", "USR1") == (3, f"flagmanctl: error: not running ({path})\n")
    path.unlink()
    assert flagmanctl("status") == (3, f"not running ({path})\n")
    assert flagmanctl("signal", "10") == (3, f"flagmanctl: error: not running ({path})\n")
    assert flagmanctl("signal", "USR3")[0] == 2
    path.symlink_to("/etc/passwd")
    status, said = flagmanctl("status")
    assert (status, said) == (4, f"flagmanctl: error: status unknown: Too many levels of symbolic links ({path})\n")
    assert flagmanctl("signal", "USR1")[0] == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_daemon_of_another_user(open_path: Path) -> None:
    """The status of another user's daemon can be read, but signals cannot be sent to it."""
    path = open_path / "daemon.pid"
    with Flagman(open_path, "--pid-file", str(path), "--usr1", "print", "hi") as daemon:
        daemon.ready()

        def flagmanctl(*words: str) -> tuple[int, str]:
            command = [sys.executable, script("call_ctl"), *words, "--pid-file", str(path)]
            done = subprocess.run(command, env=clean_environment(), capture_output=True, encoding="utf-8", check=False)
            return done.returncode, done.stdout + done.stderr

        assert flagmanctl("status") == (0, f"running, pid {daemon.process.pid}\n")
        message = f"flagmanctl: error: cannot send USR1: Operation not permitted ({path})\n"
        assert flagmanctl("signal", "USR1") == (4, message)
