"""What the verbs ``start``, ``stop`` and ``restart`` share: several wishes at once, and what comes of each."""

from __future__ import annotations

from time import monotonic

from flagman.ctl.asking import chosen_names, processes_of, reach, write_json
from flagman.ctl.client import LONGEST, refusal
from flagman.ctl.errors import BAD, CtlError
from flagman.ctl.fields import Fields
from flagman.ctl.place import again
from flagman.ctl.screen import RED, Screen, clean, color_of, write
from flagman.ctl.targets import quoted, waiting
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagman.ctl.client import Client
    from flagman.ctl.words import Words

# Requests at the same time: a daemon serves 256 clients.
_MOST = 128
_INFINITE = float("inf")


class _FailedError(CtlError):
    """Some of the wishes have not been carried out.

    :param messages: what is wrong, in one line each
    """

    def __init__(self, messages: list[str], exit_code: int) -> None:
        super().__init__("; ".join(messages), exit_code)
        self.messages = messages


def carry_out(words: Words, verb: str) -> int:
    """Ask for all processes at once, and show what has come of each as soon as it is known.

    :param verb: start, stop or restart
    :returns: the exit status: the largest of all
    :raises CtlError: if there is no daemon, or no process of a name: then nothing has been asked for
    """
    wait = None if words.no_wait else _INFINITE if words.wait is None else words.wait
    words.wait = None  # a daemon that does not answer at all is not waited for so long
    first = reach(words)
    try:
        names = chosen_names(words.arguments, Fields(processes_of(first)).each("processes"))
        screen, status, messages = Screen(words.color), 0, list[str]()
        for begin in range(0, len(names), _MOST):
            for name, answered in _answers(first, names[begin : begin + _MOST], verb, wait):
                one, complaints = _show(answered, name, verb, words=words, screen=screen)
                status = max(status, one)
                messages += complaints
    finally:
        first.close()
    if messages:
        raise _FailedError(messages, status)
    return status


def _answers(
    first: Client, names: list[str], verb: str, wait: float | None
) -> Iterator[tuple[str, tuple[int, object] | CtlError]]:
    """Ask for some processes, and yield the answers in the order in which they come.

    :raises CtlError: if the daemon does not run any more
    """
    clients: dict[str, Client] = {}
    try:
        for name in names:  # all of them before the first wish is told
            clients[name] = again(first, wait)
        left = dict(clients)
        for name, client in clients.items():
            try:
                client.send("POST", f"/processes/{quoted(name)}/{verb}{waiting(wait)}")
            except CtlError as error:  # the wishes that have been told already have an outcome
                del left[name]
                yield name, error
        while left:
            for name in _ready(left):
                try:
                    yield name, left.pop(name).receive()
                except CtlError as error:
                    yield name, error
    finally:
        for client in clients.values():
            client.close()


def _ready(clients: Mapping[str, Client]) -> list[str]:
    """Wait until some of the clients have an answer, or no time left, and return their names."""
    if len(clients) == 1:
        return list(clients)
    from select import POLLIN, poll  # noqa: PLC0415 - only with several names

    poller = poll()
    for client in clients.values():
        poller.register(client, POLLIN)
    end = max(client.end for client in clients.values())
    seconds = None if end == _INFINITE else min(max(end - monotonic(), 0.0), LONGEST)
    ready = {number for number, _ in poller.poll(None if seconds is None else seconds * 1000)}
    return [name for name, client in clients.items() if client.fileno() in ready or not ready]


def _show(
    answered: tuple[int, object] | CtlError, name: str, verb: str, *, words: Words, screen: Screen
) -> tuple[int, list[str]]:
    """Show what has come of a wish, and return its exit status, and the complaints that are to be shown at the end."""
    if isinstance(answered, CtlError):
        return answered.exit_code, [f"{name}: {answered}"]
    status, answer = answered
    error = refusal(status, answer)
    if words.json:
        write_json(answer)
    if error:
        return error.exit_code, [] if words.json else [f"{name}: {message}" for message in error.messages]
    fields = Fields(answer)
    outcome = fields.inner("wish").text("outcome")
    if not words.json:
        lines = [_noted(fields, name, verb)] if words.no_wait else _lines(fields, name, verb, screen=screen)
        write("\n".join(lines))
    return 0 if outcome == "reached" or words.no_wait else BAD, []


def _noted(answer: Fields, name: str, verb: str) -> str:
    number = answer.inner("wish").count("id")
    return f"{clean(name)}: {verb}{f' (#{number})' if number else ''}"


def _lines(answer: Fields, name: str, verb: str, *, screen: Screen) -> list[str]:
    outcome, state = answer.inner("wish").text("outcome"), clean(answer.text("state"))
    if outcome == "reached":
        return [f"{clean(name)}: {screen.paint(state, color_of(state)) or verb}"]
    told = screen.paint(clean(f"{verb} {outcome or 'has no outcome'}"), RED)
    text = screen.wrapped(answer.text("text"), "  ") if answer.text("text") else []
    return [f"{clean(name)}: {told}", *text, *(f"    {printable(line)}" for line in answer.texts("output"))]
