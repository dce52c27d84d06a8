"""The process between a daemon and whoever has started it, until the daemon is ready."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from flagman.children.reaping import wait_for
from flagman.daemon.pid_file import PidLockFile
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: What the daemon says when it is ready, and then the watcher. It also ends what the daemon has said before:
READY = b"\0"
#: what begins with this, the path of its pid file.
NAMED = b"="
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
        path, is_ready = _listen(pid, readiness, interest)
        if is_ready:
            os.write(news, READY)
        else:
            status = wait_for(pid)
            if path:
                _clean(pid, path)
            os.write(news, b"%d" % status)
    finally:
        os._exit(0)


def _listen(pid: int, readiness: int, interest: int) -> tuple[bytes, bool]:
    """Give the path of the pid file, if there is one, and whether the daemon is ready and was not to be stopped."""
    poll = select.poll()
    for descriptor in (readiness, interest):
        poll.register(descriptor, select.POLLIN)
    said = b""
    while True:
        if readiness in [descriptor for descriptor, _ in poll.poll()]:
            data = os.read(readiness, _CHUNK)
            said += data
            path, rest = _split(said)
            is_ready = READY in rest
            if is_ready or not data:
                return path, is_ready
        else:
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)  # if it is stopped it would not see that
            os.close(readiness)  # if it does not mind, it will when it says that it is ready
            return _split(said)[0], False


def _split(said: bytes) -> tuple[bytes, bytes]:
    """Tell the path, which comes first or not at all, from what follows: who says that may have lost its privileges."""
    if not said.startswith(NAMED):
        return b"", said
    path, _, rest = said.removeprefix(NAMED).partition(READY)
    return path, rest


def _clean(pid: int, path: bytes) -> None:
    """Remove the pid file that the daemon could not, since it was killed, or had given up its privileges."""
    with suppress(FlagmanError, OSError):
        PidLockFile(os.fsdecode(path), shared=True).remove_after(pid)
