"""The loop that lowers flags: wait, take the oldest flag, lower it; until the stop flag is raised."""

from __future__ import annotations

from flagman.engine.flags import STOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.flags import Flags, Raises
    from flagman.engine.polling import Poller
    from flagman.types import FlagName


class Loop:
    """Connects what raises flags to the lowering of flags.

    :param flags: the flags that are raised
    :param poller: waits, and lets triggers raise flags
    :param lower: called with a flag and its raises, for one flag at a time
    """

    def __init__(self, flags: Flags, poller: Poller, lower: Callable[[FlagName, Raises], None]) -> None:
        self._flags = flags
        self._poller = poller
        self._lower = lower

    def run(self) -> None:
        """Lower flags until :data:`~flagman.engine.flags.STOP` is raised; the stop flag comes before all others."""
        flags, poller = self._flags, self._poller
        while True:
            poller.wait(at_once=bool(flags))
            if STOP not in flags:
                poller.make_calls()
            if not flags:
                continue
            flag, raises = flags.pop()
            # Checked after the pop: a handler may raise the stop flag at any moment before.
            if flag == STOP or STOP in flags:
                flags.put_back(flag, raises)
                return
            self._lower(flag, raises)
