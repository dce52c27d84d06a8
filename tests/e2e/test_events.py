"""The stream of events of real daemons: complete, in order, and indifferent to what its readers do."""

from __future__ import annotations

import os
import re
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.driven import DEADLINE, descriptors, flooded, settle, wait_for
from support.following import Following, apply, differences
from support.processes import DEAF, SLEEPS, python, shell
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.driven import Flagman
    from support.processes import Kept

    Start = Callable[..., Flagman]
    Keep = Callable[..., Kept]

HUP, USR1, USR2, TERM = signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM


class Readers:
    """Readers of one daemon, which end with the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._all: list[Following] = []

    def __call__(self, since: str = "", **options: Any) -> Following:  # noqa: ANN401 - those of Following
        """Begin to read: the snapshot, if nothing else is said, after which nothing is missed."""
        reader = Following(self.path, since, **options)
        self._all.append(reader)
        assert reader.head() == 200
        if not since and "head" not in options:
            assert reader.next()
            assert reader.kinds == ["snapshot"]
        return reader

    def status(self) -> dict[str, Any]:
        """Return the status."""
        shown: dict[str, Any] = request(self.path, "GET", "/status")[1]
        return shown

    def agree(self, reader: Following) -> None:
        """Hold the law: when nothing happens, what the reader knows is the status."""
        status = self.status()
        while reader.events[-1]["id"] < status["events_last_id"]:
            assert reader.next()
        assert list(differences(reader.status, status)) == []

    def close(self) -> None:
        """End all of them."""
        for reader in self._all:
            reader.close()


@pytest.fixture(name="readers")
def _readers(tmp_path: Path) -> Iterator[Readers]:
    readers = Readers(tmp_path / "control.sock")
    yield readers
    readers.close()


def begin(start: Start, *words: str) -> Flagman:
    """Start a daemon with a control socket."""
    return start("--control", "control.sock", *words).ready()


def switches(pid: int) -> int:
    """Return how often the threads of a process have been given the processor."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += sum(map(int, re.findall(r"ctxt_switches:\t(\d+)", (task / "status").read_text(encoding="ascii"))))
    return found


def memory(pid: int) -> int:
    """Return the private memory of a process, in KiB."""
    match = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert match
    return int(match[1])


def test_the_first_event_is_the_status(start: Start, readers: Readers) -> None:
    """It has all that /status has; then come the changes."""
    daemon = begin(start, "--usr1", "print", "hello").expect("init")
    reader = readers()
    assert not list(differences(reader.status, readers.status()))
    daemon.signal(USR1).expect("hello")
    run = reader.until("run")
    assert not list(differences(run["run"], request(readers.path, "GET", "/history")[1]["runs"][0]))
    readers.agree(reader)
    daemon.signal(TERM).expect("cleanup")
    assert reader.rest() == ["stopping"]
    assert daemon.process.wait(DEADLINE) == 0


FILE = """
[flagman]
control = "control.sock"
[[on]]
signal = "usr1"
action = "sh"
args = ["exit 3"]
[[on]]
signal = "hup"
action = "reload"
"""
MORE = """
[[on]]
signal = "usr2"
debounce = "1h"
action = "print"
args = ["held"]
"""


def test_runs_holds_and_reloads(start: Start, readers: Readers, tmp_path: Path) -> None:
    """Failures, what is held, and reloads that fail, or have other bindings, are told completely."""
    config = tmp_path / "c.toml"
    config.write_text(FILE, encoding="utf-8")
    daemon = start("--config", "c.toml").ready()
    reader = readers()
    daemon.signal(USR1)
    assert reader.until("run")["run"]["error"].endswith("exited with status 3")
    readers.agree(reader)
    config.write_text("broken", encoding="utf-8")
    daemon.signal(HUP)
    reader.until("reload-failed")
    assert not reader.status["config"]["ok"]
    readers.agree(reader)
    config.write_text(FILE + MORE, encoding="utf-8")
    daemon.signal(HUP).expect("init")
    reloaded = reader.until("reloaded")
    assert [len(reloaded["reload"][what]) for what in ("kept", "added", "removed")] == [2, 1, 0]
    assert [flag["name"] for flag in reader.status["flags"]] == ["usr1", "hup", "usr2~1h"]
    readers.agree(reader)
    daemon.signal(USR2)
    assert reader.until("held")["name"] == "usr2~1h"
    readers.agree(reader)
    assert reader.status["flags"][2]["held"] == 1
    config.write_text(FILE, encoding="utf-8")
    daemon.signal(HUP).expect("cleanup")
    reader.until("reloaded")
    readers.agree(reader)
    daemon.signal(TERM)
    assert reader.rest()[-1] == "stopping"


