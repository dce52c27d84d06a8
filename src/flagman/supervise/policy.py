"""When a process that has ended is started again: the policy, and the spacing between two starts.

The delay is not a pause after an end but the least time between two starts. So what has run for a while is back at
once, and what ends at once never keeps the machine busy.
"""

from __future__ import annotations

import signal

from flagman.supervise.ends import exit_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from flagman.config.settings import Restart

#: Seconds between two starts after the first early end.
SHORTEST = 1.0
# And at most.
_LONGEST = 60.0
# Seconds of a life, in which it was ready, after which the next early end counts as the first.
_HEALTHY = 60.0
# The largest part by which a span is longer at random, so that processes with a common cause do not start together.
_SPREAD = 0.1
# Signals by which a process is asked to end; a death by one of them is not a failure.
_ASKING = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM))


def restarts(policy: Restart, status: int, good: Collection[int] = ()) -> bool:
    """Return whether a process that has ended by itself is started again.

    :param status: its exit status, or the number of the signal that killed it, negative
    :param good: exit statuses that are no failure
    """
    if policy == "on-failure":
        return status != 0 and -status not in _ASKING and exit_status(status) not in good
    return policy == "always"


def chance() -> float:
    """Return a random number between 0 and 1."""
    from random import random  # noqa: PLC0415 - 1.3 ms, needed only for another start

    return random()  # noqa: S311 - a spread, not a secret


class Spacing:
    """The moments of the starts of one process.

    :param random: returns a number between 0 and 1
    :param longest: returns the most seconds between two starts
    """

    def __init__(self, random: Callable[[], float] = chance, longest: Callable[[], float] = lambda: _LONGEST) -> None:
        self._random = random
        self._longest = longest
        self._start = 0.0
        #: How many lives in a row have been short.
        self.short_lives = 0

    def started(self, now: float) -> None:
        """Note that the process was started, or that this was tried.

        :param now: the moment
        """
        self._start = now

    def next_start(self, now: float, ready_at: float | None) -> float:
        """Return the moment of the next start, which may be over, for a process that has just ended.

        :param now: the moment of the end
        :param ready_at: since when it had been ready; None if it had not become so
        """
        if ready_at is not None and now - ready_at >= _HEALTHY:
            self.short_lives = 0
        self.short_lives += 1
        span = min(self._longest(), SHORTEST * 2.0 ** min(self.short_lives - 1, 20))
        return self._start + span * (1 + _SPREAD * self._random())
