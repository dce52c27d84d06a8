"""What HUP means if no action is bound to it: decided once, at the start."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    #: What HUP does.
    HangUp = Literal[
        "stops this daemon",
        "has no effect",
        "reloads the configuration",
        "only logs a warning",
        "goes to the wrapped command",
    ]


# Plain strings, because an Enum costs 0.1 ms at each start.
#: As every process does that does not handle it: its terminal has been closed.
STOP: HangUp = "stops this daemon"
#: As under nohup(1).
NOTHING: HangUp = "has no effect"
#: As most daemons do.
RELOAD: HangUp = "reloads the configuration"
#: The configuration cannot be read again.
WARN: HangUp = "only logs a warning"
#: As every signal that has no actions, if there is a command.
PASSED_ON: HangUp = "goes to the wrapped command"


def meaning(
    *, is_configured: bool, has_terminal: bool, was_ignored: bool, is_out_of_reach: bool, is_passed_on: bool = False
) -> HangUp:
    """Return the meaning of HUP.

    :param is_configured: there is a configuration file
    :param has_terminal: the process has a controlling terminal, which may be closed
    :param was_ignored: HUP was inherited as ignored, or the process has detached from its terminal
    :param is_out_of_reach: the file is outside of the root directory
    :param is_passed_on: a wrapped command gets the signals that have no actions
    """
    if is_passed_on:
        return NOTHING if was_ignored else PASSED_ON
    if is_configured and not has_terminal:
        return WARN if is_out_of_reach else RELOAD
    return NOTHING if was_ignored else STOP


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal, see :manpage:`tty(4)`; not in another root."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
