"""What all tests share."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from daemon import Daemon

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
