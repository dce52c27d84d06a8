"""Parts that plug into a run: a part for tests, in a real flagman."""

from __future__ import annotations

import json
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.config.settings import Settings
from flagman.engine.engine import Engine
from flagman.service.parts import Part, Site
from support.driven import DEADLINE, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.driven import Flagman

WITH_PART = (sys.executable, "-m", "demo")


class Client:
    """A client that sends lines to the part."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")
        self._socket.settimeout(DEADLINE)
        self._path = path

    def ask(self, line: str) -> object:
        """Send a line, and return the answer."""
        self._socket.sendto(line.encode(), str(self._path))
        answer: object = json.loads(self._socket.recv(65536))
        return answer

    def status(self) -> dict[str, object]:
        """Return what the part shows of itself."""
        status = self.ask("status")
        assert isinstance(status, dict)
        demo: dict[str, object] = status["demo"]
        return demo

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@pytest.fixture(name="client")
def _client(tmp_path: Path) -> Iterator[Client]:
    """Yield a client of the part."""
    client = Client(tmp_path / "socket")
    yield client
    client.close()


@pytest.fixture(name="parted")
def _parted(tmp_path: Path, start: Callable[..., Flagman]) -> Callable[..., Flagman]:
    """Return a function that starts flagman with the part."""

    def parted(*arguments: str, table: str = "") -> Flagman:
        write(tmp_path, table)
        return start("--config", "d.toml", *arguments, command=WITH_PART)

    return parted


def write(folder: Path, table: str = "", before: str = "") -> None:
    """Write a configuration file with the table of the part."""
    path = folder / "d.toml"
    path.write_text(f'{before}\n[demo]\nsocket = "{folder / "socket"}"\n{table}\n', encoding="utf-8")


def test_a_part_answers_while_an_action_hangs(parted: Callable[..., Flagman], client: Client, fifo: Path) -> None:
    """A part answers while an action hangs, and a flag that it raises meanwhile runs afterwards."""
    daemon = parted("--usr1", "acts:Gate", "gate", str(fifo), "--usr2", "print", "two").ready()
    daemon.expect("gate: init", "init").signal(signal.SIGUSR1).expect("gate: begin")
    assert client.ask("raise usr2") == "ok"
    assert client.status()["pid"] == daemon.process.pid
    fifo.write_text("go on\n", encoding="utf-8")
    daemon.expect("gate: end", "two")
    daemon.stop("cleanup", "gate: cleanup")


def test_the_daemon_is_ready_when_its_parts_are(parted: Callable[..., Flagman], client: Client) -> None:
    """Until its parts are ready, a daemon reports to the manager what it waits for, and already answers signals."""
    daemon = parted("--usr1", "print", "hi", table="slow = true")
    assert daemon.notified().splitlines() == ["EXTEND_TIMEOUT_USEC=15000000", "STATUS=Waiting: the word"]
    daemon.expect("init").signal(signal.SIGUSR1).expect("hi")
    assert not any("READY=1" in message for message in daemon.pending())
    client.ask("ready")
    daemon.ready()
    daemon.stop("cleanup")


def test_a_stop_before_it_is_ready(parted: Callable[..., Flagman]) -> None:
    """A stop ends a daemon while its parts are not ready yet."""
    daemon = parted("--usr1", "print", "hi", table="slow = true")
    daemon.notified()
    daemon.expect("init")
    daemon.stop("cleanup")


def test_an_action_asks_a_part(parted: Callable[..., Flagman]) -> None:
    """An action can ask a part by a name that the part offers."""
    daemon = parted("--usr1", "demo:Ask", "a", "b").ready()
    daemon.signal(signal.SIGUSR1)
    daemon.expect("a b")
    daemon.stop()


def test_what_no_part_offers(tmp_path: Path) -> None:
    """An action that needs what no part offers cannot be set up."""
    done = run("--usr1", "demo:Ask", "a", directory=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing here echoes" in done.stderr


def test_a_reload_reaches_the_parts(parted: Callable[..., Flagman], client: Client, tmp_path: Path) -> None:
    """A reload reaches all parts or none: if one cannot follow, everything stays as it was."""
    daemon = parted("--hup", "reload", "--usr1", "print", "hi").ready()
    daemon.expect("init")
    write(tmp_path, "slow = false\nforbidden = true")
    daemon.signal(signal.SIGHUP)
    daemon.expect_error("Reload failed, the old configuration stays: [demo]: this is forbidden")
    assert "slow" not in str(client.status()["table"])
    write(tmp_path, "slow = false")
    daemon.signal(signal.SIGHUP)
    daemon.ready()
    daemon.ready()
    assert "slow" in str(client.status()["table"])
    daemon.stop("cleanup")


def test_parts_learn_of_each_stop_request(parted: Callable[..., Flagman], client: Client, fifo: Path) -> None:
    """Parts learn of each stop request, also while an action hangs."""
    daemon = parted("--usr1", "acts:Gate", "gate", str(fifo)).ready()
    daemon.expect("gate: init").signal(signal.SIGUSR1).expect("gate: begin").signal(signal.SIGTERM)
    while client.status()["stops"] != [False]:
        pass
    daemon.signal(signal.SIGTERM)
    daemon.expect_error("part closed, stops: [False, True]")
    assert daemon.status() == 0


def test_a_stop_by_an_action_reaches_parts(parted: Callable[..., Flagman]) -> None:
    """Parts also learn of a stop by an action, which no signal has requested."""
    daemon = parted("--usr1", "stop").ready()
    daemon.signal(signal.SIGUSR1)
    daemon.expect_error("part closed, stops: [False]")
    assert daemon.status() == 0


def test_events_and_routes_go_from_part_to_part(parted: Callable[..., Flagman], client: Client) -> None:
    """Events and routes go from part to part, although the parts do not know each other."""
    daemon = parted("--usr1", "print", "hi").ready()
    daemon.expect("init")
    client.ask("publish renewed")
    while client.status()["events"] != [{"name": "renewed"}]:
        pass
    assert client.ask("route x") == [[200, {"a": "x"}]]
    daemon.stop("cleanup")


def test_a_log_that_is_not_read_does_not_stop_a_part(parted: Callable[..., Flagman], client: Client) -> None:
    """If the log is not read, lost records are counted, and neither the part nor the main loop waits."""
    daemon = parted("--usr1", "print", "hi").ready()
    daemon.expect("init")
    for _ in range(3):
        client.ask("log 1000")
    daemon.signal(signal.SIGUSR1)
    daemon.expect("hi")
    assert client.status()["pid"] == daemon.process.pid
    assert "record 0 x" in daemon.expect_error("record 0")
    lost = daemon.expect_error("records of the control loop are lost")
    assert int(lost.rpartition(" records")[0].rpartition(":")[2]) > 0
    daemon.stop("cleanup")


def test_a_call_that_fails_ends_nothing_else(parted: Callable[..., Flagman], client: Client) -> None:
    """A call that fails ends nothing else, but its descriptor is detached, because it would fail for ever."""
    daemon = parted("--usr1", "print", "hi").ready()
    daemon.expect("init")
    client._socket.sendto(b"fail badly", str(client._path))
    daemon.expect_error("A call of the control loop failed")
    daemon.expect_error("RuntimeError: badly")
    daemon.signal(signal.SIGUSR1)
    daemon.expect("hi")
    daemon.stop("cleanup")


def test_a_forked_child_has_none_of_its_descriptors(parted: Callable[..., Flagman], tmp_path: Path) -> None:
    """A forked child has no descriptors of the control loop, because they would keep a socket bound."""
    daemon = parted("--usr1", "demo:Fork").ready()
    links = [entry.readlink() for entry in Path(f"/proc/{daemon.process.pid}/fd").iterdir()]
    (link,) = [str(link) for link in links if is_bound(str(link), tmp_path)]
    daemon.signal(signal.SIGUSR1)
    daemon.expect("forked")
    assert link not in (tmp_path / "links").read_text(encoding="utf-8")
    daemon.stop()


def is_bound(link: str, folder: Path) -> bool:
    """Return whether this link of a descriptor leads to the part's socket, by the kernel's table."""
    inode = link.removeprefix("socket:[").removesuffix("]")
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    return any(line.split()[6:] == [inode, str(folder / "socket")] for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[demo]\nx = 1\ny = 2\n", "[demo]: key 'x': unknown"),
        ("demo = 1\n", "[demo]: it is not a table"),
        ("[demos]\nx = 1\n", "table 'demos': unknown; did you mean 'demo'?"),
    ],
)
def test_mistakes_in_the_table(text: str, message: str, tmp_path: Path) -> None:
    """Mistakes in a part's table are found before the start, all at once."""
    (tmp_path / "d.toml").write_text(text, encoding="utf-8")
    done = run("-c", "d.toml", "--usr1", "print", "x", "--check", command=WITH_PART, directory=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == (2 if "y = 2" in text else 1)


def test_the_table_is_printed(tmp_path: Path) -> None:
    """The table of a part is printed in a form that reads back."""
    write(tmp_path, "slow = true")
    done = run("-c", "d.toml", "--usr1", "print", "x", "--print-config", command=WITH_PART, directory=str(tmp_path))
    assert '["demo"]' in done.stdout or "[demo]" in done.stdout
    assert '"slow" = true' in done.stdout


def test_a_part_that_cannot_be_opened(tmp_path: Path) -> None:
    """If a part cannot be opened, nothing starts."""
    write(tmp_path, "broken = true")
    done = run("-c", "d.toml", "--usr1", "print", "x", command=WITH_PART, directory=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "flagman: error: the part is broken"


def test_parts_are_closed_in_reverse() -> None:
    """All opened parts are closed in reverse order, even if one fails, and the thread ends."""
    steps: list[str] = []

    class Note(Part):
        name = ""

        def open(self, site: Site) -> None:
            steps.append(f"open {self.name}")
            assert not site.loop.thread, "the thread is started last"

        def close(self) -> None:
            steps.append(f"close {self.name}")

    parts = [Note(), Note()]
    for number, part in enumerate(parts):
        part.name = str(number)
    with Engine() as engine:
        site = Site(engine, Settings(), parts)
        with ExitStack() as stack:
            site.open(stack)
            assert site.loop.thread
            assert site.unready() == []
            assert (site.snapshot(), site.routes()) == ({}, {})
        assert steps == ["open 0", "open 1", "close 1", "close 0"]
