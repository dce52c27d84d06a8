"""The life of an action."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings

import pytest

import flagman
from flagman import Action, ActionClosed
from flagman.engine.action import Host
from flagman.engine.choices import Choices
from flagman.engine.doors import Doors
from support.driven import clean_environment
from support.recorder import JOURNAL, FailingSetUp, Recorder


@pytest.fixture(autouse=True)
def _fresh_journal() -> None:
    JOURNAL.clear()


def test_run_is_the_only_abstract_method() -> None:
    """An action needs no other method than run."""

    class Minimal(Action):
        def run(self) -> None:
            JOURNAL.append("run")

    action = Minimal()
    action._run()
    action._close()
    assert JOURNAL == ["run"]
    assert Action.__abstractmethods__ == {"run"}
    with pytest.raises(TypeError, match="abstract"):
        Action()  # type: ignore[abstract]


def test_closing_tears_down_once_and_forbids_runs() -> None:
    """A closed action is torn down once and never runs again."""
    action = Recorder("a")
    action._close()
    action._close()
    with pytest.raises(ActionClosed):
        action._run()
    del action
    gc.collect()
    assert JOURNAL == ["set up a", "tear down a"]


def test_the_last_net_warns() -> None:
    """An action that was not closed is torn down when it is collected, with a ResourceWarning."""
    action = Recorder("a")
    with pytest.warns(ResourceWarning, match="unclosed action"):
        del action
        gc.collect()
    assert JOURNAL == ["set up a", "tear down a"]


def test_the_last_net_holds_when_the_interpreter_ends() -> None:
    """An open action is also torn down at the end of the interpreter, when nothing can be imported any more."""
    program = "import flagman; flagman.create_action_bundles({'usr1': [['print', 'x']]})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, encoding="utf-8", timeout=60, check=True
    )
    assert done.stdout == "init\ncleanup\n"
    assert "Exception ignored" not in done.stderr


def test_a_failed_set_up_is_never_torn_down() -> None:
    """After a failed set_up an action is not torn down, not even by garbage collection."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError):
            FailingSetUp("a")
        gc.collect()
    assert JOURNAL == ["set up a"]


def test_an_action_of_the_original_documentation_works_unchanged() -> None:
    """An action from the original documentation works: either base class, its own set_up arguments, closing itself."""
    from flagman.actions import Action as SameAction  # noqa: PLC0415

    assert SameAction is flagman.Action

    class OldStyle(SameAction):
        """An action from the old documentation."""

        def set_up(self, msg: str) -> None:
            self._message = msg

        def run(self) -> None:
            JOURNAL.append(self._message)
            self._close()
            raise flagman.ActionClosed("Only print once")

        def tear_down(self) -> None:
            JOURNAL.append("cleanup")

    action = OldStyle("hello")
    with pytest.raises(ActionClosed, match="Only print once"):
        action._run()
    assert JOURNAL == ["hello", "cleanup"]


def test_an_action_without_an_engine_can_ask_for_all_that_it_may() -> None:
    """An action without an engine has default answers, and raises an error for what needs an engine."""
    recorder = Recorder("a")
    host = recorder.engine
    assert (host.turn.flag, host.turn.raises, host.choices, host.turn.choices) == ("", 0, Choices(), Choices())
    assert (host.stopping, host.offers("reload")) == (False, False)
    with pytest.raises(LookupError, match="nothing here offers 'reload'"):
        host.ask("reload")
    assert dict(host.bundles) == {}
    assert host.interrupter.call(lambda: host.clock() > 0)
    for ask in (
        lambda: host.set_up("usr1", Recorder, "b"),
        lambda: host.debounce("usr1", 5),
        lambda: host.arm([10]),
        lambda: host.raise_flag("usr1"),
        lambda: host.call_later(5, print),
        lambda: host.call_at(5, print),
        lambda: host.attach(0, print),
        host.stop,
    ):
        with pytest.raises(RuntimeError, match="this action has no engine"):
            ask()
    recorder._close()


def test_an_engine_has_an_answer_of_its_own_to_all_that_an_action_may_ask() -> None:
    """An engine itself has all that an action may ask of it, and nothing falls back to the stand-in."""
    asked = {name for name in {**vars(Host), **vars(Host())} if not name.startswith("_")}
    with flagman.Engine() as engine:
        known = vars(flagman.Engine).keys() | vars(Doors).keys() | vars(engine).keys()
        assert asked - {"agent", "choices", "offer", "offers", "ask"} <= known


def test_actions_without_an_engine_share_nothing() -> None:
    """Actions without an engine do not share the state of their stand-ins."""
    one, other = Recorder("a"), Recorder("b")
    one.engine.turn.remark = "done"
    one.engine.offer("dance", list)
    assert (other.engine.turn.remark, other.engine.offers("dance")) == ("", False)
    one._close()
    other._close()
