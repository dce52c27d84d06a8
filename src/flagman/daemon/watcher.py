"""The process between a daemon and the process that started it, until the daemon is ready."""

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

#: Sent when the daemon is ready, and passed on by the watcher; also ends the message that begins with NAMED.
READY = b"\0"
#: Begins the daemon's message with the path of its pid file.
NAMED = b"="
_CHUNK = 65536


def watch(pid: int, readiness: int, interest: int, news: int) -> NoReturn:
    """Report what becomes of the daemon until it is ready, and stop it if the parent no longer waits for that.

    All signals are blocked here: it waits for the ends of pipes, which cannot come at the wrong moment.

    :param pid: of the daemon
    :param readiness: the pipe on which the daemon reports
    :param interest: the pipe that ends when the parent no longer waits
    :param news: the pipe to the parent
    """
    try:
        with suppress(BrokenPipeError):  # the parent has gone
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
    """Return the path of the pid file, or nothing, and whether the daemon is ready; stop it if the parent has gone."""
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
                os.kill(pid, signal.SIGCONT)  # a suspended process would not act on TERM
            os.close(readiness)  # if it ignores TERM, it will fail when it reports that it is ready
            return _split(said)[0], False


def _split(said: bytes) -> tuple[bytes, bytes]:
    """Split the path, which comes first or not at all, from the rest, which an untrusted user may have sent."""
    if not said.startswith(NAMED):
        return b"", said
    path, _, rest = said.removeprefix(NAMED).partition(READY)
    return path, rest


def _clean(pid: int, path: bytes) -> None:
    """Remove the pid file if the daemon could not, because it was killed or had dropped its privileges."""
    with suppress(FlagmanError, OSError):
        PidLockFile(os.fsdecode(path), shared=True).remove_after(pid)
