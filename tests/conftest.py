"""What all tests share: fixtures, and hooks of pytest."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from support.background import Background
from support.driven import Flagman
from support.looping import Looping
from support.processes import Kept
from support.starter import Starter
from support.user_manager import MANAGER, Manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.processes import Tables


# A test may be slow on a loaded machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_configure() -> None:
    """Undo the ignored signals and the mask that pytest was started with, so that tests do not inherit them.

    A shell's background job, or nohup, has some signals ignored.
    """
    for signum in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python itself ignores these two
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests first, so that no worker starts a long one when the others have finished."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Check that a test leaves no handler, alarm, mask or wake-up descriptor behind."""
    before = {signum: signal.getsignal(signum) for signum in signal.valid_signals()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert {signum: signal.getsignal(signum) for signum in signal.valid_signals()} == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert signal.set_wakeup_fd(-1) == -1


@pytest.fixture(name="start")
def _start(tmp_path: Path) -> Iterator[Callable[..., Flagman]]:
    """Yield a function that starts daemons; they end with the test."""
    daemons: list[Flagman] = []

    def start(*arguments: str, **options: object) -> Flagman:
        daemons.append(Flagman(tmp_path, *arguments, **options))  # type: ignore[arg-type]
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()


@pytest.fixture(name="keep")
def _keep(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    """Yield a function that starts daemons with processes; they, and what is left of these, end with the test."""
    daemons: list[Kept] = []

    def keep(processes: Tables, *arguments: str, **options: object) -> Kept:
        daemons.append(Kept(tmp_path, processes, *arguments, **options))  # type: ignore[arg-type]
        return daemons[-1]

    yield keep
    for daemon in daemons:
        daemon.close()


@pytest.fixture(name="fifo")
def _fifo(tmp_path: Path) -> Path:
    """Make a FIFO at which an action can wait."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture(name="open_path")
def _open_path() -> Iterator[Path]:
    """Yield a folder that other users may enter, which pytest's own folder does not allow."""
    with tempfile.TemporaryDirectory(prefix="flagman-", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture(name="looping")
def _looping() -> Iterator[Looping]:
    """Yield a control loop in its thread, to which nothing must be attached in the end."""
    looping = Looping()
    before = looping.do(lambda: looping.loop.descriptors)
    yield looping
    after = looping.do(lambda: looping.loop.descriptors)
    looping.close()
    assert after == before


@pytest.fixture(name="background")
def _background(open_path: Path) -> Iterator[Background]:
    """Yield a place for daemons that end with the test."""
    background = Background(open_path)
    yield background
    background.close()


@pytest.fixture(name="starter")
def _starter(open_path: Path) -> Iterator[Starter]:
    """Yield a starter; its daemons end with the test."""
    starter = Starter(open_path)
    yield starter
    starter.close()


@pytest.fixture(scope="session", name="manager")
def _manager() -> Iterator[Manager]:
    """Start one manager of systemd for all tests."""
    if MANAGER is None or not shutil.which("systemctl"):
        pytest.skip("systemd is not installed")
    if os.geteuid() != 0:
        pytest.skip("a private mount namespace needs root")
    manager = Manager()
    try:
        if not manager.start():
            pytest.skip("no systemd --user manager can run here")
        yield manager
    finally:
        manager.stop()
