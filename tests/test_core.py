"""The documented functions for programs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

import flagman
from flagman import core
from flagman.cli import parse_args
from flagman.exceptions import SetUpError, UnknownActionError, UsageError
from support.raised import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _fresh_engine() -> Iterator[None]:
    """Close the shared engine if a test left it open."""
    yield
    if core._shared is not None:
        core._shared.close()
        core._shared = None


def test_the_documented_way(capsys: pytest.CaptureFixture[str]) -> None:
    """A program creates bundles, sets handlers and runs; when all actions have closed, run() returns None."""
    assert flagman.create_action_bundles({"usr1": [["print", "hi"], ["print_once", "ho"]]}) == 2
    assert flagman.create_action_bundles({"usr2": [["print_once", "last"]]}) == 1
    before = signal.getsignal(signal.SIGHUP)
    flagman.set_handlers()
    assert signal.getsignal(signal.SIGHUP) == before, "only signals with actions are touched"
    assert callable(signal.getsignal(signal.SIGUSR1))
    os.kill(os.getpid(), signal.SIGUSR1)
    core._engine().raise_flag("usr2")
    core._engine().raise_flag("stop-me")
    core._engine()._unmapped = lambda _: core._engine().stop()
    flagman.run()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert capsys.readouterr().out.split() == [
        *["init"] * 3,
        *["hi", "ho", "cleanup", "last", "cleanup", "cleanup"],
    ]


def test_it_can_be_used_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A second run keeps nothing of the first."""
    for _ in range(2):
        assert flagman.create_action_bundles({"usr1": [["print_once", "hi"]]}) == 1
        flagman.set_handlers()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert flagman.run() is None  # type: ignore[func-returns-value]
    assert capsys.readouterr().out.split() == ["init", "hi", "cleanup"] * 2


def test_parsed_arguments_can_be_given_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Parsed arguments can be passed as a mapping; values that are no lists of actions are skipped."""
    arguments = parse_args(["flagman", "--usr1", "print_once", "a", "--hup", "print_once", "b", "-v", "--no-systemd"])
    assert flagman.create_action_bundles(vars(arguments)) == 2
    assert capsys.readouterr().out == "init\n" * 2


@pytest.mark.parametrize("outer", [list, tuple, iter, lambda them: (one for one in them)])
@pytest.mark.parametrize("inner", [list, tuple, iter])
def test_any_iterable_is_a_list_of_actions(
    outer: Callable[[object], object], inner: Callable[[object], object], capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of a signal may hold any iterable of actions, and other keys may hold anything."""
    others: dict[str, object] = {"tuple": (["print", "no"],), "text": "print", "set": {1}, "usr2": None, "hup": []}
    actions = outer([inner(["print", "a"]), inner(["delay_print", "b", "0"])])
    assert flagman.create_action_bundles({"usr1": actions, **others}) == 2
    assert capsys.readouterr().out == "init\n" * 2
    assert list(core.ACTION_BUNDLES) == ["usr1"]


@pytest.mark.parametrize("actions", ["print", b"bytes", 7, ["print"], [[]], [[7, "x"]], [None], {"print": "x"}])
def test_what_is_no_list_of_actions(actions: object) -> None:
    """The message about a wrong value shows the value, and what it should look like."""
    with pytest.raises(UsageError, match=r"^usr1: .* is not (a list of actions|an action with its arguments), such as"):
        flagman.create_action_bundles({"usr1": actions})


@pytest.mark.parametrize(
    ("bindings", "error"),
    [
        ({"usr3": [["print", "x"]]}, UsageError),
        ({"usr1": [["print", "x"], ["bogus"]]}, UnknownActionError),
    ],
)
def test_mistakes_set_nothing_up(
    bindings: dict[str, list[list[str]]], error: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    """All actions are looked up before any action is set up."""
    with pytest.raises(error):
        flagman.create_action_bundles(bindings)
    assert capsys.readouterr().out == ""


def test_a_failed_set_up_is_an_error() -> None:
    """A failed set_up is an error with the original exception as its cause."""
    with pytest.raises(SetUpError, match="TypeError"):
        flagman.create_action_bundles({"usr1": [["print"]]})


def test_the_shared_engines_containers_can_be_seen() -> None:
    """The public containers are those of the shared engine, not copies."""
    flagman.create_action_bundles({"usr1": [["print", "x"], ["print", "y"]]})
    assert len(core.ACTION_BUNDLES["usr1"]) == 2
    core.SIGNAL_FLAGS.add("usr1")
    assert taken(core._engine().flags) == [("usr1", 1)]
    with pytest.raises(AttributeError):
        core.bogus  # noqa: B018 - looking it up is the test


def test_no_bindings_give_no_actions() -> None:
    """No bindings give no actions, and run() then returns at once."""
    assert flagman.create_action_bundles({}) == 0
    flagman.run()


def test_known_actions_is_a_mapping_of_names_to_classes() -> None:
    """KNOWN_ACTIONS maps names to classes, and is read-only and lazy."""
    assert flagman.KNOWN_ACTIONS["print"] is flagman.actions.PrintAction
    assert not hasattr(flagman.KNOWN_ACTIONS, "__setitem__")
