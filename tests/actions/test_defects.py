"""What is wrong with a class of actions, told when it is loaded."""

from __future__ import annotations

import functools
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from daemon import run

from flagman import Action, Engine
from flagman.actions.defects import defect_of
from flagman.exceptions import SetUpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


class Sound(Action):
    """Nothing is wrong with it."""

    def run(self) -> None:
        """Do nothing."""


class Async(Sound):
    """Waits for somebody who awaits it."""

    async def run(self) -> None:  # type: ignore[override]
        """Do nothing."""


class AsyncSetUp(Sound):
    """Is never set up."""

    async def set_up(self) -> None:  # type: ignore[override]
        """Do nothing."""


class AsyncCheck(Sound):
    """Never looks at its arguments."""

    @classmethod
    async def check_arguments(cls) -> None:  # type: ignore[override]
        """Do nothing."""


class Yields(Sound):
    """Waits for somebody who iterates."""

    def tear_down(self) -> Iterator[None]:  # type: ignore[override]
        """Do nothing."""
        yield


class YieldsAsync(Sound):
    """Waits for both."""

    async def run(self) -> AsyncIterator[None]:  # type: ignore[override]
        """Do nothing."""
        yield


class Abstract(Action):
    """Does not define what it does."""


class Setup(Sound):
    """Has almost the right name."""

    def setup(self, path: str) -> None:
        """Do nothing."""


class SetUp(Setup):
    """Inherits the fault, and has one more."""

    def setUp(self) -> None:
        """Do as the other does."""
        super().setup("x")


class TearDown(Sound):
    """Has two almost right names."""

    @staticmethod
    def tearDown() -> None:
        """Do nothing."""


DEFECTS = [
    (Async, "run() is a coroutine, so calling it does nothing; define it without async and yield"),
    (AsyncSetUp, "set_up() is a coroutine, so"),
    (AsyncCheck, "check_arguments() is a coroutine, so"),
    (Yields, "tear_down() is a generator, so"),
    (YieldsAsync, "run() is an asynchronous generator, so"),
    (Abstract, "it does not define run()"),
    (Setup, "nothing calls setup(); the method is called set_up()"),
    (SetUp, "nothing calls setUp(); the method is called set_up()"),
    (TearDown, "nothing calls tearDown(); the method is called tear_down()"),
]


@pytest.mark.parametrize(("action", "said"), DEFECTS)
def test_what_cannot_work(action: type[Action], said: str) -> None:
    """The engine of a program refuses it, too, before it does anything with it."""
    assert defect_of(action).startswith(said)
    with Engine() as engine:
        with pytest.raises(SetUpError, match=f"the action {action.__name__} is broken: ") as error:
            engine.set_up("usr1", action)
        assert said in str(error.value)
        assert not engine.bundles


def synchronous(function: Callable[..., Any]) -> Callable[..., None]:
    """Make something that can be called."""

    @functools.wraps(function)
    def run(*arguments: object) -> None:
        function(*arguments).close()

    return run


class Wrapped(Sound):
    """Runs what is asynchronous."""

    @synchronous
    async def run(self) -> None:
        """Do nothing."""


class Helped(Sound):
    """Has a method of its own that is called like this."""

    def setup(self) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Get ready anew in each run."""
        self.setup()


class Both(Sound):
    """Uses both names."""

    def set_up(self) -> None:
        """Do nothing."""

    def setup(self) -> None:
        """Do nothing."""


class Foreign:
    """Knows nothing of flagman."""

    def setup(self) -> None:
        """Do nothing."""


class Mixed(Foreign, Sound):
    """Inherits a method that has nothing to do with it."""

    teardown = "a value"

    def _set_up_(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("action", [Sound, Wrapped, Helped, Both, Mixed])
def test_what_can_work(action: type[Action]) -> None:
    """Nobody is suspected."""
    assert defect_of(action) == ""
    with Engine() as engine:
        engine.set_up("usr1", action)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("async def run(self): pass", "run() is a coroutine, so calling it does nothing"),
        ("def rum(self): pass", "it does not define run()"),
        ("def run(self): pass\ndef setup(self): pass", "nothing calls setup(); the method is called set_up()"),
    ],
)
@pytest.mark.parametrize("way", ["--check", "", "-d"])
def test_the_command_says_it(tmp_path: Path, body: str, said: str, way: str) -> None:
    """In one line, before anything is set up."""
    text = f"from flagman import Action\nclass Odd(Action):\n{textwrap.indent(body, '    ')}\n"
    (tmp_path / "odd.py").write_text(text, encoding="utf-8")
    done = run(*filter(None, [way]), "--usr1", "odd:Odd", PYTHONPATH=str(tmp_path), NOTIFY_SOCKET="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"flagman: error: --usr1: the action 'odd:Odd' is broken: {said}")
    assert done.stderr.count("\n") == 1


def test_the_list_says_it(tmp_path: Path) -> None:
    """Beside the name."""
    text = "from flagman import Action\nclass Odd(Action):\n    async def run(self): pass\n"
    (tmp_path / "odd.py").write_text(text, encoding="utf-8")
    information = tmp_path / "odd-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n", encoding="utf-8")
    (information / "entry_points.txt").write_text("[flagman.action]\nodd = odd:Odd\n", encoding="utf-8")
    done = run("--list", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("odd "))
    assert "BROKEN: the action 'odd'" in line
    assert "run() is a coroutine" in " ".join(done.stdout.split())
