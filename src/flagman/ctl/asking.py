"""One question to the daemon that is meant: its answer, or the error that it is."""

from __future__ import annotations

from flagman.ctl.client import refusal
from flagman.ctl.errors import NO_DAEMON, NO_SUCH_NAME, CtlError, RefusedError
from flagman.ctl.fields import Fields
from flagman.ctl.place import DeadError, connect
from flagman.ctl.screen import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def ask(words: Words, method: str, target: str, fields: Mapping[str, str] | None = None) -> Fields:
    """Ask the daemon that is meant, and print its answer if that was asked for.

    :param fields: what the body of the request says; None if it has none

    :raises CtlError: if there is none, or it answers with an error
    """
    client = reach(words)
    try:
        status, answer = client.ask(method, target, fields)
    finally:
        client.close()
    if error := refusal(status, answer):
        raise error
    return told(words, answer)


def processes_of(client: Client, path: str = "/processes") -> object:
    """Return what the daemon tells of its processes; a daemon that knows of none has an empty list.

    :raises CtlError: if it does not tell
    """
    status, answer = client.ask("GET", path)
    error = refusal(status, answer)
    if error and error.code != "no-such-path":
        raise error
    return {"processes": []} if error else answer


def chosen_names(words: Iterable[str], processes: Iterable[Fields]) -> list[str]:
    """Return the names of processes that words of the command line mean: each is a name, or a pattern of names.

    :raises CtlError: if there is no process for one of them, with all of these words
    """
    known = [each.text("name") for each in processes]
    chosen: dict[str, None] = {}
    unknown = []
    for word in words:
        found = [word] if word in known else _fitting(word, known)
        chosen |= dict.fromkeys(found)
        unknown += [word] * (not found)
    if not unknown:
        return list(chosen)
    from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

    nothing = "" if known else "; the daemon has no processes"
    messages = [f"there is no process {name!r}{did_you_mean(name, known, otherwise=nothing)}" for name in unknown]
    answer = {"error": {"code": "no-such-process", "message": "; ".join(messages)}}
    raise RefusedError(messages, NO_SUCH_NAME, answer)


def _fitting(pattern: str, names: list[str]) -> list[str]:
    """Return the names that fit a pattern, as a shell has them; no name has a character that is special there."""
    if not set(pattern) & set("*?["):
        return []
    from fnmatch import fnmatchcase  # noqa: PLC0415 - most words are names

    return [name for name in names if fnmatchcase(name, pattern)]


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
