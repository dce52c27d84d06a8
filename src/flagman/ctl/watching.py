"""The status of a daemon, anew every second, until it is interrupted."""

from __future__ import annotations

import os
from time import sleep

from flagman.ctl.asking import ask_status, told
from flagman.ctl.errors import CtlError
from flagman.ctl.fields import Fields
from flagman.ctl.overview import lines
from flagman.ctl.screen import Screen, clean, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from flagman.ctl.words import Words

# Seconds.
_INTERVAL = 1.0
# The top left corner; the rest of a line; the rest of the screen.
_HOME, _CLEAR_LINE, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(words: Words) -> NoReturn:
    """Show the status until it is interrupted; a daemon that goes may come back.

    :raises CtlError: if there is none at the beginning
    :raises KeyboardInterrupt: at the end
    """
    shown = False
    while True:
        screen = Screen(words.color)
        try:
            answer = ask_status(words)
        except CtlError as error:
            if not shown:
                raise
            _show([clean(str(error))], screen)
        else:
            if words.json:
                told(words, answer)
            else:
                _show(lines(Fields(answer), screen), screen)
        shown = True
        sleep(_INTERVAL)


def _show(text: list[str], screen: Screen) -> None:
    if not screen.is_terminal:
        write("\n".join([*text, ""]))
        return
    height = os.get_terminal_size().lines - 1
    write(_HOME + "\n".join(f"{line}{_CLEAR_LINE}" for line in text[:height]) + _CLEAR)
