"""The events of a run as a stream for each reader: first the whole status, then every change, in order and complete.

The form is that of server-sent events, see https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import time
from collections import deque
from json import JSONEncoder

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

# The events that a reader may be behind.
_MOST = 256
_encode = JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
# What follows from an event for the status: the kinds after which everything may be different; and those that name
# a flag, or a process.
_WHOLE = ("reloaded", "processes")
_OF_FLAGS, _OF_PROCESSES = ("begun", "held", "run"), ("process", "state")
_LOST = b'event: lost\ndata: {"event":"lost"}\n\n'


class Feed:
    """Turns the events of the ledger into text, once for all readers; in the control loop, if nothing else is said.

    An event says how things are when it becomes text, which may be later than it was noted. So what it says is never
    older than the event, and the last one that concerns something says how that is now.

    :param site: the doors of the run
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ledger = site.engine.ledger
        self._status = site.status
        self._readers: dict[Reader, None] = {}
        self._texts: deque[bytes] = deque(maxlen=_MOST)
        #: The number of the newest event that has become text.
        self.last = 0
        # Distinguishes this run from a former one of the same daemon, in which the numbers meant other events.
        self._life = f"{int(self._ledger.begun[0] * 1e6):x}"
        self._size = self._status.size
        self._processes: list[dict[str, object]] | None = None
        self._was_ready = False
        self._is_told = False
        self._ledger.is_followed = True
        self._ledger.listeners.append(self._hear)
        site.changes.listen(self._on_change)

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the route, by method and path."""
        return {("GET", "/events"): self._show}

    def _show(self, request: Request) -> None:
        check(request, "since")
        since = request.query.get("since", request.fields.get("last-event-id", ""))
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
            self._site.loop.call(self._go_on)

    def _on_change(self, *_: object) -> None:
        """Note that the run has become ready, or is so no more."""
        is_ready = self._status.is_ready and not self._site.is_unready()
        if is_ready != self._was_ready:
            self._was_ready = is_ready
            self._ledger.note("readiness")

    def _go_on(self) -> None:
        self._is_told = False  # before it looks: what comes from now on is told again
        self._make_texts()
        for reader in tuple(self._readers):
            reader.wake()

    def _make_texts(self) -> None:
        """Make the text of each event that has none, but not of more than readers may be behind."""
        events = [event for event in self._ledger.events()[-_MOST:] if event.number > self.last]
        if events and events[0].number != self.last + 1:
            self._texts.clear()
        self._processes = None
        for event in events:
            self._texts.append(self._text(event))
            self.last = event.number

    def _text(self, event: Event) -> bytes:
        told: dict[str, object] = {"id": event.number, "at": rfc3339(event.at), "event": event.kind}
        if isinstance(event.what, Run):
            told["run"] = self._status.run(event.what)
        elif event.kind == "process":
            told["process"] = event.what
        size = self._status.size
        if event.kind in _WHOLE or size != self._size:
            told["status"] = self._status.picture()
        else:
            told["changed"] = self._changed(event)
        self._size = size
        return self._message("change", event.number, told)

    def _changed(self, event: Event) -> dict[str, object]:
        """Return what of the status an event may have changed."""
        what = event.what.flag if isinstance(event.what, Run) else event.what
        shown = self._status.excerpt({what} if event.kind in _OF_FLAGS and isinstance(what, str) else ())
        if self._site.is_unready():
            shown["ready"] = False
        if event.kind in _OF_PROCESSES:
            name = what["process"] if isinstance(what, dict) else what
            # A process that waits says for which others, and why.
            shown["processes"] = [
                process for process in self._all_processes() if name == process["name"] or process["state"] == "waiting"
            ]
        return shown

    def _all_processes(self) -> list[dict[str, object]]:
        """Return the processes; they are the same for all events that become text together."""
        if self._processes is None:
            shown = self._site.snapshot().get("processes")
            self._processes = shown if isinstance(shown, list) else []
        return self._processes

    def _message(self, kind: str, number: int, told: object) -> bytes:
        return f"id: {self.id_of(number)}\nevent: {kind}\ndata: {_encode(told)}\n\n".encode()

    def id_of(self, number: int) -> str:
        """Return the id of an event, as readers name it."""
        return f"{self._life}-{number}"

    # For the readers.

    def snapshot(self) -> tuple[int, bytes]:
        """Return the number of the event after which the changes begin, and the whole status."""
        number = self.last
        told = {"id": number, "at": rfc3339(time.time()), "event": "snapshot", "status": self._status.picture()}
        return number, self._message("snapshot", number, told)

    def has_after(self, number: int) -> bool:
        """Return whether all events after this one are there."""
        return self.last - len(self._texts) <= number <= self.last

    def after(self, number: int) -> bytes | None:
        """Return the event that follows the one with this number; None if there is none yet."""
        return self._texts[number - self.last] if number < self.last else None

    def join(self, reader: Reader) -> None:
        """Wake a reader after each event."""
        self._readers[reader] = None

    def leave(self, reader: Reader) -> None:
        """Wake a reader no more."""
        self._readers.pop(reader, None)


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
        self._feed.join(self)
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
