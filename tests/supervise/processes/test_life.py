"""One life as its stop sees it: which signals go where."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, cast

from flagman.supervise.processes.life import Life
from flagman.supervise.processes.plan import Plan

if TYPE_CHECKING:
    import pytest

    from flagman.supervise.instance import Instance

TERM, CONT, KILL = signal.SIGTERM, signal.SIGCONT, signal.SIGKILL


class FakeInstance:
    """Notes the signals that it gets."""

    pid = 7
    has_dumped_core = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.ended = self.rest = self.is_forgotten = False
        self.status: int | None = 0

    def has_ended(self) -> bool:
        """Return whether the leader has ended."""
        return self.ended

    def has_rest(self, _find: object) -> bool:
        """Return whether something else is left."""
        return self.rest

    def send(self, signum: int) -> None:
        """Note a signal to the leader."""
        self.sent.append(("leader", signum))

    def send_to_group(self, signum: int) -> None:
        """Note a signal to the group."""
        self.sent.append(("group", signum))

    def reap(self) -> int | None:
        """Return the status."""
        return self.status

    def forget(self) -> None:
        """Note that."""
        self.is_forgotten = True


def life_of(kill: str = "group") -> tuple[Life, FakeInstance]:
    """Return a life."""
    instance = FakeInstance()
    return Life(cast("Instance", instance), Plan("web", command=("web",), kill=kill), lambda _: None), instance


def test_the_order_of_an_end() -> None:
    """First the leader is asked, then the rest, and in the end all are killed."""
    life, instance = life_of()
    assert list(life.look()) == []
    life.end_leader()
    instance.ended = instance.rest = True
    assert list(life.look()) == ["died"]
    assert list(life.look()) == []
    assert life.has_rest
    life.end_rest()
    life.kill()
    life.end_rest()
    assert instance.sent == [("leader", TERM), ("group", CONT), ("group", TERM), ("group", CONT), ("group", KILL)]
    instance.rest = False
    assert list(life.look()) == ["group-empty"]
    assert life.reap() == 0


def test_both_ends_at_once() -> None:
    """Nothing is left behind the leader."""
    life, instance = life_of()
    instance.ended = True
    assert list(life.look()) == ["died", "group-empty"]


def test_the_leader_alone() -> None:
    """With ``kill = "process"``, the rest of the group is left alone."""
    life, instance = life_of("process")
    life.end_leader()
    life.kill()
    instance.ended = instance.rest = True
    assert list(life.look()) == ["died", "group-empty"]
    life.abandon()
    assert instance.sent == [("leader", TERM), ("leader", CONT), ("leader", KILL), ("leader", KILL)]
    assert instance.is_forgotten


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """That it hangs, and that its status is lost."""
    life, instance = life_of()
    instance.status = None
    life.is_given_up()
    assert life.is_stuck
    assert life.reap() is None
    assert [record.getMessage() for record in caplog.records] == [
        "`web`, or a process of its group, cannot be killed, and goes on",
        "`web` has ended, but other code has collected its exit status",
    ]
