"""A shell in front of a command: what it changes, and what is told when one of its steps fails."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman import Engine
from flagman.actions import ExecAction
from flagman.children.shim import Shim
from flagman.engine.choices import Choices
from flagman.engine.turn import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    Ran = Callable[..., str]

SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]
ENOENT, ENOTDIR, EACCES = map(os.strerror, (errno.ENOENT, errno.ENOTDIR, errno.EACCES))


def run(caplog: pytest.LogCaptureFixture, choices: Choices, *words: str) -> str:
    """Run a command once, and return what is logged about it."""
    caplog.clear()
    with Engine(max_failures=1) as engine:
        engine.set_up("usr1", ExecAction, *words, choices=choices)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.STOPPED
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture(name="ran", params=SHELLS)
def _ran(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> Ran:
    """Run a command with a certain shell, in a temporary directory."""
    shell = tmp_path / "bin" / "sh"  # shells look at the name under which they are started
    shell.parent.mkdir()
    shell.symlink_to(request.param)
    monkeypatch.setattr(Shim, "SHELL", str(shell))
    monkeypatch.chdir(tmp_path)
    return partial(run, caplog)


@pytest.mark.parametrize(
    "name", ["work", "two words", "new\nline", "-", "--", "-P", "ü", "$HOME", "(", "!", "a:b", "..", "bad\udce9", "*"]
)
def test_a_directory_of_any_name(
    ran: Ran, name: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The directory is entered whatever its name is, and CDPATH does not lead elsewhere."""
    for folder in (Path(name), Path("elsewhere", name)):
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("CDPATH", str(Path("elsewhere").resolve()))
    monkeypatch.setenv("ENV", str(Path("elsewhere").resolve()))
    for directory in (name, str(Path.cwd() / name)):
        assert ran(Choices(directory=directory), "pwd", "-P") == ""
        assert capfdbinary.readouterr() == (os.fsencode(f"{Path(name).resolve()}\n"), b"")


def test_links_are_followed_as_the_kernel_does(ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    """In a directory behind a link, .. means the parent of the real one, and PWD says where the command is."""
    Path("real/inner").mkdir(parents=True)
    Path("link").symlink_to("real/inner")
    assert ran(Choices(directory="link/.."), "printenv", "PWD") == ""
    assert capfd.readouterr().out == f"{Path('real').resolve()}\n"


def test_a_umask(ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    """The umask is that of the command alone."""
    before = os.umask(0o022)
    try:
        assert ran(Choices(umask=0o027), "sh", "-c", "umask") == ""
        assert ran(Choices(umask=0), "sh", "-c", "umask") == ""
        assert ran(Choices(directory="."), "sh", "-c", "umask") == ""
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert capfd.readouterr().out == "0027\n0000\n0022\n"


def test_the_command_takes_the_place_of_the_shell(ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    """The command leads its session and its group, and nothing is between it and this process."""
    assert ran(Choices(directory="."), "cut", "-d ", "-f1,4-6", "/proc/self/stat") == ""
    pid, parent, group, session = map(int, capfd.readouterr().out.split())
    assert parent == os.getpid()
    assert pid == group == session


def test_all_words_arrive(ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    """The command gets its words as they are."""
    assert ran(Choices(umask=0o077), "printf", "%s|", "", "a b", "$HOME", "-n", "--", "\n", "'", "*") == ""
    assert capfd.readouterr().out == "|a b|$HOME|-n|--|\n|'|*|\n"


def test_programs_are_looked_for_in_the_directory(ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    """A relative path, and a relative entry of PATH, begin at the command's directory."""
    program = Path("work/tool")
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho found\n", encoding="ascii")
    program.chmod(0o755)
    assert ran(Choices(directory="work"), "./tool") == ""
    assert ran(Choices(directory="work", environment={"PATH": "."}), "tool") == ""
    assert ran(Choices(environment={"PATH": str(program.parent.resolve())}), "tool") == ""
    assert ran(Choices(environment={"PATH": "/no/such"}), "work/tool") == ""
    assert capfd.readouterr().out == "found\n" * 4
    assert f"cannot be started: {ENOENT}" in ran(Choices(environment={"PATH": "/no/such"}), "printf")
    assert f"cannot be started: {ENOENT}" in ran(Choices(directory="work"), "work/tool")


@pytest.mark.parametrize(
    ("directory", "program", "reason"),
    [
        ("missing", "true", f"cannot change to the directory missing: {ENOENT}"),
        ("-", "true", f"cannot change to the directory -: {ENOENT}"),
        ("a: b\nc", "true", rf"cannot change to the directory a: b\nc: {ENOENT}"),
        ("file", "true", f"cannot change to the directory file: {ENOTDIR}"),
        (f"{'x' * 300}", "true", os.strerror(errno.ENAMETOOLONG)),
        (".", "no-such-program", ENOENT),
        (".", "./no-such-program", ENOENT),
        (".", "no: such\nprogram", ENOENT),
        (".", "./interpreter", ENOENT),
        (".", "./file", EACCES),
    ],
)
def test_a_step_that_fails(
    ran: Ran, directory: str, program: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log tells which step has failed, in the same words for every shell, and nothing is printed."""
    Path("file").touch(0o644)
    Path("interpreter").write_text("#!/no/such/interpreter\n", encoding="ascii")
    Path("interpreter").chmod(0o755)
    said = ran(Choices(directory=directory, output="inherit"), program)
    assert said.startswith("usr1: ExecAction ")
    assert " s: cannot be started: " in said
    assert said.endswith(reason)
    assert "flagman-" not in said
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [1, 3, 4, 126, 127])
@pytest.mark.parametrize("output", ["inherit", "log", "null"])
def test_the_status_of_the_command_is_its_own(ran: Ran, status: int, output: str) -> None:
    """A status that the shell itself may have is reported as the command's, with its last output."""
    choices = Choices(directory=".", umask=0o077, output=output)  # type: ignore[arg-type]
    said = ran(choices, "sh", "-c", f"echo sh: 1: exec: x: not found >&2; exit {status}")
    assert f" s: exited with status {status}; its last output:\n  sh: 1: exec: x: not found" in said


def test_a_umask_that_the_shell_refuses(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step of the umask is named, too."""
    words = Shim.words
    monkeypatch.setattr(
        Shim, "words", lambda self, *given: tuple(w if w != "077" else "9" for w in words(self, *given))
    )
    assert "cannot be started: cannot set the umask 077: " in ran(Choices(umask=0o077), "true")


def test_there_is_no_shell(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a shell, as in a bare chroot, the log says what is missing; other commands need none."""
    monkeypatch.setattr(Shim, "SHELL", "/no/such/sh")
    said = run(caplog, Choices(umask=0o077), "true")
    assert " s: cannot be started: /no/such/sh, which " in said
    assert said.endswith(ENOENT)
    assert run(caplog, Choices(environment={"COLOR": "red"}), "printenv", "COLOR") == ""
    assert capfd.readouterr().out == "red\n"
