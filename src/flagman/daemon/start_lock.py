"""Taking turns: of all processes that start at the same moment, one at a time looks, decides and writes."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress

from flagman.daemon.directory import is_in_place
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: The mode of a file that only this user may open, and so only this user may lock.
PRIVATE = 0o600
# Seconds between two attempts to get the turn.
_PAUSE = 0.001
# Seconds that a process waits at least for the turn; a turn takes a millisecond.
_PATIENCE = 5.0


@contextmanager
def taken(directory: int, name: str, limit: float = 0, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the turn: the lock on a file that exists only meanwhile.

    :param directory: a descriptor of the directory of the file
    :param limit: the monotonic time until which to wait for the turn, if the patience ends before
    :param patience: the seconds to wait for the turn at least
    :raises FlagmanError: if another process has the turn, and does not end it
    :raises OSError: if the file cannot be created
    """
    limit = max(limit, time.monotonic() + patience)
    while (descriptor := _lock(directory, name)) < 0:
        if time.monotonic() >= limit:
            raise FlagmanError(f"another start is in progress and does not finish ({name})")
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        os.close(descriptor)


def _lock(directory: int, name: str) -> int:
    """Create and lock the file; return its descriptor, or a negative number if another process was faster."""
    flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, PRIVATE, dir_fd=directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_in_place(descriptor, name, directory):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError):  # no process can lock it; otherwise another one may have it
            os.unlink(name, dir_fd=directory)
        raise
    os.close(descriptor)
    return -1
