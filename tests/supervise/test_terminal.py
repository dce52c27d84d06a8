"""A terminal that is lent to a command, by a small program that does no more than that."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.supervise import terminal as module
from flagman.supervise.terminal import Terminal
from support.driven import script, wait_for
from support.screen import BEGUN, CAT, CTRL_C, CTRL_D, CTRL_Z, PROMPT, RAW, Screen, program, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LEND = [sys.executable, script("lend_terminal")]
WRAP = shlex.join(LEND)
FOUND = program(
    f"import sys; sys.path.insert(0, {str(Path(module.__file__).parents[2])!r});"
    "from flagman.supervise.terminal import Terminal; print('found:', Terminal.find() is not None, file=sys.stderr)"
)


@pytest.fixture(name="shell")
def _shell() -> Iterator[Screen]:
    """Yield a shell with job control in a terminal."""
    with Screen() as screen:
        screen.expect(PROMPT)
        yield screen


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (FOUND, "True"),
        (f"{FOUND} </dev/tty >/dev/tty", "True"),
        (f"{FOUND} | cat", "False"),
        (f"true | {FOUND}", "False"),
        (f"{FOUND} </dev/null", "False"),
        (f"{FOUND} <&-", "False"),
        (f"{FOUND} & wait", "True"),
        (f"setsid -w {FOUND}", "False"),
    ],
)
def test_where_there_is_a_terminal_to_lend(shell: Screen, line: str, answer: str) -> None:
    """Both standard streams are the controlling terminal; a job that is behind may come to the front."""
    assert f"found: {answer}\n" in shell.command(line)


def test_a_group_outside_of_the_pid_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of another pid namespace has no number, so the terminal could not be given back to it."""
    monkeypatch.setattr(os, "getpgrp", lambda: 0)
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: 0)
    monkeypatch.setattr(module, "_modes", list)
    assert Terminal.find() is None


def test_the_command_is_in_front_and_then_the_shell_again(shell: Screen) -> None:
    """The group of the command is in front while it runs."""
    said = shell.command(f"{WRAP} sh -c 'sleep 0; cat /proc/$$/stat'")
    fields = said.splitlines()[0].rpartition(")")[2].split()
    assert fields[2] == fields[5]
    assert shell.command("echo again") == "again\n"


def test_ctrl_c_goes_to_the_command_alone(shell: Screen) -> None:
    """Ctrl-C ends the command and not the program around it."""
    shell.run(f"{WRAP} {CAT}", BEGUN).run("one", "one\r\n", "one\r\n").type(CTRL_C).expect("wrapped: -2")
    shell.expect(PROMPT)
    assert shell.command("echo $?") == "130\n"


def test_stop_and_go_on_in_front(shell: Screen) -> None:
    """After Ctrl-Z the shell goes on; after ``fg`` the command has the terminal again, each time."""
    shell.run(f"{WRAP} {CAT}", BEGUN)
    for word in ("one", "two", "three"):
        shell.run(word, f"{word}\r\n", f"{word}\r\n").type(CTRL_Z).expect("Stopped")
        shell.expect(PROMPT)
        shell.run("fg", "fg\r\n", "cat'\r\n")
    shell.run("end", "end\r\n", "end\r\n").type(CTRL_D).expect("wrapped: 0")


def test_go_on_behind_and_come_back(shell: Screen, tmp_path: Path) -> None:
    """After ``bg`` the command goes on behind, and after ``fg`` it gets the terminal when it wants it.

    The shell does not report to a job that runs that it is in front again.
    """
    # Not dash: its vfork(2) hangs if the child is stopped before it becomes another program.
    loop = f'echo begun; until test -e "{tmp_path}/go"; do sleep 0.01; done; read -r word; echo "got $word"'
    shell.run(f"{WRAP} bash -c {shlex.quote(loop)}", BEGUN).type(CTRL_Z).expect("Stopped")
    shell.expect(PROMPT)
    shell.command("bg")
    assert shell.command("echo $((40 + 2))") == "42\n"
    shell.run("fg", "fg\r\n", "bash -c")
    (tmp_path / "go").touch()
    shell.run("it", "got it", "wrapped: 0", PROMPT)


