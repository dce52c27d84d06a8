"""The composition root: opens every part of one run in order, and closes it in reverse."""

from __future__ import annotations

import logging
import signal
from contextlib import ExitStack

from flagman.engine.engine import Engine, Outcome, warn_unmapped
from flagman.engine.flags import STOP
from flagman.engine.interrupt import StopRequest
from flagman.engine.signals import flag_of
from flagman.exceptions import ActionInterrupted, SetUpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from flagman.engine.signals import Signals
    from flagman.sd_notify import SystemdNotifier
    from flagman.settings import Settings
    from flagman.types import FlagName

logger = logging.getLogger(__name__)

_HANGUP = flag_of(signal.SIGHUP)


def run(settings: Settings, signals: Signals, notifier: SystemdNotifier) -> int:
    """Set all actions up, run them as their flags are raised, and tear them down.

    :param signals: the handled signals, armed at the very start of the process: what has arrived since is not lost
    :returns: the exit status of the process
    :raises SetUpError: if an action could not be set up; the others have been torn down
    :raises TearDownError: if an action could not be torn down; the others have been
    """

    def unmapped(flag: FlagName) -> None:
        if flag != _HANGUP:
            warn_unmapped(flag)
        else:
            on_hangup(signal.SIGHUP, None)

    def on_hangup(signum: int, frame: FrameType | None) -> None:
        if _HANGUP in engine.bundles or _HANGUP in expected:
            engine.flags.add(_HANGUP)
        elif not signals.was_ignored(signal.SIGHUP):
            stop.on_hangup(signum, frame)

    with ExitStack() as stack:
        engine = Engine(
            overlap=settings.overlap,
            on_error=settings.on_error,
            signals=signals,
            unmapped=unmapped,
            # Whatever an action raises is that action's failure, sys.exit() too: the daemon is stopped by signals.
            contained=(BaseException,),
        )
        stop = StopRequest(engine.flags, engine.interrupter, settings.stop_timeout)
        stack.callback(engine.interrupter.close)
        stack.enter_context(engine)
        stack.callback(notifier.notify, "STOPPING=1")
        signals.handle(signal.SIGALRM, engine.interrupter.on_alarm)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signals.handle(signum, stop.on_signal)

        # Until they are set up: flags whose bundles will be there.
        expected = {binding.flag for binding in settings.bindings}
        signals.handle(signal.SIGHUP, on_hangup)
        if _HANGUP not in expected and engine.flags.discard(_HANGUP):
            unmapped(_HANGUP)
        _set_up(settings, engine)
        expected.clear()
        if STOP not in engine.flags:
            notifier.notify(f"READY=1\nSTATUS=Ready: {_summary(engine)}")
            logger.info("Ready: %s", _summary(engine))
        outcome = engine.run()
        return _status(outcome, successful_empty=settings.successful_empty)


def _status(outcome: Outcome, *, successful_empty: bool) -> int:
    if outcome is Outcome.STOPPED:
        logger.info("Stopping as asked")
        return 0
    if outcome is Outcome.EMPTY:
        logger.warning("All actions have closed; exiting")
        return 0 if successful_empty else 1
    logger.error("Exiting because an action failed")
    return 1


def _summary(engine: Engine) -> str:
    """Give the bindings in plain words: ``usr1 runs 2 actions, hup runs 1 action``."""
    counts = ((flag, len(bundle)) for flag, bundle in engine.bundles.items())
    return ", ".join(f"{flag} runs {count} action{'s' * (count != 1)}" for flag, count in counts)


def _set_up(settings: Settings, engine: Engine) -> None:
    """Set up one action after the other, unless a stop is asked for meanwhile."""
    try:
        for binding in settings.bindings:
            if STOP in engine.flags:
                break
            engine.set_up(binding.flag, binding.action, *binding.arguments)
    except SetUpError as error:
        if not isinstance(error.__cause__, ActionInterrupted):
            raise
        logger.warning("%s", error)
