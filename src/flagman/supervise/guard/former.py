"""The wait for the guardian of a former daemon of the same name, so that no process runs twice."""

from __future__ import annotations

import logging
import time

from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.guard.lock import Holder, Lock

logger = logging.getLogger("flagman.supervise")

# Seconds between two looks whether the lock is free, and the most to wait if the guardian does not say how long it may
# need.
_PAUSE, _PATIENCE = 0.05, 60.0


class Wait:
    """Waits for the lock, in the control loop.

    :param lock: it is held afterwards, if that was possible
    :param sweep: ends what a daemon has left that died with its guardian, and calls its argument then
    :param on_free: called when processes may be started
    """

    def __init__(
        self,
        lock: Lock,
        loop: ControlLoop,
        sweep: Callable[[Holder, Callable[[], object]], object],
        on_free: Callable[[], object],
    ) -> None:
        self._lock = lock
        self._loop = loop
        self._sweep = sweep
        self._on_free = on_free
        self._limit = time.monotonic() + _PATIENCE
        self._is_told = False
        self._is_over = False

    def look(self) -> None:
        """Take the lock if it is free; look again later if a guardian has it."""
        if self._is_over:
            return
        try:
            holder = self._lock.take()
        except OSError as error:
            logger.debug("No lock shows a later start what this one may leave: %s: %s", shown(self._lock.path), error)
            self._on_free()
            return
        is_mine = self._lock.descriptor >= 0
        if holder is not None and holder.lives():
            self._give_way(holder, is_mine=is_mine)
        elif not is_mine:
            self._wait(holder)
        elif holder is not None:
            logger.warning("A former daemon and its guardian were killed: what they have left is ended first")
            self._sweep(holder, self._on_free)
        else:
            if self._is_told:
                logger.info("The guardian of the former daemon has ended its processes")
            self._on_free()

    def cancel(self) -> None:
        """Wait no longer, and do not call what was to be called."""
        self._is_over = True

    def _wait(self, holder: Holder | None) -> None:
        now = time.monotonic()
        if holder is not None and holder.latest:
            self._limit = holder.latest
        if now >= self._limit:
            logger.warning("The guardian of a former daemon does not end, and is waited for no longer")
            self._on_free()
            return
        if not self._is_told:
            self._is_told = True
            which = f" (process {holder.guardian})" if holder is not None and holder.guardian else ""
            logger.warning("Waits for the guardian of a former daemon%s, which ends what that has left", which)
        self._loop.call_later(_PAUSE, self.look)

    def _give_way(self, holder: Holder, *, is_mine: bool) -> None:
        """Leave the lock to a daemon that lives."""
        if is_mine:  # it has lost the lock
            self._lock.leave()
        logger.info("The process %d has the same name, so no lock shows a later start what is left", holder.daemon)
        self._on_free()
