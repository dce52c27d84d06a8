"""Readers of the events of a daemon, which keep the status as the changes leave it."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Any

from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Event = dict[str, Any]


def parsed(data: bytes) -> list[tuple[str, str, Event]]:
    """Return server-sent events: the id, the name and the JSON of each."""
    return [_parsed(text) for text in data.decode().split("\n\n")[:-1]]


def _parsed(text: str) -> tuple[str, str, Event]:
    fields = dict(line.split(": ", 1) for line in text.split("\n"))
    assert fields.keys() <= {"id", "event", "data"}
    return fields.get("id", ""), fields["event"], json.loads(fields["data"])


class Following:
    """Reads a stream of events, and applies the changes to the status.

    :param since: where to go on; empty for a snapshot first
    :param room: bytes that the kernel keeps for it; 0 for as many as usual
    :param status: what is known so far
    """

    def __init__(
        self, path: Path, since: str = "", *, head: str = "", room: int = 0, status: dict[str, Any] | None = None
    ) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.connect(str(path))
        target = f"/events?since={since}" if since else "/events"
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        self._file = self.socket.makefile("rb")
        self.status = status if status is not None else {}
        #: The identifier of the last event.
        self.since = since
        #: All events so far.
        self.events: list[Event] = []

    def head(self) -> int:
        """Read the head of the answer; return its status."""
        first, *_ = iter(lambda: self._file.readline().strip(), b"")
        return int(first.split()[1])

    def next(self) -> Event | None:
        """Wait for an event, and apply it; None if the stream has ended."""
        lines = list(iter(self._file.readline, b"\n")) if self._file.peek(1) else []
        if not lines or not lines[-1]:
            return None
        since, kind, event = _parsed(b"".join(lines).decode().rstrip("\n"))
        if kind == "lost":
            assert event == {"event": "lost"}
        else:
            assert event["since"] == since
            assert since.endswith(f"-{event['id']}")
            if self.events and kind == "change":
                assert event["id"] == self.events[-1]["id"] + 1, "there is a gap"
            self.since = since
            apply(self.status, event)
        self.events.append(event)
        return event

    def until(self, kind: str, is_it: Callable[[Event], object] = bool) -> Event:
        """Wait for an event of a kind."""
        while (event := self.next()) is not None:
            if event["event"] == kind and is_it(event):
                return event
        raise AssertionError(f"the stream has ended without {kind}: {self.kinds[-9:]}")

    def rest(self) -> list[str]:
        """Read until the end; return the kinds of the events."""
        before = len(self.events)
        while self.next() is not None:
            pass
        return self.kinds[before:]

    @property
    def kinds(self) -> list[str]:
        """The kinds of all events so far."""
        return [event["event"] for event in self.events]

    def close(self) -> None:
        """Go away."""
        self._file.close()
        self.socket.close()


def apply(status: dict[str, Any], event: Event) -> None:
    """Change a status as an event says."""
    if "status" in event:
        status.clear()
        status.update(event["status"])
        return
    changed = dict(event["changed"])
    for key in ("flags", "processes"):
        new = {each["name"]: each for each in changed.pop(key, ())}
        if new:
            names = [each["name"] for each in status[key]]
            assert new.keys() <= set(names), "this has to be told as a whole"
            status[key] = [new.get(each["name"], each) for each in status[key]]
    status.update(changed)


def differences(one: Any, other: Any, seconds: float = 1.0, path: str = "") -> Iterable[str]:  # noqa: ANN401 - as JSON is
    """Return where two statuses say different things, but for what changes as the time goes by.

    :param seconds: by how much the same moment may be told in different ways: two clocks are read for some of them
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if not key.endswith(("_ago", "_in")):
                yield from differences(one.get(key, "missing"), other.get(key, "missing"), seconds, f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (each, another) in enumerate(zip(one, other, strict=True)):
            yield from differences(each, another, seconds, f"{path}[{number}]")
    elif one != other and not _is_one_moment(one, other, seconds):
        yield f"{path}: {one!r} is not {other!r}"


def _is_one_moment(one: object, other: object, seconds: float) -> bool:
    try:
        begin, end = (datetime.fromisoformat(str(each)) for each in (one, other))
        return abs((end - begin).total_seconds()) <= seconds
    except (TypeError, ValueError):
        return False
