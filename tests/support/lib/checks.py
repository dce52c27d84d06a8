"""Verifiers for tests."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from flagman import Verifier

if TYPE_CHECKING:
    from flagman.supervise.verifiers.verifier import Process

SEEN: list[Process] = []


class Says(Verifier):
    """Says what the file tells it, one answer for each call, and then yes."""

    def __init__(self, *, answers: list[object], after_no: str = "") -> None:
        if after_no:
            raise ValueError(f"{after_no!r} is not understood")
        self._answers = list(answers)

    def run(self, process: Process) -> bool:
        """Return or raise the next answer."""
        SEEN.append(process)
        answer = self._answers.pop(0) if self._answers else True
        if answer == "exit":
            sys.exit("leaving\nnow")
        if answer not in (True, False):
            raise LookupError(answer)
        return answer is True


class Hangs(Verifier):
    """Never returns."""

    def run(self, process: Process) -> bool:
        """Wait for ever."""
        SEEN.append(process)
        while True:
            time.sleep(3600)


class Waits(Verifier):
    """Returns when the process has ended, or it is not listened to any more."""

    def run(self, process: Process) -> bool:
        """Wait."""
        while process.is_alive():
            time.sleep(0.01)
        SEEN.append(process)
        return True


class Abstract(Verifier):
    """Lacks what it needs."""


class Asynchronous(Verifier):
    """Does nothing when it is called."""

    async def run(self, process: Process) -> bool:  # type: ignore[override]
        """Do nothing."""
        return bool(process)
