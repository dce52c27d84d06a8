"""The actions for processes that flagman keeps, with a part that stands in for what keeps them."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from flagman import ActionFailed, Engine
from flagman.actions import RestartProcessAction, SignalAction, StartProcessAction, StopProcessAction
from flagman.actions.processes import REQUEST
from flagman.exceptions import SetUpError
from support.driven import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flagman import Action
    from support.driven import Flagman

KEEPING = (sys.executable, "-m", "keeping")
ACTIONS = [
    (StartProcessAction, ("web",), ("start", "web")),
    (StopProcessAction, ("web",), ("stop", "web")),
    (RestartProcessAction, ("web",), ("restart", "web")),
    (SignalAction, ("sighup", "process:web"), ("signal", "web", "HUP")),
]


@pytest.mark.parametrize(("action", "arguments", "asked"), ACTIONS)
def test_what_keeps_processes_is_asked(
    action: type[Action], arguments: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """Each action asks what keeps processes in its run, and shows the answer; if it refuses, the run has failed."""
    said: list[tuple[str, ...]] = []
    with Engine() as engine:
        engine.offer(REQUEST, said.append)
        instance = engine.set_up("usr1", action, *arguments)
        assert not said
        instance.run()
        assert (said, engine.turn.remark) == ([asked], "")
        engine.offer(REQUEST, lambda _: "wish #7")
        instance.run()
        assert engine.turn.remark == "wish #7"

        def refuse(_: tuple[str, ...]) -> None:
            raise ActionFailed("web does not run")

        engine.offer(REQUEST, refuse)
        with pytest.raises(ActionFailed, match="web does not run"):
            instance.run()


@pytest.mark.parametrize(("action", "arguments", "_asked"), ACTIONS)
def test_nothing_keeps_processes(action: type[Action], arguments: tuple[str, ...], _asked: tuple[str, ...]) -> None:
    """Without anything that keeps processes, the actions cannot be set up."""
    with Engine() as engine, pytest.raises(SetUpError, match="nothing here keeps processes"):
        engine.set_up("usr1", action, *arguments)


def test_in_a_daemon(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A daemon logs the answer; a name that a reload has taken away is refused by it, and the old actions go on."""
    config = tmp_path / "flagman.toml"
    binding = '[[on]]\nsignal = "USR1"\naction = "%s"\nargs = [%s]\n'
    text = "[process.web]\n[process.db]\n" + binding % ("restart_process", '"web"') + binding % ("stop_process", '"db"')
    config.write_text(text + binding % ("signal", '"HUP", "process:web"'), encoding="utf-8")
    daemon = start("-v", "-c", str(config), "--hup", "reload", command=KEEPING).ready().signal(signal.SIGUSR1)
    daemon.expect("restart web", "stop db", "signal web HUP")
    assert daemon.expect_error("usr1: restart_process web: succeeded in ").endswith(" s: wish #7")
    config.write_text(text.replace("[process.db]\n", ""), encoding="utf-8")
    daemon.signal(signal.SIGHUP).expect_error(
        "the old configuration stays: usr1: stop_process: there is no process 'db'"
    )
    daemon.signal(signal.SIGUSR1).expect("restart web", "stop db", "signal web HUP").stop()


def test_all_unknown_names_at_once(tmp_path: Path) -> None:
    """A check reports each unknown name in a line of its own, for triggers and for actions."""
    (tmp_path / "flagman.toml").write_text("[process.web]\n", encoding="utf-8")
    words = ["--on-process", "wbe:fail", "start_process", "we", "--usr1", "signal", "HUP", "process:cache"]
    done = run("--check", "-c", "flagman.toml", *words, directory=str(tmp_path), command=KEEPING)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "flagman: error: process:wbe:fail: there is no process 'wbe'; did you mean 'web'?",
        "flagman: error: process:wbe:fail: start_process: there is no process 'we'; did you mean 'web'?",
        "flagman: error: usr1: signal: there is no process 'cache'",
    ]
