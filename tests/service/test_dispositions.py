"""Handlers while they are being exchanged: signals at every moment in between."""

from __future__ import annotations

import os
import signal
import sys
from _thread import allocate_lock, start_new_thread
from typing import TYPE_CHECKING

import pytest

from flagman import Engine, cli
from flagman.engine.signals import HANDLED_SIGNALS, Signals
from flagman.service.dispositions import Dispositions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def before_and_after(code: Callable[..., object], signum: int) -> Callable[..., object]:
    """Return a function that sends a signal to this process before and after a call."""

    def changed(*arguments: object, **options: object) -> object:
        os.kill(os.getpid(), signum)
        result = code(*arguments, **options)
        os.kill(os.getpid(), signum)
        return result

    return changed


@pytest.mark.parametrize("stage", ["install", "follow", "answer_early"])
@pytest.mark.parametrize("options", [[], ["--debounce", "1ms"]], ids=["", "debounced"])
def test_a_hangup_during_the_start(
    stage: str, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hangup during the start is answered when all is ready, if it has an action."""
    monkeypatch.setattr(Dispositions, stage, before_and_after(getattr(Dispositions, stage), signal.SIGHUP))
    assert cli.main(["flagman", "--hup", "print", "hi", "--once", *options]) == 0
    assert capsys.readouterr().out == "init\nhi\ncleanup\n"


@pytest.mark.parametrize(
    ("signum", "status"),
    [(signal.SIGHUP, 9), *((stop, 128 + stop) for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT))],
)
def test_a_signal_before_the_command_is_known(signum: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal between the first handlers and those of the command is dropped, or is the stop signal that it is."""
    install = Dispositions.install

    def install_and_get_it(self: Dispositions) -> None:
        install(self)
        os.kill(os.getpid(), signum)

    monkeypatch.setattr(Dispositions, "install", install_and_get_it)
    assert cli.main(["flagman", "--", "sh", "-c", "exit 9"]) == status


@pytest.fixture(name="dispositions")
def _dispositions() -> Iterator[Dispositions]:
    """Yield the handlers of an engine."""
    signals = Signals()
    signals.arm(HANDLED_SIGNALS)
    with Engine(signals=signals) as engine:
        dispositions = Dispositions(engine, signals, 1)
        yield dispositions
    signals.close()


def test_quit_changes_its_meaning_without_a_gap(dispositions: Dispositions, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its meaning changes, QUIT raises its flag or shows stacks at any moment, and never ends the process."""
    flags = dispositions._engine.flags
    dispositions.follow({signal.SIGQUIT: ("quit",)})
    monkeypatch.setattr(signal, "signal", before_and_after(signal.signal, signal.SIGQUIT))
    for _ in range(3):
        dispositions.follow({})
        assert flags.discard("quit")  # before the handler changed
        os.kill(os.getpid(), signal.SIGQUIT)
        assert not flags.discard("quit")
        dispositions.follow({signal.SIGQUIT: ("quit",)})
        assert flags.discard("quit")  # after the handler changed
        os.kill(os.getpid(), signal.SIGQUIT)
        assert flags.discard("quit") == 1


def test_quit_without_stderr(dispositions: Dispositions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard error QUIT is ignored."""
    monkeypatch.setattr(sys, "stderr", None)
    dispositions.follow({})
    os.kill(os.getpid(), signal.SIGQUIT)
    dispositions.follow({signal.SIGQUIT: ("quit",)})
    os.kill(os.getpid(), signal.SIGQUIT)
    assert dispositions._engine.flags.discard("quit") == 1


def test_quit_beside_a_thread_that_has_just_been_started(
    dispositions: Dispositions, capfd: pytest.CaptureFixture[str]
) -> None:
    """QUIT shows all stacks, though faulthandler of Python 3.14 stops at a thread that has not run yet."""
    dispositions.follow({})
    for _ in range(20):
        over = allocate_lock()
        over.acquire()
        start_new_thread(over.acquire, ())
        os.kill(os.getpid(), signal.SIGQUIT)
        over.release()
        shown = capfd.readouterr().err
        assert "Current thread 0x" in shown
        assert "in test_quit_beside_a_thread_that_has_just_been_started" in shown
    dispositions.follow({signal.SIGQUIT: ("quit",)})
