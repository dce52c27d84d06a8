"""The run log: one line of JSON for each run."""

from __future__ import annotations

import json
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from flagman.engine.ledger import Event, Run
from flagman.engine.tally import Report
from flagman.engine.turn import Turn
from flagman.exceptions import FlagmanError
from flagman.service.runlog import RunLog
from support.driven import run as run_flagman
from support.driven import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman


@pytest.fixture(name="log")
def _log(tmp_path: Path) -> Iterator[RunLog]:
    """Yield a run log that writes the number of each run."""
    log = RunLog(str(tmp_path / "runs"), None, lambda run: {"id": run.number})
    yield log
    log.close()


def run(number: int) -> Event:
    """Return the event of a run."""
    reports = (("print", ("hi",), Report(0, 0, 0, "succeeded", "")),)
    return Event(number, 0, 0, "run", Run(number, Turn("usr1", 1), "succeeded", "", reports))


def ids(path: Path) -> list[int]:
    """Return the numbers of the runs in a file, in which each line is whole."""
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines() if line]


def test_each_run_is_a_line(log: RunLog, tmp_path: Path) -> None:
    """Each run is a line, and other events are not."""
    log.hear(run(1))
    log.hear(Event(2, 0, 0, "ready", None))
    log.hear(run(2))
    assert ids(tmp_path / "runs") == [1, 2]


def test_a_file_that_is_rotated_away(log: RunLog, tmp_path: Path) -> None:
    """The file is opened again when another one is there, or none."""
    path = tmp_path / "runs"
    log.hear(run(1))
    path.rename(tmp_path / "runs.1")
    log.hear(run(2))
    assert (ids(tmp_path / "runs.1"), ids(path)) == ([1], [2])


def test_a_full_disk(log: RunLog, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Runs that do not fit are lost and counted, and each line that follows is whole."""
    path = tmp_path / "runs"
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log.hear(run(1))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 4, limits[1]))
        for number in (2, 3):
            log.hear(run(number))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    for number in (4, 5):
        log.hear(run(number))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines == ['{"id": 1}', '{"id', '{"id": 4}', '{"id": 5}']
    assert caplog.messages == [
        f"--runlog {str(path)!r}: cannot be written: File too large; runs are lost",
        f"--runlog {str(path)!r}: can be written again; runs lost: 2",
    ]


def test_a_standard_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """In a container the run log may be the standard output."""
    log = RunLog("/dev/stdout", None, lambda run: {"id": run.number})
    log.hear(run(1))
    log.close()
    assert capsys.readouterr().out == '{"id": 1}\n'


def test_a_descriptor_that_root_has_opened(tmp_path: Path) -> None:
    """A file that was opened before the privileges were dropped is used."""
    path = tmp_path / "runs"
    log = RunLog(
        str(path), os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), lambda run: {"id": run.number}
    )
    log.hear(run(1))
    log.close()
    assert ids(path) == [1]


def test_what_cannot_be_a_run_log(tmp_path: Path) -> None:
    """A FIFO is refused, because a write to it may wait for a reader; so is what cannot be opened."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(FlagmanError, match="it is not a regular file"):
            RunLog(str(tmp_path / "fifo"), None, lambda _: {})
    finally:
        os.close(reader)
    with pytest.raises(FlagmanError, match=r"--runlog .*: cannot be opened: No such file or directory"):
        RunLog(str(tmp_path / "no" / "file"), None, lambda _: {})


def test_the_runs_of_a_daemon(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A daemon writes each run, with what came of it, also to a new file after a rotation."""
    path = tmp_path / "runs"
    words = ("--usr1", "sh", "echo ran; exit 3", "--usr2", "print", "hi", "--overlap", "rerun")
    daemon = start("--runlog", "runs", *words).ready()
    daemon.expect("init").signal(signal.SIGUSR1).expect("ran")
    wait_for(lambda: path.read_text(encoding="utf-8").endswith("\n"))
    path.rename(tmp_path / "runs.1")
    daemon.signal(signal.SIGUSR2).expect("hi")
    wait_for(lambda: path.exists() and path.read_text(encoding="utf-8").endswith("\n"))
    daemon.stop("cleanup")
    first, second = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in ("runs.1", "runs"))
    assert (first["id"], first["flag"], first["result"]) == (1, "usr1", "failed")
    assert first["actions"][0]["arguments"] == ["echo ran; exit 3"]
    assert (second["id"], second["flag"], second["result"]) == (2, "usr2", "succeeded")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_that_only_root_can_open(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The file is opened before the privileges are dropped."""
    path = tmp_path / "runs"
    tmp_path.chmod(0o755)
    daemon = start("--runlog", str(path), "--user", "nobody", "--usr1", "print", "hi").ready()
    daemon.expect("init").signal(signal.SIGUSR1).expect("hi")
    wait_for(lambda: path.read_text(encoding="utf-8").endswith("\n"))
    daemon.stop("cleanup")
    assert ids(path) == [1]


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    """A run log that cannot be opened ends the start."""
    path = str(tmp_path / "no" / "file")
    done = run_flagman("--runlog", path, "--usr1", "print", "hi")
    assert (done.returncode, done.stdout) == (1, "")
    line = done.stderr.splitlines()[-1]
    assert line == f"flagman: error: --runlog {path!r}: cannot be opened: No such file or directory"
