"""A census: which processes are in which group, found at one look at /proc for all leaders that have ended meanwhile.

A look takes some milliseconds where there are many processes. When many leaders end in a row, a look for each of them
would take longer than their ends.
"""

from __future__ import annotations

import logging

from flagman.children.reaping import groups, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop

logger = logging.getLogger("flagman.supervise")

# The part of the time that looks may take when there is one after the other.
_SHARE = 1 / 3


class Census:
    """Looks for the members of groups; in the control loop.

    :param loop: the control loop
    :param clock: its clock
    """

    def __init__(self, loop: ControlLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._asked: list[Callable[[], object]] = []
        self._found: dict[int, list[int]] | None = None
        self._earliest = 0.0

    def ask(self, code: Callable[[], object]) -> None:
        """Call ``code`` soon: what it asks for then is found at one look, for all that have asked meanwhile."""
        self._asked.append(code)
        if len(self._asked) == 1:
            self._loop.call_at(max(self._clock(), self._earliest), self._look)

    def _look(self) -> None:
        asked, self._asked = self._asked, []
        began = self._clock()
        try:
            self._found = groups() if len(asked) > 1 else None
        except OSError:  # too many open files: each tries it for itself
            self._found = None
        for code in asked:
            try:
                code()
            except Exception:
                logger.exception("A look at a process that has ended failed")
        self._found = None
        now = self._clock()
        self._earliest = now + (now - began) * (1 / _SHARE - 1)

    def members(self, group: int) -> list[int] | None:
        """Return the members of a group, as :func:`flagman.children.reaping.members` does.

        :raises OSError: as there
        """
        return self._found.get(group, []) if self._found is not None else members(group)
