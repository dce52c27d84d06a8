"""A storm over the processes of a real flagman: deaths by the hundred while the system is short of everything."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.driven import descriptors, settle, wait_for
from support.guards import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.processes import Kept

    Keep = Callable[..., Kept]

#: The number of deaths; more of them take longer.
DEATHS = int(os.environ.get("TESTS_PROCESS_DEATHS", "120"))
COUNT = 50
# One start a second at most, also after many deaths: otherwise a thousand deaths would take an hour.
TABLE = {"command": ["sleep", "1000"], "restart-max-delay": "1s"}
NAMES = [f"p{number}" for number in range(COUNT)]


class Storm:
    """Kills processes of a daemon, and counts."""

    def __init__(self, daemon: Kept, seed: int) -> None:
        self.daemon = daemon
        self.random = random.Random(seed)
        #: The numbers of those that were killed.
        self.killed: set[int] = set()

    def leaders(self) -> list[int]:
        """Return those that run by now."""
        return [each["pid"] for each in self.daemon.all().values() if each["pid"] and each["state"] == "ready"]

    def kill(self, count: int) -> None:
        """Kill some of those that run, each a process that was not killed before."""
        left = count
        while left:
            victims = [pid for pid in self.leaders() if pid not in self.killed and state(pid)]
            for pid in self.random.sample(victims, min(left, len(victims), self.random.randint(1, COUNT))):
                os.kill(pid, signal.SIGKILL)
                self.killed.add(pid)
                left -= 1
            if not victims:
                time.sleep(0.02)

    def settle(self) -> dict[str, dict[str, Any]]:
        """Wait until all are ready again, and none of those that were killed is among them; return all."""
        shown: dict[str, dict[str, Any]] = {}

        def is_calm() -> bool:
            shown.update(self.daemon.all())
            return all(each["ready"] and each["pid"] not in self.killed for each in shown.values())

        wait_for(is_calm)
        return shown

    def check(self) -> None:
        """The books balance: starts are deaths and the living, each process runs once, and none is an orphan."""
        shown = self.settle()
        pids = [each["pid"] for each in shown.values()]
        assert len(set(pids)) == COUNT
        starts = sum(each["instance"] for each in shown.values())
        deaths = sum(sum(each["deaths"].values()) for each in shown.values())
        assert starts == deaths + COUNT
        signals = sum(each["deaths"]["signal"] for each in shown.values())
        assert signals == len(self.killed)
        assert all(each["restarts"] == sum(each["deaths"].values()) for each in shown.values())
        running = {
            pid for pid in self.daemon.left() if Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "sleep\n"
        }
        assert running == set(pids)


def memory(pid: int) -> int:
    """Return the anonymous memory of a process, in KiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("\nRssAnon:")[2].split()[0])


def start(keep: Keep, *words: str) -> Kept:
    """Start a flagman with fifty processes; its log goes to a file, so that nothing waits for a reader."""
    return keep(dict.fromkeys(NAMES, TABLE), *words, prefix=["sh", "-c", 'exec "$@" 2>log', "sh"]).ready()


def log_of(daemon: Kept) -> str:
    """Return its log."""
    return (daemon.directory / "log").read_text(encoding="utf-8")


def test_a_storm(keep: Keep) -> None:
    """Random deaths, while flagman is stopped now and then: all come back, nothing is lost, and nothing grows."""
    daemon = start(keep)
    storm = Storm(daemon, seed=DEATHS)
    storm.kill(DEATHS // 4)
    storm.check()
    files, size = len(descriptors(daemon.process.pid)), memory(daemon.process.pid)
    while len(storm.killed) < DEATHS:
        if storm.random.random() < 0.5:
            victims = [pid for pid in storm.leaders() if pid not in storm.killed]
            daemon.signal(signal.SIGSTOP)
            wait_for(lambda: state(daemon.process.pid) == "T")
            chosen = storm.random.sample(victims, min(len(victims), 10, DEATHS - len(storm.killed)))
            for pid in chosen:
                if state(pid):
                    os.kill(pid, signal.SIGKILL)
                    storm.killed.add(pid)
            daemon.signal(signal.SIGCONT)
        else:
            storm.kill(min(10, DEATHS - len(storm.killed)))
    storm.check()
    wait_for(lambda: len(descriptors(daemon.process.pid)) <= files)
    print(f"{len(storm.killed)} deaths, {files} descriptors, {size} KiB before, {memory(daemon.process.pid)} KiB after")
    # What is used for a while, such as a look at all processes, is not given back at once.
    assert memory(daemon.process.pid) < size + 6144
    daemon.signal(signal.SIGTERM).expect("")
    assert (daemon.status(), daemon.left()) == (0, [])
    assert "The control loop has failed" not in log_of(daemon)


def pidfds(pid: int) -> dict[int, int]:
    """Return the processes that a process watches, by the numbers of its descriptors."""
    found = {}
    for number, target in descriptors(pid).items():
        if target == "anon_inode:[pidfd]":
            text = Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii")
            found[int(number)] = int(text.partition("\nPid:")[2].split()[0])
    return found


def test_too_many_files(keep: Keep) -> None:
    """When there is no descriptor left, deaths are noticed all the same; all come back when there is one again."""
    daemon = start(keep, "-v")
    storm = Storm(daemon, seed=1)
    pid = daemon.process.pid
    files = len(descriptors(pid))
    watched = pidfds(pid)
    value = sorted(watched)[-3]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        while not set(map(str, range(value))) <= set(descriptors(pid)):  # each connection takes a free one
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(daemon.control))
            settle(pid)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (value, before[1]))
        for number, victim in watched.items():
            if number >= value:
                os.kill(victim, signal.SIGKILL)
                storm.killed.add(victim)
        wait_for(
            lambda: log_of(daemon).count("has ended; the rest of its process group") + log_of(daemon).count("Too many")
        )
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    storm.check()
    wait_for(lambda: len(descriptors(pid)) <= files)
    daemon.signal(signal.SIGTERM).expect("")
    assert (daemon.status(), daemon.left()) == (0, [])
    assert "The control loop has failed" not in log_of(daemon)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user, and only that one has a limit")
def test_too_many_processes(keep: Keep, open_path: Path) -> None:
    """A start that fails because the user has too many is a failed start; all come back when there may be more."""
    daemon = start(keep, "--user", "nobody")
    storm = Storm(daemon, seed=1)
    pid = daemon.process.pid
    victims = storm.random.sample(storm.leaders(), 10)
    limit_processes(pid, "1", open_path)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
        storm.killed.add(victim)
    text = "Resource temporarily unavailable"  # the log may have no thread to be written in
    wait_for(lambda: any(text in each["text"] for each in daemon.all().values()))
    before = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    limit_processes(pid, "unlimited" if before == resource.RLIM_INFINITY else str(before), open_path)
    storm.check()
    daemon.signal(signal.SIGTERM).expect("")
    assert (daemon.status(), daemon.left()) == (0, [])
    assert "The control loop has failed" not in log_of(daemon)


def limit_processes(pid: int, value: str, directory: Path) -> None:
    """Set the soft limit of the processes of a user; only the user may do that in a container."""
    words = ["prlimit", f"--nproc={value}:", "--pid", str(pid)]
    subprocess.run(words, user="nobody", group="nogroup", extra_groups=(), cwd=directory, check=True)