def test_a_read_behind_stops_the_job(shell: Screen) -> None:
    """A command that wants to read behind is stopped, and with it the job of the shell."""
    shell.run(f"{WRAP} {CAT}", BEGUN).run("one", "one\r\n", "one\r\n").type(CTRL_Z).expect("Stopped")
    shell.expect(PROMPT)
    shell.command("bg")
    wait_for(lambda: "Stopped" in shell.command("jobs"))
    shell.run("fg", "fg\r\n", "cat'\r\n").run("two", "two\r\n", "two\r\n").type(CTRL_D).expect("wrapped: 0")


def test_a_command_that_stops_itself(shell: Screen) -> None:
    """The shell sees it as a stopped job, and continues it."""
    assert "Stopped" in shell.command(f"{WRAP} sh -c 'kill -STOP $$; echo went on'")
    shell.run("fg", "fg\r\n", "\r\nwent on", "wrapped: 0", PROMPT)


def test_the_program_alone_is_stopped(shell: Screen, tmp_path: Path) -> None:
    """If only the program around the command was stopped, ``bg`` leaves the terminal with the shell."""
    loop = f'echo around $PPID.; until test -e "{tmp_path}/go"; do sleep 0.01; done; read -r word; echo "got $word"'
    shell.run(f"{WRAP} bash -c {shlex.quote(loop)}", "\n")
    os.kill(int(shell.match(r"around (\d+)\.")[1]), signal.SIGSTOP)
    shell.expect("Stopped")
    shell.expect(PROMPT)
    shell.command("bg")
    assert shell.command("echo $((40 + 2))") == "42\n"
    (tmp_path / "go").touch()
    wait_for(lambda: "Stopped" in shell.command("jobs"))
    shell.run("fg", "fg\r\n", "bash -c").run("it", "got it", "wrapped: 0", PROMPT)


def test_modes_at_a_stop(shell: Screen) -> None:
    """The shell gets its own modes of the terminal, and the command those that it had."""
    before = shell.command("stty -g")
    shell.run(f"{WRAP} {RAW}")
    pid = int(shell.match(r"raw (\d+)\.")[1])
    shell.type(CTRL_C).expect("<03>")
    os.kill(pid, signal.SIGTSTP)
    shell.expect("Stopped")
    shell.expect(PROMPT)
    assert shell.command("stty -g") == before
    os.kill(pid, signal.SIGCONT)
    shell.run("fg", "fg\r\n")
    wait_for(lambda: os.tcgetpgrp(shell.master) == pid)
    shell.type(CTRL_Z).expect("<1a>")
    os.kill(pid, signal.SIGKILL)
    shell.expect("wrapped: -9")
    shell.expect(PROMPT)
    assert shell.command("stty -g") == before


def test_modes_after_a_kill_are_those_before(shell: Screen) -> None:
    """They are restored also in a script, where the shell does not do it."""
    lines = f"stty -g; {WRAP} {RAW}; stty -g"
    shell.run(f"sh -c {shlex.quote(lines)}", "\n")
    before = shell.match(r"\n([0-9a-f:]{30,})\r\n")[1]
    os.kill(int(shell.match(r"raw (\d+)\.")[1]), signal.SIGKILL)
    assert shell.match(r"\n([0-9a-f:]{30,})\r\n")[1] == before


def test_modes_that_a_command_sets_stay(shell: Screen) -> None:
    """Modes that a command sets stay, because it may be there to set them."""
    assert "-tostop" in shell.command("stty -a")
    shell.command(f"{WRAP} stty tostop")
    assert "-tostop" not in shell.command("stty -a")


@pytest.mark.parametrize("name", ["TSTP", "TTIN", "TTOU"])
def test_a_stop_without_a_shell(name: str) -> None:
    """Where no shell could continue it, a command that stops goes on at once, as one does that is not wrapped."""
    line = f'kill -{name} $$; echo went on; kill -{name} $$; read -r word; echo "got $word"'
    with Screen(*LEND, "sh", "-c", line) as screen:
        screen.expect("went on")
        screen.run("it", "got it", "wrapped: 0")


def test_ctrl_z_without_a_shell() -> None:
    """The terminal of a container has no shell, and Ctrl-Z does not stop its command for good."""
    with Screen(*LEND, *shlex.split(CAT)) as screen:
        screen.expect(BEGUN)
        screen.run("one", "one\r\n", "one\r\n").type(CTRL_Z)
        screen.run("two", "two\r\n", "two\r\n").type(CTRL_C).expect("wrapped: -2")


