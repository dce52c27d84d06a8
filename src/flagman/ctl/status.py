"""The verb ``status``: what a daemon is, what it waits for, and what came of its last runs."""

from __future__ import annotations

import os
import sys

from flagman.ctl.asking import told
from flagman.ctl.client import refusal
from flagman.ctl.errors import UNKNOWN, CtlError, RefusedError
from flagman.ctl.fields import Fields
from flagman.ctl.place import DeadError, NoSocketError, connect
from flagman.ctl.screen import Screen, clean, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from flagman.ctl.words import Words

# Seconds from one page to the next.
_INTERVAL = 1.0
# The top left corner; the rest of a line; the rest of the screen.
_HOME, _CLEAR_LINE, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J"


def run(words: Words) -> int:
    """Show the status, once or again and again.

    :returns: the exit status
    """
    if words.watch:
        _watch(words)
    try:
        answer = _ask(words)
    except DeadError as error:
        if words.json:
            raise
        write(str(error))
        return error.exit_code
    except NoSocketError as error:
        if words.json or not words.pid_file:
            raise
        write(f"running, pid {error.pid}")
        return 0
    told(words, answer)
    if not words.json:
        write("\n".join(_page(answer, Screen(words.color))))
    return 0


def _ask(words: Words) -> object:
    """Return the status, as JSON has it.

    :raises CtlError: if there is no daemon, or it does not tell
    """
    client = connect(words)
    try:
        status, answer = client.ask("GET", "/status")
    finally:
        client.close()
    if error := refusal(status, answer):  # the other statuses have a meaning of their own here
        raise RefusedError(error.messages, UNKNOWN, answer)
    return answer


def _page(answer: object, screen: Screen) -> list[str]:
    from flagman.ctl.overview import lines  # noqa: PLC0415 - not for JSON

    return lines(Fields(answer), screen)


def _watch(words: Words) -> NoReturn:
    """Show the status every second until it is interrupted; a daemon that goes may come back.

    :raises CtlError: if there is none at the beginning, or later, if it is shown as JSON
    :raises KeyboardInterrupt: at the end
    """
    from time import sleep  # noqa: PLC0415 - only here

    is_first = True
    while True:
        screen = Screen(words.color)
        try:
            answer = _ask(words)
        except CtlError as error:
            if is_first or words.json:
                raise
            _write_anew([clean(str(error))], screen)
        else:
            told(words, answer)
            if not words.json:
                _write_anew(_page(answer, screen), screen)
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
