"""The process between a daemon and whoever has started it, until the daemon is ready."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from flagman.daemon.pid_file import PidLockFile
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: What the daemon says, and then the watcher. It also ends the path of a pid file that the daemon has named before.
READY = b"\0"
_CHUNK = 65536


def watch(pid: int, readiness: int, interest: int, news: int) -> NoReturn:
    """Tell what becomes of the daemon until it is ready, and stop it if nobody waits for that any longer.

    All signals are blocked here: it waits for the ends of pipes, which cannot come at the wrong moment.

    :param pid: of the daemon
    :param readiness: what the daemon says
    :param interest: ends with the interest of who waits
    :param news: where that is told
    """
    try:
        with suppress(BrokenPipeError):  # told to nobody
            os.write(news, b"%d\n" % pid)
        paths, is_ready = _listen(pid, readiness, interest)
        if is_ready:
            os.write(news, READY)
        else:
            _, status = os.waitpid(pid, 0)
            _clean(pid, paths)
            os.write(news, b"%d" % os.waitstatus_to_exitcode(status))
    finally:
        os._exit(0)


def _listen(pid: int, readiness: int, interest: int) -> tuple[list[bytes], bool]:
    """Give the paths that the daemon has named, and whether it is ready and has not been stopped."""
    poll = select.poll()
    for descriptor in (readiness, interest):
        poll.register(descriptor, select.POLLIN)
    said = b""
    is_stopped = False
    while True:
        if readiness in [descriptor for descriptor, _ in poll.poll()]:
            data = os.read(readiness, _CHUNK)
            said += data
            words = said.split(READY)[:-1]
            is_ready = b"" in words and not is_stopped
            if is_ready or not data:
                return list(filter(None, words)), is_ready
        else:
            # Once: a daemon may take the second one for a sign of impatience.
            is_stopped = True
            poll.unregister(interest)
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)


def _clean(pid: int, paths: list[bytes]) -> None:
    """Remove the pid file that the daemon could not, since it was killed, or had given up its privileges."""
    for path in paths:
        with suppress(FlagmanError, OSError):
            PidLockFile(os.fsdecode(path), shared=True).remove_after(pid)
