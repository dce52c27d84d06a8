"""What all tests share."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.background import Background
from support.driven import Flagman
from support.starter import Starter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_configure() -> None:
    """Begin with signals as a shell in a terminal gives them: one in the background, or nohup, has ignored some.

    What tests start would inherit that.
    """
    for signum in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # which Python ignores itself
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is slow: the last worker to end is the one that begins late with something long."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
def _start(tmp_path: Path) -> Iterator[Callable[..., Flagman]]:
    """Start daemons that do not outlive the test."""
    daemons: list[Flagman] = []

    def start(*arguments: str, **options: object) -> Flagman:
        daemons.append(Flagman(tmp_path, *arguments, **options))  # type: ignore[arg-type]
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


@pytest.fixture(name="open_path")
def _open_path() -> Iterator[Path]:
    """Give a folder that other users may enter: the one of pytest is private, and another pytest keeps it so."""
    with tempfile.TemporaryDirectory(prefix="flagman-", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture(name="background")
def _background(open_path: Path) -> Iterator[Background]:
    """Give a place for daemons, which do not outlive the test."""
    background = Background(open_path)
    yield background
    background.close()


@pytest.fixture(name="starter")
def _starter(open_path: Path) -> Iterator[Starter]:
    """Give a starter, whose daemons do not outlive the test."""
    starter = Starter(open_path)
    yield starter
    starter.close()
