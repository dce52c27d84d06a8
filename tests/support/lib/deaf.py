"""A plugin that treats signals as its own: it ignores them when it is imported, and again when it is set up."""

from __future__ import annotations

import signal

from flagman import Action

TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1)


def deafen() -> None:
    """Ignore the signals that stop a daemon, and more."""
    for signum in TAKEN:
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
    signal.set_wakeup_fd(-1)


deafen()


class Deaf(Action):
    """Does nothing."""

    def set_up(self) -> None:
        """Ignore the signals once more."""
        deafen()

    def run(self) -> None:
        """Do nothing."""
