"""What all tests share."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from background import Background
from daemon import Daemon
from starter import Starter

from flagman.daemon import read_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """No test may leave a handler, an alarm, a mask or a wake-up descriptor behind."""
    before = {signum: signal.getsignal(signum) for signum in signal.valid_signals()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert {signum: signal.getsignal(signum) for signum in signal.valid_signals()} == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert signal.set_wakeup_fd(-1) == -1


@pytest.fixture(name="start")
def _start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons that do not outlive the test."""
    daemons: list[Daemon] = []

    def start(*arguments: str, **options: object) -> Daemon:
        daemons.append(Daemon(tmp_path, *arguments, **options))  # type: ignore[arg-type]
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()


@pytest.fixture(name="fifo")
def _fifo(tmp_path: Path) -> Path:
    """Make a FIFO that an action can wait at."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture(name="background")
def _background(tmp_path: Path) -> Iterator[Background]:
    """Give a place for daemons, which do not outlive the test."""
    _let_everybody_in(tmp_path)
    background = Background(tmp_path)
    yield background
    if (pid := read_pid(background.pid_file)) is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(name="starter")
def _starter(tmp_path: Path) -> Iterator[Starter]:
    """Give a starter, whose daemons do not outlive the test."""
    _let_everybody_in(tmp_path)
    starter = Starter(tmp_path)
    yield starter
    starter.close()


def _let_everybody_in(path: Path) -> None:
    for folder in (path, path.parent, path.parent.parent):
        folder.chmod(0o755)
