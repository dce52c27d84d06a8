"""The composition root: what settings come to in an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recorder import JOURNAL, Recorder

from flagman import Engine, service
from flagman.engine import timers
from flagman.settings import Binding, Settings, Source
from flagman.testing import FakeTime

if TYPE_CHECKING:
    import pytest


def test_a_tick_in_time_comes_later_by_the_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--after`` with ``--jitter``, too."""
    monkeypatch.setattr(timers, "spread", lambda jitter: lambda: jitter / 2)
    JOURNAL.clear()
    time = FakeTime()
    settings = Settings(jitter=8.0)
    settings.bindings = (Binding(Source("after-10s", after=10.0), "recorder", Recorder, ("once",)),)
    with Engine(contained=(), clock=time, wait=time.wait) as engine:
        time.on_end = engine.stop
        service._set_up(settings, engine)
        service._start(settings, engine)
        time.end = time.now + 13.9
        engine.run()
        assert JOURNAL == ["set up once"]
        time.end += 0.2
        engine.run()
        assert JOURNAL == ["set up once", "run once"]
