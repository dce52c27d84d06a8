"""The verb ``status``: what a daemon is, what it waits for, and what came of its last runs."""

from __future__ import annotations

from flagman.ctl.asking import told
from flagman.ctl.client import refusal
from flagman.ctl.errors import UNKNOWN, RefusedError
from flagman.ctl.fields import Fields
from flagman.ctl.place import DeadError, NoSocketError, connect
from flagman.ctl.screen import Screen, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Show the status, once or again and again.

    :returns: the exit status
    """
    if words.watch:
        from flagman.ctl.watching import watch  # noqa: PLC0415 - only here

        watch(words, _ask, _page)
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
