"""A control loop in its thread, and calls in it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from flagman.service.control_loop import ControlLoop
from support.driven import DEADLINE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Looping:
    """A control loop that runs until :meth:`close`."""

    def __init__(self) -> None:
        #: Whether it could not go on.
        self.has_failed = False
        self.loop = ControlLoop(lambda: None, self._fail)
        self.loop.start()

    def _fail(self) -> None:
        self.has_failed = True

    def do(self, code: Callable[[], T]) -> T:
        """Call ``code`` in the loop; return what it returns, and raise what it raises."""
        results: list[T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def call() -> None:
            try:
                results.append(code())
            except BaseException as error:  # noqa: BLE001 - it is raised below
                errors.append(error)
            done.set()

        self.loop.call(call)
        assert done.wait(DEADLINE)
        if errors:
            raise errors[0]
        return results[0]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds in the loop."""
        wait_for(lambda: self.do(condition))

    def close(self) -> None:
        """End the loop."""
        assert self.loop.stop(DEADLINE)
        assert not self.has_failed
