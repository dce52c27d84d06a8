"""The composition root: opens every part of one run in order, and closes it in reverse."""

from __future__ import annotations

import faulthandler
import logging
import signal
from contextlib import ExitStack, contextmanager

from flagman.engine.engine import Engine, warn_unmapped
from flagman.engine.flags import STOP
from flagman.engine.interrupt import StopRequest
from flagman.engine.member import Limits
from flagman.engine.outcome import Outcome
from flagman.engine.signals import HANDLED_SIGNALS, flag_of
from flagman.exceptions import ActionInterrupted, SetUpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import FrameType

    from flagman.engine.signals import Signals
    from flagman.sd_notify import SystemdNotifier
    from flagman.settings import Binding, Settings, Source
    from flagman.types import FlagName, SignalNumber

logger = logging.getLogger(__name__)

_HANGUP = flag_of(signal.SIGHUP)
# The signals that stop the daemon, and the flags of the actions that may run before it does.
_STOPPING: dict[int, FlagName] = {signum: flag_of(signum) for signum in (signal.SIGTERM, signal.SIGINT)}


def run(
    settings: Settings, signals: Signals, notifier: SystemdNotifier, watch: Callable[[Engine], None] = lambda _: None
) -> int:
    """Set all actions up, run them as their flags are raised, and tear them down.

    :param signals: the handled signals, armed at the very start of the process: what has arrived since is not lost
    :param watch: told about the engine as soon as there is one
    :returns: the exit status of the process
    :raises SetUpError: if an action could not be set up; the others have been torn down
    :raises TearDownError: if an action could not be torn down; the others have been
    """
    with ExitStack() as stack:
        engine = Engine(
            overlap=settings.overlap,
            on_error=settings.on_error,
            timeout=settings.timeout,
            max_failures=settings.max_failures,
            output=settings.output,
            signals=signals,
            unmapped=lambda flag: handlers.unmapped(flag),  # noqa: PLW0108 - it is made of this engine
            # Whatever an action raises is that action's failure, sys.exit() too: the daemon is stopped by signals.
            contained=(BaseException,),
        )
        watch(engine)
        sources = _by_signal(settings)
        handlers = _Handlers(engine, signals, sources, settings.stop_timeout)
        stack.callback(engine.interrupter.close)
        stack.enter_context(engine)
        # Each tear_down has its time, whatever it is that ends this run.
        stack.callback(engine.interrupter.bound, settings.stop_timeout)
        stack.callback(notifier.notify, "STOPPING=1")
        signals.handle(signal.SIGALRM, engine.interrupter.on_alarm)
        for signum in _STOPPING:
            signals.handle(signum, handlers.on_stop)
        signals.handle(signal.SIGHUP, handlers.on_hangup)
        for signum, flags in sources.items():
            if signum not in (signal.SIGHUP, *_STOPPING):
                signals.arm_for(signum, flags)
        if signal.SIGQUIT not in sources:
            stack.enter_context(_stacks_on_quit())
        handlers.answer_early(sources)
        _set_up(settings, engine)
        handlers.expected.clear()
        if STOP not in engine.flags:
            _start(settings, engine)
            shown = summary(binding.flag for binding in settings.bindings)
            notifier.notify(f"READY=1\nSTATUS=Ready: {shown}")
            logger.info("Ready: %s", shown)
            if notifier.is_open:
                from flagman.status_line import StatusLine  # noqa: PLC0415 - for those whom a manager watches

                engine.on_turn = StatusLine(engine, notifier, f"Ready: {shown}").on_turn
            if settings.systemd and notifier.watchdog is not None:
                _feed_watchdog(engine, notifier, notifier.watchdog)
        outcome = engine.run()
        return _status(outcome, successful_empty=settings.successful_empty)


class _Handlers:
    """What the signals mean that can stop the daemon.

    :param sources: the flags of each signal
    :param stop_timeout: see :class:`flagman.engine.interrupt.StopRequest`
    """

    def __init__(
        self,
        engine: Engine,
        signals: Signals,
        sources: Mapping[SignalNumber, tuple[FlagName, ...]],
        stop_timeout: float,
    ) -> None:
        self._engine = engine
        self._signals = signals
        self._stop = StopRequest(engine.flags, engine.interrupter, stop_timeout)
        self._hangups = sources.get(signal.SIGHUP, (_HANGUP,))
        #: Flags whose bundles will be there when they have been set up.
        self.expected = {flag for flags in sources.values() for flag in flags}

    def on_stop(self, signum: int, frame: FrameType | None) -> None:
        """Handle TERM or INT: ask for the stop, and for their own actions."""
        flag = _STOPPING[signum]
        if flag in self._engine.bundles:
            self._engine.flags.add(flag)
        self._stop.on_signal(signum, frame)

    def on_hangup(self, signum: int, frame: FrameType | None) -> None:
        """Handle HUP: a signal like others if it has actions, else the end of the terminal."""
        flags = [flag for flag in self._hangups if flag in self._engine.bundles or flag in self.expected]
        for flag in flags:
            self._engine.flags.add(flag)
        if not flags and not self._signals.was_ignored(signal.SIGHUP):
            self._stop.on_hangup(signum, frame)

    def answer_early(self, sources: Mapping[SignalNumber, tuple[FlagName, ...]]) -> None:
        """Deal with signals that came when nobody knew which flags they raise."""
        for signum in HANDLED_SIGNALS:
            flag = flag_of(signum)
            raises = self._engine.flags.discard(flag)
            if not raises:
                continue
            for other in sources.get(signum, ()):
                self._engine.flags.add(other, raises)
            if signum not in sources:
                self.unmapped(flag)

    def unmapped(self, flag: FlagName) -> None:
        """Deal with a flag that was raised and has no actions."""
        if flag == _HANGUP:
            self.on_hangup(signal.SIGHUP, None)
        else:
            warn_unmapped(flag)


