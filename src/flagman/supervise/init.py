"""The init: process 1 of a container or another pid namespace, which stands in front of the daemon.

Process 1 inherits every process of its namespace that has lost its parent, and has to wait for its end, see
:manpage:`pid_namespaces(7)`. A program that waits for any child takes the exit statuses of its own commands away from
the code that waits for those. So the daemon runs behind a process that does nothing else.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.children import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.supervise.notifications import Relay

_ALL = signal.valid_signals()
# What the terminal sends to all processes of the group in front, so to the daemon, too. It is not so for HUP, which the
# kernel sends to the leader of the session alone when the terminal hangs up, and for the CONT that follows it: process
# 1 leads the session if the container has a terminal, and the daemon would never hear of the end of that.
_OF_TERMINAL = frozenset((signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH))
# How the kernel marks its own signals, see sigaction(2).
_SI_KERNEL = 0x80
# What the kernel says about this process alone: a child has ended, or it reads or writes beside the group in front.
_OWN = frozenset((signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU))
# Variables that hold the number of the process that the service manager has started.
_NUMBERS = ("WATCHDOG_PID", "LISTEN_PID")


def stand_in_front() -> Callable[[], object]:
    """Fork the daemon, and return in it; this process becomes the init in front of it, and never returns.

    The init waits for the end of all processes that it inherits, forwards signals to the daemon, passes its messages
    on to the service manager, which takes them from process 1 alone, and ends when it ends: with its exit status, or
    with 128 and the number of the signal that has killed it. It must be called before anything handles a signal.

    :returns: in the daemon, what it calls as soon as its handlers are armed; until then signals wait in the init
    :raises SystemExit: if no process can be forked
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # inherited; the kernel would drop exit statuses
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        relay = _relay()
        reader, writer = os.pipe()
        daemon = os.fork()
    except OSError as error:
        raise SystemExit(f"flagman: error: cannot start behind an init: {error.strerror}") from None
    if daemon:
        os.close(writer)
        os._exit(_Init(daemon, relay).run(reader))
    os.close(reader)
    if relay is not None:
        relay.leave()
    for name in _NUMBERS:
        if os.environ.get(name) == str(os.getppid()):
            os.environ[name] = str(os.getpid())
    front.stand_behind(os.getppid())
    # Nothing waits: a forked process has no pending signals.
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return lambda: os.close(writer)


def _relay() -> Relay | None:
    """Return what passes messages on to the service manager; None if there is none."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from flagman.supervise import notifications  # noqa: PLC0415 - only under a manager

    return notifications.between(os.environ["NOTIFY_SOCKET"], report)


class _Init:
    """Process 1, with all signals blocked: it takes them one by one, so it needs no handlers.

    :param daemon: the number of the process behind it
    :param relay: what passes its messages on, if there is a service manager
    """

    def __init__(self, daemon: int, relay: Relay | None) -> None:
        self._daemon = daemon
        self._relay = relay

    def run(self, reader: int) -> int:
        """Serve until the daemon has ended, and return its exit status.

        :param reader: of a pipe that ends as soon as the daemon has armed its handlers, or has ended itself
        """
        _close_all_but(reader, self._relay)
        if self._relay is not None:
            self._relay.start()
        os.read(reader, 1)
        os.close(reader)
        while (status := self._reap()) is None:
            self._take(signal.sigwaitinfo(_ALL))
            # The system hands out the lowest number first: one that arrives without an end must not hold the others up.
            for signum in signal.sigpending():
                self._take(signal.sigtimedwait((signum,), 0))
        if self._relay is not None:
            self._relay.drain()
        return status

    def _reap(self) -> int | None:
        """Wait for all children that have ended; return the exit status of the daemon if it is one of them."""
        while (end := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)) is not None:
            if end.si_pid == self._daemon:
                return end.si_status if end.si_code == os.CLD_EXITED else 128 + end.si_status
        return None

    def _take(self, info: signal.struct_siginfo | None) -> None:
        """Forward a signal, unless it is meant for this process, or the daemon has got it, too."""
        if info is None or info.si_signo in _OWN or (info.si_signo in _OF_TERMINAL and info.si_code == _SI_KERNEL):
            return
        try:
            os.kill(self._daemon, info.si_signo)
        except OSError as error:  # another user's, and this process lacks CAP_KILL
            from flagman.text.signames import name_of  # noqa: PLC0415 - only on the way to a message

            report(f"cannot forward {name_of(info.si_signo)} to the daemon: {error.strerror}")


def _close_all_but(reader: int, relay: Relay | None) -> None:
    """Close what this process has inherited and only the daemon uses, such as sockets that the manager has opened."""
    from flagman.daemon import descriptors  # noqa: PLC0415 - the daemon does not need it

    spared = {reader} if relay is None else {reader, *relay.descriptors()}
    descriptors.close(descriptors.inheritance(), spared)


def report(trouble: str) -> None:
    """Write a line to standard error, if it takes one: the log is the daemon's."""
    with suppress(OSError):
        os.write(2, f"flagman: {trouble}\n".encode(errors="backslashreplace"))
