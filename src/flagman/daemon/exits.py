"""The end of a daemon that is no caller's program any more: what it has died of, and with which status.

It is the end of a Python program: threads are waited for, then the functions of :mod:`atexit` are called. What the
program had registered there before it became a daemon is done by the process that has started the daemon, at its own
end. What the daemon has registered itself is done by the daemon.
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

# As exit(3) takes it.
_LOW_BYTE = 0xFF


def status_of(exit_: SystemExit) -> tuple[int, str]:
    """Give the status that Python would end with, and what it would say on standard error."""
    code = exit_.code
    if code is None or isinstance(code, int):
        return (code or 0) & _LOW_BYTE, ""
    return 1, f"{code}\n"


def bury(error: BaseException, *, name: str, to_log: bool) -> None:
    """Tell what the daemon has died of.

    :param name: of the daemon
    :param to_log: and to its crash file; to standard error otherwise, where its parent listens
    """
    if to_log:
        crash.record(name, error)
    elif isinstance(error, FlagmanError):
        descriptors.say(descriptors.STDERR, f"{error}\n")
    else:
        descriptors.say(descriptors.STDERR, crash.format_error(error))


def forget(last: Callable[[], None]) -> None:
    """Leave it to the process that has forked to do what has been registered for the exit until now.

    Parts of Python that register once for all that is still to come are registered again, and forget what they know of
    that process: its temporary directories, and the children and helpers of :mod:`multiprocessing`.

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
    """Do what is done at the end of every Python program.

    The exception of a signal handler ends one step, such as the wait for threads, and the next one follows.

    :param steps: come before
    :param let_leave: called with whether signal handlers may raise SystemExit: in a step, but not between two of them
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
