"""The table of processes: one row each, the worst first, with the reasons and the last lines of output."""

from __future__ import annotations

from flagman.control.page import states, words
from flagman.control.page.flags import MOST_ROWS, command, left_out
from flagman.control.page.markup import NOTHING, Html, cut, joined, key_of, named, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.control.page.records import Process

# Characters of a line of output.
_LONGEST_LINE = 500
_FOR = "In this state"
# States of which the texts tell a span of time.
_MOVING = frozenset({"starting", "stopping"})
_COLUMNS = (
    ("State", ""),
    ("Process", "w"),
    ("Command", "more"),
    (_FOR, "n"),
    ("Restarts", "n"),
    ("Pid", "n"),
    ("Next start", "n"),
)


def moves(processes: Iterable[Process]) -> bool:
    """Return whether what is told of a process changes without an event: for how long it starts, when it is killed."""
    return any(process["state"] in _MOVING for process in processes)


def section(processes: Iterable[Process]) -> Html:
    """Return the section; nothing if there are no processes.

    :param processes: as in the status
    """
    ordered = sorted(processes, key=states.order_of_process)
    shown = ordered[:MOST_ROWS]
    if not shown:
        return NOTHING
    head = tag(
        "tr",
        *(
            tag("th", tag("span", title, class_="hidden" if kind == "more" else None), scope="col", class_=kind or None)
            for title, kind in _COLUMNS
        ),
    )
    table = tag(
        "table",
        tag("caption", "Processes, the worst first", class_="hidden"),
        tag("thead", head),
        tag("tbody", *map(_row, shown), id="process-rows"),
        class_="processes",
    )
    return tag(
        "section",
        tag(
            "h2",
            "Processes ",
            tag("span", words.number(len(ordered)), class_="count"),
            id="processes-title",
            tabindex="-1",
        ),
        table,
        left_out(len(ordered) - len(shown), "process", "processes"),
        aria_labelledby="processes-title",
    )


def _row(process: Process) -> Html:
    health = process["health"]
    pid, backoff = process["pid"], process["backoff"]
    return tag(
        "tr",
        tag("td", states.mark(health, process["state"]), class_="s"),
        tag("th", *_title(process), scope="row", class_="w"),
        tag("td", *_what(process), class_="more"),
        _cell(_FOR, words.running(process["since"], process["since_ago"])),
        _cell("Restarts", words.number(process["restarts"])),
        _cell("Pid", str(pid) if pid is not None else NOTHING),
        _cell("Next start", words.due(backoff["next_start"], backoff["next_start_in"]) if backoff else NOTHING),
        id=key_of("process", process["name"]),
        class_=health,
    )


def _cell(label: str, content: str) -> Html:
    return tag("td", content, class_="n", data_label=label)


def _title(process: Process) -> Iterable[Html]:
    yield tag("bdi", named(process["name"]), class_="name")
    if process["wanted"] != "up":
        yield tag("span", " wanted down", class_="trigger")


def _what(process: Process) -> Iterable[Html]:
    """Return what stands below the name of a process: why it is as it is, and its command."""
    last, health = process["last"], process["health"]
    if process["text"] != process["state"]:
        yield tag("p", cut(process["text"]), class_="error" if health == "failing" else "quiet", dir="auto")
    summary = tag("summary", tag("code", command(process["command"][0], process["command"][1:])))
    lines = last["output"] if last else ()
    told: Html = NOTHING
    if last:
        told = tag("p", "Its last end: ", cut(last["text"]), " ", words.ago(last["at"], last["at_ago"]), class_="quiet")
    output = tag("pre", joined((cut(line, _LONGEST_LINE) for line in lines), Html("\n"))) if lines else NOTHING
    yield tag("details", summary, told, output, id=key_of("processmore", process["name"]))
