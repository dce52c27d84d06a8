"""File descriptors: which are open, what they lead to, and how to redirect a standard stream."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress

from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

    #: Where a standard stream can be led: to a path, an open file, or a descriptor.
    Stream = str | os.PathLike[str] | IO[str] | IO[bytes] | int

STDIN, STDOUT, STDERR = 0, 1, 2
#: The flags that open a file for appending.
APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_CLOEXEC

# Where a process finds its own descriptors: on Linux, and on other systems.
_LISTINGS = ("/proc/self/fd", "/dev/fd")
# How many numbers are tried where there is no list.
_PROBED = 4096


def pipe() -> tuple[int, int]:
    """Return a new pipe's reader and writer; neither is a standard stream, even if one of those is closed."""
    reader, writer = os.pipe()
    return above_standard(reader), above_standard(writer)


def inheritance(listings: Iterable[str] = _LISTINGS) -> dict[int, tuple[int, int]]:
    """Return the open descriptors above the standard ones, each with the device and inode that it leads to.

    The system lists the open ones; not all numbers can be tried, because the limit may be a billion. Without a list,
    as on FreeBSD without :manpage:`fdescfs(5)`, only the lowest numbers are tried, which the system assigns first.

    :param listings: the directories in which a list may be
    """
    found = {}
    for number in _listed(listings):
        if number > STDERR:
            with suppress(OSError):  # closed by now: that of the listing itself
                found[number] = _target(number)
    return found


def _listed(listings: Iterable[str]) -> Iterable[int]:
    probe = above_standard(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    try:
        for listing in listings:
            with suppress(OSError):
                numbers = set(map(int, filter(str.isdigit, os.listdir(listing))))  # noqa: PTH208 - pathlib costs 5 ms
                if probe in numbers:  # else it has only the standard streams
                    return numbers - {probe}
    finally:
        os.close(probe)
    return range(_PROBED)


def close(inherited: dict[int, tuple[int, int]], spared: set[int]) -> None:
    """Close descriptors, except those that are spared and those that lead to something else by now."""
    for number, target in inherited.items():
        if number not in spared:
            with suppress(OSError):
                if _target(number) == target:
                    os.close(number)


def _target(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def number_of(stream: IO[str] | IO[bytes] | int) -> int:
    """Return the descriptor of an open file; a descriptor is returned as it is.

    :raises ValueError: if it has none
    """
    try:
        return stream if isinstance(stream, int) else int(stream.fileno())
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"{stream!r} has no file descriptor") from error


def check(what: str, stream: Stream | None) -> None:
    """Check that this can become a standard stream; whether it is open shows only when it is needed.

    :param what: the name of the stream in the message
    :raises ValueError: if it has no descriptor
    """
    if stream is None or isinstance(stream, str | os.PathLike):
        return
    try:
        is_number = number_of(stream) >= 0
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
    if not is_number:
        raise ValueError(f"{what}: {stream!r} is not a descriptor")


def open_stream(stream: Stream, descriptor: int) -> int:
    """Return the descriptor that is to become a standard stream.

    :param stream: a path is opened: for reading as standard input, for appending as one of the others
    :raises DaemonError: if it cannot be opened
    """
    if not isinstance(stream, str | os.PathLike):
        return number_of(stream)
    flags = os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC if descriptor == STDIN else APPENDING
    try:
        return open_now(stream, flags)
    except (OSError, ValueError) as error:
        name = ("stdin", "stdout", "stderr")[descriptor]
        reason = error.strerror if isinstance(error, OSError) else error
        raise DaemonError(f"{name} {os.fspath(stream)!r}: cannot be opened: {reason}") from error


def above_standard(descriptor: int) -> int:
    """Move a descriptor out of the way of the standard streams, if one of these was closed."""
    if descriptor > STDERR:
        return descriptor
    moved = copy(descriptor)
    os.close(descriptor)
    return moved


def copy(descriptor: int) -> int:
    """Return a copy of a descriptor, above the standard streams."""
    return int(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, STDERR + 1))


def say(descriptor: int, text: str) -> None:
    """Write all of a text; an error, as of a pipe that no process reads, is ignored."""
    data = text.encode(errors="backslashreplace")
    with suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]


def flush() -> None:
    """Write out what has been printed, to where the standard streams lead now."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or replaced by the program
            stream.flush()


def lead(descriptor: int, source: int) -> None:
    """Make a standard stream lead to where another descriptor leads."""
    if descriptor != source:
        os.dup2(source, descriptor)
    else:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the only parameter there is


def is_null(descriptor: int) -> bool:
    """Return whether a descriptor leads to the null device, or is closed."""
    try:
        return os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116 - pathlib costs 5 ms
    except OSError:
        return True


def open_now(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file without waiting for the other end of a FIFO, which could take for ever.

    :returns: its descriptor, which is blocking
    :raises OSError: if it cannot be opened, or no process reads the FIFO that is to be written to
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor
