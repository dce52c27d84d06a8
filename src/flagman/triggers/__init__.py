"""What raises flags, one kind of trigger in a module.

It imports the engine, and what that imports.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import FlagName, SignalNumber


class Source:
    """What raises a flag: a signal, or a timer.

    :param flag: the flag; the same for all bindings of one bundle
    :param signum: the signal
    :param every: seconds from one tick to the next
    :param after: seconds from the start to the only tick
    """

    __slots__ = ("after", "every", "flag", "signum")

    def __init__(
        self,
        flag: FlagName,
        *,
        signum: SignalNumber | None = None,
        every: float | None = None,
        after: float | None = None,
    ) -> None:
        self.flag = flag
        self.signum = signum
        self.every = every
        self.after = after
