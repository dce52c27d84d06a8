"""What the signals mean to the daemon: a flag, a stop, or what they mean to any process."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from contextlib import suppress

from flagman.engine import loggers, writing
from flagman.engine.flags import STOP
from flagman.engine.lowering import warn_unmapped
from flagman.engine.signals import HANDLED_SIGNALS, flag_of
from flagman.service import hangup as meanings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType

    from flagman.engine.engine import Engine
    from flagman.engine.flags import Flags
    from flagman.engine.interrupt import Interrupter
    from flagman.engine.signals import Signals
    from flagman.service.hangup import HangUp
    from flagman.types import FlagName, SignalNumber

    #: A handler of a signal that a part takes; it is also called for a signal that came early.
    Taker = Callable[[int, FrameType | None], None]
    #: The flags of each signal that has actions.
    Sources = Mapping[SignalNumber, tuple[FlagName, ...]]

logger = loggers.get("flagman.service")

# Seconds that a reader of the stacks has for each part of them.
_PATIENCE = 1.0
# What faulthandler writes from Python 3.14 on when it comes to a thread that has been started and does not run yet: it
# ends there, without the older threads, of which the main thread is one.
_CUT_SHORT = b"<freed thread state>\n"
# What it writes last if there are more than a hundred threads.
_TOO_MANY = b"...\n"
# Seconds between two attempts to get all stacks, and the number of attempts.
_PAUSE = 0.001
_ATTEMPTS = 100

_HANGUP = flag_of(signal.SIGHUP)
#: The signals that stop the daemon, and the flags of the actions that may run before it does.
STOPPING: dict[int, FlagName] = {signum: flag_of(signum) for signum in (signal.SIGTERM, signal.SIGINT)}


class StopRequest:
    """The first TERM or INT asks, the second insists, the third ends the process.

    :param flags: where the stop flag is raised
    :param interrupter: runs all code of actions
    :param timeout: how many seconds the running action, and then each tear_down, may take
    """

    def __init__(self, flags: Flags, interrupter: Interrupter, timeout: float) -> None:
        self._flags = flags
        self._interrupter = interrupter
        #: The timeout that holds now.
        self.timeout = timeout
        self._requests = 0
        #: The signal that has asked first; 0 if none has.
        self.first: SignalNumber = 0
        #: Whether HUP has asked for the stop.
        self.by_hangup = False
        self._tell: Callable[[], object] = bool

    @property
    def is_asked(self) -> bool:
        """Whether a signal has asked for the stop."""
        return self._requests > 0 or self.by_hangup

    def follow(self, timeout: float) -> None:
        """Obey another timeout from now on."""
        self.timeout = timeout

    def tell(self, wake: Callable[[], object]) -> None:
        """Wake another loop, too, at each request; ``wake`` is called in a signal handler."""
        self._tell = wake

    def on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """Handle TERM or INT.

        Each call begins with what the first signal does: the second one may arrive inside this very handler.
        """
        self._ask()
        self.first = self.first or signum
        self._requests += 1
        if self._requests == 2:  # noqa: PLR2004 - the second of three steps
            try:
                self._interrupter.interrupt("a second stop signal arrived")
            finally:
                self._tell()
        elif self._requests > 2:  # noqa: PLR2004
            self._interrupter.exit(128 + signum)

    def on_hangup(self, _signum: int = signal.SIGHUP, _frame: FrameType | None = None) -> None:
        """Take HUP as a request to stop that never insists: a closing terminal sends several."""
        self.by_hangup = self.by_hangup or STOP not in self._flags
        self._ask()

    def _ask(self) -> None:
        self._flags.add(STOP)
        # The loop could not do this, because it does not run while an action hangs.
        self._interrupter.bound(self.timeout)
        self._tell()


class Dispositions:
    """Gives signals their handlers, and other ones when the configuration changes.

    :param stop_timeout: see :class:`StopRequest`
    """

    def __init__(self, engine: Engine, signals: Signals, stop_timeout: float) -> None:
        self._engine = engine
        self._signals = signals
        self._sources: Sources = {}
        self._takers: Mapping[SignalNumber, Taker] = {}
        #: Asks for the stop.
        self.stop = StopRequest(engine.flags, engine.interrupter, stop_timeout)
        self._expected: set[FlagName] = set()
        #: What HUP means without actions.
        self.hangup: HangUp = meanings.STOP
        self._reload: Callable[[], object] = bool
        self._wraps = False
        engine.on_flag(_HANGUP, self._answer_hangup)

    def decide(self, hangup: HangUp, reload: Callable[[], object], *, wraps: bool = False) -> None:
        """Set what HUP means without actions.

        :param reload: asks for a reload
        :param wraps: whether there is a command, so that QUIT stops the daemon, also before :meth:`pass_on`
        """
        self.hangup = hangup
        self._reload = reload
        self._wraps = wraps

    def pass_on(self, takers: Mapping[SignalNumber, Taker], *, may_change: bool) -> None:
        """Pass signals that have no actions on; with QUIT among them, it stops the daemon as TERM does.

        :param takers: the handler of each
        :param may_change: whether other signals may get actions later
        """
        self._takers = takers
        if takers:
            # Else a record that is logged while the command has the terminal could stop this process.
            for of_terminal in {signal.SIGTTIN, signal.SIGTTOU} - self._sources.keys():
                self._signals.handle(of_terminal, signal.SIG_IGN)
            # The clock of a stop that has begun stays: no command is going to be started.
            kept = {signal.SIGALRM} if self.stop.is_asked else set()
            for signum in takers.keys() - self._sources.keys() - kept:
                self._leave(signum)
            if self.hangup == meanings.NOTHING and signal.SIGHUP not in self._sources and not may_change:
                self._signals.handle(signal.SIGHUP, signal.SIG_IGN)  # as the command does
            if self.stop.first in takers:  # it came before its taker
                takers[self.stop.first](self.stop.first, None)

    def install(self) -> None:
        """Install the handlers that do not depend on the bindings: those of ALRM, TERM, INT and HUP."""
        self._signals.handle(signal.SIGALRM, self._engine.interrupter.on_alarm)
        for signum in STOPPING:
            self._signals.handle(signum, self.on_stop)
        self._signals.handle(signal.SIGHUP, self.on_hangup)

    def rearm(self) -> None:
        """Restore the meaning that signals had before a plugin was imported, or an action set up.

        Signals that have no actions and do not stop the daemon are left to the plugin.
        """
        self._signals.rearm({*self._sources, *self._takers, *STOPPING, signal.SIGALRM, signal.SIGHUP})

    def expect(self, flags: Iterable[FlagName]) -> None:
        """Note the flags that are about to have actions; call it again, with none, when they have them.

        A HUP that comes meanwhile raises its flag for these actions, instead of stopping the daemon.
        """
        self._expected = set(flags)

    def follow(self, sources: Sources) -> None:
        """Make each signal raise its flags from now on; one that has lost its last action is handled as one without."""
        before, self._sources = self._sources, sources
        for signum, flags in sources.items():
            if signum not in (signal.SIGHUP, *STOPPING) and flags != before.get(signum):
                self._signals.arm_for(signum, flags)
        for signum in before.keys() - sources.keys() | {signal.SIGQUIT} - sources.keys():
            self._leave(signum)

    def _leave(self, signum: SignalNumber) -> None:
        """Handle a signal as one without actions."""
        if signum == signal.SIGQUIT:
            self._signals.handle(signum, self.on_stop if self._wraps else self.on_quit)
        elif signum in self._takers and signum not in (signal.SIGHUP, *STOPPING):
            self._signals.handle(signum, self._takers[signum])
        elif signum in HANDLED_SIGNALS and signum != signal.SIGHUP:
            self._signals.arm([signum])
        elif signum not in (signal.SIGHUP, *STOPPING):
            self._signals.disarm(signum)

    def on_stop(self, signum: int, frame: FrameType | None) -> None:
        """Handle TERM or INT, and QUIT if it is passed on: raise its flag if that has actions, ask for the stop."""
        if signum in self._takers:
            self._takers[signum](signum, frame)  # so that the command can get the same one
        flag = STOPPING.get(signum)
        if flag is not None and flag in self._engine.bundles:
            self._engine.flags.add(flag)
        self.stop.on_signal(signum, frame)

    def on_hangup(self, signum: int, _frame: FrameType | None) -> None:
        """Handle HUP: it is a signal like others if it has actions; else it may mean a reload, or the end."""
        known = self._sources.get(signum, (_HANGUP,))
        flags = [flag for flag in known if flag in self._engine.bundles or flag in self._expected]
        for flag in flags:
            self._engine.flags.add(flag)
        if flags:
            return
        if self.hangup == meanings.STOP:
            self.stop.on_hangup()
        elif self.hangup == meanings.PASSED_ON:
            if signum in self._takers:  # else there is no command yet
                self._takers[signum](signum, None)
        elif self.hangup != meanings.NOTHING and not self._engine.stopping:
            self._engine.flags.add(_HANGUP)

    def _answer_hangup(self) -> None:
        """Answer, in the loop, a HUP that has no actions, or none any more."""
        if self.hangup == meanings.STOP:
            self.stop.on_hangup()
        elif self.hangup == meanings.RELOAD:
            self._reload()
        elif self.hangup == meanings.WARN:
            logger.warning(
                "HUP cannot reload the configuration, which is outside of --chroot: restart flagman to load changes"
            )

    def on_quit(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle QUIT: write the stacks of all threads to stderr, to show where an action hangs.

        :func:`faulthandler.register` would show that for code that hangs within C, too. But with it Python runs every
        handler on a stack of some 11 KiB, and the frames of five signals that arrive at once overflow it: they kill
        the process, or spoil its memory first (python/cpython issue 124001).
        """
        with suppress(OSError, ValueError, AttributeError, RuntimeError):  # there is no stderr
            if hasattr(os, "memfd_create"):
                rotation = getattr(sys.stderr.buffer, "rotation", None)
                if rotation is not None:
                    rotation.follow(warns=False)
                _show_stacks(sys.stderr.fileno())
            else:
                faulthandler.dump_traceback()

    def answer_early(self) -> None:
        """Handle signals that came before it was known which flags they raise."""
        for signum in HANDLED_SIGNALS:
            flag = flag_of(signum)
            raises = self._engine.flags.take(flag)
            if raises is None:
                continue
            for other in self._sources.get(signum, ()):
                self._engine.flags.join(other, raises)
            if signum == signal.SIGHUP and signum not in self._sources:
                self.on_hangup(signum, None)
            elif signum in self._takers:
                self._takers[signum](signum, None)
            elif signum not in self._sources:
                warn_unmapped(flag)


def _show_stacks(descriptor: int) -> None:
    """Write the stacks, by way of memory: faulthandler itself would wait for a reader for ever, deaf to all signals."""
    stacks = _stacks()
    for _ in range(_ATTEMPTS):
        if not stacks.endswith(_CUT_SHORT):
            break
        time.sleep(_PAUSE)
        stacks = _stacks()
    if stacks.endswith((_CUT_SHORT, _TOO_MANY)):  # the stack of the main thread, which runs actions, is missing
        stacks += _stacks(all_threads=False)
    writing.write(descriptor, stacks, lambda number: writing.is_ready(number, _PATIENCE))


def _stacks(*, all_threads: bool = True) -> bytes:
    memory = os.memfd_create("stacks")
    try:
        faulthandler.dump_traceback(memory, all_threads=all_threads)
        return os.pread(memory, os.fstat(memory).st_size, 0)
    finally:
        os.close(memory)
