"""The public tools for tests: they report what is wrong, and never wait for ever."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from flagman import Action, ActionClosed, ActionFailed, SkipRest, testing
from flagman.actions import PrintAction, PrintOnceAction
from flagman.testing import ActionDriver, Daemon
from support.driven import inheriting, run

USR1 = signal.SIGUSR1


class Minutely(Action):
    """Counts its runs, and runs again after a minute."""

    def set_up(self) -> None:
        """Start to count."""
        self.count = 0
        self.open = True

    def run(self) -> None:
        """Count."""
        self.count += 1
        self.engine.call_later(60, self.engine.raise_flag, "usr1")
        if self.count == 100:
            raise SkipRest

    def tear_down(self) -> None:
        """Note the end."""
        self.open = False


def test_a_driven_action_lives_as_in_a_daemon() -> None:
    """A driven action sees time pass only when the test advances it."""
    with ActionDriver(Minutely) as driver:
        action = driver.action
        assert action.open
        driver.run()
        assert action.count == 1
        driver.advance(59)
        assert action.count == 1
        driver.advance(1)
        assert action.count == 2
        driver.advance(600)
        assert action.count == 12
    assert not action.open


class Told(Action):
    """Keeps what its trigger tells."""

    change = ""

    def run(self) -> None:
        """Keep the change."""
        self.change = self.engine.turn.details.get("change", "none")


def test_a_run_with_details() -> None:
    """A test can tell an action what a trigger would tell."""
    with ActionDriver(Told) as driver:
        driver.run(flag="file-f", details={"file": "/f", "change": "come"})
        assert driver.action.change == "come"
        driver.run()
        assert driver.action.change == "none"


def test_what_an_action_raises_comes_out(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception that an action raises in set_up, run or tear_down reaches the test unchanged."""
    with ActionDriver(PrintOnceAction, "hi") as driver, pytest.raises(ActionClosed):
        driver.run()
    assert capsys.readouterr().out == "init\nhi\ncleanup\n"
    with ActionDriver(Minutely) as minutely:
        minutely.action.count = 99
        with pytest.raises(SkipRest):
            minutely.run()

    class Bad(Action):
        def set_up(self, place: str) -> None:
            self._place = place
            self._fail("set_up")

        def _fail(self, place: str) -> None:
            if place == self._place:
                raise ZeroDivisionError(place)

        def run(self) -> None:
            self._fail("run")

        def tear_down(self) -> None:
            self._fail("tear_down")

    with pytest.raises(ZeroDivisionError, match="set_up"):
        ActionDriver(Bad, "set_up")
    with ActionDriver(Bad, "run") as driver2, pytest.raises(ZeroDivisionError, match="run"):
        driver2.run()
    with pytest.raises(ZeroDivisionError, match="tear_down"), ActionDriver(Bad, "tear_down"):
        pass


def test_a_wrong_number_of_arguments() -> None:
    """An action driver refuses a wrong number of arguments, as the command line does."""
    with pytest.raises(AssertionError, match="PrintAction does not take 2 arguments"):
        ActionDriver(PrintAction, "a", "b")


def test_a_daemon_in_lockstep(tmp_path: Path) -> None:
    """A test can wait for each step of a daemon: ready, signal, line, status."""
    with Daemon("--usr1", "print", "hi", directory=tmp_path) as daemon:
        daemon.ready().expect("init").signal(USR1).expect("hi").stop("cleanup")


def test_a_daemon_that_does_not_start() -> None:
    """If a daemon does not start, the test fails at once, and shows the daemon's own message."""
    with (
        Daemon("--usr1", "bogus") as daemon,
        pytest.raises(AssertionError, match=r"status 2, .*unknown action 'bogus'"),
    ):
        daemon.ready()


def test_what_is_not_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected line is shown with the expected one, and no wait takes longer than the deadline."""
    with Daemon("--usr1", "print", "hi", "--usr2", "stop") as daemon:
        daemon.ready()
        with pytest.raises(AssertionError, match="expected 'exit', got 'init'"):
            daemon.expect("exit")
        monkeypatch.setattr(testing, "DEADLINE", 0.05)
        for wait in (daemon.out.next, daemon.notified, daemon.status):
            with pytest.raises(
                AssertionError, match=r"(no line|no notification) within 0.05 s|still running after 0.05 s"
            ):
                wait()
        monkeypatch.undo()
        daemon.signal(signal.SIGUSR2)
        with pytest.raises(AssertionError, match=r"no line with 'bogus', only \['INFO"):
            daemon.expect_error("bogus")
    program = "import sys; print('cleanup'); sys.exit(3)"
    with Daemon(command=[sys.executable, "-c", program]) as daemon:
        daemon.status()
        with pytest.raises(AssertionError, match="exit status 3"):
            daemon.stop("cleanup")


def test_what_a_run_raises_later_comes_out_too() -> None:
    """An exception in a later run, with which the loop deals, reaches the test too."""

    class Late(Action):
        def run(self) -> None:
            raise ActionFailed("too late")

    with ActionDriver(Late) as driver:
        driver.engine.call_later(5, driver.engine.raise_flag, "usr1")
        driver.advance(4)
        with pytest.raises(ActionFailed, match="too late"):
            driver.advance(1)
        driver.advance(10)


def test_no_step_is_longer_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a line ends at the deadline even if other lines keep coming."""
    with Daemon("--every", "1ms", "log", "warning", "tick") as daemon:
        daemon.ready()
        monkeypatch.setattr(testing, "DEADLINE", 0.05)
        with pytest.raises(AssertionError, match="no line with"):
            daemon.expect_error("tock")


def test_signals_that_were_ignored_before_the_tests() -> None:
    """Processes that tests start do not inherit signals that a background job or nohup has ignored."""
    ignored = [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]
    program = (
        "import conftest, signal; conftest.pytest_configure();"
        f"print([signal.getsignal(number) is signal.SIG_IGN for number in {list(map(int, ignored))}])"
    )
    tests = str(Path(__file__).parent)
    done = run(command=[*inheriting(ignored=ignored), sys.executable, "-c", program], PYTHONPATH=tests)
    assert done.stdout == "[False, False, False]\n", done.stderr
