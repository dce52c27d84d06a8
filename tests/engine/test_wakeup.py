"""The pipe that ends every wait."""

from __future__ import annotations

import os
import select
from contextlib import closing

from flagman.engine.wakeup import Wakeup


def readable(wakeup: Wakeup) -> bool:
    """Return whether the pipe is readable now."""
    return bool(select.select([wakeup.fileno()], [], [], 0)[0])


def test_wake_and_drain() -> None:
    """Waking makes the pipe readable, and draining makes it quiet again."""
    with closing(Wakeup()) as wakeup:
        assert not readable(wakeup)
        wakeup.wake()
        wakeup.wake()
        assert readable(wakeup)
        wakeup.drain()
        assert not readable(wakeup)
        wakeup.drain()  # an empty pipe is no error


def test_a_full_pipe_stays_awake() -> None:
    """Waking more often than the pipe has room loses nothing and does not block."""
    with closing(Wakeup()) as wakeup:
        for _ in range(100_000):
            wakeup.wake()
        assert readable(wakeup)


def test_waking_after_the_end_does_nothing() -> None:
    """Waking after the end writes nothing, because another file may have the number of the descriptor."""
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
    """Neither end of the pipe survives an exec."""
    with closing(Wakeup()) as wakeup:
        assert not os.get_inheritable(wakeup.fileno())
        assert not os.get_inheritable(wakeup.writer)
