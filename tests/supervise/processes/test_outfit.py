"""What a process is started with: nothing of it is left when a start fails, and each life has its own output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flagman.exceptions import UsageError
from flagman.supervise.ends import StartError
from flagman.supervise.launch import capture
from flagman.supervise.processes import outfit as module
from flagman.supervise.processes.outfit import Outfit, launch_of
from flagman.supervise.processes.plan import Plan
from flagman.supervise.verifiers.check import Check
from flagman.supervise.verifiers.reading import read
from support.driven import descriptors
from support.looping import Looping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagman.supervise.instance import Instance

FD = read({"type": "fd"}, liveness=False)
SH = ("sh", "-c")
EMFILE = OSError(24, "Too many open files")


class Kept:
    """An outfit with its loop.

    :param values: of the plan
    """

    def __init__(self, looping: Looping, **values: object) -> None:
        self.looping = looping
        self.plan = Plan("web", **values)
        launch = launch_of(self.plan, "/")
        self.outfit = looping.do(lambda: Outfit(self.plan, launch, looping.loop, {}))

    def start(self) -> Instance:
        """Start an instance."""
        return self.looping.do(lambda: self.outfit.start({b"MARK": b"web:1"}, lambda: None))

    def change(self, **values: object) -> None:
        """Follow another plan."""
        plan = Plan("web", **values)
        launch = launch_of(plan, "/")
        self.looping.do(lambda: self.outfit.follow(plan, launch))

    def live(self) -> tuple[int | None, list[str]]:
        """Start an instance, wait for its end, and return its status and its last lines."""
        instance = self.start()
        self.looping.wait_for(instance.has_ended)
        status = self.looping.do(instance.reap)
        return status, self.looping.do(self._bury)

    def _bury(self) -> list[str]:
        lines = self.outfit.output()
        self.outfit.buried()
        return lines

    def close(self) -> None:
        """Release everything."""
        self.looping.do(self.outfit.close)


@pytest.fixture(name="looping")
def _looping() -> Iterator[Looping]:
    """Yield a loop; nothing may be open afterwards that was not open before."""
    Looping().close()  # what is opened once and for all
    before = descriptors(os.getpid())
    looping = Looping()
    yield looping
    looping.close()
    assert descriptors(os.getpid()).keys() == before.keys()


def fail(error: Exception) -> Callable[..., object]:
    """Return a function that fails."""

    def code(*_: object, **__: object) -> object:
        raise error

    return code


@pytest.mark.parametrize("output", ["inherit", "null", "log"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EMFILE, "Too many open files"),
        (ValueError("embedded null byte"), "embedded null byte"),
        (RuntimeError("a defect"), "a defect"),
        (StartError("web", EMFILE), "Too many open files"),
    ],
)
def test_a_launch_that_fails(
    looping: Looping, monkeypatch: pytest.MonkeyPatch, output: str, error: Exception, reason: str
) -> None:
    """It is a failed start, whatever the reason, and leaves no descriptor."""
    kept = Kept(looping, command=("web",), output=output, ready=FD)
    monkeypatch.setattr("flagman.supervise.launch.launch.Launch.start", fail(error))
    for _ in range(3):
        with pytest.raises(StartError) as raised:
            kept.start()
        assert reason in raised.value.reason
    kept.close()


def test_steps_before_the_launch_that_fail(looping: Looping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the gifts, nor the null device, nor the pipe for the output leave anything."""
    kept = Kept(looping, command=("true",), output="log", ready=FD)
    with monkeypatch.context() as patch:
        patch.setattr(Check, "gifts", fail(EMFILE))
        with pytest.raises(StartError, match="Too many open files"):
            kept.start()
    with monkeypatch.context() as patch:
        patch.setattr(module, "os", type("os", (), {"open": fail(EMFILE), "O_RDWR": 0, "O_CLOEXEC": 0, "devnull": ""}))
        with pytest.raises(StartError, match="Too many open files"):
            kept.start()
    with monkeypatch.context() as patch:
        patch.setattr(capture.Capture, "begin", fail(StartError("web", EMFILE)))
        with pytest.raises(StartError, match="Too many open files"):
            kept.start()
    assert kept.live() == (0, [])
    kept.close()


