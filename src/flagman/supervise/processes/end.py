"""How the last instance of a process has ended, or why it could not be started."""

from __future__ import annotations

import time

from flagman.supervise.ends import exit_status
from flagman.supervise.policy import restarts
from flagman.text.moments import rfc3339
from flagman.text.signames import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Literal

    Reason = Literal[
        "requested", "exit", "signal", "not-ready", "liveness", "watchdog", "cannot-start", "config-changed"
    ]

#: Reasons that have to do with its health, and by what name its deaths are counted.
COUNTED: dict[str, str] = {
    "exit": "exit",
    "signal": "signal",
    "cannot-start": "exit",
    "not-ready": "not_ready",
    "liveness": "liveness",
    "watchdog": "liveness",
}
# Reasons that it had no part in, or that made flagman end it.
_BY_US = {
    "not-ready": "was not ready",
    "liveness": "was not well",
    "watchdog": "was not well",
}


class End:
    """The end of an instance.

    :param reason: why it has ended
    :param status: its exit status, or the number of the signal that killed it, negative; None if it is not known
    :param why: more about the reason, in words; empty for nothing
    :param output: its last lines
    :param moment: when it ended, of the monotonic clock
    :param verdict: what the verifier says of it: empty if it was to end so, None if it says nothing
    """

    __slots__ = ("at", "has_core", "moment", "output", "reason", "status", "verdict", "why")

    def __init__(  # noqa: PLR0913, PLR0917 - what is told of an end
        self,
        reason: Reason,
        status: int | None,
        why: str,
        output: Sequence[str],
        moment: float,
        verdict: str | None = None,
    ) -> None:
        self.reason = reason
        self.status = status
        self.why = why
        self.output = output
        self.moment = moment
        self.verdict = verdict
        self.at = time.time()
        #: Whether it has left a core dump.
        self.has_core = False

    @property
    def text(self) -> str:
        """It in words, with its last line: ``exited with 1: FATAL: could not create lock file``."""
        if self.reason == "cannot-start":
            return f"cannot start {self.why}"
        if self.reason in _BY_US:
            return f"{_BY_US[self.reason]}: {self.why}"
        is_a_surprise = (self.status or self.verdict) and self.reason in ("exit", "signal")
        last = next((line.strip() for line in reversed(self.output) if line.strip()), "") if is_a_surprise else ""
        ended = self.verdict or f"{how(self.status)}{', core dumped' * self.has_core}{self.why and ' '}{self.why}"
        return f"{ended}: {last}" if last else ended

    def shown(self, now: float) -> dict[str, object]:
        """Return it as JSON."""
        signal = name_of(-self.status) if self.status is not None and self.status < 0 else None
        return {
            "status": self.status if signal is None else None,
            "signal": signal,
            "core": self.has_core,
            "reason": self.reason,
            "text": self.text,
            "at": rfc3339(self.at),
            "at_ago": round(now - self.moment, 6),
            "output": list(self.output),
        }


def how(status: int | None) -> str:
    """Return how an instance has ended, in words."""
    if status is None:
        return "its exit status was lost"
    return f"exited with {status}" if status >= 0 else f"killed by {name_of(-status)}"


def is_success(end: End, good: Collection[int], *, was_ready: bool) -> bool:
    """Return whether an instance has ended well, so that what comes after it may start.

    :param good: exit statuses that count as 0
    :param was_ready: whether it had been ready, which a verifier that judges ends does not ask for
    """
    if end.verdict is not None:
        return not end.verdict
    return was_ready and end.status is not None and exit_status(end.status, good) == 0


def is_failure(end: End, good: Collection[int]) -> bool:
    """Return whether an end that nothing has asked for is a failure, after which ``on-failure`` starts it again.

    :param good: exit statuses that are no failure
    """
    if end.reason not in ("exit", "signal") or end.status is None:
        return True
    return bool(end.verdict) if end.verdict is not None else restarts("on-failure", end.status, good)
