"""The verb ``signal``: sends a signal to the daemon that holds a pid file."""

from __future__ import annotations

from flagman.ctl.errors import NO_DAEMON, UNKNOWN, CtlError
from flagman.daemon.holder import signal_holder
from flagman.exceptions import FlagmanError, UsageError
from flagman.text.signames import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Send the signal.

    :returns: the exit status
    """
    name, pid_file = words.argument, words.pid_file
    try:
        signum = 0 if name == "0" else number_of(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        pid = signal_holder(pid_file, signum)
    except OSError as error:
        raise CtlError(f"cannot send {name}: {error.strerror} ({pid_file})", UNKNOWN) from None
    except FlagmanError as error:
        raise CtlError(f"cannot send {name}: {error}", UNKNOWN) from None
    if pid is None:
        raise CtlError(f"not running ({pid_file})", NO_DAEMON)
    return 0
