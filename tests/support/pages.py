"""What a page shows, made up for tests; and what is in the HTML that comes of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from flagman.control.page.page import View, rendered
from flagman.text.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

# Elements without an end that the page may have.
VOID = {"link", "meta", "br"}
AT = 1_795_000_000.0


def moment(name: str, ago: float | None) -> dict[str, object]:
    """Return a moment and its age."""
    return {name: None if ago is None else rfc3339(AT - ago), f"{name}_ago": ago}


def report(result: str = "succeeded", error: str | None = None) -> dict[str, object]:
    """Return how a run went."""
    return {**moment("begun", 61.5), **moment("ended", 61.0), "duration": 0.5, "result": result, "error": error}


def action(name: str = "sh", arguments: Sequence[str] = ("true",), **changes: object) -> dict[str, object]:
    """Return an action."""
    return {
        "name": name,
        "arguments": list(arguments),
        "closed": False,
        "runs": 3,
        "failures": 0,
        "failures_in_a_row": 0,
        "last": report(),
        "mean_duration": 0.5,
        "longest_duration": 1.5,
        "statistics": None,
        "state": None,
        **changes,
    }


# What makes a flag be in a state.
STATES: dict[str, dict[str, Any]] = {
    "failing": {"failures": 4, "failures_in_a_row": 2, "last": report("failed", "sh: no luck")},
    "running": {"running": True, **moment("running_since", 4.0)},
    "held": {"held": 2},
    "ok": {},
    "never": {"runs": 0, "last": None, "mean_duration": None, "longest_duration": None},
    "closed": {"actions": [action(closed=True)]},
}


def flag(name: str, state: str = "ok", **changes: object) -> dict[str, Any]:
    """Return a flag in a state."""
    return {
        "name": name,
        "trigger": name,
        "raised": 12,
        "runs": 11,
        "failures": 0,
        "failures_in_a_row": 0,
        "last": report(),
        "mean_duration": 0.5,
        "longest_duration": 1.5,
        "ignored": 1,
        "merged": 0,
        "held": 0,
        "running": False,
        **moment("running_since", None),
        "next_due": None,
        "next_due_in": None,
        "actions": [action()],
        **STATES[state],
        **changes,
    }


def process(name: str, health: str = "up", **changes: object) -> dict[str, Any]:
    """Return a process."""
    return {
        "name": name,
        "wanted": "up",
        "state": {"up": "ready", "failing": "failed", "changing": "starting", "down": "stopped"}[health],
        "health": health,
        "ready": health == "up",
        **moment("since", 5.0),
        "pid": 123,
        "instance": 1,
        "restarts": 0,
        "deaths": {"exit": 0, "signal": 0, "not_ready": 0, "liveness": 0},
        "backoff": None,
        "blocked_by": [],
        "last": None,
        "text": "ready",
        "command": ["sleep", "1"],
        "after": [],
        "essential": False,
        "verifier": None,
        "strays": [],
        **changes,
    }


def status(*flags: object, **changes: object) -> dict[str, Any]:
    """Return a status."""
    return {
        "version": "1.2.3",
        "pid": 42,
        "state": "idle",
        **moment("since", 70.0),
        **moment("started", 7200.0),
        "ready": True,
        "config": {"file": None, **moment("loaded", None), "ok": True, "error": None},
        "flags": list(flags),
        "events_last_id": 7,
        "name": "web",
        **changes,
    }


def run(number: int, flag: str, result: str = "succeeded", error: str | None = None) -> dict[str, object]:
    """Return a run of the history."""
    return {**report(result, error), "id": number, "flag": flag, "raised": 1}


def event(name: str, kind: str = "fail", text: str = "") -> dict[str, object]:
    """Return an event of a process."""
    return {"at": rfc3339(AT), "process": name, "event": kind, "pid": 12, "status": "1", "text": text}


class Page(HTMLParser):
    """The elements and texts of a page, as a browser reads it.

    :param source: its HTML
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        #: Each element with its attributes, in their order.
        self.elements: list[tuple[str, dict[str, str]]] = []
        #: By element, its texts; those of the elements in it come apart.
        self.texts: dict[str, list[str]] = {}
        #: The ids of the rows of each table body, by the id of the body.
        self.rows: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._body = ""
        self.feed(source)
        self.close()
        assert self._open == [], "each element has its end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tbody":
            self._body = attributes.get("id", "")
        elif tag == "tr" and "id" in attributes:
            self.rows.setdefault(self._body, []).append(attributes["id"])

    def handle_endtag(self, tag: str) -> None:
        """Note its end."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if data.strip():
            self.texts.setdefault(self._open[-1], []).append(data)

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """All elements with the names of their attributes."""
        return [(name, tuple(attributes)) for name, attributes in self.elements]

    @property
    def title(self) -> str:
        """The title."""
        (title,) = self.texts["title"]
        return title

    @property
    def text(self) -> str:
        """All texts but those of the style and the script."""
        return "\n".join("".join(texts) for name, texts in self.texts.items() if name not in {"style", "script"})

    def all(self, name: str) -> list[str]:
        """Return all values of an attribute."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def view(shown: dict[str, Any], *, runs: object = (), events: object = (), **more: Any) -> View:  # noqa: ANN401
    """Return what a page shows."""
    return View(shown, {"runs": runs, "processes": events}, **more)  # type: ignore[arg-type,typeddict-item]


def page(shown: dict[str, Any], **more: Any) -> Page:  # noqa: ANN401 - see there
    """Return a page as it is read."""
    return Page(rendered(view(shown, **more)))
