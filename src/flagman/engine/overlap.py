"""What it means that a flag is raised while its own bundle runs."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.bundle import Bundle
    from flagman.engine.flags import Flags
    from flagman.engine.limits import Overlap
    from flagman.types import FlagName

# The engine speaks as flagman.core, its documented face.
logger = logging.getLogger("flagman.core")


class Overlaps:
    """Judges such raises, by the policies of the actions in the bundle; see :class:`flagman.Engine`.

    :param flags: where they are found
    """

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        # Flags whose next run is for those actions alone that want to run again, and the raises that is for.
        self._partly: dict[FlagName, int] = {}

    def is_partial(self, flag: FlagName, raises: int) -> bool:
        """Tell whether a flag that has just been lowered is for a part of its bundle: nothing came since."""
        return self._partly.pop(flag, 0) == raises

    def judge(self, flag: FlagName, bundle: Bundle, otherwise: Overlap, *, whole: bool) -> int:
        """Look at a flag that is raised when its bundle has just run.

        :param otherwise: the policy where no action is left
        :param whole: every action of the bundle has run; one that has not cannot have had the raise stand for its run
        :returns: how many raises that run stands for, too
        """
        policies = {member.limits.overlap for member in bundle} or {otherwise}
        if "rerun" not in policies:
            ignored = self._flags.discard(flag)
            logger.info("Ignored `%s` while its own bundle ran (raises: %d)", flag, ignored)
            return ignored
        if "ignore" in policies and whole:
            self._partly[flag] = self._flags.count(flag)
        return 0

    def forget(self) -> None:
        """Judge anew: the bundles are others now."""
        self._partly.clear()
