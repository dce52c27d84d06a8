"""A command that is wrapped by flagman as process 1 of a pid namespace, as in a container."""

from __future__ import annotations

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.containers import NAMESPACE, Contained, needs_namespaces
from support.driven import DEADLINE, SCRIPT, clean_environment
from support.wrapped import FORWARDED, TELL, name_of, up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_namespaces


@pytest.mark.slow
def test_every_exit_status_comes_through() -> None:
    """Each of the 256 exit statuses of a command is that of its container."""

    def status_of(number: int) -> int:
        command = [*NAMESPACE, *SCRIPT, "-q", "--", "sh", "-c", f"exit {number}"]
        # Without a measurement of its coverage, which would take minutes in all.
        environment = clean_environment()
        return subprocess.run(command, check=False, capture_output=True, timeout=DEADLINE, env=environment).returncode

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(status_of, range(256))) == list(range(256))


@pytest.mark.parametrize("name", ["TERM", "KILL", "HUP", "SEGV", "USR1", "RTMIN"])
def test_a_death_by_a_signal_comes_through(tmp_path: Path, name: str) -> None:
    """The container of a command that a signal has killed ends with 128 and its number."""
    signum = getattr(signal, f"SIG{name}")
    with Contained(tmp_path, "--", "sh", "-c", f"kill -{int(signum)} $$") as container:
        assert container.status() == 128 + signum


def test_every_signal_comes_through(tmp_path: Path) -> None:
    """Each signal to process 1 reaches the command, if it is not flagman's own."""
    with Contained(tmp_path, "--", *TELL) as container:
        up(container)
        container.ready()
        for signum in FORWARDED:
            if signum not in {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}:
                container.signal(signum).expect(name_of(signum))
        container.signal(signal.SIGQUIT).expect("SIGQUIT", "")
        assert container.status() == 3


def test_no_signal_is_lost(tmp_path: Path) -> None:
    """Each of many signals is a last one: it arrives, whatever else comes at the same moment."""
    signums = [signal.SIGHUP, signal.SIGUSR2, signal.SIGWINCH, signal.SIGRTMIN + 1]
    with Contained(tmp_path, "--usr1", "sh", ":", "--", *TELL) as container:
        up(container)
        container.ready()
        for _ in range(200):
            container.signal(signal.SIGUSR1, *signums)
            assert {container.out.next() for _ in signums} == set(map(name_of, signums))


def test_its_orphans_leave_no_zombies(tmp_path: Path) -> None:
    """Beside a wrapped command, too, an action gets the statuses of its own commands, and orphans are collected."""
    with Contained(tmp_path, "--usr1", "acts:Orphans", ";", "--", *TELL) as container:
        up(container)
        container.ready().signal(signal.SIGUSR1).expect("{7} 3", "0 zombies")
        container.signal(signal.SIGTERM).expect("SIGTERM", "")
        assert container.status() == 3


def test_the_three_steps_of_a_stop(tmp_path: Path) -> None:
    """TERM asks, the second one kills; a command that ends within its grace is not killed."""
    with Contained(tmp_path, "--", *TELL, "alone") as container:
        up(container)
        container.ready().signal(signal.SIGTERM).expect("SIGTERM").signal(signal.SIGTERM)
        container.expect_error("Killing")
        assert container.status() == 128 + signal.SIGKILL


def test_the_rest_of_the_group_has_its_grace(tmp_path: Path) -> None:
    """Process 1 does not end before the group of the command has ended, or the kernel would kill that."""
    line = f"trap 'exit 5' USR1; {' '.join(TELL)} & wait"
    with Contained(tmp_path, "--", "sh", "-c", line) as container:
        up(container)
        container.ready().signal(signal.SIGUSR1).expect("SIGTERM", "")
        assert container.status() == 5
