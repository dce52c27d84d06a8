"""Writing to a descriptor without being stuck in it.

If no process reads, write(2) waits, and neither looks at the wake-up pipe nor ends at a given time. If another process
has made the same pipe or terminal non-blocking, for all that share it, write(2) fails instead. Neither will do for a
daemon: here what can be written at once is written, for any kind of descriptor, and the caller does the waiting.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The errors of pwritev2(2) for descriptors that do not know the flag, or if the call is missing or filtered.
_UNKNOWN = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ESPIPE, errno.EPERM)
# The device /dev/ptmx: opening it would make a new terminal.
_MULTIPLEXER = os.makedev(5, 2)
# Seconds between two attempts if poll(2) promises room, and there is too little.
_PAUSE = 0.01


def write(descriptor: int, data: bytes, wait: Callable[[int], bool]) -> int:
    """Write data.

    :param wait: waits until the descriptor takes more; returns False to give up the rest of the data
    :returns: how many bytes have been written
    :raises OSError: if it cannot be written
    """
    written = 0
    for written in progress(descriptor, data, wait):  # noqa: B007 - the last one counts
        pass
    return written


def progress(descriptor: int, data: bytes, wait: Callable[[int], bool]) -> Iterator[int]:
    """Write data as :func:`write` does, and yield after each step how many bytes have been written."""
    left = memoryview(data)
    has_waited = False
    while left:
        written = _attempt(descriptor, left)
        left = left[written:]
        if written:
            has_waited = False
            yield len(data) - len(left)
            continue
        if has_waited:
            time.sleep(_PAUSE)
        if not wait(descriptor):
            return
        has_waited = True


def is_ready(descriptor: int, seconds: float | None = 0) -> bool:
    """Return whether at least PIPE_BUF bytes can be written at once, see :manpage:`pipe(7)`, or the pipe is broken.

    :param seconds: how long to wait for that; None for no limit
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _attempt(descriptor: int, data: memoryview) -> int:
    """Write what can be written at once; return how many bytes that was."""
    status = os.fstat(descriptor)
    try:
        if stat.S_ISREG(status.st_mode):  # a disk is slow, but it does not wait for a reader
            return os.write(descriptor, data)
        if hasattr(os, "RWF_NOWAIT"):
            try:
                return os.pwritev(descriptor, [data], -1, os.RWF_NOWAIT)
            except OSError as error:
                if error.errno not in _UNKNOWN:
                    raise
        if os.get_blocking(descriptor) and status.st_rdev != _MULTIPLEXER:
            return _write_to_twin(descriptor, data)
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0


def _write_to_twin(descriptor: int, data: memoryview) -> int:
    """Write to the same terminal or pipe, opened once more: each opening has its own non-blocking mode."""
    try:
        twin = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # no /proc, a terminal of another user, a socket, or no reader any more
        return os.write(descriptor, data[: select.PIPE_BUF]) if is_ready(descriptor) else 0
    try:
        return os.write(twin, data)
    finally:
        os.close(twin)
