"""Threads that are started without the module ``threading``."""

from __future__ import annotations

import threading
from _thread import allocate_lock
from typing import TYPE_CHECKING

import pytest

from flagman.engine.threads import start_new_thread

if TYPE_CHECKING:
    from types import FrameType

SECONDS = 30


@pytest.mark.parametrize("traces", [False, True])
def test_what_traces_threads_sees_them(*, traces: bool) -> None:
    """A function that was given to threading.settrace() is called for the code of the thread."""
    seen: list[str] = []
    done = allocate_lock()
    done.acquire()

    def trace(frame: FrameType, _event: str, _argument: object) -> None:
        seen.append(frame.f_code.co_name)

    def code(word: str) -> None:
        seen.append(word)
        done.release()

    before = threading.gettrace()
    threading.settrace(trace if traces else None)
    try:
        start_new_thread(code, ("said",))
        assert done.acquire(timeout=SECONDS)
    finally:
        threading.settrace(before)
    assert seen == (["code", "said"] if traces else ["said"])
