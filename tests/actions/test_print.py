"""The built-in actions that print."""

from __future__ import annotations

import importlib

import pytest

from flagman import ActionClosed
from flagman.actions import DelayedPrintAction, PrintAction, PrintOnceAction
from support.driven import run


def test_print(capsys: pytest.CaptureFixture[str]) -> None:
    """The action print prints at every stage."""
    action = PrintAction("hello")
    action._run()
    action._run()
    action._close()
    assert capsys.readouterr().out == "init\nhello\nhello\ncleanup\n"


def test_print_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The action print_once closes itself after its first run."""
    action = PrintOnceAction("hello")
    with pytest.raises(ActionClosed, match=r"^Only print once$"):
        action._run()
    assert capsys.readouterr().out == "init\nhello\ncleanup\n"


def test_delay_print(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The action delay_print sleeps for the delay, in seconds, between two lines."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        print("sleeping")

    monkeypatch.setattr("time.sleep", sleep)
    action = DelayedPrintAction("hello", "2.5")
    action._run()
    action._close()
    assert capsys.readouterr().out == "init\nhello\nsleeping\nfinished delaying\ncleanup\n"
    assert slept == [2.5]


@pytest.mark.parametrize("delay", ["soon", "", "-1", "nan", "inf", "1e300", "1e10"])
def test_delay_print_checks_its_delay(delay: str) -> None:
    """A delay that cannot be slept is refused at the start."""
    with pytest.raises(ValueError, match="delay"):
        DelayedPrintAction("hello", delay)
    done = run("--check", "--usr1", "delay_print", "hello", delay)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"flagman: error: --usr1 delay_print: the delay {delay!r} is not ")


def test_the_documented_names() -> None:
    """The module is named after the action, and the other two classes derive from its class."""
    assert importlib.import_module("flagman.actions.print").PrintAction is PrintAction
    assert issubclass(DelayedPrintAction, PrintAction)
    assert issubclass(PrintOnceAction, PrintAction)
