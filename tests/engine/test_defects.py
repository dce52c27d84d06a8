"""Defects of a class of actions, found when it is loaded."""

from __future__ import annotations

import abc
import functools
import importlib
import secrets
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from flagman import KNOWN_ACTIONS, Action, ActionFailed, Engine
from flagman.actions import BUILT_IN
from flagman.engine.defects import defect_of
from flagman.exceptions import SetUpError
from support.driven import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


class Sound(Action):
    """Has no defect."""

    def run(self) -> None:
        """Do nothing."""


class Async(Sound):
    """Has an async run, which is never awaited."""

    async def run(self) -> None:  # type: ignore[override]
        """Do nothing."""


class AsyncSetUp(Sound):
    """Has an async set_up, which is never awaited."""

    async def set_up(self) -> None:  # type: ignore[override]
        """Do nothing."""


class AsyncCheck(Sound):
    """Has an async check_arguments, which is never awaited."""

    @classmethod
    async def check_arguments(cls) -> None:  # type: ignore[override]
        """Do nothing."""


class Yields(Sound):
    """Has a tear_down that is a generator, which is never iterated."""

    def tear_down(self) -> Iterator[None]:  # type: ignore[override]
        """Do nothing."""
        yield


class YieldsAsync(Sound):
    """Has a run that is an async generator."""

    async def run(self) -> AsyncIterator[None]:  # type: ignore[override]
        """Do nothing."""
        yield


class Abstract(Action):
    """Does not define run."""


class Patience(Sound):
    """Has a timeout that is no number."""

    default_timeout = "5s"  # type: ignore[assignment]


class Patient(Sound):
    """Has a timeout of 0, which would leave no time."""

    default_timeout = 0


DEFECTS = [
    (Async, "run() is async, so calling it does nothing; define it without async"),
    (AsyncSetUp, "set_up() is async, so"),
    (AsyncCheck, "check_arguments() is async, so"),
    (Yields, "tear_down() is a generator, so calling it does nothing; define it without yield"),
    (YieldsAsync, "run() is an asynchronous generator, so"),
    (Abstract, "it does not define run()"),
    (Patience, "its default_timeout is '5s', and not a number of seconds from 0 to 100000000"),
    (Patient, "its default_timeout is 0, and not a number"),
    (int, "<class 'int'> is not a subclass of flagman.Action"),
]


@pytest.mark.parametrize(("action", "said"), DEFECTS)
def test_what_cannot_work(action: type[Action], said: str) -> None:
    """An engine refuses a class with a defect before it uses the class."""
    assert defect_of(action).startswith(said)
    with Engine() as engine:
        with pytest.raises(SetUpError, match=r"^the action .* is broken: ") as error:
            engine.set_up("usr1", action)
        assert said in str(error.value)
        assert not engine.bundles


def synchronous(function: Callable[..., Any]) -> Callable[..., None]:
    """Make a synchronous function of an async one."""

    @functools.wraps(function)
    def run(*arguments: object) -> None:
        function(*arguments).close()

    return run


class Wrapped(Sound):
    """Has an async run that a decorator makes synchronous."""

    @synchronous
    async def run(self) -> None:
        """Do nothing."""


class Runs(Sound):
    """Runs its async run in a way of its own."""

    def _run(self) -> None:
        vars(self)["result"] = self.run()

    @abc.abstractmethod
    async def run(self) -> None:  # type: ignore[override]
        """Do nothing."""


class RunsOwn(Runs):
    """Leaves its async run to its base."""

    async def run(self) -> None:  # type: ignore[override]
        """Do nothing."""


class OnInstances:
    """A descriptor that raises AttributeError for the class."""

    def __get__(self, instance: object, _: object = None) -> Callable[[], None]:
        """Return a function for an instance."""
        if instance is None:
            raise AttributeError
        return lambda: None


class Odd(Sound):
    """Has a method that only instances have."""

    run = OnInstances()


@pytest.mark.parametrize("action", [Sound, Wrapped, RunsOwn, Odd])
def test_what_can_work(action: type[Action]) -> None:
    """A class that works is not refused."""
    assert defect_of(action) == ""
    with Engine() as engine:
        engine.set_up("usr1", action)


MISSPELT = {
    "def setup(self): pass": "setup(); the method is called set_up()",
    "def setUp(self, path): super().setUp()": "setUp(); the method is called set_up()",
    "def teardown(self): pass": "teardown(); the method is called tear_down()",
    "@staticmethod\n    def tearDown(): pass": "tearDown(); the method is called tear_down()",
    "@classmethod\n    def checkarguments(cls, a): pass": "checkarguments(); the method is called check_arguments()",
}


