"""overlap = "restart": a raise during a run interrupts it, and the bundle runs anew, once for all raises."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from flagman import Action, Engine
from flagman.engine.choices import Choices
from flagman.engine.turn import Outcome
from flagman.exceptions import ActionRestarted
from support.driven import run, settle, wait_for
from support.recorder import JOURNAL, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

USR1, USR2, HUP, TERM = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM

RESTART = ("--overlap", "restart")
# Says when it begins, waits for a line in a FIFO, and ends.
SLOW = "echo begun; read line <{fifo}; echo done"


@pytest.fixture(autouse=True)
def _journal() -> Iterator[None]:
    JOURNAL.clear()
    yield
    Recorder.during_run = None


def test_a_signal_restarts_a_command(start: Start, fifo: Path) -> None:
    """A signal ends the command and its group, later actions do not run, and the bundle begins anew."""
    daemon = start("-v", *RESTART, "--usr1", "sh", SLOW.format(fifo=fifo), "--usr1", "print", "next").ready()
    daemon.expect("init").signal(USR1).expect("begun")
    for _ in range(3):
        daemon.signal(USR1).expect_error(": interrupted after ")
        daemon.expect("begun")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("done", "next")
    daemon.expect_error("succeeded in ")
    settle(daemon.process.pid)
    daemon.stop("cleanup")
    rest = daemon.err.rest()
    assert not [line for line in rest if "failed" in line or "WARNING" in line]


def test_many_signals_restart_it_once(start: Start, fifo: Path) -> None:
    """Signals that come while the command is being ended lead to one new run."""
    stubborn = f"trap 'echo ending; read line <{fifo}; exit' TERM; echo begun; while :; do sleep 0.01; done"
    daemon = start("-v", *RESTART, "--stop-timeout", "0", "--usr1", "sh", stubborn).ready().signal(USR1).expect("begun")
    daemon.signal(USR1).expect("ending")
    for _ in range(5):
        daemon.signal(USR1)
    settle(daemon.process.pid)
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect_error(": interrupted after ")
    daemon.expect("begun").signal(TERM).expect("ending")
    fifo.write_text("go\n", encoding="ascii")
    assert daemon.status() == 0
    assert daemon.out.rest() == []


def test_http_and_python_are_restarted_too(start: Start, fifo: Path) -> None:
    """Code that hangs in a system call is interrupted; a failure before it does not count twice."""
    daemon = start(*RESTART, "--max-failures", "1", "--hup", "acts:Gate", "gate", str(fifo)).ready().signal(HUP)
    daemon.expect("gate: init", "gate: begin").signal(HUP).expect("gate: begin")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("gate: end").stop("gate: cleanup")


def test_a_stop_comes_first(start: Start, fifo: Path) -> None:
    """After TERM a signal interrupts nothing, and it is named as dropped."""
    daemon = start(*RESTART, "--usr1", "sh", SLOW.format(fifo=fifo)).ready().signal(USR1).expect("begun")
    daemon.signal(TERM)
    settle(daemon.process.pid)
    daemon.signal(USR1)
    settle(daemon.process.pid)
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("done", "")
    assert daemon.status() == 0
    daemon.expect_error("WARNING:flagman.core:Stopping; `usr1` is not lowered any more (raises: 1)")


def test_a_file_restarts_a_command(start: Start, tmp_path: Path, fifo: Path) -> None:
    """A change of the file during the run ends the command; what concerns other files does not."""
    watched = tmp_path / "watched"
    watched.write_text("0", encoding="ascii")
    daemon = start(*RESTART, "-v", "--on-file", str(watched), "sh", SLOW.format(fifo=fifo)).ready()
    watched.write_text("1", encoding="ascii")
    daemon.expect("begun")
    for number in range(2, 4):
        (tmp_path / f"other{number}").write_text("x", encoding="ascii")
        temporary = tmp_path / "new"
        temporary.write_text(str(number), encoding="ascii")
        temporary.replace(watched)
        daemon.expect_error(": interrupted after ")
        daemon.expect("begun")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("done").stop("")


def test_once_waits_for_a_whole_run(start: Start, fifo: Path) -> None:
    """With --once an interrupted run is not the one that counts."""
    daemon = start(*RESTART, "--once", "--usr1", "sh", SLOW.format(fifo=fifo)).ready().signal(USR1).expect("begun")
    daemon.signal(USR1).expect("begun")
    fifo.write_text("go\n", encoding="ascii")
    daemon.expect("done", "")
    assert daemon.status() == 0


def test_mistakes(tmp_path: Path) -> None:
    """It has to hold for all bindings of a flag, and a timer cannot have it; with the option, timers ignore it."""
    path = tmp_path / "c.toml"
    one = '[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["x"]\n'
    tick = '[[on]]\nevery = "5m"\naction = "print"\nargs = ["x"]\n'
    own = 'overlap = "restart"\n'
    for text, message in (
        (one + own + one, 'usr1: overlap = "restart" has to stand in all of its bindings, or in none'),
        (tick + own, 'every-5m: overlap = "restart" is not for timers'),
    ):
        path.write_text(text, encoding="utf-8")
        done = run("-c", str(path), "--check")
        assert (done.returncode, done.stderr) == (2, f"flagman: error: {message}\n")
    path.write_text(one + own + one + own + tick, encoding="utf-8")
    assert run("-c", str(path), "--check").returncode == 0
    assert run("--overlap", "restart", "--check", "--usr1", "print", "x", "--every", "5m", "print", "x").returncode == 0


def raised_during_run(engine: Engine, send: Callable[[], object], times: int = 1) -> Callable[[str], object]:
    """Return what a run does: the first few times it is asked for again while it sleeps."""
    left = [times]

    def code(_: str) -> None:
        if left[0]:
            left[0] -= 1
            send()
            time.sleep(1000)
        engine.stop()

    return code


@pytest.mark.parametrize("sender", ["signal", "thread", "itself"])
def test_all_that_raises_its_flag(sender: str, caplog: pytest.LogCaptureFixture) -> None:
    """A signal, another thread and the action itself interrupt a run; it counts neither as success nor as failure."""
    caplog.set_level(logging.INFO)
    threads: list[threading.Thread] = []
    with Engine(overlap="restart", on_error="exit") as engine:
        engine.set_up("usr1", Recorder, "a")
        engine.set_up("usr1", Recorder, "b")
        engine.arm([USR1])
        sends = {
            "signal": lambda: os.kill(os.getpid(), USR1),
            "thread": lambda: threads[0].start(),  # noqa: PLW0108 - it is not there yet
            "itself": lambda: engine.raise_flag("usr1"),
        }
        threads.append(threading.Thread(target=engine.raise_flag, args=("usr1",)))
        Recorder.during_run = raised_during_run(engine, sends[sender])
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.STOPPED
    assert [line for line in JOURNAL if line.startswith("run")] == ["run a", "run a"]
    interrupted = [record for record in caplog.records if "interrupted after" in record.message]
    assert [record.levelno for record in interrupted] == [logging.INFO]


class Careless(Action):
    """Swallows what would end it, and returns."""

    seen: ClassVar[list[BaseException]] = []

    def run(self) -> None:
        """Sleep, or go on."""
        try:
            if not self.seen:
                os.kill(os.getpid(), USR1)
                time.sleep(1000)
        except BaseException as error:  # noqa: BLE001 - as careless code does
            self.seen.append(error)
            return
        self.engine.stop()


def test_code_that_swallows_the_exception_runs_anew() -> None:
    """An action that swallows the exception has succeeded; those after it wait for the new run."""
    with Engine(overlap="restart") as engine:
        engine.set_up("usr1", Careless)
        engine.set_up("usr1", Recorder, "after")
        engine.arm([USR1])
        engine.raise_flag("usr1")
        engine.run()
    assert [type(error) for error in Careless.seen] == [ActionRestarted]
    assert "run after" not in JOURNAL


def test_a_storm_loses_no_signal(start: Start, tmp_path: Path) -> None:
    """After the last of many signals, from several processes, a whole run begins."""
    log = tmp_path / "runs"
    code = f"echo begin $(cat {tmp_path}/number) >>{log}; sleep 0.02; echo end >>{log}"
    daemon = start(*RESTART, "--usr1", "sh", code, "--usr2", "print", "other").ready().expect("init")
    for number in range(300):
        (tmp_path / "number").write_text(str(number), encoding="ascii")
        daemon.signal(USR1)
        if number % 7 == 0:
            daemon.signal(USR2)
        if number % 50 == 49:
            last = f"begin {number}\nend\n"
            wait_for(lambda last=last: log.exists() and log.read_text(encoding="ascii").endswith(last))  # type: ignore[misc]
    daemon.expect("other")
    daemon.signal(TERM)
    assert daemon.status() == 0
    assert not [line for line in daemon.err.rest() if "ERROR" in line]


def test_choices_know_it() -> None:
    """The policy is one of the choices."""
    assert Choices(overlap="restart").overlap == "restart"


class Maker(Action):
    """Sets another action up, or tears one down, while its own run is asked for anew."""

    seen: ClassVar[list[str]] = []

    def set_up(self, kind: str) -> None:
        """Keep what to do."""
        self.kind = kind

    def run(self) -> None:
        """Do it once, then stop."""
        self.seen.append("run")
        if len(self.seen) == 1:
            if self.kind == "set_up":
                self.engine.set_up("usr2", Asking)
            else:
                assert isinstance(self.engine, Engine)
                self.engine.discard([self.engine.create(Asked)])
            time.sleep(1000)
        self.engine.stop()


class Asking(Action):
    """Asks for a new run of the other action while it is set up."""

    def set_up(self) -> None:
        """Send the signal."""
        os.kill(os.getpid(), USR1)
        Maker.seen.append("set up")

    def run(self) -> None:
        """Do nothing."""

    def tear_down(self) -> None:
        """Take a note."""
        Maker.seen.append("torn down")


class Asked(Asking):
    """Asks for it while it is torn down."""

    def set_up(self) -> None:
        """Do nothing."""

    def tear_down(self) -> None:
        """Send the signal."""
        os.kill(os.getpid(), USR1)
        super().tear_down()


def run_to_the_stop(action: type[Action], *arguments: str) -> None:
    """Run an action once, and as often as USR1 asks for it, until it stops the engine; a failure would end it, too."""
    with Engine(overlap="restart", on_error="exit") as engine:
        engine.set_up("usr1", action, *arguments)
        engine.arm([USR1])
        engine.raise_flag("usr1")
        assert engine.run() is Outcome.STOPPED


@pytest.mark.parametrize("kind", ["set_up", "tear_down"])
def test_what_an_action_makes_the_engine_call_is_not_meant(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The set_up and the tear_down of another action run to their end, and the outer run begins anew."""
    Maker.seen.clear()
    run_to_the_stop(Maker, kind)
    inner = ["set up"] if kind == "set_up" else ["torn down"]
    assert Maker.seen == ["run", *inner, "run", *(["torn down"] if kind == "set_up" else [])]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


