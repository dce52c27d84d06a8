"""The verb ``ps``: the processes that a daemon keeps."""

from __future__ import annotations

from flagman.ctl.asking import chosen_names, processes_of, reach, told
from flagman.ctl.fields import Fields
from flagman.ctl.processes import lines
from flagman.ctl.screen import Screen, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Show the processes, once or again and again.

    :returns: the exit status
    """
    if words.watch:
        from flagman.ctl.watching import watch  # noqa: PLC0415 - only here

        watch(words, _ask, _page)
    answer = _ask(words)
    told(words, answer)
    if not words.json:
        write("\n".join(_page(answer, Screen(words.color))))
    return 0


def _ask(words: Words) -> object:
    """Return what the daemon answers, without the processes that are not meant.

    :raises CtlError: if there is no daemon, it does not tell, or there is no process of a name
    """
    client = reach(words)
    try:
        answer = processes_of(client)
    finally:
        client.close()
    if not words.arguments:
        return answer
    names = chosen_names(words.arguments, Fields(answer).each("processes"))
    return {"processes": Fields(answer).chosen("processes", names)}


def _page(answer: object, screen: Screen) -> list[str]:
    processes = Fields(answer).each("processes")
    return lines(processes, screen) if processes else ["the daemon has no processes"]