def test_a_missing_program(looping: Looping) -> None:
    """The system's reason is told."""
    kept = Kept(looping, command=("/missing/program",), output="log", ready=FD)
    with pytest.raises(StartError, match="No such file or directory"):
        kept.start()
    kept.close()


def test_lines_of_another_life(looping: Looping) -> None:
    """An instance shows only what it has written itself, and what could not be started shows nothing."""
    kept = Kept(looping, command=(*SH, "echo one; printf two; exit 1"), output="log")
    assert kept.live() == (1, ["one", "two"])
    kept.change(command=(*SH, "exit 2"), output="log")
    assert kept.live() == (2, [])
    kept.change(command=("/missing/program",), output="log")
    with pytest.raises(StartError):
        kept.start()
    assert looping.do(kept.outfit.output) == []
    kept.close()


@pytest.mark.parametrize("other", ["inherit", "null"])
def test_an_output_that_is_taken_in_no_longer(looping: Looping, other: str) -> None:
    """With another plan, nothing of the former output is left, and a reader of it is told."""
    kept = Kept(looping, command=(*SH, "echo one"), output="log")
    assert kept.live() == (0, ["one"])
    former = kept.outfit.capture
    assert former is not None
    told: list[bool] = []
    looping.do(lambda: former.listen(lambda: told.append(former.is_closed)))
    kept.change(command=("true",), output=other)
    assert kept.live() == (0, [])
    assert kept.outfit.capture is None
    assert told == [True]
    kept.close()


def test_a_line_that_has_begun(looping: Looping) -> None:
    """A reader is told of its end, which is that of the life."""
    kept = Kept(looping, command=(*SH, "printf one"), output="log")
    instance = kept.start()
    looping.wait_for(instance.has_ended)
    looping.do(instance.reap)
    capture_of = kept.outfit.capture
    assert capture_of is not None
    looping.wait_for(lambda: capture_of.position)
    told: list[int] = []
    looping.do(lambda: capture_of.listen(lambda: told.append(capture_of.position)))
    looping.do(kept.outfit.output)
    assert told[-1:] == [4]
    kept.close()


def test_a_command_that_verifies(looping: Looping, tmp_path: object) -> None:
    """It has the variables of the process, and those that mark its instance."""
    target = f"{tmp_path}/seen"
    kept = Kept(looping, command=("sleep", "600"), environment={"COLOR": "red"}, output="null")
    process = kept.start()
    words = (*SH, f'echo "$COLOR $MARK $FLAGMAN_PROCESS" > {target}')
    check = looping.do(lambda: kept.outfit.start_command(words, {}, lambda: None))
    looping.wait_for(check.has_ended)
    assert looping.do(check.reap) == 0
    with open(target, encoding="utf-8") as file:  # noqa: PTH123 - a text is enough
        assert file.read() == "red web:1 web\n"
    looping.do(lambda: process.send(9))
    looping.wait_for(process.has_ended)
    assert looping.do(process.reap) == -9
    kept.close()


def test_nothing_is_watched_without_an_instance(looping: Looping) -> None:
    """A process without checks has none, and one that does not run has none either."""
    kept = Kept(looping, command=("true",), ready=FD, liveness=FD)
    assert looping.do(lambda: kept.outfit.verification(str, str)) is None
    assert looping.do(lambda: kept.outfit.liveness(str)) is None
    assert looping.do(kept.outfit.trouble) == ""
    kept.close()


def test_an_unknown_user() -> None:
    """It is a mistake of the file, and found before anything starts."""
    with pytest.raises(UsageError):
        launch_of(Plan("web", command=("true",), user="no-such-user-here"), "/")