class Grouped(Action):
    """Waits in a group of tasks, which wraps what interrupts it; or raises an error of its own instead."""

    runs: ClassVar[list[str]] = []

    def set_up(self, kind: str) -> None:
        """Keep the kind."""
        self.kind = kind

    def run(self) -> None:
        """Wait once, then stop."""
        self.runs.append(self.kind)
        if len(self.runs) > 1:
            self.engine.stop()
            return
        try:
            if self.kind == "group":
                asyncio.run(self._wait())
            os.kill(os.getpid(), USR1)
            time.sleep(1000)
        except ActionRestarted:
            raise RuntimeError("a clean-up that fails") from None

    async def _wait(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            os.kill(os.getpid(), USR1)
            time.sleep(1000)  # noqa: ASYNC251 - as careless code does


@pytest.mark.parametrize("kind", ["group", "error"])
def test_an_interruption_in_another_coat_is_no_failure(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A group that holds the interruption, or an error that it led to, is neither a success nor a failure."""
    Grouped.runs.clear()
    run_to_the_stop(Grouped, kind)
    assert len(Grouped.runs) == 2
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_an_engine_may_run_in_another_thread_than_it_was_made_in() -> None:
    """There it interrupts nothing, and does not fail."""
    with Engine(overlap="restart", timeout=1000) as engine:
        engine.set_up("usr1", Recorder, "a")
        engine.call_later(0, engine.raise_flag, "usr1")
        engine.observe(lambda _: engine.stop())
        outcomes: list[Outcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(engine.run()))
        thread.start()
        thread.join()
    assert outcomes == [Outcome.STOPPED]
    assert "run a" in JOURNAL
