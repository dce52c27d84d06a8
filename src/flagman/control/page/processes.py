"""The table of processes: one row each, the worst first, and how many are in which state."""

from __future__ import annotations

import time

from flagman.control.page import process, states, words
from flagman.control.page.flags import MOST_ROWS, left_out
from flagman.control.page.markup import NOTHING, Html, joined, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from flagman.control.page.records import Process

#: How many of those that fail are unfolded: more of them would hide each other.
MOST_UNFOLDED = 10
# States of which the texts tell a span of time.
_MOVING = frozenset({"starting", "stopping"})
# What stands in their heads, the class of their cells, and whether that is to be read aloud alone.
_COLUMNS = (
    ("State", "", False),
    ("Process", "w", False),
    ("Command and output", "more", True),
    (process.FOR, "n", False),
    ("Restarts", "n", False),
    ("Start, restart and stop", "b", True),
)


def moves(processes: Iterable[Process]) -> bool:
    """Return whether what is told of a process changes without an event: for how long it starts, when it is killed."""
    return any(each["state"] in _MOVING for each in processes)


def clocks(processes: Iterable[Process]) -> dict[str, str]:
    """Return the moments of next starts, by what texts say of them, in the zone of this program."""
    found, now = {}, time.time()
    for each in processes:
        if each["backoff"] is not None:
            moment = now + each["backoff"]["next_start_in"]
            for seconds in (moment - 1, moment):  # a text was made a little earlier
                found[time.strftime("%H:%M:%S", time.localtime(seconds))] = each["backoff"]["next_start"]
    return found


def section(processes: Iterable[Process], lines: Mapping[str, Sequence[str]], *, has_buttons: bool) -> Html:
    """Return the section; nothing if there are no processes.

    :param processes: as in the status
    :param lines: what those that live and are not well have just printed, by their names
    :param has_buttons: whether they can be started and stopped
    """
    ordered = sorted(processes, key=states.order_of_process)
    shown = ordered[:MOST_ROWS]
    if not shown:
        return NOTHING
    titles = (
        tag("th", tag("span", title, class_="hidden" if is_hidden else None), scope="col", class_=kind or None)
        for title, kind, is_hidden in _COLUMNS
    )
    known = {each["name"]: states.of_process(each) for each in shown}
    rows = [
        process.row(each, known, lines.get(each["name"]), is_open=index < MOST_UNFOLDED, has_buttons=has_buttons)
        for index, each in enumerate(shown)
    ]
    table = tag(
        "table",
        tag("caption", "Processes, the worst first", class_="hidden"),
        tag("thead", tag("tr", *titles)),
        tag("tbody", *rows, id="process-rows"),
        class_="processes",
    )
    count = tag("span", words.number(len(ordered)), class_="count")
    return tag(
        "section",
        tag("div", tag("h2", "Processes ", count, id="processes", tabindex="-1"), _counts(ordered), class_="bar"),
        table,
        left_out(len(ordered) - len(shown), "process", "processes"),
        id="part-processes",
        aria_labelledby="processes",
    )


def _counts(ordered: Collection[Process]) -> Html:
    """Return how many processes are in which state, the worst first."""
    found: dict[tuple[str, str], int] = {}
    for each in ordered:
        key = (states.of_process(each), process.kind(each))
        found[key] = found.get(key, 0) + 1
    listed = (
        tag("li", states.mark(state, f"{words.number(number)} {state}", kind))
        for (state, kind), number in found.items()
    )
    return tag("ul", joined(listed), class_="counts-all", aria_label="Processes by state")
