"""The file with metrics."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from flagman.service.metrics_file import Pen, replace
from support.driven import DEADLINE, wait_for
from support.driven import run as run_flagman

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman


def names(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """All users may read it, whatever the umask is; a rest of a killed daemon is no obstacle."""
    path = tmp_path / "web.prom"
    (tmp_path / f".web.prom.{os.getpid()}.tmp").write_text("a rest", encoding="utf-8")
    before = os.umask(0o077)
    try:
        for content in (b"one\n", b"two\n"):
            replace(str(path), content)
            assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (content, 0o644)
    finally:
        os.umask(before)
    assert names(tmp_path) == ["web.prom"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither a link in the place of the file leads anywhere, nor one in the place of its successor."""
    other = tmp_path / "other"
    other.write_text("other", encoding="utf-8")
    path = tmp_path / "web.prom"
    for link in (path, tmp_path / f".web.prom.{os.getpid()}.tmp"):
        link.symlink_to(other)
    replace(str(path), b"new")
    assert (other.read_text(encoding="utf-8"), path.read_bytes(), path.is_symlink()) == ("other", b"new", False)


def test_two_daemons_with_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a mistake, but a reader still finds a whole file, and neither of them fails."""
    path = tmp_path / "web.prom"
    write, other = os.write, "from flagman.service.metrics_file import replace; replace({!r}, b'other\\n')"

    def write_in_pieces(descriptor: int, data: bytes) -> int:
        subprocess.run([sys.executable, "-c", other.format(str(path))], check=True, timeout=DEADLINE)
        assert path.read_bytes() == b"other\n"
        return write(descriptor, data[:2])

    monkeypatch.setattr(os, "write", write_in_pieces)
    replace(str(path), b"mine\n")
    monkeypatch.undo()
    assert (path.read_bytes(), names(tmp_path)) == (b"mine\n", ["web.prom"])


def test_a_full_disk(tmp_path: Path) -> None:
    """The old content stays, and nothing is left behind."""
    path = tmp_path / "web.prom"
    replace(str(path), b"old")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, limits[1]))
        with pytest.raises(OSError, match="too large"):
            replace(str(path), b"x" * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["web.prom"])


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    """It is an error, after which nothing is left behind."""
    (tmp_path / "web.prom").mkdir()
    with pytest.raises(OSError, match="irectory"):
        replace(str(tmp_path / "web.prom"), b"x")
    assert names(tmp_path) == ["web.prom"]


class Writes:
    """What a pen writes: the count of its writes; each takes until it may go on."""

    def __init__(self, *, is_good: bool = True) -> None:
        self.count = 0
        self.is_good = is_good
        self.may_go_on = threading.Semaphore(0)

    def __call__(self) -> bool:
        """Write."""
        self.count += 1
        assert self.may_go_on.acquire(timeout=DEADLINE)
        return self.is_good


def test_what_is_asked_for_during_a_write_is_done_together() -> None:
    """However often a write is asked for meanwhile, one follows; and one more at the end."""
    writes = Writes()
    pen = Pen(writes, 0, 1000)
    pen.ask()
    wait_for(lambda: writes.count == 1)
    for _ in range(100):
        pen.ask()
    writes.may_go_on.release(2)
    wait_for(lambda: writes.count == 2)
    writes.may_go_on.release()
    assert pen.close(DEADLINE)
    assert writes.count == 3


def test_a_pause_ends_with_the_run() -> None:
    """The last write does not wait for the pause."""
    writes = Writes()
    writes.may_go_on.release(10)
    pen = Pen(writes, 1000, 1000)
    pen.ask()
    wait_for(lambda: writes.count == 1)
    assert pen.close(DEADLINE)
    assert writes.count == 2


def test_a_write_that_fails_is_tried_again() -> None:
    """It is tried again without being asked for, and no more when it was possible."""
    writes = Writes(is_good=False)
    writes.may_go_on.release(2)
    pen = Pen(writes, 0, 0.001)
    pen.ask()
    wait_for(lambda: writes.count == 3)
    writes.is_good = True
    writes.may_go_on.release(2)
    assert pen.close(DEADLINE)
    assert writes.count == 4


def test_a_write_that_hangs() -> None:
    """The end does not wait for it."""
    writes = Writes()
    pen = Pen(writes, 0, 1000)
    pen.ask()
    wait_for(lambda: writes.count == 1)
    assert not pen.close(0.01)
    writes.may_go_on.release(2)
    wait_for(lambda: writes.count == 2)


def value(path: Path, name: str, **labels: str) -> float | None:
    """Return a value of a file, which has to be whole; None if it has none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for family in parse(text):
        for sample in family.samples:
            if sample.name == name and sample.labels.items() >= labels.items():
                found: float = sample.value
                return found
    return None


