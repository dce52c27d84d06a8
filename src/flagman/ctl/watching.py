"""Shows a page again and again, until it is interrupted."""

from __future__ import annotations

import os
import sys
from time import sleep

from flagman.ctl.asking import told
from flagman.ctl.errors import CtlError
from flagman.ctl.screen import Screen, clean, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from flagman.ctl.words import Words

# Seconds from one page to the next.
_INTERVAL = 1.0
# The top left corner; the rest of a line; the rest of the screen.
_HOME, _CLEAR_LINE, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(words: Words, ask: Callable[[Words], object], page: Callable[[object, Screen], list[str]]) -> NoReturn:
    """Show a page every second until it is interrupted; a daemon that goes may come back.

    :param ask: returns what the daemon answers
    :param page: returns the lines that show it
    :raises CtlError: if there is no answer at the beginning, or later, if it is shown as JSON
    :raises KeyboardInterrupt: at the end
    """
    is_first = True
    while True:
        screen = Screen(words.color)
        try:
            answer = ask(words)
        except CtlError as error:
            if is_first or words.json:
                raise
            _write_anew([clean(str(error))], screen)
        else:
            told(words, answer)
            if not words.json:
                _write_anew(page(answer, screen), screen)
        is_first = False
        sleep(_INTERVAL)


def _write_anew(page: list[str], screen: Screen) -> None:
    """Write a page in the place of the one before, as much of it as the screen has room for."""
    if not screen.can_move:
        write("\n".join([*page, ""]))
        return
    height = max(os.get_terminal_size(sys.stdout.fileno()).lines - 1, 1)
    if len(page) > height:
        page = [*page[: height - 1], f"{screen.ellipsis} {len(page) - height + 1} more lines"]
    write(_HOME + "\n".join(f"{line}{_CLEAR_LINE}" for line in page) + _CLEAR)
