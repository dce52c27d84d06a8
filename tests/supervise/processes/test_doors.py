"""The part that keeps processes: how it answers the run, which is in another thread, and actions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from flagman.actions.processes import REQUEST
from flagman.config.settings import Settings
from flagman.engine.engine import Engine
from flagman.supervise.processes.part import ProcessesPart
from flagman.supervise.processes.tables import read
from support.keeping import Yard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.service.parts import Site
    from flagman.service.preparation import Preparation


class Keeping:
    """The part, open, with processes that are none."""

    def __init__(self, engine: Engine) -> None:
        self.yard = Yard()
        tables = {"process": {"web": {"command": ["web"]}}}
        self.settings = Settings(tables=tables, of_parts={"process": read(tables["process"])[0]}, guardian=False)
        changes = SimpleNamespace(report=lambda: None)
        site = SimpleNamespace(
            engine=engine, settings=self.settings, loop=self.yard.loop, streams=dict, changes=changes
        )
        self.part = ProcessesPart()
        self.part.prepare(cast("Preparation", SimpleNamespace(is_managed=True)))
        self.part.open(cast("Site", site))
        self.part.together = self.yard.together

    def ask(self, verb: str, name: str) -> None:
        """Ask something, as an action does."""
        self.part.requests()[REQUEST]((verb, name))
        self.yard.loop.advance(0)


@pytest.fixture(name="keeping")
def _keeping() -> Iterator[Keeping]:
    """Yield the part."""
    with Engine() as engine:
        yield Keeping(engine)


def test_it_is_not_ready_before_its_processes_are_there(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread may look while the control loop is about to start them, or to follow a reload."""
    part, seen = keeping.part, []
    follow = keeping.yard.together.follow

    def look_and_follow(*orders: object) -> None:
        seen.append(part.is_unready())
        follow(*orders)  # type: ignore[arg-type]

    monkeypatch.setattr(keeping.yard.together, "follow", look_and_follow)
    for _ in range(2):
        part.accept(keeping.settings)
        part.follow(keeping.settings)
        assert part.is_unready()
        keeping.yard.loop.advance(0)
        for attachment in keeping.yard.loop.attachments:
            attachment.detach()
    assert seen == [True, True]


def failed(keeping: Keeping) -> None:
    """Make a process fail, and an action ask for its start, which has to wait a moment."""
    keeping.yard.follow(keeping.yard.plan("web", restart="never"))
    keeping.yard.end("web", 1)
    keeping.ask("start", "web")
    assert keeping.yard.states() == {"web": "failed"}


def test_a_start_by_an_action_keeps_its_distance(keeping: Keeping) -> None:
    """It comes a second after the one before."""
    failed(keeping)
    keeping.yard.loop.advance(1)
    assert keeping.yard.states() == {"web": "ready"}


def test_a_stop_comes_after_a_start_that_waits(keeping: Keeping) -> None:
    """What was asked for later holds."""
    failed(keeping)
    keeping.ask("stop", "web")
    keeping.yard.loop.advance(10)
    assert keeping.yard.states() == {"web": "stopped"}


@pytest.mark.parametrize("comes_back", [False, True])
def test_what_has_gone_is_not_started(comes_back: bool, keeping: Keeping) -> None:  # noqa: FBT001 - a parameter
    """A reload has removed it while its start had to wait; a new one of its name is another one."""
    failed(keeping)
    keeping.yard.follow()
    if comes_back:
        keeping.yard.follow(keeping.yard.plan("web", wanted="down"))
    keeping.yard.loop.advance(10)
    assert keeping.yard.states() == ({"web": "stopped"} if comes_back else {})
    assert len(keeping.yard.bodies) == 1
