"""A wrapped command in a real terminal with a real shell: it has the terminal as if it were not wrapped."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from support.driven import DEADLINE, SCRIPT, wait_for
from support.screen import BASH, BEGUN, CAT, CTRL_C, CTRL_D, CTRL_Z, PROMPT, RAW, Screen, program, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGMAN = shlex.join(SCRIPT)
WRAP = f"{FLAGMAN} --"
INNER = f"PS1='inner> ' {WRAP} bash --norc -i"
# The new interactive Python needs a better terminal than this one.
PYTHON = f"PYTHON_BASIC_REPL=1 {WRAP} {shlex.quote(sys.executable)} -ISqi"


@pytest.fixture(name="shell")
def _shell() -> Iterator[Screen]:
    """Yield a shell with job control in a terminal."""
    with Screen() as screen:
        screen.expect(PROMPT)
        yield screen


@pytest.fixture(name="text")
def _text(tmp_path: Path) -> str:
    """Return the path of a text that does not fit in the window."""
    path = tmp_path / "text"
    path.write_text("".join(f"line {number}\n" for number in range(1, 501)), encoding="ascii")
    return shlex.quote(str(path))


def test_ctrl_c_reaches_the_command_alone(shell: Screen) -> None:
    """Ctrl-C ends a command that does not handle it, and flagman ends as the command does."""
    shell.run(f"{WRAP} {CAT}", BEGUN).run("one", "one\r\n", "one\r\n").type(CTRL_C).expect(PROMPT)
    assert shell.command("echo $?") == "130\n"


def test_ctrl_c_is_no_stop_request(shell: Screen) -> None:
    """A command that handles Ctrl-C gets it as often as it is typed: flagman does not take it as a request to stop."""
    words = program(
        "import signal; signal.pthread_sigmask(0, [2]); print('be' + 'gun', flush=True)\n"
        "for number in range(1, 6): signal.sigwait([2]); print('count', number, flush=True)"
    )
    shell.run(f"{WRAP} {words}", BEGUN)
    for number in range(1, 6):
        shell.type(CTRL_C).expect(f"count {number}\r\n")
    shell.expect(PROMPT)
    assert shell.command("echo $?") == "0\n"


def test_stop_and_go_on(shell: Screen, tmp_path: Path) -> None:
    """Ctrl-Z stops the job, ``bg`` continues it behind, and ``fg`` in front, as often as it is wanted."""
    shell.run(f"{WRAP} {CAT}", BEGUN)
    for word in ("one", "two", "three"):
        shell.run(word, f"{word}\r\n", f"{word}\r\n").type(CTRL_Z).expect("Stopped")
        shell.expect(PROMPT)
        shell.run("fg", "fg\r\n", "cat'\r\n")
    shell.run("end", "end\r\n", "end\r\n").type(CTRL_D).expect(PROMPT)
    # Not dash: its vfork(2) hangs if the child is stopped before it becomes another program.
    loop = f'echo begun; until test -e "{tmp_path}/go"; do sleep 0.01; done; read -r word; echo "got $word"'
    shell.run(f"{WRAP} bash -c {shlex.quote(loop)}", BEGUN).type(CTRL_Z).expect("Stopped")
    shell.expect(PROMPT)
    shell.command("bg")
    assert "Running" in shell.command("jobs")
    (tmp_path / "go").touch()
    wait_for(lambda: "Stopped" in shell.command("jobs"))  # it wants to read
    shell.run("fg", "fg\r\n", "bash -c").run("it", "got it", PROMPT)
    assert shell.command("jobs; echo $?") == "0\n"


def test_a_leader_that_stops_itself(shell: Screen) -> None:
    """The shell sees a stopped job, whatever has stopped the command."""
    assert "Stopped" in shell.command(f"{WRAP} sh -c 'kill -STOP $$; echo went on'")
    shell.run("fg", "fg\r\n", "\r\nwent on", PROMPT)


def test_a_shell(shell: Screen) -> None:
    """A wrapped shell has jobs of its own, and can be suspended."""
    shell.run(INNER, "\n", "inner> ")
    shell.run(CAT, BEGUN).run("one", "one\r\n", "one\r\n").type(CTRL_Z).expect("Stopped")
    shell.expect("inner> ")
    shell.run("suspend", "Stopped", PROMPT)
    assert shell.command("echo $((40 + 2))") == "42\n"
    shell.run("fg", "bash --norc -i\r\n", "inner> ").run("fg", "fg\r\n", "cat'\r\n")
    shell.run("two", "two\r\n", "two\r\n").type(CTRL_C).expect("inner> ")
    shell.run("exit 7", PROMPT)
    assert shell.command("echo $?") == "7\n"


def test_an_interactive_python(shell: Screen) -> None:
    """A wrapped interpreter reads lines, is interrupted and stopped, and goes on."""
    shell.run(PYTHON, "\n", ">>> ").run("import os, signal; print(6 * 7)", "\r\n42\r\n", ">>> ")
    shell.run("print('be' + 'gun'); signal.pause()", BEGUN).type(CTRL_C).expect("KeyboardInterrupt")
    shell.expect(">>> ")
    shell.run("os.kill(os.getpid(), signal.SIGTSTP)", "Stopped", PROMPT)
    shell.run("fg", ">>> ").run("print(7 * 8)", "\r\n56\r\n", ">>> ").run("raise SystemExit(5)", PROMPT)
    assert shell.command("echo $?") == "5\n"


def test_the_size_of_the_window(shell: Screen) -> None:
    """The command sees the size of the window, and each change of it."""
    assert shell.command(f"{WRAP} stty size").endswith("24 200\n")
    words = program(
        "import os, signal; signal.pthread_sigmask(0, [28]); print('be' + 'gun', flush=True)\n"
        "for _ in range(2): signal.sigwait([28]); print('size', *os.get_terminal_size(0), flush=True)"
    )
    shell.run(f"{WRAP} {words}", BEGUN)
    shell.resize(30, 100).expect("size 100 30\r\n")
    shell.resize(40, 120).expect("size 120 40\r\n")
    shell.expect(PROMPT)


def test_a_password(shell: Screen) -> None:
    """What is typed as a password is read, and does not show."""
    words = program("import getpass; print('got', getpass.getpass('Secret' + ': ')[::-1])")
    shell.run(f"{WRAP} {words}", "Secret: ").type("sesame\n")
    assert "sesame" not in shell.expect("got emases")
    shell.expect(PROMPT)
    assert shell.command("stty -a | grep -o '[-]echo '") == ""


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
def test_a_pager(shell: Screen, text: str) -> None:
    """A pager scrolls, is stopped, goes on and quits."""
    before = shell.command("stty -g")
    shell.command("export TERM=vt100")
    shell.run(f"{WRAP} less -X {text}", "line 20").type("G").expect("line 500")
    shell.type(CTRL_Z).expect("Stopped")
    shell.expect(PROMPT)
    shell.run("fg", "line 500").type("g").expect("line 1\r\n")
    shell.type("q").expect(PROMPT)
    assert shell.command("stty -g").split()[-1] == before.strip()


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
def test_a_pager_behind(shell: Screen, text: str) -> None:
    """In a pipeline another process has the terminal: nothing is stopped."""
    shell.command("export TERM=vt100")
    shell.run(f"{WRAP} cat {text} 2>/dev/null | less -X", "line 20").type("G").expect("line 500")
    shell.type("q").expect(PROMPT)
    assert "Stopped" not in shell.command("jobs")


def test_a_pipe_into_the_command(shell: Screen, text: str) -> None:
    """A command that reads a pipe is not lent the terminal, and still writes to it."""
    shell.command("stty tostop")
    assert shell.command(f"cat {text} | {WRAP} tail -n1").endswith("line 500\n")


def test_a_script_gets_the_terminal_back(shell: Screen) -> None:
    """What a script runs next can read the terminal."""
    shell.run(f"sh -c {shlex.quote(f'{WRAP} cat; {CAT}')}", "\n", "PID: ")
    shell.run("one", "one\r\n").type(CTRL_D).expect(BEGUN)
    shell.run("two", "two\r\n", "two\r\n").type(CTRL_D).expect(PROMPT)


def test_modes_after_a_kill(shell: Screen) -> None:
    """A command that is killed in raw mode leaves the terminal as it was before."""
    before = shell.command("stty -g")
    lines = f"{WRAP} {RAW}; stty -g"  # in a script, where the shell does not restore them
    shell.run(f"sh -c {shlex.quote(lines)}", "\n")
    pid = int(shell.match(r"raw (\d+)\.")[1])
    shell.type(CTRL_C + CTRL_Z).expect("<03><1a>")
    os.kill(pid, signal.SIGKILL)
    assert shell.expect(PROMPT).replace("\r", "").endswith(before)


def test_output_behind_the_command(shell: Screen) -> None:
    """Actions may print while the command is in front, also where the terminal stops what prints from behind."""
    shell.command("stty tostop")
    options = "--overlap rerun --usr1 print 'from the action'"
    line = f"{FLAGMAN} {options} -- sh -c 'echo around $PPID.; read -r word; echo \"got $word\"'"
    shell.run(line, "\n")
    pid = int(shell.match(r"around (\d+)\.")[1])
    for _ in range(3):
        os.kill(pid, signal.SIGUSR1)
        shell.expect("from the action\r\n")
    shell.run("it", "got it", PROMPT)


def test_the_window_is_closed(shell: Screen) -> None:
    """Nothing is left when the terminal is closed."""
    shell.run(f"{WRAP} sh -c 'echo pids $PPID $$.; exec cat'", "\n")
    _, flagman, command = shell.match(r"pids (\d+) (\d+)\.")
    shell.run("one", "one\r\n", "one\r\n")
    os.close(shell.master)
    shell.master = os.open(os.devnull, os.O_RDONLY)
    wait_for(lambda: {state_of(int(flagman)), state_of(int(command))} <= {"X", "Z"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process with the number 1")
def test_process_1_of_a_container() -> None:
    """In a container with a terminal there is no shell that could continue a job: Ctrl-Z does not stop the command."""
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    with Screen(*SCRIPT, "--", *shlex.split(CAT), prefix=unshare) as screen:
        screen.expect(BEGUN)
        for word in ("one", "two", "three"):
            screen.run(word, f"{word}\r\n", f"{word}\r\n").type(CTRL_Z)
        screen.run("four", "four\r\n", "four\r\n").type(CTRL_C)
        assert screen.process.wait() == 130


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process with the number 1")
def test_process_1_in_the_group_of_another_namespace(shell: Screen) -> None:
    """A terminal that could not be given back to the shell's job is not lent; the command still reads it."""
    unshare = "unshare --pid --fork --mount-proc --kill-child"
    shell.run(f"{unshare} {WRAP} {CAT}", BEGUN).run("one", "one\r\n", "one\r\n").type(CTRL_D).expect(PROMPT)
    assert shell.command("echo $?") == "0\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process with the number 1")
def test_a_shell_in_a_container() -> None:
    """A wrapped shell under process 1 has jobs of its own, follows the window, and ends with its own status."""
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    with Screen(*SCRIPT, "--", *BASH, prefix=unshare) as screen:
        screen.expect(PROMPT)
        screen.run(CAT, BEGUN).type(CTRL_Z).expect("Stopped")
        screen.expect(PROMPT)
        screen.run("fg", "cat'\r\n").run("one", "one\r\n", "one\r\n").type(CTRL_C).expect(PROMPT)
        assert screen.resize(30, 90).command("stty size") == "30 90\n"
        screen.run("exit 9")
        assert screen.process.wait(DEADLINE) == 9
