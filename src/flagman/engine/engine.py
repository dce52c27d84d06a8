"""The engine: flags, signals, bundles, roster and loop, joined into one object that a program can embed."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from enum import Enum

from flagman.engine.bundle import Bundle
from flagman.engine.flags import STOP
from flagman.engine.interrupt import Interrupter
from flagman.engine.loop import Loop
from flagman.engine.roster import Roster
from flagman.engine.signals import Signals, flag_of
from flagman.exceptions import TearDownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Literal, Self

    from flagman.actions.action import Action
    from flagman.engine.roster import OnError
    from flagman.types import FlagName, SignalNumber

    Overlap = Literal["ignore", "rerun"]

# The engine speaks as flagman.core, its documented face.
logger = logging.getLogger("flagman.core")


class Outcome(Enum):
    """Why :meth:`Engine.run` returned."""

    #: The stop flag was raised.
    STOPPED = "stopped"
    #: Every action has closed; there is nothing left to do.
    EMPTY = "empty"
    #: A run failed, and ``on_error`` is ``exit``.
    FAILED = "failed"


class Engine:
    """Runs bundles of actions when their flags are raised.

    Instances share nothing. Close an engine, best as a context manager: that tears its actions down.

    :param overlap: what a flag means that is raised while its own bundle runs: ``ignore`` forgets it, for the run under
        way stands for it; ``rerun`` runs the bundle once more afterwards, however often the flag was raised
    :param on_error: what a failed run means beyond its record in the log: ``continue``, nothing; ``close``, the action
        is torn down and leaves its bundle; ``exit``, :meth:`run` returns :attr:`Outcome.FAILED`
    :param signals: handlers that have been armed already; the engine does not close them
    :param unmapped: called with a flag that was raised and has no actions; by default, a warning is logged
    :param contained: the exceptions that count as an action's failure; all others leave :meth:`run`
    :param clock: seconds on a clock that never goes back
    """

    def __init__(  # noqa: PLR0913 - each keyword is one documented choice
        self,
        *,
        overlap: Overlap = "ignore",
        on_error: OnError = "continue",
        signals: Signals | None = None,
        unmapped: Callable[[FlagName], None] | None = None,
        contained: tuple[type[BaseException], ...] = (Exception,),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owns_signals = signals is None
        self._signals = Signals() if signals is None else signals
        self.flags = self._signals.flags
        self.interrupter = Interrupter()
        self._bundles: dict[FlagName, Bundle] = {}
        self._roster = Roster(self.flags, self.interrupter, on_error, contained)
        self._rerun = overlap == "rerun"
        self._unmapped = unmapped or warn_unmapped
        self._loop = Loop(self.flags, [self._signals.wakeup], self._lower, clock=clock)
        self._outcome = Outcome.STOPPED

    @property
    def bundles(self) -> Mapping[FlagName, Bundle]:
        """The bundles that have actions, by flag."""
        return self._bundles

    def set_up(self, flag: FlagName, action: type[Action], *arguments: str) -> Action:
        """Set an action up and add it to the bundle of a flag.

        :raises SetUpError: if the action's ``set_up`` raised
        """
        instance = self._roster.set_up(action, arguments)
        self._bundles.setdefault(flag, Bundle()).add(instance)
        return instance

    def arm(self, signums: Iterable[SignalNumber]) -> None:
        """Handle those of these signals whose flags have actions, until the engine is closed; call it before run()."""
        self._signals.arm(signum for signum in signums if flag_of(signum) in self._bundles)

    def raise_flag(self, flag: FlagName) -> None:
        """Raise a flag; safe in any thread, and in an action."""
        self.flags.add(flag)
        self._signals.wakeup.wake()

    def stop(self) -> None:
        """Let :meth:`run` return as soon as the running action has ended; safe in any thread, and in an action."""
        self.raise_flag(STOP)

    def run(self) -> Outcome:
        """Lower flags until there is a reason to stop."""
        self._outcome = Outcome.STOPPED
        self._roster.failed = False
        self._check()
        with self._signals.waking():
            self._loop.run()
        for _ in range(len(self.flags)):  # no longer: a flood may go on
            flag, raises = self.flags.pop()
            if flag != STOP:
                logger.info("Stopping; `%s` is not lowered any more (raises: %d)", flag, raises)
        return self._outcome

    def _lower(self, flag: FlagName, raises: int) -> None:
        bundle = self._bundles.get(flag)
        if bundle is None:
            self._unmapped(flag)
            return
        logger.debug("Lowering `%s` (raises: %d, actions: %d)", flag, raises, len(bundle))
        bundle.run(self._roster.run, self.flags)
        self._signals.keep_waking()
        if not self._rerun:
            ignored = self.flags.discard(flag)
            if ignored:
                logger.info("Ignored `%s` while its own bundle ran (raises: %d)", flag, ignored)
        if not bundle:
            del self._bundles[flag]
        self._check()

    def _check(self) -> None:
        """Notice that there is nothing left to run, or no wish to go on."""
        if self._roster.failed:
            self._outcome = Outcome.FAILED
        elif not self._bundles and STOP not in self.flags:
            self._outcome = Outcome.EMPTY
            self.flags.add(STOP)

    def close(self) -> None:
        """Tear down all actions, the youngest first, and put signal handlers back.

        :raises TearDownError: at the end, if a tear_down has failed since the engine was created
        """
        with ExitStack() as stack:
            if self._owns_signals:
                self._owns_signals = False
                stack.callback(self._signals.close)
            stack.callback(self._bundles.clear)
            stack.callback(self._roster.close_all)
        if self._roster.torn_down_badly:
            raise TearDownError("a tear_down failed; the log tells which")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except TearDownError:
            # It has been logged; the exception under way tells more about the cause.
            if error is None:
                raise


def warn_unmapped(flag: FlagName) -> None:
    """Log that a flag without actions was raised."""
    logger.warning("Received `%s`, but no action is bound to it", flag)