def test_processes(keep: Keep, readers: Readers) -> None:
    """Starts, ends, wishes, waits, back-off, and a reload with other processes are told completely."""
    processes: dict[str, dict[str, object]] = {
        "db": {"command": SLEEPS},
        "web": {"command": SLEEPS, "after": ["db"]},
        "bad": {"command": shell("exit 3"), "optional": True, "restart": "on-failure"},
        "job": {"command": shell("exit 4"), "optional": True, "restart": "never"},
    }
    daemon = keep(processes, text='[[on]]\nsignal = "hup"\naction = "reload"\n').served()
    reader = readers()

    def until(name: str, state: str) -> None:
        def is_so() -> bool:
            return state in [each["state"] for each in reader.status.get("processes", ()) if each["name"] == name]

        while not is_so():
            assert reader.next()

    def agree() -> None:
        # The process in back-off starts again and again.
        found: list[str] = []
        bad = [each for each in reader.status["processes"] if each["name"] == "bad"]
        for _ in range(100):
            status = readers.status()
            while reader.events[-1]["id"] < status["events_last_id"]:
                assert reader.next()
            found = list(differences(reader.status, status))
            if not found or not bad:
                break
        assert not found

    until("web", "ready")
    until("job", "failed")
    until("bad", "backoff")
    agree()
    os.kill(daemon.pid("db"), signal.SIGKILL)
    died = reader.until(
        "process", lambda event: (event["process"]["process"], event["process"]["event"]) == ("db", "exit")
    )
    assert died["process"]["status"] == "SIGKILL"
    until("db", "ready")
    agree()
    daemon.does("stop", "db")
    until("db", "stopped")
    agree()
    del processes["bad"]
    daemon.reload({**processes, "mail": {"command": SLEEPS}})
    until("mail", "ready")
    reader.until("processes")
    while "bad" in [each["name"] for each in reader.status["processes"]]:
        assert reader.next()
    agree()
    daemon.does("start", "db")
    until("db", "ready")
    agree()
    daemon.signal(TERM)
    assert "stopping" in reader.rest()


def test_going_on(start: Start, readers: Readers) -> None:
    """A reader that comes back gets exactly what has followed; one of another run of the daemon gets a snapshot."""
    daemon = begin(start, "--usr1", "print", "x").expect("init")
    first = readers()
    for _ in range(3):
        daemon.signal(USR1).expect("x")
        first.until("run")
    for number, event in enumerate(first.events):
        status: dict[str, Any] = {}
        apply(status, first.events[0])
        for words in ({"since": event["since"]}, {"head": f"Last-Event-ID: {event['since']}\r\n"}):
            again = readers(status=status, **words)
            for following in first.events[number + 1 :]:
                assert again.next() == following
    other = readers("123abc-5")
    assert other.next()
    assert other.kinds == ["snapshot"]
    for target in ("/events?since=x", "/events?since=1-", "/events?after=1"):
        assert request(readers.path, "GET", target)[0] == 400
    daemon.stop("cleanup")


