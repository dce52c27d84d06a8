"""The verb ``status``: what a daemon is, what it waits for, and what came of its last runs."""

from __future__ import annotations

from flagman.ctl.asking import ask_status, told
from flagman.ctl.place import DeadError, NoSocketError
from flagman.ctl.screen import Screen, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Show the status, once or again and again.

    :returns: the exit status
    """
    if words.watch:
        from flagman.ctl.watching import watch  # noqa: PLC0415 - only if asked for

        return watch(words)
    try:
        answer = ask_status(words)
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
    fields = told(words, answer)
    if not words.json:
        from flagman.ctl.overview import lines  # noqa: PLC0415 - not for JSON

        write("\n".join(lines(fields, Screen(words.color))))
    return 0
