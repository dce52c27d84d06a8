"""The entry point of the process: arm the signals first, import and run the command later.

From the first statement of :func:`main` on, a signal that would have killed the process is kept and answered when its
actions are ready. The interpreter's own start, some ten milliseconds before that, cannot be covered from here.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress

from flagman.engine.signals import HANDLED_SIGNALS, Signals

_STDERR = 2


def main() -> int:
    """Run the command ``flagman``.

    :returns: its exit status
    """
    _fill_standard_descriptors()
    armed = None
    if os.getpid() == 1:
        from flagman.supervise.init import stand_in_front  # noqa: PLC0415 - only for process 1

        armed = stand_in_front()
    signals = Signals()
    signals.arm(HANDLED_SIGNALS)
    # Until there is something to tear down, INT and TERM end the process, INT without a KeyboardInterrupt's traceback.
    signals.handle(signal.SIGINT, signal.SIG_DFL)
    if armed is not None:
        armed()
    os.register_at_fork(after_in_child=signals.abandon)
    gc.disable()  # until all is imported: that lasts, and to look through it again and again takes time
    from flagman.cli import command  # noqa: PLC0415 - only now, see above
    from flagman.log import standard_streams  # noqa: PLC0415 - only now, see above

    try:
        return command.main(signals=signals, is_process=True)
    finally:
        standard_streams.hurry()  # exit functions may print, too, and nothing can interrupt them any more
        signals.retire(signal.SIG_DFL if _waits_for_threads() else signal.SIG_IGN)


def _waits_for_threads() -> bool:
    """Return whether the end of the interpreter will wait for threads that an action has left behind."""
    threading = sys.modules.get("threading")
    return threading is not None and sum(not thread.daemon for thread in threading.enumerate()) > 1


def _fill_standard_descriptors() -> None:
    """Open /dev/null for each standard stream that is closed, so that no pipe of ours is ever taken for one."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - the only parameter there is
        os.close(descriptor)


if __name__ == "__main__":
    # `python -m` puts the current directory first on the path, where the console script does not look for plugins.
    with suppress(OSError):  # it may have been deleted
        if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 - pathlib costs 5 ms
            del sys.path[0]
    sys.exit(main())