def test_only_the_head(start: Start, readers: Readers) -> None:
    """HEAD has the head of the stream, and ends."""
    daemon = begin(start, "--usr1", "print", "x").expect("init")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(readers.path))
        client.sendall(b"HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"Content-Type: text/event-stream\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    daemon.stop("cleanup")


def test_a_reader_that_stalls(start: Start, readers: Readers) -> None:
    """The others get everything, the memory of the daemon stays as it is, and the one that stalls is told."""
    daemon = begin(start, "--usr1", "print", "x" * 400, "--usr1", "print", "y" * 400).expect("init", "init")
    stalled, reader = readers(room=2048), readers()

    def runs(number: int) -> None:
        for _ in range(number):
            daemon.signal(USR1).expect("x" * 400, "y" * 400)
            reader.until("run")

    runs(600)
    before = memory(daemon.process.pid)
    runs(600)
    assert memory(daemon.process.pid) < before + 4 * 1024
    assert reader.kinds.count("run") == 1200
    # On a slow machine it has been closed before that, because it has taken nothing for 30 seconds.
    assert stalled.rest()[-1] == "lost" or stalled.kinds.count("run") < 1200
    readers.agree(reader)
    daemon.stop("cleanup", "cleanup")


def test_as_many_readers_as_there_are_places(start: Start, readers: Readers) -> None:
    """Readers take no places of others; one more is told that there is none left; all get everything."""
    daemon = begin(start, "--usr1", "print", "x").expect("init")
    all_of_them = [readers() for _ in range(256)]
    status, refused = request(readers.path, "GET", "/events")
    assert (status, refused["error"]["code"]) == (503, "too-many-connections")
    daemon.signal(USR1).expect("x")
    for reader in all_of_them:
        reader.until("run")
    readers.agree(all_of_them[-1])
    for reader in all_of_them[:128]:
        reader.close()
    wait_for(lambda: sum(link.startswith("socket:") for link in descriptors(daemon.process.pid).values()) < 140)
    daemon.signal(USR1).expect("x")
    for reader in all_of_them[128:]:
        reader.until("run")
    daemon.stop("cleanup")
    assert {reader.rest()[-1] for reader in all_of_them[128:]} == {"stopping"}


def test_a_reader_that_ends_its_half(start: Start, readers: Readers) -> None:
    """It still gets the events, as the answer that it waits for. What it has sent is not read as a request."""
    daemon = begin(start, "--usr1", "print", "x").expect("init")
    reader = readers()
    reader.socket.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reader.socket.shutdown(socket.SHUT_WR)
    daemon.signal(USR1).expect("x")
    while reader.kinds[-1] != "run":
        assert reader.next() is not None
    daemon.stop("cleanup")


def test_a_storm_of_signals(start: Start, readers: Readers) -> None:
    """A reader is told everything, or that something is lost; a new snapshot is the status."""
    daemon = begin(start, "--overlap", "rerun", "--usr1", "acts:Counter", "storm", "--usr2", "print", "x").expect(
        "init"
    )
    reader = readers()
    with flooded(daemon, USR1):
        for _ in range(1000):
            if reader.next() is None:
                assert reader.kinds[-1] == "lost"
                reader = readers()
    daemon.signal(USR2).expect("x")
    after = readers()
    wait_for(lambda: readers.status()["state"] == "idle")
    readers.agree(after)
    daemon.signal(TERM)


def test_an_idle_reader_costs_nothing(start: Start, readers: Readers) -> None:
    """Nothing wakes a daemon with a reader, if nothing happens."""
    daemon = begin(start, "--usr1", "print", "x").expect("init")
    reader = readers()
    daemon.signal(USR1).expect("x")
    reader.until("run")
    settle(daemon.process.pid)
    before = switches(daemon.process.pid)
    reader.socket.settimeout(2)
    with suppress(TimeoutError):
        reader.socket.recv(1)
    assert switches(daemon.process.pid) == before
    daemon.stop("cleanup")


def test_an_action_that_forks_does_not_hold_the_stream(start: Start, readers: Readers) -> None:
    """The child has no connection: when the daemon has ended, the stream has."""
    daemon = begin(start, "--usr1", "acts:ForksOff")
    reader = readers()
    daemon.signal(USR1)
    child = int(daemon.out.next().removeprefix("child "))
    try:
        reader.until("run")
        daemon.signal(TERM)
        assert reader.rest() == ["stopping"]
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_stop_that_takes_long(keep: Keep, readers: Readers) -> None:
    """Readers are told what happens until the very end."""
    daemon = keep({"deaf": {"command": python(DEAF, "deaf"), "output": "inherit", "graceful-time": "0.2s"}})
    daemon.expect("deaf up")
    daemon.until("deaf", state="ready")
    reader = readers()
    daemon.signal(TERM)
    assert "stopping" in reader.rest()
    assert [each["state"] for each in reader.status["processes"]] == ["stopped"]
