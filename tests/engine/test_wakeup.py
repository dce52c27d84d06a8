"""The pipe that ends every wait."""

from __future__ import annotations

import os
import select
from contextlib import closing

from flagman.engine.wakeup import Wakeup


def readable(wakeup: Wakeup) -> bool:
    """Look without waiting."""
    return bool(select.select([wakeup.fileno()], [], [], 0)[0])


def test_wake_and_drain() -> None:
    """A byte makes it readable, draining makes it quiet again."""
    with closing(Wakeup()) as wakeup:
        assert not readable(wakeup)
        wakeup.wake()
        wakeup.wake()
        assert readable(wakeup)
        wakeup.drain()
        assert not readable(wakeup)
        wakeup.drain()  # nothing to take is no error


def test_a_full_pipe_stays_awake() -> None:
    """Waking more often than the pipe has room loses nothing and blocks nobody."""
    with closing(Wakeup()) as wakeup:
        for _ in range(100_000):
            wakeup.wake()
        assert readable(wakeup)


def test_waking_after_the_end_does_nothing() -> None:
    """The number of the descriptor may belong to another file by then."""
    wakeup = Wakeup()
    writer = wakeup.writer
    wakeup.close()
    reader, other = os.pipe()
    try:
        assert writer in (reader, other)
        wakeup.wake()
        assert not select.select([reader], [], [], 0)[0]
    finally:
        os.close(reader)
        os.close(other)


def test_children_do_not_inherit_it() -> None:
    """Neither end survives an exec."""
    with closing(Wakeup()) as wakeup:
        assert not os.get_inheritable(wakeup.fileno())
        assert not os.get_inheritable(wakeup.writer)
