"""The verb ``shutdown``: stops the daemon, and waits for its end if that was asked for."""

from __future__ import annotations

import os
from time import monotonic

from flagman.ctl.asking import reach, told
from flagman.ctl.client import LONGEST, refusal
from flagman.ctl.errors import BAD, NOT_IN_TIME, CtlError, NoAnswerError
from flagman.ctl.fields import Fields
from flagman.ctl.screen import write
from flagman.ctl.targets import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.client import Client
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Stop the daemon.

    :returns: the exit status
    """
    end = None if words.wait is None else monotonic() + words.wait
    client = reach(words)
    pidfd = -1
    try:
        try:
            if end is not None:
                pidfd = _pidfd(client)
            status, answer = client.ask("DELETE", f"/{waiting(words.wait)}")
        except NoAnswerError:
            if pidfd < 0 or not _has_ended(pidfd, end or 0.0):
                raise
            raise CtlError("the daemon has ended before it had answered", BAD) from None
        if error := refusal(status, answer):
            raise error
        if end is not None and not (_has_ended(pidfd, end) if pidfd >= 0 else client.wait_for_end(end)):
            raise CtlError("the daemon has stopped its work, but its process has not ended in time", NOT_IN_TIME)
    finally:
        client.close()
        if pidfd >= 0:
            os.close(pidfd)
    told(words, answer)
    if not words.json:
        write("stopped" if end is not None else "stopping")
    return 0


def _pidfd(client: Client) -> int:
    """Return a descriptor of the daemon's process; -1 if that is not known.

    The peer is the process that has begun to listen, which may be a service manager: then the pids are not the same.
    """
    from flagman.children.pidfd import open_pidfd  # noqa: PLC0415 - only with --wait

    pid = client.peer
    _, answer = client.ask("GET", "/status")
    if not pid or Fields(answer).number("pid") != pid:
        return -1
    try:
        return open_pidfd(pid)
    except ProcessLookupError:
        return -1


def _has_ended(pidfd: int, end: float) -> bool:
    """Wait until the process has ended, or the time is over, and return whether it has ended."""
    from select import poll  # noqa: PLC0415 - only with --wait

    poller = poll()
    poller.register(pidfd)
    left = None if end == float("inf") else min(max(end - monotonic(), 0.0), LONGEST) * 1000
    return bool(poller.poll(left))
