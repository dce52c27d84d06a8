"""The end of a run the processes of which have ended: it waits for the actions that are bound to the last event."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.service.parts import Site
    from flagman.supervise.processes.together import Together

logger = logging.getLogger("flagman.supervise")

# Seconds between two looks whether these actions have run: a flag may be held until it is quiet.
_PAUSE = 0.02


class Ending:
    """Stops the run when there is nothing left to keep.

    :param site: the run
    :param together: the processes
    """

    def __init__(self, site: Site, together: Together) -> None:
        self._site = site
        self._engine = site.engine
        self._together = together
        #: Whether the processes have ended, and the run ends because of that.
        self.has_begun = False

    def look(self) -> None:
        """Begin if the processes have ended; in the control loop."""
        if self.has_begun or self._together.is_stopping or not self._is_over():
            return
        self.has_begun = True
        is_essential = self._together.essential_status is not None
        logger.warning("%s; exiting", "An essential process has ended" if is_essential else "All processes have ended")
        # An action that hangs has no more time than after a stop signal.
        seconds = self._site.settings.time_to_stop()
        self._engine.interrupter.bound_from_afar(seconds)
        self._site.loop.call_later(seconds, self._engine.stop)
        self._engine.call_later(0, self._stop_when_told)

    def _is_over(self) -> bool:
        if self._together.essential_status is not None:
            return True
        settings = self._site.settings
        return not (settings.keep_alive or settings.command) and self._together.has_ended()

    def _stop_when_told(self) -> None:
        """Stop when no action waits any more that is bound to what has happened to a process; in the main loop."""
        told = (binding.flag for binding in self._site.settings.bindings if binding.source.processes())
        if any(self._engine.pending(flag) for flag in told if flag in self._engine.bundles):
            self._engine.call_later(_PAUSE, self._stop_when_told)
        else:
            self._engine.stop()
