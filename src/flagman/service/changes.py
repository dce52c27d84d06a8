"""By which parts of a run report that they have changed: to the main loop, and to each other."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.engine.calls import Call
    from flagman.engine.engine import Engine
    from flagman.service.control_loop import ControlLoop

    Listener = Callable[[Mapping[str, object]], None]


class Changes:
    """Passes on that something has changed.

    :param engine: has the main loop
    :param loop: returns the control loop
    """

    def __init__(self, engine: Engine, loop: Callable[[], ControlLoop]) -> None:
        self._engine = engine
        self._loop = loop
        self._listeners: tuple[Listener, ...] = ()
        self._waiting: Callable[[], object] | None = None
        self._planned: Call | None = None
        self._is_told = False

    def wait(self, code: Callable[[], object], pause: float | None) -> None:
        """Call ``code`` once in the main loop, at the next :meth:`report`.

        :param pause: seconds after which to call it anyway; None for never
        """
        self._waiting = code
        if self._planned is not None:
            self._planned.cancel()
        self._planned = None if pause is None else self._engine.call_later(pause, self._look)

    def report(self) -> None:
        """Make the main loop, and all listeners, look again at what parts wait for; safe in any thread."""
        if self._is_told:
            self._engine.interrupter.wakeup.wake()  # the main loop may have ended, and wait for busy parts
        else:  # also if nothing waits: the main loop may be about to
            self._is_told = True
            self._engine.call_later(0, self._look)
        self.publish({"event": "readiness"})

    def _look(self) -> None:
        self._is_told = False  # before it looks: what changes from now on is told again
        code, self._waiting = self._waiting, None
        if code is not None:
            code()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` in the control loop with each event that is published from now on."""
        self._listeners = (*self._listeners, listener)

    def publish(self, event: Mapping[str, object]) -> None:
        """Pass an event, as JSON that is complete in itself, to all listeners; safe in any thread."""
        for listener in self._listeners:
            self._loop().call(listener, event)
