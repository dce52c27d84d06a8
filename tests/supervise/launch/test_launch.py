"""The start of a process as its plan says, with real processes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.supervise.launch.launch import Launch
from support.driven import descriptors, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagman.supervise.instance import Instance
    from support.looping import Looping

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


class Life:
    """A life of a process, with what it writes.

    :param launch: starts it
    :param words: another command
    :param environment: what is added for it
    :param streams: more descriptors of its own
    """

    def __init__(
        self,
        looping: Looping,
        launch: Launch,
        words: Sequence[str] | None = None,
        environment: Mapping[bytes, bytes] | None = None,
        streams: Mapping[int, int] | None = None,
    ) -> None:
        self._looping = looping
        self._launch = launch
        self._reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            self.instance: Instance = looping.do(
                lambda: launch.start(
                    words,
                    environment=environment or {},
                    streams={0: null, 1: writer, 2: writer, **(streams or {})},
                    loop=looping.loop,
                    on_end=lambda: None,
                )
            )
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
            os.close(null)

    def output(self) -> str:
        """Return what it writes until its end."""
        with os.fdopen(self._reader, errors="backslashreplace") as file:
            return file.read()

    def end(self) -> tuple[int | None, str]:
        """Wait for its end, and return its exit status and what has failed before it."""
        self._looping.wait_for(self.instance.has_ended)
        trouble = self._looping.do(lambda: self._launch.trouble(self.instance))
        return self._looping.do(self.instance.reap), trouble


def command_of(pid: int) -> str:
    """Return the words of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")


def plan(command: Sequence[str], **changes: object) -> Launch:
    """Return a launch with nothing but a command, except for what is changed."""
    choices: dict[str, object] = {
        "directory": None,
        "environment": {},
        "user": None,
        "group": None,
        "umask": None,
        "nice": None,
        "limits": {},
        "base": {b"PATH": os.environb[b"PATH"]},
        "start_directory": "/",
        **changes,
    }
    return Launch(command=command, **choices)  # type: ignore[arg-type]


WAYS = pytest.mark.parametrize("changes", [{}, {"umask": 0o022}], ids=["plain", "shim"])


@LINUX
@WAYS
def test_a_life(looping: Looping, changes: dict[str, object]) -> None:
    """A process gets its words and its environment, leads a session, and ends with its status."""
    line = 'echo "$0 $1 $A"; tr "\\0" " " </proc/$$/environ; echo; cut -d" " -f1,5,6 /proc/$$/stat; exit 7'
    base = {b"PATH": os.environb[b"PATH"], b"B": b"base"}
    launch = plan(["sh", "-c", line, "zero", "one two"], environment={"A": "1"}, base=base, **changes)
    life = Life(looping, launch, environment={b"B": b"\xff"})
    words, environment, numbers = life.output().splitlines()
    pid = life.instance.pid
    assert life.end() == (7, "")
    assert words == "zero one two 1"
    assert sorted(environment.split()) == sorted(["A=1", "B=\\xff", f"PATH={os.environ['PATH']}"])
    assert numbers == f"{pid} {pid} {pid}"


@LINUX
@WAYS
def test_no_other_descriptor(looping: Looping, changes: dict[str, object], tmp_path: Path) -> None:
    """A process has the descriptors that it was given, each at its number, and no other one."""
    inherited = os.dup(0)
    os.set_inheritable(inherited, True)  # noqa: FBT003 - the only parameter there is
    files = [os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY) for number in range(3)]
    # They would overwrite each other, and one is at its place already.
    streams = {files[0]: files[1], files[1]: files[0], files[2]: files[2]}
    life = Life(looping, plan(["sh", "-c", "echo $$; exec sleep 1000"], **changes), streams=streams)
    wait_for(lambda: command_of(life.instance.pid).startswith("sleep"))
    found = descriptors(life.instance.pid)
    for descriptor in (inherited, *files):
        os.close(descriptor)
    expected = {str(number): str(tmp_path / str(place)) for number, place in zip(files, (1, 0, 2), strict=True)}
    assert {number: path for number, path in found.items() if int(number) > 2} == expected
    looping.do(lambda: life.instance.send(signal.SIGTERM))
    assert life.end() == (-signal.SIGTERM, "")
    life.output()