@contextmanager
def _stacks_on_quit() -> Iterator[None]:
    """Let SIGQUIT write the stacks of all threads to stderr, and nothing else: what an action hangs in can be seen."""
    try:
        faulthandler.register(signal.SIGQUIT, chain=False)
    except (OSError, ValueError, AttributeError, RuntimeError):  # there is no stderr
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        yield
        return
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGQUIT)


def summary(flags: Iterable[FlagName]) -> str:
    """Give the bindings in plain words: ``usr1 runs 2 actions, hup runs 1 action``.

    :param flags: the flag of each binding
    """
    counts: dict[FlagName, int] = {}
    for flag in flags:
        counts[flag] = counts.get(flag, 0) + 1
    return ", ".join(f"{flag} runs {count} action{'s' * (count != 1)}" for flag, count in counts.items())


def _by_signal(settings: Settings) -> dict[SignalNumber, tuple[FlagName, ...]]:
    """Give the flags of each signal that has actions."""
    flags: dict[SignalNumber, dict[FlagName, None]] = {}
    for binding in settings.bindings:
        if binding.source.signum is not None:
            flags.setdefault(binding.source.signum, {})[binding.flag] = None
    return {signum: tuple(names) for signum, names in flags.items()}


def _status(outcome: Outcome, *, successful_empty: bool) -> int:
    if outcome is Outcome.STOPPED:
        logger.info("Stopping as asked")
        return 0
    if outcome is Outcome.EMPTY:
        logger.warning("All actions have closed; exiting")
        return 0 if successful_empty else 1
    logger.error("Exiting because an action failed")
    return 1


def _set_up(settings: Settings, engine: Engine) -> None:
    """Set up one action after the other, unless a stop is asked for meanwhile."""
    try:
        for binding in settings.bindings:
            if STOP in engine.flags:
                break
            if settings.dry_run:
                from flagman.actions.rehearsal import RehearsedAction  # noqa: PLC0415 - for those who need it

                engine.set_up(binding.flag, RehearsedAction, binding.name, *binding.arguments)
            else:
                own = settings.of(binding)
                limits = Limits(own.on_error, own.timeout, own.max_failures, own.overlap)
                engine.set_up(binding.flag, binding.action, *binding.arguments, name=binding.name, limits=limits)
    except SetUpError as error:
        if not isinstance(error.__cause__, ActionInterrupted):
            raise
        logger.warning("%s", error)


def _start(settings: Settings, engine: Engine) -> None:
    """Let time begin for those who depend on it."""
    engine.last_flags = frozenset(_STOPPING.values())
    engine.once = settings.once
    first: dict[FlagName, Binding] = {}
    for binding in settings.bindings:
        first.setdefault(binding.flag, binding)
    for flag, binding in first.items():
        own = settings.of(binding)
        if binding.source.signum is None:
            _start_timer(binding.source, own.jitter, engine)
        elif own.debounce:
            engine.debounce(flag, own.debounce, pass_first=settings.run_at_start)
        if settings.run_at_start and flag not in engine.last_flags:
            engine.raise_flag(flag)


def _feed_watchdog(engine: Engine, notifier: SystemdNotifier, interval: float) -> None:
    """Tell the manager from the loop, and from nowhere else, that the loop goes round.

    So it hears nothing while an action runs: one that takes longer than the interval is taken for one that hangs.
    """

    def feed() -> None:
        notifier.notify("WATCHDOG=1")
        engine.call_later(interval / 3, feed)

    feed()


def _start_timer(source: Source, jitter: float, engine: Engine) -> None:
    from flagman.engine.timers import Every, spread  # noqa: PLC0415 - for those who need them

    if source.every is not None:
        Every(engine, source.flag, source.every, jitter)
    elif source.after is not None:
        engine.call_later(source.after + spread(jitter)(), engine.raise_flag, source.flag)
