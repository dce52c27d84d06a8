"""The end of a daemon that is no caller's program any more: what it has died of, and with which status."""

from __future__ import annotations

import sys

from flagman.daemon import descriptors
from flagman.exceptions import FlagmanError

# As exit(3) takes it.
_LOW_BYTE = 0xFF


def status_of(exit_: SystemExit) -> int:
    """Give the status that Python would end with, and say what it would say."""
    code = exit_.code
    if code is None or isinstance(code, int):
        return (code or 0) & _LOW_BYTE
    descriptors.say(descriptors.STDERR, f"{code}\n")
    return 1


def bury(error: BaseException, *, name: str, to_log: bool) -> None:
    """Tell what the daemon has died of.

    :param name: of the daemon
    :param to_log: and to its crash file; to standard error otherwise, where its parent listens
    """
    if to_log:
        from flagman.daemon import crash  # noqa: PLC0415 - for this end alone

        crash.record(name, error)
    elif isinstance(error, FlagmanError):
        descriptors.say(descriptors.STDERR, f"{error}\n")
    else:
        descriptors.say(descriptors.STDERR, format_error(error))


def format_error(error: BaseException) -> str:
    """Give the traceback of an error, or what there is without the files of Python, as in another root."""
    try:
        import traceback  # noqa: PLC0415 - for a bad end alone

        return "".join(traceback.format_exception(error))
    except ImportError:
        return f"{type(error).__name__}: {error}\n"


def join_threads() -> None:
    """Wait, as the end of every Python program does, for threads that are not to end with it."""
    threading = sys.modules.get("threading")
    if threading is None:
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
