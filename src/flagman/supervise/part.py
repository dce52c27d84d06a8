"""The part that wraps a command: it plugs the command's keeper into a run."""

from __future__ import annotations

import signal

from flagman.children import environment, front
from flagman.exceptions import FlagmanError
from flagman.service.hangup import has_terminal
from flagman.service.parts import Part
from flagman.supervise.ends import exit_status
from flagman.supervise.keeper import Keeper
from flagman.supervise.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flagman.config.settings import Settings
    from flagman.service.dispositions import Taker
    from flagman.service.parts import Site
    from flagman.types import SignalNumber

# Signals that are not passed on: those that cannot be caught, those that a fault of this process causes, those that
# Python or the service handles for itself, and those that stop what reads a terminal in the background.
_OWN = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSTOP),
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS),
        *(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD),
        *(signal.SIGTTIN, signal.SIGTTOU),
    }
)
# Seconds that the control loop has to end what is left.
_LAST = 1.0


class CommandPart(Part):
    """Wraps the command of the command line."""

    @classmethod
    def time_to_stop(cls, settings: Settings) -> float:
        """Return the grace of the command."""
        return settings.graceful_time

    def open(self, site: Site) -> None:
        """Find out what the command shares with this process."""
        settings = site.settings
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited; the kernel would drop exit statuses
        self._site = site
        self._has_begun = False
        self._has_terminal = has_terminal()
        self._keeper = Keeper(
            settings,
            {**environment.for_commands(), b"FLAGMAN_PID": b"%d" % front.pid()},
            Terminal.find() if not settings.daemon else None,
            site,
        )
        site.engine.on_wake(self._keeper.passing.pass_on)

    def follow(self, settings: Settings) -> None:
        """Start the command when all is set up; later, obey a reload."""
        if self._has_begun:
            self._site.loop.call(self._keeper.follow, settings)
            return
        self._has_begun = True
        ignored = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else []  # as under nohup(1)
        self._site.loop.call(self._keeper.begin, self._site.streams(), ignored)

    def signals(self) -> Mapping[SignalNumber, Taker]:
        """Return the signals that the command gets."""
        return dict.fromkeys(self._taken(), self._keeper.passing.on_signal)

    def _taken(self) -> Collection[SignalNumber]:
        settings = self._site.settings
        own = set(_OWN)
        if settings.forward == "none":
            own |= {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}  # they mean what they mean without a command
        if settings.bindings or settings.config:
            own.add(signal.SIGALRM)  # the clock of actions
        if self._has_terminal:
            own.add(signal.SIGTSTP)  # it stops this process
        return signal.valid_signals() - own

    def stop(self, *, insists: bool) -> None:
        """Ask the command to end, or kill it."""
        self._keeper.stop()
        if insists:
            self._keeper.kill()

    def is_busy(self) -> bool:
        """Return whether something of the command is left."""
        return self._has_begun and not self._keeper.is_over

    def result(self) -> int | None:
        """Return the exit status of the command, or that of the stop signal that came before its start."""
        result = self._keeper.result
        if isinstance(result, FlagmanError):
            raise result
        stopped_by = self._keeper.passing.stop_signal
        good = self._site.settings.success_exit_status
        return exit_status(-stopped_by, good) if result is None and stopped_by else result

    def unready(self) -> Sequence[str]:
        """Return why the command does not run."""
        return [self._keeper.trouble] if self._keeper.trouble else []

    def close(self) -> None:
        """End what is left."""
        if self._site.loop.has_ended:  # it has failed, and what kept the command with it
            self._keeper.close(waits=False)
            return
        self._site.loop.call(self._keeper.close)
        self._site.loop.settle(_LAST)
