"""The head of the page: its title, which daemon this is, how it is, and what is wrong with all of it."""

from __future__ import annotations

from types import MappingProxyType

from flagman.control.page import states, words
from flagman.control.page.markup import NOTHING, Html, cut, joined, named, tag
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagman.control.page.records import Status

_PROGRAM = "flagman"
# An en dash.
_DASH = " \N{EN DASH} "
# Reasons that are shown; characters of one of them, and of a path.
_MOST_REASONS, _LONGEST_REASON, _LONGEST_PATH = 20, 800, 300
# The colours of the sign in the browser's tab, by shapes: they are good to see on light and dark tabs.
_COLOURS = {"bad": "d93a2f", "busy": "2f74d0", "wait": "c98a13", "good": "2f9456", "idle": "7c8691", "off": "7c8691"}
# What the sign of the tab shows, on 16 by 16 units.
_SIGNS = {
    "bad": "M5 5l6 6M11 5l-6 6",
    "busy": "M6.5 4.5l5 3.5-5 3.5z",
    "wait": "M6 5v6M10 5v6",
    "good": "M4.5 8.2l2.5 2.5 4.5-5",
    "idle": "M5 8h6",
    "off": "M5 8h6",
}


class Verdict:
    """How all of a run is, in the worst of its words.

    :param kind: its shape
    :param words: in a few words: ``2 failing``
    :param flags: how many flags are in which state, the worst first
    :param processes: how many processes are failing
    :param has_processes: whether there are any
    """

    def __init__(self, status: Status) -> None:
        flags = [states.of_flag(flag) for flag in status["flags"]]
        healths = [process["health"] for process in status.get("processes", ())]
        found = {state: flags.count(state) for state in states.FLAG_STATES}
        self.flags: Mapping[str, int] = found
        self.processes = healths.count("failing")
        self.has_processes = bool(healths)
        failing = found["failing"] + self.processes
        self.kind, self.words = "good", "all is well"
        if failing:
            self.kind, self.words = "bad", f"{words.number(failing)} failing"
        elif not status["config"]["ok"]:
            self.kind, self.words = "bad", "configuration not loaded"
        elif status["state"] == "stopping":
            self.kind, self.words = "wait", "stopping"
        elif not status["ready"]:
            self.kind, self.words = "busy", "not ready"
        elif status["state"] == "reloading":
            self.kind, self.words = "busy", "reloading"
        elif found["running"]:
            self.kind, self.words = "busy", f"{words.number(found['running'])} running"
        elif "changing" in healths:
            self.kind, self.words = "busy", f"{words.number(healths.count('changing'))} changing"
        elif found["held"]:
            self.kind, self.words = "wait", f"{words.number(found['held'])} held"
        elif not status["flags"] and not healths:
            self.kind, self.words = "idle", "nothing to do"


def title(name: str, verdict: Verdict) -> Html:
    """Return the title: the worst first, because a tab shows only the beginning."""
    parts = [verdict.words, *([named(name)] if name != _PROGRAM else []), _PROGRAM]
    return tag("title", _DASH.join(parts))


def icon(verdict: Verdict) -> Html:
    """Return the sign of the browser's tab, which shows the worst state, too."""
    image = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<rect width='16' height='16' rx='4' fill='%23{_COLOURS[verdict.kind]}'/>"
        f"<path d='{_SIGNS[verdict.kind]}' fill='none' stroke='white' stroke-width='2'"
        " stroke-linecap='round' stroke-linejoin='round'/></svg>"
    )
    address = "data:image/svg+xml," + image.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    return tag("link", rel="icon", id="icon", href=address)


def header(status: Status, name: str, host: str, verdict: Verdict) -> Html:
    """Return the head of what is seen."""
    config = status["config"]
    sign = tag("span", states.icon(verdict.kind), class_=f"sign {verdict.kind}")
    heading = tag(
        "div",
        tag("h1", tag("bdi", named(name))),
        tag(
            "p",
            tag("span", _capital(verdict.words), _failing(verdict), class_="verdict"),
            " on ",
            tag("bdi", named(host)),
            id="verdict",
        ),
        class_="heading",
    )
    button: Html = NOTHING
    if config["file"] is not None and status["state"] != "stopping":
        button = tag(
            "form", tag("button", "Reload", id="reload"), method="post", action="reload", data_what="The configuration"
        )
    facts = [
        ("State", joined([status["state"], " ", words.running(status["since"], status["since_ago"])])),
        ("Started", words.ago(status["started"], status["started_ago"])),
        ("Pid", str(status["pid"])),
    ]
    if config["file"] is not None:
        loaded = joined(
            [
                tag("bdi", cut(config["file"], _LONGEST_PATH)),
                ", loaded ",
                words.ago(config["loaded"], config["loaded_ago"]),
            ]
        )
        facts.append(("Configuration", loaded))
    listed = [tag("div", tag("dt", fact), tag("dd", value)) for fact, value in facts]
    return joined(
        [
            tag("div", sign, heading, button, class_=f"top {verdict.kind}"),
            tag("dl", *listed, class_="facts"),
        ]
    )


def _failing(verdict: Verdict) -> Html:
    """Return how many of what fail, with links to them; nothing if there are no processes: flags are in sight."""
    if not verdict.has_processes:
        return NOTHING
    numbers = (
        (verdict.processes, "process", "processes", "#processes"),
        (verdict.flags["failing"], "flag", "flags", "#flags"),
    )
    links = [tag("a", counted(number, one, many), href=place) for number, one, many, place in numbers if number]
    return joined([": ", joined(links, Html(", "))]) if links else NOTHING


def notices(
    status: Status,
    unready: Sequence[str],
    mistakes: Sequence[str] = (),
    moments: Mapping[str, str] = MappingProxyType({}),
) -> Html:
    """Return what is wrong with all of the run; nothing if nothing is.

    :param unready: what it waits for before it is ready
    :param mistakes: those of the configuration, if they are known one by one
    :param moments: those of next starts, by how these texts tell them
    """
    pieces = []
    config = status["config"]
    if not config["ok"]:
        pieces.append(
            _notice(
                "bad", "The configuration could not be loaded; the old one stays", mistakes or [config["error"] or ""]
            )
        )
    if status["state"] == "stopping":
        pieces.append(_notice("wait", "The daemon is stopping", []))
    elif not status["ready"]:
        pieces.append(_notice("busy", "The daemon is not ready", unready or ["it is starting"], moments))
    return joined(pieces)


def _notice(kind: str, heading: str, lines: Sequence[str], moments: Mapping[str, str] = MappingProxyType({})) -> Html:
    more = len(lines) - _MOST_REASONS
    shown = [*lines[:_MOST_REASONS], *([f"and {more} more"] if more > 0 else [])]
    said = [tag("p", words.with_clocks(cut(line, _LONGEST_REASON), moments), dir="auto") for line in shown]
    return tag("div", states.icon(kind), tag("div", tag("h2", heading), *said), class_=f"notice {kind}")


def counts(verdict: Verdict) -> Html:
    """Return how many flags are in which state, the worst first."""
    found = [(state, number) for state, number in verdict.flags.items() if number]
    return joined(
        tag("li", states.mark(state, f"{words.number(number)} {states.word(state)}")) for state, number in found
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
