"""That nothing is left behind: neither by flagman, if it is killed, nor by an instance that has ended."""

from __future__ import annotations

import os

from flagman.config import naming
from flagman.supervise.guard.guard import Guard, is_needed
from flagman.supervise.guard.strays import Stray, Strays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.config.settings import Settings
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.processes.plan import Plan

# Seconds that strays have to end, when flagman ends.
_GRACE = 2.0


class Backstop:
    """Marks instances, tells the guardian of them, and looks for what they leave; in the control loop.

    :param settings: those of the start
    :param is_managed: whether a service manager is told of this process
    """

    def __init__(self, settings: Settings, loop: ControlLoop, *, is_managed: bool) -> None:
        directory = os.path.dirname(naming.runtime_path(naming.name_of(settings), os.geteuid())[0])  # noqa: PTH120
        self._guard = Guard(naming.name_of(settings), directory, loop)
        self._has_guardian = settings.guardian and is_needed(is_managed)
        self._strays = Strays(self._guard.marker, loop)

    def begin(self, on_free: Callable[[], object]) -> None:
        """Start the guardian.

        :param on_free: called when nothing is left of a former daemon of this name that was killed
        """
        if not self._has_guardian:
            on_free()
            return

        def free() -> None:
            self._guard.begin()
            on_free()

        self._guard.wait_for_former(free)

    def marks(self, name: str, number: int) -> Mapping[bytes, bytes]:
        """Return the variables that mark an instance."""
        return self._guard.environment(name, number)

    def started(self, pid: int, plan: Plan) -> None:
        """Note an instance that has been started."""
        if self._has_guardian:
            self._guard.add(pid, plan.graceful_time, plan.stop_signal)

    def ends(self, pid: int, name: str, number: int) -> None:
        """Note that an instance, and its group, has ended; right before its leader is reaped."""
        if self._has_guardian:
            self._guard.remove(pid)
        self._strays.ended(name, number)

    def strays_of(self, name: str) -> list[Stray]:
        """Return what instances of a process have left behind."""
        return self._strays.of(name)

    def end_strays(self, on_over: Callable[[], object]) -> None:
        """End what instances have left behind."""
        self._strays.end(_GRACE, on_over)

    def close(self) -> None:
        """End the guardian."""
        self._guard.close()
