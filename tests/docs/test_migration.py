"""The pages about migration: what they say about other programs is true, and their examples run."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from support.driven import DEADLINE

SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]
# Scripts, and what they write; the page about traps says the same.
TRAPS = {
    "deferred": ("trap 'echo trap' USR1; sh -c \"kill -USR1 $$; echo command\"; true", "command trap"),
    "wait": (
        "trap : USR1; sleep 60 & c=$!; while kill -USR1 $$; do sleep 0.05; done & wait $c; echo $?; kill $! $c",
        "138",
    ),
    "the same inside": (
        "n=0; trap 'n=$((n+1)); echo begin; [ $n -ge 2 ] || kill -USR1 $$; true; echo end' USR1; kill -USR1 $$; true",
        "begin begin end end",
    ),
    "another inside": (
        "trap 'echo begin; kill -USR2 $$; true; echo end' USR1; trap 'echo other' USR2; kill -USR1 $$; true",
        "begin other end",
    ),
    "by number": (
        "trap 'echo hup' HUP; trap 'echo usr2' USR2; sh -c \"kill -USR2 $$; kill -HUP $$\"; true",
        "hup usr2",
    ),
    "ignored before": ("trap '' USR1; exec \"$0\" -c 'trap \"echo trap\" USR1; kill -USR1 $$; echo alive'", "alive"),
    "ignored in children": ("trap '' USR1; sh -c 'kill -USR1 $$; echo alive'", "alive"),
    "KILL": ("trap 'echo trap' KILL; echo $?", "0"),
    "subshell": ("trap 'echo trap' USR1; (sh -c 'kill -USR1 $PPID'; true; echo alive); echo $?", "138"),
    "exit": ("trap 'echo bye' EXIT; trap 'exit 3' TERM; kill -TERM $$; echo alive", "bye"),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", TRAPS)
def test_what_the_page_says_about_trap(shell: str, name: str) -> None:
    """Traps behave so in the shells that are installed here."""
    script, expected = TRAPS[name]
    done = subprocess.run(
        [shell, "-c", script, shell],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
        timeout=DEADLINE,
    )
    assert done.stdout.split() == expected.split()


@pytest.mark.parametrize(("shell", "output"), [("dash", ""), ("bash", "bye")])
def test_exit_without_a_trap_for_the_signal(shell: str, output: str) -> None:
    """The two shells differ in whether EXIT runs if a signal ends them."""
    if shell not in SHELLS:
        pytest.skip(f"needs {shell}")
    script = "trap 'echo bye' EXIT; kill -TERM $$; sleep 60"
    done = subprocess.run([shell, "-c", script], capture_output=True, encoding="utf-8", check=False, timeout=DEADLINE)
    assert (done.returncode, done.stdout.strip()) == (-15, output)
