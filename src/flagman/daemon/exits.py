"""The end of a daemon that does not return to its caller: its error, its exit functions, and its exit status.

It ends as a Python program does: it waits for threads, then calls the functions of :mod:`atexit`. Those that the
program had registered before it became a daemon are called by the process that started the daemon, at its own end.
The daemon calls those that it has registered itself.
"""

from __future__ import annotations

import atexit
import sys
from functools import partial

from flagman.daemon import crash, descriptors
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The part of a status that exit(3) uses.
_LOW_BYTE = 0xFF


def status_of(exit_: SystemExit) -> tuple[int, str]:
    """Return the status that Python would end with, and what it would write to standard error."""
    code = exit_.code
    if code is None or isinstance(code, int):
        return (code or 0) & _LOW_BYTE, ""
    return 1, f"{code}\n"


def bury(error: BaseException, *, name: str, to_log: bool) -> None:
    """Report the error that ends the daemon.

    :param name: of the daemon
    :param to_log: report to the log or the crash file; otherwise to standard error, which the parent reads
    """
    if to_log:
        crash.record(name, error)
    elif isinstance(error, FlagmanError):
        descriptors.say(descriptors.STDERR, f"{error}\n")
    else:
        descriptors.say(descriptors.STDERR, crash.format_error(error))


def forget(last: Callable[[], None]) -> None:
    """Forget the exit functions that are registered so far, which the process that forked calls.

    Parts of Python that register themselves only once are registered again, and forget what belongs to that process:
    its temporary directories, and the children and helpers of :mod:`multiprocessing`.

    :param last: is called after the functions that are registered from here on
    """
    atexit._clear()  # noqa: SLF001 - as multiprocessing does in its children
    atexit.register(last)
    if "logging" in sys.modules:
        atexit.register(sys.modules["logging"].shutdown)
    if "weakref" in sys.modules:
        finalize = sys.modules["weakref"].finalize
        for finalizer in list(finalize._registry):  # noqa: SLF001 - there is no other way to find them
            finalizer.atexit = False
        atexit.register(finalize._exitfunc)  # noqa: SLF001 - it registers itself only once, and may have done so
    if "multiprocessing.util" in sys.modules:
        _forget_multiprocessing()


def _forget_multiprocessing() -> None:
    process = sys.modules["multiprocessing.process"]
    process._children.clear()  # noqa: SLF001 - they would be killed
    process.current_process()._config.pop("tempdir", None)  # noqa: SLF001 - the parent removes it
    atexit.register(sys.modules["multiprocessing.util"]._exit_function)  # noqa: SLF001 - as in its own children
    # The pipes to these helpers will be closed, and then their numbers mean something else.
    if "multiprocessing.resource_tracker" in sys.modules:
        sys.modules["multiprocessing.resource_tracker"]._resource_tracker.__init__()  # noqa: SLF001
    if "multiprocessing.forkserver" in sys.modules:
        server = sys.modules["multiprocessing.forkserver"]._forkserver  # noqa: SLF001
        preload = server._preload_modules  # noqa: SLF001
        server.__init__()
        server.set_forkserver_preload(preload)


def finish(steps: list[Callable[[], object]], let_leave: Callable[[bool], object]) -> None:
    """Do what every Python program does at its end.

    The exception of a signal handler ends one step, such as the wait for threads, and the next one follows.

    :param steps: what to do first
    :param let_leave: is told whether signal handlers may raise SystemExit: in a step, but not between two of them
    """
    report = sys.unraisablehook
    # Python would report an exit function that SystemExit has ended.
    sys.unraisablehook = lambda what: None if isinstance(what.exc_value, SystemExit) else report(what)
    if "threading" in sys.modules:
        steps.append(sys.modules["threading"]._shutdown)  # noqa: SLF001 - as multiprocessing does in its children
    steps += (atexit._run_exitfuncs, descriptors.flush)  # noqa: SLF001 - as above
    while steps:
        step = steps.pop(0)
        try:
            try:
                let_leave(True)  # noqa: FBT003 - the only parameter there is
                step()
            finally:
                let_leave(False)  # noqa: FBT003 - as above
        except SystemExit:
            let_leave(False)  # noqa: FBT003 - again: the statement above may have been interrupted itself
        except BaseException as error:  # noqa: BLE001 - as the interpreter does, it goes on
            steps.insert(0, partial(descriptors.say, descriptors.STDERR, crash.format_error(error)))
