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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
