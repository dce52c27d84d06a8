"""Parts that plug into a run: a part for tests, in a real flagman."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.config.settings import Settings
from flagman.engine.engine import Engine
from flagman.service.assembly import Assembly
from flagman.service.parts import Part, Site
from flagman.service.status import Status
from flagman.testing import FakeTime
from support.driven import DEADLINE, descriptors, run, settle, wait_for
from support.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.driven import Flagman

WITH_PART = (sys.executable, "-m", "demo")


class Quiet(Part):
    """A part that does nothing."""


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
    assert client.ask("raise usr2") is None
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
    daemon.expect("gate: init").signal(signal.SIGUSR1).expect("gate: begin")
    settle(daemon.process.pid)
    daemon.signal(signal.SIGTERM)
    wait_for(lambda: client.status()["stops"] == [False])
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
    wait_for(lambda: client.status()["events"] == [{"name": "renewed"}])
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
    # The count is written with the next record, and that is the first one if the log's thread has begun late.
    said = [daemon.expect_error("record") for _ in range(2)]
    while not any(" are lost" in line for line in said):
        said.append(daemon.expect_error("record"))
    (lost,) = (line for line in said if " are lost" in line)
    assert int(lost.rpartition(" records")[0].rpartition(":")[2]) > 0
    assert "record 0 x" in "".join(said[:2])
    daemon.stop("cleanup")


def test_a_call_that_fails_ends_nothing_else(parted: Callable[..., Flagman], client: Client) -> None:
    """A call that fails ends nothing else, but its descriptor is detached, because it would fail for ever."""
    daemon = parted("--usr1", "print", "hi").ready()
    daemon.expect("init")
    client._socket.sendto(b"fail badly", str(client._path))
    daemon.expect_error("A call for descriptor")
    daemon.expect_error("ValueError: ")
    daemon.signal(signal.SIGUSR1)
    daemon.expect("hi")
    daemon.stop("cleanup")


def test_a_forked_child_has_none_of_its_descriptors(parted: Callable[..., Flagman], tmp_path: Path) -> None:
    """A forked child has no descriptors of the control loop, because they would keep a socket bound."""
    daemon = parted("--usr1", "demo:Fork").ready()
    (link,) = [link for link in descriptors(daemon.process.pid).values() if is_bound(link, tmp_path)]
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
    assert "\n\n[demo]\nsocket = " in done.stdout
    assert "\nslow = true\n" in done.stdout


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
        site = Site(engine, Settings(), parts, (), Status(engine, Assembly(engine, Settings()), "", dict))
        with ExitStack() as stack:
            site.open(stack)
            assert site.loop.thread
            assert site.unready() == []
            assert (site.snapshot(), site.routes()) == ({}, {})
        assert steps == ["open 0", "open 1", "close 1", "close 0"]


def test_a_reload_does_not_make_an_unready_daemon_ready(
    parted: Callable[..., Flagman], client: Client, tmp_path: Path
) -> None:
    """A daemon that waits for a part still waits after a reload."""
    daemon = parted("--hup", "reload", "--usr1", "print", "hi", "-v", table="slow = true")
    daemon.notified()
    daemon.signal(signal.SIGHUP)
    daemon.expect_error("Reloaded")
    client.status()
    assert not any("READY=1" in message for message in daemon.pending())
    client.ask("ready")
    daemon.ready()
    write(tmp_path)
    daemon.stop("init", "cleanup")


def test_a_table_cannot_come_or_go_in_a_reload(parted: Callable[..., Flagman], tmp_path: Path) -> None:
    """A part is opened at a start, so a reload that would need another one is refused."""
    daemon = parted("--hup", "reload", "--usr1", "stop").ready()
    (tmp_path / "d.toml").write_text("", encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    daemon.expect_error("old configuration stays: [demo]: to add or remove such a table, restart flagman")
    daemon.signal(signal.SIGUSR1)
    assert daemon.status() == 0


def test_the_whole_configuration_is_checked_by_its_parts(tmp_path: Path) -> None:
    """A part may refuse settings that do not go together, before anything starts."""
    write(tmp_path, "slow = true\nbroken = true")
    for words in ([], ["--check"]):
        done = run("-c", "d.toml", "--usr1", "print", "x", *words, command=WITH_PART, directory=str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert "[demo]: it cannot be both" in done.stderr


def test_the_actions_of_a_stop_signal_come_before_the_parts(
    parted: Callable[..., Flagman], client: Client, fifo: Path
) -> None:
    """An action that is bound to TERM runs while the parts still work; a second TERM does not wait for it."""
    daemon = parted("--signal", "TERM", "acts:Gate", "gate", str(fifo)).ready()
    daemon.expect("gate: init").signal(signal.SIGTERM).expect("gate: begin")
    assert client.status()["stops"] == []
    settle(daemon.process.pid)
    daemon.signal(signal.SIGTERM)
    daemon.expect_error("part closed, stops: [False, True]")
    assert daemon.status() == 0


def test_a_good_stop_logs_no_error(parted: Callable[..., Flagman]) -> None:
    """The descriptor of a part is detached before it is closed."""
    daemon = parted("--usr1", "print", "hi").ready()
    daemon.expect("init").stop("cleanup")
    said = daemon.err.rest()
    assert said[-1].endswith("part closed, stops: [False]")
    assert not any(line.startswith("ERROR") for line in said)


@pytest.mark.parametrize("size", [100, 70_000])
def test_an_unread_log_does_not_delay_the_end(size: int, parted: Callable[..., Flagman], client: Client) -> None:
    """Records that nothing reads are given up soon after the stop, also in the middle of a long line."""
    daemon = parted("--usr1", "print", "hi", "--stop-timeout", "1000s", table="quiet = true").ready()
    client.ask(f"long {size}")
    daemon.expect("init").stop("cleanup")


def test_a_foreign_handler_that_hangs_does_not_delay_the_end(
    client: Client, tmp_path: Path, start: Callable[..., Flagman], fifo: Path
) -> None:
    """A handler of the table [logging] that is stuck with a record of the control loop is left behind."""
    reader = os.open(fifo, os.O_RDWR)  # or to open the handler's file would wait
    lines = [
        "[logging]\nversion = 1",
        f'[logging.handlers.fifo]\nclass = "logging.FileHandler"\nfilename = "{fifo}"\nmode = "w"',
        '[logging.loggers.demo]\nhandlers = ["fifo"]\npropagate = false',
    ]
    write(tmp_path, "quiet = true", "\n".join(lines))
    words = ("--config", "d.toml", "--usr1", "print", "hi", "--stop-timeout", "1000s")
    daemon = start(*words, command=WITH_PART).ready()
    client.ask("long 70000")
    daemon.expect("init").stop("cleanup")
    os.close(reader)


def test_a_log_that_is_not_read_does_not_starve_another(
    client: Client, tmp_path: Path, start: Callable[..., Flagman]
) -> None:
    """Each handler has its own queue."""
    lines = [
        "[logging]\nversion = 1",
        f'[logging.handlers.file]\nclass = "logging.FileHandler"\nfilename = "{tmp_path / "log"}"',
        '[logging.loggers.demo]\nhandlers = ["file"]',
    ]
    write(tmp_path, "", "\n".join(lines))
    daemon = start("--config", "d.toml", "--usr1", "print", "hi", command=WITH_PART).ready()
    client.ask("log 500")
    wait_for(lambda: (tmp_path / "log").read_text(encoding="utf-8").count("\n") == 500)
    daemon.expect("init").stop("cleanup")


def opened(parts: list[Part], engine: Engine) -> tuple[Site, ExitStack]:
    """Open parts, and return their site and what closes them."""
    site, stack = (
        Site(engine, Settings(), parts, (), Status(engine, Assembly(engine, Settings()), "", dict)),
        ExitStack(),
    )
    site.open(stack)
    return site, stack


def test_a_part_that_fails_to_stop_does_not_hide_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    """Every part learns of a stop, whatever another one raises."""
    stops: list[bool] = []

    class Bad(Part):
        def stop(self, *, insists: bool) -> None:
            raise RuntimeError(insists)

    class Good(Part):
        def stop(self, *, insists: bool) -> None:
            stops.append(insists)

    with Engine() as engine:
        _, stack = opened([Bad(), Good()], engine)
        stack.close()
    assert stops == [False]
    assert "Bad has not begun to stop" in caplog.messages


def test_a_part_that_cannot_say_whether_it_is_ready_is_not() -> None:
    """The error is the reason that is shown."""

    class Bad(Part):
        def unready(self) -> list[str]:
            raise RuntimeError("no idea")

    with Engine() as engine:
        site, stack = opened([Bad(), Quiet()], engine)
        assert site.unready() == ["Bad (no idea)"]
        stack.close()


def test_the_control_loop_is_asked_for_in_time() -> None:
    """A part that asks for the loop after it was opened has made a mistake; events without a loop go nowhere."""
    with Engine() as engine:
        site, stack = opened([Quiet()], engine)
        with pytest.raises(RuntimeError, match="when it is opened"):
            repr(site.loop)
        site.changes.publish({})
        stack.close()


def test_changes_do_not_multiply() -> None:
    """However often a part says that it has changed, there is one next look."""
    looks: list[int] = []
    time = FakeTime()
    with Engine(clock=time, wait=time.wait) as engine:
        engine.set_up("usr1", Recorder, "x")
        site, stack = opened([Quiet()], engine)

        def look() -> None:
            looks.append(1)
            site.changes.wait(look, 5.0)

        time.on_end, time.end = engine.stop, time.now + 1
        site.changes.wait(look, 5.0)
        for _ in range(20):
            site.changes.report()
        engine.run()
        assert 1 <= len(looks) <= 20
        count, time.end = len(looks), time.now + 11
        engine.run()
        assert len(looks) - count == 2
        stack.close()


def test_nothing_reaches_a_part_that_is_closed() -> None:
    """A second stop signal that comes while the parts are closed is not for them any more."""
    steps: list[str] = []

    class Late(Part):
        def open(self, site: Site) -> None:
            self._site = site
            repr(site.loop)

        def stop(self, *, insists: bool) -> None:
            steps.append(f"stop {insists}")

        def close(self) -> None:
            steps.append("close")
            self._site.engine.interrupter.interrupt("a second stop signal arrived")
            self._site.wake()
            self._site.loop.settle(DEADLINE)

    with Engine() as engine:
        _, stack = opened([Late()], engine)
        stack.close()
    assert steps == ["stop False", "close"]
