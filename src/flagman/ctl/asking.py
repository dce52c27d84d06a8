"""One question to the daemon that is meant: its answer, or the error that it is."""

from __future__ import annotations

from flagman.ctl.client import refusal
from flagman.ctl.errors import NO_DAEMON, CtlError
from flagman.ctl.fields import Fields
from flagman.ctl.place import DeadError, connect
from flagman.ctl.screen import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.client import Client
    from flagman.ctl.words import Words


def reach(words: Words) -> Client:
    """Connect to the daemon that is meant.

    :raises CtlError: if there is none, or it may not be asked
    """
    try:
        return connect(words)
    except DeadError as error:
        raise CtlError(str(error), NO_DAEMON) from None


def ask(words: Words, method: str, target: str) -> Fields:
    """Ask the daemon that is meant, and print its answer if that was asked for.

    :raises CtlError: if there is none, or it answers with an error
    """
    client = reach(words)
    try:
        status, answer = client.ask(method, target)
    finally:
        client.close()
    if error := refusal(status, answer):
        raise error
    return told(words, answer)


def told(words: Words, answer: object) -> Fields:
    """Return the fields of an answer, after it has been printed if ``--json`` asks for it."""
    if words.json:
        write_json(answer)
    return Fields(answer)


def write_json(answer: object) -> None:
    """Print an answer as JSON: in one line, but for people on a terminal in many."""
    import json  # noqa: PLC0415 - it has been imported for the answer
    import sys  # noqa: PLC0415 - as above

    indent = 2 if sys.stdout is not None and sys.stdout.isatty() else None
    write(json.dumps(answer, indent=indent).replace("\x7f", "\\u007f"))
