"""Unix signals as a trigger: handlers that raise a flag and return.

The rule for handlers: NO logging, no lock, no exception, nothing but raising a flag. Python code of a handler runs
between two arbitrary instructions of an action. The wake-up descriptor is set together with the handlers, see
:mod:`flagman.engine.wakeup`.
"""

from __future__ import annotations

import signal
from _thread import get_ident
from contextlib import suppress
from types import CodeType

from flagman.engine.flags import Flags
from flagman.engine.wakeup import Wakeup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from flagman.types import FlagName, SignalNumber

    #: What signal.signal() takes and returns; None stands for a handler that was not installed from Python.
    Handler = Callable[[int, FrameType | None], object] | int | None

#: The signals that have an option of their own on the command line.
HANDLED_SIGNALS = sorted([signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])


def flag_of(signum: SignalNumber) -> FlagName:
    """Return the name of the flag that a signal raises: ``usr1`` for SIGUSR1, ``rtmin+3``."""
    try:
        return signal.Signals(signum).name.removeprefix("SIG").lower()
    except ValueError:  # a real-time signal
        from flagman.text.signames import name_of  # noqa: PLC0415 - only for a real-time signal

        return name_of(signum).lower()


class Signals:
    """The signal handlers of one engine, from the first that is armed until :meth:`close`.

    Creating an instance touches no handler. Everything but the creation belongs in the main thread.
    """

    def __init__(self) -> None:
        self.flags = Flags()
        self.wakeup = Wakeup()
        self._names: dict[int, tuple[FlagName, ...]] = {}
        #: The code of all handlers that have been installed.
        self.codes: set[CodeType] = set()
        self._previous: dict[int, Handler] = {}
        self._handlers: dict[int, Handler] = {}
        self._previous_mask: set[signal.Signals | int] = set()
        # That of the handlers, which alone may install them.
        self._thread = get_ident()
        # The wake-up descriptor that was set before; a process has only one.
        self._previous_writer = -1

    def arm(self, signums: Iterable[SignalNumber]) -> None:
        """Make each of these signals raise its flag from now on, even if it was inherited as ignored or blocked."""
        for signum in signums:
            self.arm_for(signum, (flag_of(signum),))

    def arm_for(self, signum: SignalNumber, flags: tuple[FlagName, ...]) -> None:
        """Make a signal raise these flags from now on, in this order."""
        self._names[signum] = flags
        self.handle(signum, self._raise_flags)

    def handle(self, signum: SignalNumber, handler: Handler) -> None:
        """Install any handler for a signal, and unblock the signal."""
        if not self._previous:
            self._previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        code = getattr(handler, "__code__", None)
        if isinstance(code, CodeType):
            self.codes.add(code)
        previous = signal.signal(signum, handler)
        self._handlers[signum] = handler
        if not self._previous:
            self._previous_writer = self._set_writer()
        self._previous.setdefault(signum, previous)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})

    def disarm(self, signum: SignalNumber) -> None:
        """Restore the handler that a signal had before; nothing happens if it was never handled."""
        if signum not in self._previous:
            return
        # Blocking the signal first lets the handler of one that has just come run to its end.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
        previous = self._previous.pop(signum)
        del self._handlers[signum]
        if previous is not None:
            signal.signal(signum, previous)
        self._names.pop(signum, None)
        if signum not in self._previous_mask:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})

    def handle_alarm(self, handler: Handler) -> None:
        """Install a handler for SIGALRM, unless it has one of ours, or this is not the main thread, which alone may."""
        if signal.SIGALRM not in self._previous:
            with suppress(ValueError):
                self.handle(signal.SIGALRM, handler)

    def rearm(self, signums: Iterable[SignalNumber]) -> None:
        """Take signals back from code of a plugin that has used them for its own purposes."""
        for signum in signums:
            if signum in self._handlers:
                self.handle(signum, self._handlers[signum])
        self.keep_waking()

    def keep_waking(self) -> None:
        """Take back the wake-up descriptor, which every event loop in an action takes for itself, and the alarm."""
        if self._previous and self._thread == get_ident():  # another thread may not touch it
            self._set_writer()
            alarm = self._handlers.get(signal.SIGALRM)
            if alarm is not None and signal.getsignal(signal.SIGALRM) != alarm:  # without it no timeout ends anything
                self.handle(signal.SIGALRM, alarm)

    def _set_writer(self) -> int:
        # A full pipe needs no warning: the loop is awake.
        return signal.set_wakeup_fd(self.wakeup.writer, warn_on_full_buffer=False)

    def abandon(self) -> None:
        """Reset all signals in a forked child: it must share neither handlers nor the wake-up pipe."""
        if not self._previous:
            return  # all handlers have been put back
        signal.set_wakeup_fd(-1)
        self.wakeup.close()
        for signum in self._previous:
            signal.signal(signum, signal.SIG_DFL)

    def renew(self) -> None:
        """Take over in a forked child, after :meth:`abandon`, as the one daemon: new wake-up pipe, same flags."""
        self.wakeup.open()
        self._set_writer()
        for signum in self._names:
            signal.signal(signum, self._raise_flags)
        # There is no terminal that hangs up: a HUP is meant for actions, which may not exist yet, or not any more.
        self._previous[signal.SIGHUP] = signal.SIG_IGN

    def was_ignored(self, signum: SignalNumber) -> bool:
        """Return whether a signal was inherited as ignored, as HUP is under nohup(1)."""
        return self._previous.get(signum, signal.getsignal(signum)) == signal.SIG_IGN

    def _raise_flags(self, signum: int, _frame: FrameType | None) -> None:
        for flag in self._names[signum]:
            self.flags.add(flag)

    def close(self) -> None:
        """Put every handler and the signal mask back."""
        self._leave(self._previous)

    def retire(self, other: Handler) -> None:
        """Make the end of the process safe: late signals are ignored.

        :param other: the handler for signals that raise no flag, such as TERM and INT
        """
        self._leave({s: signal.SIG_IGN if s in self._names else other for s in self._previous})

    def _leave(self, handlers: dict[int, Handler]) -> None:
        """Install other handlers and close the wake-up pipe.

        The signals are blocked meanwhile: a handler must not vanish while CPython has noted its signal and not yet
        called it.
        """
        if handlers:
            signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
            for signum, handler in handlers.items():
                if handler is not None:
                    signal.signal(signum, handler)
            try:
                signal.set_wakeup_fd(self._previous_writer)
            except (OSError, ValueError):  # it has been closed meanwhile
                signal.set_wakeup_fd(-1)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._previous_mask)
        self._previous = {}
        self._handlers = {}
        self.wakeup.close()
