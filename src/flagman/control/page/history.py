"""The table of what has happened: runs and the events of processes, the newest first."""

from __future__ import annotations

from flagman.control.page import states, words
from flagman.control.page.markup import NOTHING, Html, cut, key_of, named, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flagman.control.page.records import Event, Run

#: How many rows are shown.
MOST = 50
_COLUMNS = (("When", ""), ("Outcome", ""), ("What", ""), ("Took", "n"))


def section(runs: Iterable[Run], events: Iterable[Event]) -> Html:
    """Return the section.

    :param runs: as in the history, the oldest first
    :param events: those of processes, likewise
    """
    ends = [(run["ended"], _of_run(run)) for run in runs]
    rows = ends + [(event["at"], _of_event(event)) for event in _each_once(list(events))]
    rows.sort(key=lambda row: row[0], reverse=True)
    if not rows:
        return tag("p", "Nothing has happened yet.", class_="none")
    head = tag("tr", *(tag("th", title, scope="col", class_=kind or None) for title, kind in _COLUMNS))
    return tag(
        "table",
        tag("caption", "What has happened, the newest first", class_="hidden"),
        tag("thead", head),
        tag("tbody", *(row for _, row in rows[:MOST]), id="events"),
        class_="history",
    )


def _each_once(events: Sequence[Event]) -> Iterable[Event]:
    """Return the events without each exit that is a failure, too: that tells the same at the same moment."""
    failures = {(event["process"], event["pid"], event["text"]) for event in events if event["event"] == "fail"}
    for event in events:
        if event["event"] != "exit" or (event["process"], event["pid"], event["text"]) not in failures:
            yield event


def _of_run(run: Run) -> Html:
    error, outcome = run["error"], run["result"]
    return tag(
        "tr",
        tag("td", words.at(run["ended"]), class_="t"),
        tag("td", states.mark(outcome), class_="s"),
        tag(
            "td",
            tag("bdi", named(run["flag"]), class_="name"),
            tag("span", f" for {words.number(run['raised'])} raises", class_="trigger")
            if run["raised"] > 1
            else NOTHING,
            _said(outcome, error) if error else NOTHING,
            class_="w",
        ),
        tag("td", words.duration(run["duration"]), class_="n"),
        id=f"run-{run['id']}",
    )


def _of_event(event: Event) -> Html:
    name, outcome, pid = event["process"], event["event"], event["pid"]
    text = event["text"] or event["status"]
    return tag(
        "tr",
        tag("td", words.at(event["at"]), class_="t"),
        tag("td", states.mark(outcome), class_="s"),
        tag(
            "td",
            tag("bdi", named(name), class_="name"),
            tag("span", " process" if pid is None else f" process {pid}", class_="trigger"),
            _said(outcome, text) if text else NOTHING,
            class_="w",
        ),
        tag("td", class_="n"),
        id=key_of("event", f"{event['at']} {outcome} {name}"),
    )


def _said(outcome: str, text: str) -> Html:
    return tag("p", cut(text), class_="error" if states.shape(outcome) == "bad" else "quiet", dir="auto")
