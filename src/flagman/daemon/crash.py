"""The record of the error that ends a daemon: in its log or, if that leads nowhere, in a file of its own."""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import suppress

from flagman.daemon.descriptors import STDERR, is_null, say

_SYSTEM = "/var/log"


def record(name: str, error: BaseException) -> None:
    """Record an unhandled error.

    It goes to the log. If that leads nowhere, it is appended to ``/var/log/NAME.errors`` or, if this process may not
    write there, to a file of that name in the user's state directory, ``~/.local/state`` or XDG_STATE_HOME. Neither is
    used if others may write in the directory; then it goes to standard error.

    :param name: of the daemon
    """
    if "logging" in sys.modules and _has_log():
        import logging  # noqa: PLC0415 - imported already: a program without it has no log

        logging.getLogger("flagman.daemon.crash").critical(
            "The daemon ends because of an unhandled error", exc_info=error
        )
        return
    write_down(name, error)


def write_down(name: str, error: BaseException, system: str = "") -> None:
    """Append an error to the file of a daemon's last words, or write it to standard error if there is no such file.

    :param name: the daemon's name
    :param system: the directory of the system's logs, ``/var/log`` by default
    """
    when = time.strftime("%Y-%m-%d %H:%M:%S %z")
    entry = f"{when} {name}[{os.getpid()}] ends because of an unhandled error\n{format_error(error)}"
    descriptor = _open(f"{name.replace('/', '-').lstrip('.-') or 'daemon'}.errors", system or _SYSTEM)
    if descriptor is None:  # no directory is usable, or no descriptor is free
        say(STDERR, entry)
        return
    with suppress(OSError):
        try:
            os.write(descriptor, entry.encode(errors="backslashreplace"))
        finally:
            os.close(descriptor)


def format_error(error: BaseException) -> str:
    """Return the traceback of an error, or one line if Python's files cannot be read, as in another root."""
    try:
        import traceback  # noqa: PLC0415 - only for a crash

        return "".join(traceback.format_exception(error))
    except (ImportError, OSError):
        return f"{type(error).__name__}: {error}\n"


def _has_log() -> bool:
    """Return whether a record of the root logger is written anywhere."""
    import logging  # noqa: PLC0415 - as above

    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.NullHandler):
            continue
        stream = getattr(handler, "stream", None)
        try:
            if stream is None or not is_null(stream.fileno()):
                return True
        except (OSError, ValueError, AttributeError):  # closed, or not a file: that may write anywhere
            return not getattr(stream, "closed", False)
    return False


def _open(name: str, system: str) -> int | None:
    """Open the file in the first directory where that is possible and safe; return its descriptor."""
    for folder in filter(os.path.isabs, (system, _state_directory())):  # the home directory may be unknown
        with suppress(OSError):
            if folder != system:
                os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103 - os, as all here
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                descriptor = _open_in(directory, name)
            finally:
                os.close(directory)
            if descriptor is not None:
                return descriptor
    return None


def _open_in(directory: int, name: str) -> int | None:
    status = os.fstat(directory)
    if status.st_mode & stat.S_IWOTH or status.st_uid not in (0, os.geteuid()):
        return None
    # Non-blocking, because another program may have put a FIFO there.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    return None


def _state_directory() -> str:
    """Return the directory of :manpage:`file-hierarchy(7)` for a user's logs."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    return configured if os.path.isabs(configured) else os.path.expanduser("~/.local/state")  # noqa: PTH111, PTH117
