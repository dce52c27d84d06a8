"""What is looked at while an action waits: something that may make its bundle run anew."""

from __future__ import annotations

import math
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: Waits for the descriptors of a poll object, for as many seconds at most; see ``Interrupter.wait``.
    Wait = Callable[[select.poll, float | None], list[tuple[int, int]]]


class Alongside:
    """Something that is looked at before each wait, and when a descriptor is readable.

    :param fileno: returns the descriptor; -1 if there is none
    :param look: looks, and returns the seconds until the next look; None if only the descriptor asks for one
    """

    def __init__(self, fileno: Callable[[], int], look: Callable[[], float | None]) -> None:
        self._fileno = fileno
        self._look = look

    def wait(self, wait: Wait, poll: select.poll, seconds: float | None) -> list[tuple[int, int]]:
        """Look, then wait until another look is worth it, or what is waited for has happened."""
        due = self._look()
        descriptor = self._fileno()
        patience = min(math.inf if each is None else each for each in (seconds, due))
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
        try:
            events = wait(poll, None if patience == math.inf else patience)
        finally:
            if descriptor >= 0:
                poll.unregister(descriptor)
        return [event for event in events if event[0] != descriptor]
