"""What is at the root: the page for a browser, and the status for a program."""

from __future__ import annotations

from flagman.service.request import PRESENT_LINES
from flagman.service.request_error import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagman.control.feed import Feed
    from flagman.control.page.records import History, Status
    from flagman.service.parts import Site
    from flagman.service.request import Request

_FOR_BROWSERS = ("text/html", "application/xhtml+xml")
_FOR_PROGRAMS = ("application/json", "application/*", "*/*")
# How many runs and events the page shows.
_MOST = 50


class Front:
    """Answers the requests for the root; in the control loop.

    :param site: the doors of the run
    :param feed: knows the ids of events
    """

    def __init__(self, site: Site, feed: Feed) -> None:
        self._site = site
        self._feed = feed

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the routes, by method and path."""
        return {("GET", "/"): self._show}

    def _show(self, request: Request) -> None:
        check(request)
        site = self._site
        if not prefers_page(request.fields.get("accept", "")):
            request.reply(200, site.status.picture())
            return
        from flagman.control.page import page  # noqa: PLC0415 - most daemons never show it

        ledger = site.engine.ledger
        events = [event.what for event in ledger.events() if event.kind == "process"]
        # They have these keys, but are made as plain dictionaries.
        status: Status = site.status.picture()  # type: ignore[assignment]
        history: History = {**site.status.history(number=_MOST), "processes": events[-_MOST:]}  # type: ignore[typeddict-item]
        since = self._feed.id_of(status["events_last_id"])
        mistakes = site.status.loaded()[2]
        has_lines = site.engine.offers(PRESENT_LINES)
        lines: Mapping[str, Sequence[str]] = site.engine.ask(PRESENT_LINES) if has_lines else {}  # type: ignore[assignment]
        view = page.View(status, history, ledger.runs(), site.unready(), site.last_flags, since, mistakes, lines)
        request.reply(200, page.content(view))


def prefers_page(accept: str) -> bool:
    """Return whether a client wants the page: its field Accept names HTML before JSON, or before anything at all."""
    for wish in accept.lower().split(","):
        kind, _, quality = wish.replace(" ", "").partition(";")
        if kind in _FOR_BROWSERS:
            return not quality.startswith(("q=0;", "q=0.0;")) and quality not in {"q=0", "q=0.0"}
        if kind in _FOR_PROGRAMS:
            return False
    return False
