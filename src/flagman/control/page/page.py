"""The answer to a browser: the whole run as one page."""

from __future__ import annotations

import os
import time
from types import MappingProxyType

from flagman.control.page import flags, head, history, plot, processes
from flagman.control.page.markup import joined, tag, text
from flagman.control.page.template import TEMPLATE
from flagman.control.page.words import number
from flagman.service.request import Content
from flagman.text.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from flagman.control.page.records import History, Status
    from flagman.engine.ledger import Run

_KIND = "text/html; charset=utf-8"
_HEADERS = {
    "Content-Security-Policy": TEMPLATE.policy,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept",
}


class View:
    """What the page shows.

    :param status: as ``GET /status`` returns it
    :param history: as ``GET /history`` returns it
    :param runs: those of which the durations are shown, the oldest first
    :param unready: what the run waits for before it is ready
    :param unraisable: the flags that no request raises
    :param since: the last event that it knows
    :param mistakes: those of the configuration; those in the status stand in one line
    :param lines: what processes that live and are not well have just printed, by their names
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a page shows as many things
        self,
        status: Status,
        history: History,
        runs: Iterable[Run] = (),
        unready: Sequence[str] = (),
        unraisable: Collection[str] = (),
        since: str = "",
        mistakes: Sequence[str] = (),
        lines: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.status = status
        self.history = history
        self.runs = runs
        self.unready = unready
        self.unraisable = unraisable
        self.since = since
        self.mistakes = mistakes
        self.lines = lines


def content(view: View) -> Content:
    """Return the page as the content of an answer."""
    return Content(_KIND, rendered(view).encode(), _HEADERS)


def rendered(view: View) -> str:
    """Return the page."""
    status = view.status
    verdict = head.Verdict(status)
    name = str(status.get("name", "flagman"))
    host = os.uname().nodename
    kept = status.get("processes", ())
    steers = status["state"] != "stopping"
    table = flags.section(status["flags"], plot.last_runs(view.runs), view.unraisable)
    return TEMPLATE.filled(
        {
            "template": text(TEMPLATE.mark),
            "title": head.title(name, verdict),
            "icon": head.icon(verdict),
            "header": head.header(status, name, host, verdict),
            "notices": head.notices(status, view.unready, view.mistakes, processes.clocks(kept)),
            "since": text(view.since),
            "moves": text("yes" if view.lines or processes.moves(kept) else "no"),
            "now": text(rfc3339(time.time())),
            "count": text(number(len(status["flags"]))),
            "counts": head.counts(verdict),
            "flags": table,
            "processes": processes.section(kept, view.lines, has_buttons=steers),
            "history": history.section(view.history["runs"], view.history["processes"]),
            "version": joined(["flagman ", tag("span", str(status["version"]))]),
        }
    )