@pytest.mark.parametrize("method", MISSPELT)
def test_a_method_that_nothing_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """A method that nothing calls is refused, with the name that was probably meant."""
    assert defect_of(written(tmp_path, monkeypatch, method)) == f"nothing calls {MISSPELT[method]}"


@pytest.mark.parametrize(
    ("method", "before", "after"),
    [
        ("def setup(self): self.run2()", "", ""),
        ("def setup(self): pass\n    def retry(self): self.setup()", "", ""),
        ("def setup(self): pass\n    def retry(self): return [x.setup() for x in [self]]", "", ""),
        ("def setup(self): pass\n    def retry(self): return lambda: self.setup()", "", ""),
        ("def setup(self): pass\n    def retry(self): getattr(self, 'setup')()", "", ""),
        ("def setup(self): pass\n    steps = {'a': setup}", "", ""),
        ("@hook\n    def setup(self): pass", "def hook(function): return function", ""),
        ("def setup(self): pass", "def helper(action): action.setup()", ""),
        ("def setup(self): pass\n    def set_up(self): pass", "", ""),
        ("def _setup(self): pass\n    _set_up_ = _setup\n    setup = 5", "", ""),
        ("setup = property(lambda self: 5)", "", ""),
        ("pass", "", "def setup(self): pass"),
    ],
)
def test_a_method_that_something_may_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, before: str, after: str
) -> None:
    """A method that is mentioned anywhere in the module is accepted, so that no working plugin is refused."""
    if "run2" in method:
        method = method.replace("self.run2()", "pass") + "\n    def run2(self): Odd.setup(self)"
    assert defect_of(written(tmp_path, monkeypatch, method, f"{before}\n{after}")) == ""


def test_a_method_of_a_foreign_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method of a foreign base class is accepted, because the code of that class may call it."""
    (tmp_path / "third.py").write_text(
        "class Third:\n    def begin(self): self.setup()\n    def setup(self): pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    odd = written(tmp_path, monkeypatch, "def setup(self): pass", "import third", bases="third.Third, Action")
    assert defect_of(odd) == ""


def written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, body: str, before: str = "", bases: str = "Action"
) -> type[Action]:
    """Write a module with a class of actions, and import it."""
    name = f"odd_{secrets.token_hex(8)}"
    text = f"from flagman import Action\n{before}\nclass Odd({bases}):\n    def run(self): pass\n    {body}\n"
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    odd = importlib.import_module(name).Odd
    assert isinstance(odd, type)
    assert issubclass(odd, Action)
    return odd


class Late(Sound):
    """Returns a coroutine from a plain function, which the class does not show."""

    async def _later(self) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Return the coroutine without awaiting it."""
        return self._later()  # type: ignore[return-value]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_run_that_returns_a_coroutine() -> None:
    """A run that returns a coroutine has failed, because its code has not run."""
    late = Late()
    with pytest.raises(ActionFailed, match=r"run\(\) has returned an awaitable"):
        late._run()
    late._close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("async def run(self): pass", "run() is async, so calling it does nothing"),
        ("def rum(self): pass", "it does not define run()"),
        ("def run(self): pass\ndef setup(self): pass", "nothing calls setup(); the method is called set_up()"),
    ],
)
@pytest.mark.parametrize("way", ["--check", "", "-d"])
def test_the_command_reports_a_defect(tmp_path: Path, body: str, said: str, way: str) -> None:
    """The command reports a defect in one line before any action is set up."""
    text = f"from flagman import Action\nclass Odd(Action):\n{textwrap.indent(body, '    ')}\n"
    (tmp_path / "odd.py").write_text(text, encoding="utf-8")
    done = run(*filter(None, [way]), "--usr1", "odd:Odd", PYTHONPATH=str(tmp_path), NOTIFY_SOCKET="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"flagman: error: --usr1: the action 'odd:Odd' is broken: {said}")
    assert done.stderr.count("\n") == 1


def test_the_list_shows_a_defect(tmp_path: Path) -> None:
    """The option --list shows a defect next to the name."""
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
    assert "run() is async" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", [*BUILT_IN])
def test_no_built_in_action_has_a_defect(name: str) -> None:
    """Engines rely on it, and do not look at the built-in ones at each start."""
    assert defect_of(KNOWN_ACTIONS[name]) == ""


def test_a_method_without_self_is_refused() -> None:
    """A method that cannot be called on an instance is a defect, and the message shows how to write it."""

    class Bare(Action):
        """Lacks self."""

        def run() -> None:  # type: ignore[misc] # noqa: N805, D102, RUF100
            pass

    assert defect_of(Bare) == "run() takes no argument; write def run(self)"
