"""The events of a run as a stream for each reader: first the whole status, then every change, in order and complete.

The form is that of server-sent events, see https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import logging
import time
from collections import deque

from flagman.control.batch import WHOLE, Batch, encode
from flagman.engine.ledger import Run
from flagman.service.request import Stream
from flagman.service.request_error import RequestError, check
from flagman.text.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.engine.ledger import Event
    from flagman.service.parts import Site
    from flagman.service.request import Request

logger = logging.getLogger("flagman.control")

# Seconds from an event to its text: while an action begins, the control loop does not take Python's lock from it, and
# what follows at once, such as the end of a short run, is told together.
_DELAY = 0.02
# The events that a reader may be behind, all that the ledger keeps; and the bytes of their texts, but for the newest.
_MOST = 1024
_MOST_BYTES = 8 * 2**20
_LOST = b'event: lost\ndata: {"event":"lost"}\n\n'


class Feed:
    """Turns the events of the ledger into text, once for all readers; in the control loop, if nothing else is said.

    An event says how things are when it becomes text, which may be later than it was noted. So what it says is never
    older than the event, and the last one that concerns something says how that is now.

    While there is no reader, it costs the runs nothing: then their begins are no events, nor is what is held.

    :param site: the doors of the run
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ledger = site.engine.ledger
        self._status = site.status
        self._readers: dict[Reader, None] = {}
        self._texts: deque[bytes] = deque()
        self._bytes = 0  # of all texts
        #: The number of the newest event that has become text.
        self.last = 0
        # Distinguishes this run from a former one of the same daemon, in which the numbers meant other events.
        self._life = f"{int(self._ledger.begun[0] * 1e6):x}"
        self._size = self._status.size
        # Whether the run is ready, as the last event about that says.
        self._was_ready = False
        self._is_told = False
        self._ledger.listeners.append(self._hear)
        site.changes.listen(self._on_change)

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the route, by method and path."""
        return {("GET", "/events"): self._show}

    def _show(self, request: Request) -> None:
        check(request, "since")
        # A browser that connects again asks for the same address, and says in the field what it has got since.
        since = request.fields.get("last-event-id") or request.query.get("since", "")
        life, _, number = since.rpartition("-")
        if since and not (number.isascii() and number.isdecimal() and len(number) < 20):  # noqa: PLR2004 - digits
            raise RequestError(400, "bad-request", "since: this is not the id of an event")
        self._make_texts()
        is_here = life == self._life and self.has_after(int(number))
        request.reply(200, Reader(self, int(number) if is_here else None))

    def _hear(self, event: Event) -> None:  # noqa: ARG002 - all of them are in the ledger
        """Pass an event on, if there are readers; in any thread."""
        if self._readers and not self._is_told:
            self._is_told = True
            self._site.loop.call_later(_DELAY, self.go_on)

    def _on_change(self, *_: object) -> None:
        """Note that the run has become ready, or is so no more, unless an event has said so."""
        is_ready = self._status.is_ready and not self._site.is_unready()
        if is_ready != self._was_ready:
            self._was_ready = is_ready
            self._ledger.note("readiness")

    def go_on(self) -> None:
        """Pass on all that has happened so far."""
        self._is_told = False  # before it looks: what comes from now on is told again
        self._make_texts()
        for reader in tuple(self._readers):
            reader.wake()

    def _make_texts(self) -> None:
        """Make the text of each event that has none and that the ledger still has."""
        events = [event for event in self._ledger.events() if event.number > self.last]
        if not events:
            return
        if events[0].number != self.last + 1:
            self._forget_texts()
        size, before = self._status.size, self._size
        self._size = size
        is_whole = size != before or any(event.kind in WHOLE for event in events)
        try:
            batch = Batch(self._site, events, is_whole=is_whole)
            self._was_ready = batch.is_ready
            for event in events:
                # The first one: those that follow may be about flags and processes that are new.
                self._keep(self._text(event, None if is_whole and event is events[0] else batch))
                self.last = event.number
        except Exception:
            logger.exception("The events cannot be told")
            self._forget_texts()
            self.last = events[-1].number

    def _keep(self, text: bytes) -> None:
        self._texts.append(text)
        self._bytes += len(text)
        while len(self._texts) > 1 and (self._bytes > _MOST_BYTES or len(self._texts) > _MOST):
            self._bytes -= len(self._texts.popleft())

    def _forget_texts(self) -> None:
        self._texts.clear()
        self._bytes = 0

    def _text(self, event: Event, batch: Batch | None) -> bytes:
        """Return the text of an event.

        :param batch: knows what has changed; None to tell the whole status
        """
        told = self._begin(event.number, event.at, event.kind)
        what = event.what
        if isinstance(what, Run):
            told["run"] = self._status.run(what)
        elif event.kind == "process":
            told["process"] = what
        elif event.kind == "reloaded":
            told["reload"] = {name: getattr(what, name) for name in ("kept", "added", "removed")}
        elif isinstance(what, str):
            told["name"] = what
        key, more = ("changed", batch.changed(event)) if batch else ("status", encode(self._status.picture()))
        return _message("change", told, f'{encode(told)[:-1]},"{key}":{more}}}')

    def _begin(self, number: int, at: float, kind: str) -> dict[str, object]:
        return {"id": number, "since": self.id_of(number), "at": rfc3339(at), "event": kind}

    def id_of(self, number: int) -> str:
        """Return the id of an event, as readers name it."""
        return f"{self._life}-{number}"

    # For the readers.

    def snapshot(self) -> tuple[int, bytes]:
        """Return the number of the event after which the changes begin, and the whole status."""
        number = self.last
        told = {**self._begin(number, time.time(), "snapshot"), "status": self._status.picture()}
        return number, _message("snapshot", told, encode(told))

    def has_after(self, number: int) -> bool:
        """Return whether all events after this one are there."""
        return self.last - len(self._texts) <= number <= self.last

    def after(self, number: int) -> bytes | None:
        """Return the event that follows the one with this number; None if there is none yet."""
        return self._texts[number - self.last] if number < self.last else None

    def join(self, reader: Reader, *, comes_back: bool) -> None:
        """Wake a reader after each event.

        :param comes_back: whether it knows a former state, and gets no other snapshot
        """
        if reader in self._readers:
            return
        is_first = not self._readers
        self._readers[reader] = None
        if is_first:
            self._ledger.followers.add(self)
            if comes_back:
                self._catch_up()
        self._make_texts()  # of what has happened just before, which nothing else passes on

    def _catch_up(self) -> None:
        """Note what was no event while there was no reader, and still is so."""
        turn = self._ledger.running
        if turn is not None:
            self._ledger.note("begun", turn.flag)
        for flag in self._site.engine.bundles:
            if self._site.engine.held(flag)[0]:
                self._ledger.note("held", flag)

    def leave(self, reader: Reader) -> None:
        """Wake a reader no more."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._ledger.followers.discard(self)


class Reader(Stream):
    """The stream of one reader.

    :param number: it knows all events up to this one; None if it knows nothing
    """

    kind = "text/event-stream"

    def __init__(self, feed: Feed, number: int | None) -> None:
        super().__init__()
        self._feed = feed
        self._number = number

    def next(self) -> bytes | None:
        """Return the next event; once that it is lost, if the reader did not keep up."""
        if self.is_over:
            return None
        self._feed.join(self, comes_back=self._number is not None)
        if self._number is None:
            self._number, text = self._feed.snapshot()
            return text
        if not self._feed.has_after(self._number):
            self.is_over = True
            return _LOST
        following = self._feed.after(self._number)
        self._number += following is not None
        return following

    def close(self) -> None:
        """Leave the feed."""
        self._feed.leave(self)


def _message(kind: str, told: Mapping[str, object], text: str) -> bytes:
    """Return a server-sent event."""
    return f"id: {told['since']}\nevent: {kind}\ndata: {text}\n\n".encode()
