"""The end of a daemon that is no caller's program any more: what it has died of, and with which status.

It is the end of a Python program: threads are waited for, then the functions of :mod:`atexit` are called. What the
program had registered there before it became a daemon is done by the process that has started the daemon, at its own
end. What the daemon has registered itself is done by the daemon.
"""

from __future__ import annotations

import atexit
import signal
import sys

from flagman.daemon import descriptors
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import FrameType

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


def forget(last: Callable[[], None]) -> None:
    """Leave it to the process that has forked to do what has been registered for the exit until now.

    Parts of Python that register once for all that is still to come are registered again, and forget what they know of
    that process: its temporary directories, and the children of :mod:`multiprocessing`.

    :param last: is called after all that is registered from here on
    """
    atexit._clear()  # noqa: SLF001 - as multiprocessing does in its children
    atexit.register(last)
    if "logging" in sys.modules:
        atexit.register(sys.modules["logging"].shutdown)
    if "weakref" in sys.modules:
        finalize = sys.modules["weakref"].finalize
        for finalizer in list(finalize._registry):  # noqa: SLF001 - there is no other way to find them
            finalizer.atexit = False
        atexit.register(finalize._exitfunc)  # noqa: SLF001 - it is registered at most once, and may have been
    if "multiprocessing.util" in sys.modules:
        sys.modules["multiprocessing.process"]._children.clear()  # noqa: SLF001 - they would be killed
        atexit.register(sys.modules["multiprocessing.util"]._exit_function)  # noqa: SLF001 - as in its own children


def finish(signals: Collection[int], *first: Callable[[], None]) -> None:
    """Do what is done at the end of every Python program.

    An exception that a signal handler raises ends the wait for threads, or the exit function that runs, and no more.

    :param signals: are blocked, but for the time of each of these steps
    :param first: steps that come before
    """
    steps = list(first)
    if "threading" in sys.modules:
        steps.append(sys.modules["threading"]._shutdown)  # noqa: SLF001 - as multiprocessing does in its children
    steps += (atexit._run_exitfuncs, descriptors.flush)  # noqa: SLF001 - as above
    for step in steps:
        try:
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
                step()
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        except SystemExit:
            pass
        except BaseException as error:  # noqa: BLE001 - as the interpreter does, it goes on
            descriptors.say(descriptors.STDERR, format_error(error))


def has_come(frame: FrameType | None) -> bool:
    """Tell whether code that a signal has interrupted is called by the end of a program, this one or Python's own."""
    threading = vars(sys.modules.get("threading", sys))
    while frame is not None:
        if frame.f_code is finish.__code__ or (frame.f_globals is threading and frame.f_code.co_name == "_shutdown"):
            return True
        frame = frame.f_back
    return False
