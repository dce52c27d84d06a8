"""The verb ``logs``: the last lines that a process has printed, and those that follow."""

from __future__ import annotations

from time import monotonic

from flagman.ctl.asking import reach, told
from flagman.ctl.client import refusal
from flagman.ctl.errors import NO_DAEMON, CtlError, NoAnswerError, RefusedError
from flagman.ctl.fields import Fields
from flagman.ctl.screen import write
from flagman.ctl.targets import query, quoted
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from flagman.ctl.client import Client
    from flagman.ctl.words import Words

# Lines that are shown if nothing else is said.
_LINES = 30
# Seconds until the next question, if a daemon has answered without anything new.
_PAUSE = 1.0


def run(words: Words) -> int:
    """Show the lines, and go on with those that follow if that was asked for.

    :returns: the exit status
    """
    client = reach(words)
    try:
        shown = _show(words, _ask(client, words, n=str(words.number or _LINES)))
        if words.follow:
            _follow(client, words, shown)
    finally:
        client.close()
    return 0


def _ask(client: Client, words: Words, **fields: str) -> object:
    """Return what the daemon answers about the output.

    :raises CtlError: if it does not tell
    """
    status, answer = client.ask("GET", f"/processes/{quoted(words.argument)}/output{query(fields)}")
    if error := refusal(status, answer):
        raise error
    return answer


def _show(words: Words, answer: object) -> Fields:
    fields = told(words, answer)
    lines = [printable(line) for line in fields.texts("lines")]
    if lost := fields.count("lost"):
        lines.insert(0, f"[{lost} bytes are missing here]")
    if lines and not words.json:
        write("\n".join(lines))
    return fields


def _follow(client: Client, words: Words, shown: Fields) -> NoReturn:
    """Show what the process prints from now on, until it is interrupted.

    :raises CtlError: if the daemon goes, or does not tell any more
    :raises KeyboardInterrupt: at the end
    """
    client.wait_for_ever()
    waits = {"wait": ""}
    while True:
        since = _position(client, shown)
        try:
            answer = _ask(client, words, since=since, **waits)
        except NoAnswerError:
            raise _ended() from None
        except RefusedError as error:
            answer = {"next": int(since)}
            if error.code == "stopping" and waits:
                waits = {}  # it lets nothing wait any more, but its processes may still tell how they end
            elif error.code != "not-in-time":
                raise CtlError(str(error), NO_DAEMON) if error.code == "stopping" else error from None
        if Fields(answer).texts("lines"):
            shown = _show(words, answer)
        else:
            shown = Fields(answer)
            if client.wait_for_end(monotonic() + _PAUSE):
                raise _ended()


def _ended() -> CtlError:
    return CtlError("the daemon has ended", NO_DAEMON)


def _position(client: Client, answer: Fields) -> str:
    """Return until where the output is known.

    :raises CtlError: if the answer does not tell
    """
    position = answer.position("next")
    if position is None:
        raise client.not_flagman("is no answer of flagman")
    return str(position)
