"""One way out for every mistake: a line on stderr, a word to the service manager, an exit status."""

from __future__ import annotations

import sys
from contextlib import suppress

from flagman.engine import loggers
from flagman.engine.reports import log_cause
from flagman.exceptions import FlagmanError, mistakes_of, one_line
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.systemd import Manager

logger = loggers.get("flagman.cli")


def end_with(error: FlagmanError | OSError, manager: Manager) -> int:
    """Report why this process ends, in the log, on stderr and to the service manager.

    :returns: the exit status
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    log_cause(error)
    if not isinstance(error, BrokenPipeError):  # the reader of --list has seen enough
        report(error)
    exit_status = error.exit_code if isinstance(error, FlagmanError) else 1
    state = f"{manager.status(f'Failed: {one_line(error)}')}\nEXIT_STATUS={exit_status}"
    if isinstance(cause, OSError) and cause.errno:
        state += f"\nERRNO={cause.errno}"
    manager.notify(state)  # see sd_notify(3)
    return exit_status


def report(error: FlagmanError | OSError) -> None:
    """Write a line for each mistake to stderr."""
    if sys.stderr is None:
        return
    from flagman.log.setup import error_prefix  # noqa: PLC0415 - only for a mistake

    for message in mistakes_of(error):
        with suppress(OSError):  # the exit status still shows the failure
            sys.stderr.write(f"{error_prefix()}flagman: error: {printable(one_line(message))}\n")