def test_the_file_of_a_daemon(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """It is there without a control socket, follows what happens, and says in the end that the daemon is gone."""
    path = tmp_path / "web.prom"
    daemon = (
        start("--usr1", "print", "hi", "--overlap", "rerun", "--metrics-file", "web.prom", "--name", "web")
        .ready()
        .expect("init")
    )
    wait_for(lambda: value(path, "flagman_ready", daemon="web") == 1)
    assert value(path, "flagman_runs_total", flag="usr1", result="succeeded") == 0
    for number in (1, 2):
        daemon.signal(signal.SIGUSR1).expect("hi")
        wait_for(lambda: value(path, "flagman_runs_total", flag="usr1", result="succeeded") == number)  # noqa: B023
    daemon.signal(signal.SIGUSR1).expect("hi")
    daemon.stop("cleanup")
    assert value(path, "flagman_ready") == 0
    assert value(path, "flagman_runs_total", flag="usr1", result="succeeded") == 3
    assert names(tmp_path) == ["web.prom"]


def test_a_file_that_cannot_be_written(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The log says so once, nothing else happens, and when it can be written again, it is."""
    path = tmp_path / "gone" / "web.prom"
    again = f"INFO:flagman.service:--metrics-file {str(path)!r}: can be written again"
    words = ("--usr1", "print", "hi", "-v", "--overlap", "rerun")
    daemon = start(*words, "--metrics-file", str(path)).ready().expect("init")
    daemon.expect_error("cannot be written: No such file or directory")
    for _ in range(3):
        daemon.signal(signal.SIGUSR1).expect("hi")
    path.parent.mkdir()
    daemon.signal(signal.SIGUSR1).expect("hi")
    lines = list(iter(daemon.err.next, again))
    assert not [line for line in lines if "written" in line]
    daemon.stop("cleanup")
    assert not [line for line in daemon.err.rest() if "written" in line]
    assert value(path, "flagman_runs_total", result="succeeded") == 4


def test_the_file_of_a_daemon_with_processes(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """What happens to processes is in it, too."""
    file = '[flagman]\nguardian = false\nmetrics-file = "web.prom"\n[process.web]\ncommand = ["sleep", "1000"]\n'
    (tmp_path / "c.toml").write_text(file, encoding="utf-8")
    daemon = start("-c", "c.toml").ready()
    path = tmp_path / "web.prom"
    wait_for(lambda: value(path, "flagman_process_ready", daemon="c", process="web") == 1)
    daemon.stop()
    assert value(path, "flagman_process_up", process="web") == 0


@pytest.mark.parametrize("words", [["--metrics-file", "/dev/null"], ["--metrics-file=web.txt", "--check"]])
def test_a_name_that_nothing_would_read(words: list[str]) -> None:
    """It is refused: above all, a device must not be replaced."""
    done = run_flagman("--usr1", "print", "hi", *words)
    assert done.returncode == 2
    assert "node_exporter reads only files with the suffix .prom" in done.stderr
