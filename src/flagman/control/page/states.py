"""The states that the page shows: their order, the worst first, their words, their shapes and their colours."""

from __future__ import annotations

from flagman.control.page.markup import Html, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.control.page.records import Flag, Process

#: Those of flags, the worst first.
FLAG_STATES = ("failing", "running", "held", "ok", "never", "closed")
#: Those of processes, likewise.
_HEALTHS = ("failing", "changing", "up", "down")
# The shape of what is shown; it has a colour, too, but that must not be the only sign.
_SHAPES = {
    "failing": "bad",
    "failed": "bad",
    "timed-out": "bad",
    "fail": "bad",
    "backoff": "bad",
    "not well": "bad",
    "exit": "off",
    "running": "busy",
    "starting": "busy",
    "held": "wait",
    "waiting": "wait",
    "stopping": "wait",
    "interrupted": "wait",
    "ok": "good",
    "ready": "good",
    "succeeded": "good",
    "never": "idle",
    "skipped": "idle",
}
_WORDS = {"never": "never ran"}
# Reasons for the end of a process that are no failures.
_ASKED_FOR = frozenset({"requested", "config-changed"})
#: The results of runs that are failures.
FAILURES = ("failed", "timed-out")


def of_flag(flag: Flag) -> str:
    """Return the state of a flag, one of :data:`FLAG_STATES`."""
    if flag["failures_in_a_row"]:
        return "failing"
    if flag["running"]:
        return "running"
    actions = flag["actions"]
    if actions and all(action["closed"] for action in actions):
        return "closed"
    if flag["held"]:
        return "held"
    return "ok" if flag["runs"] else "never"


def order_of_flag(flag: Flag) -> tuple[int, int]:
    """Return what flags are sorted by: the worst first, and among those that fail the longest row of failures."""
    return FLAG_STATES.index(of_flag(flag)), -flag["failures_in_a_row"]


def of_process(process: Process) -> str:
    """Return the state of a process; it is ``not well`` if it is ready, but a check says so."""
    return "not well" if process["state"] == "ready" and process["health"] == "failing" else process["state"]


def is_failing(process: Process) -> bool:
    """Return whether a process is failing, or tries again after a failure: so its row stays where it is meanwhile."""
    last = process["last"]
    tries_again = process["state"] in ("waiting", "starting") and process["wanted"] == "up"
    return process["health"] == "failing" or (tries_again and last is not None and last["reason"] not in _ASKED_FOR)


def order_of_process(process: Process) -> int:
    """Return what processes are sorted by: the worst first."""
    return 0 if is_failing(process) else _HEALTHS.index(process["health"])


def shape(state: str) -> str:
    """Return the shape of a state or a result, and its colour: one of the symbols of the template."""
    return _SHAPES.get(state, "off")


def word(state: str) -> str:
    """Return a state in words."""
    return _WORDS.get(state, state)


def icon(kind: str) -> Html:
    """Return a shape; the word beside it says the same."""
    return _ICONS[kind]


_ICONS = {
    kind: tag("svg", tag("use", href=f"#{kind}"), class_="icon", aria_hidden="true")
    for kind in ("bad", "busy", "wait", "good", "idle", "off")
}


def mark(state: str, word_: str = "", kind: str = "") -> Html:
    """Return a state as shape and word.

    :param word_: another word than the state
    :param kind: another shape
    """
    kind = kind or shape(state)
    return tag("span", _ICONS[kind], tag("span", word_ or word(state)), class_=f"mark {kind}")