def test_stop_without_a_shell() -> None:
    """STOP stops such a command, too, until this program gets CONT."""
    line = 'echo "pid $$."; read -r word; echo "got $word"; read -r word; echo "got $word"'
    with Screen(*LEND, "sh", "-c", line) as screen:
        pid = int(screen.match(r"pid (\d+)\.")[1])
        screen.run("one", "got one")
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: os.tcgetpgrp(screen.master) == screen.process.pid)
        assert state_of(pid) == "T"
        os.kill(screen.process.pid, signal.SIGCONT)
        screen.run("two", "got two", "wrapped: 0")


def test_a_command_that_leaves_its_group(shell: Screen) -> None:
    """A command that has moved to the group of its parent does not get the terminal over and over again."""
    words = program("import os; os.setpgid(0, os.getppid()); print('moved.', flush=True); print('got', input())")
    shell.run(f"{WRAP} {words}", "\nmoved.", "Stopped", PROMPT)
    shell.run("fg", "fg\r\n").run("it", "got it", "wrapped: 0", PROMPT)


def test_a_job_of_the_command_is_in_front_at_its_end(shell: Screen) -> None:
    """The terminal comes back also from another group, which the command has put in front and left behind."""
    shell.run(f"PS1='inner> ' {WRAP} bash --norc -i", "\n", "inner> ").run("echo pid $$.", "\n")
    pid = int(shell.match(r"pid (\d+)\.")[1])
    shell.run(CAT, BEGUN).run("one", "one\r\n", "one\r\n")
    job = os.tcgetpgrp(shell.master)
    assert job != pid
    os.kill(pid, signal.SIGKILL)
    shell.expect("wrapped:")
    shell.expect("-9")  # not in one piece, because cat may complain at the same moment that it has lost the terminal
    shell.expect(PROMPT)
    assert os.tcgetpgrp(shell.master) != job
    os.kill(job, signal.SIGKILL)  # it still reads, and would take what is typed next
    wait_for(lambda: state_of(job) in "ZX")
    assert shell.command("echo $((40 + 2))") == "42\n"


def test_many_stops(shell: Screen) -> None:
    """Stops and continuations in quick succession leave the terminal with the command."""
    shell.run(f"{WRAP} sh -c 'echo pid $$.; exec cat'", "\n")
    pid = int(shell.match(r"pid (\d+)\.")[1])
    for _ in range(30):
        wait_for(lambda: os.tcgetpgrp(shell.master) == pid and state_of(pid) == "S")
        os.kill(pid, signal.SIGTSTP)
        shell.expect("Stopped")
        shell.expect(PROMPT)
        shell.run("fg", "fg\r\n", "exec cat'\r\n")
    shell.run("one", "one\r\n", "one\r\n").type(CTRL_D).expect("wrapped: 0")


def test_the_terminal_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hang-up nothing raises an exception."""
    with open(os.devnull, "rb") as null, subprocess.Popen(["sleep", "60"], process_group=0) as process:  # noqa: PTH123
        monkeypatch.setattr(module, "_TERMINAL", null.fileno())
        terminal = Terminal(os.getpgrp(), [])
        terminal.begin(process.pid, lambda _: None)
        terminal.resume()
        process.kill()
        terminal.end(killed=True)
        terminal.resume()
        assert module._modes() is None
        module._set_modes([0, 0, 0, 0, 0, 0, [0] * 32])


def test_no_thread(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where there can be no more threads, the command runs and its stops are not seen."""

    def start(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "start_new_thread", start)
    master, other = pty.openpty()
    with subprocess.Popen(["sleep", "60"], process_group=0) as process:
        monkeypatch.setattr(module, "_TERMINAL", other)
        Terminal(os.getpgrp(), []).begin(process.pid, lambda _: None)
        process.kill()
    os.close(master)
    os.close(other)
    assert "Ctrl-Z will not work" in caplog.text


def test_it_says_what_it_is() -> None:
    """Printed, it says to which process it is lent."""
    assert repr(Terminal(1, [])) == "<Terminal>"
