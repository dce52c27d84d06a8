"""A row of the table of processes: the reasons, the last lines of output, and what can be asked of the process."""

from __future__ import annotations

from functools import lru_cache

from flagman.control.page import states, words
from flagman.control.page.flags import LONGEST_PATH, command
from flagman.control.page.markup import NOTHING, Html, cut, in_url, joined, key_of, named, tag
from flagman.text.shown import counted, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagman.control.page.records import Process

#: The title of the column that tells the age of a state.
FOR = "In this state"
# Lines of output, and characters of one of them; processes that one waits for; characters of an end.
_MOST_LINES, _LONGEST_LINE, _MOST_BLOCKERS, _LONGEST_END = 20, 500, 10, 300
_DEATHS = {"exit": "Exits", "signal": "Killed", "not_ready": "Not ready in time", "liveness": "Not well"}
# What is offered in a state; it can be stopped, too, if it is wanted up and has not ended for good.
_VERBS = {
    "stopped": "start",
    "exited": "start",
    "failed": "start",
    "backoff": "start",
    "starting": "restart",
    "ready": "restart",
}
_ENDED = ("exited", "failed")
_STAYS = "It is essential, but a stop that was asked for does not end the daemon."


def row(
    process: Process, known: Mapping[str, str], lines: Sequence[str] | None, *, is_open: bool, has_buttons: bool
) -> Html:
    """Return the row.

    :param known: the states of the processes that have rows, by their names
    :param lines: what it has just printed; None if it does not live, or is well
    :param is_open: whether it is unfolded while it fails
    :param has_buttons: whether it can be started and stopped
    """
    name, backoff = process["name"], process["backoff"]
    age = [words.running(process["since"], process["since_ago"])]
    if backoff:
        age.append(
            tag("div", "next start ", words.due(backoff["next_start"], backoff["next_start_in"]), class_="quiet")
        )
    restarts = [words.number(process["restarts"])]
    if backoff and backoff["n"] > 1:
        restarts.append(tag("div", f"{words.number(backoff['n'])} in a row", class_="some"))
    return tag(
        "tr",
        tag("td", states.mark(states.of_process(process), kind=kind(process)), class_="s"),
        tag("th", *_title(process), scope="row", class_="w", tabindex="-1"),
        tag("td", *_what(process, known, lines, is_open=is_open), class_="more"),
        tag("td", *age, class_="n", data_label=FOR),
        tag("td", *restarts, class_="n", data_label="Restarts"),
        tag("td", tag("div", *_buttons(process), class_="steer") if has_buttons else NOTHING, class_="b"),
        id=key_of("process", name),
        class_=process["health"],
    )


def kind(process: Process) -> str:
    """Return the shape of its state; one that has ended as it was meant to is as good as one that is ready."""
    is_done = process["state"] == "exited" and process["ready"]
    return "good" if is_done else states.shape(states.of_process(process))


def _title(process: Process) -> Iterable[Html]:
    yield tag("bdi", named(process["name"]), class_="name")
    if process["essential"]:
        yield tag("span", " essential", class_="trigger")
    if process["wanted"] != "up" and process["state"] != "stopped":
        yield tag("span", " wanted down", class_="trigger")


def _what(process: Process, known: Mapping[str, str], lines: Sequence[str] | None, *, is_open: bool) -> Iterable[Html]:
    """Return what stands below its name: why it is as it is; its command and the rest, to unfold."""
    name, last, is_failing = process["name"], process["last"], states.is_failing(process)
    why = _why(process)
    if process["state"] == "waiting" and process["blocked_by"]:
        yield tag("p", _waits_for([each["name"] for each in process["blocked_by"]], known), class_="quiet")
    elif why:
        yield tag("p", cut(why), class_="error" if is_failing else "quiet", dir="auto")
    found = list(lines or (last["output"] if last else ()))[-_MOST_LINES:]
    number = tag("span", counted(len(found), "line")) if found else NOTHING
    pieces = [tag("summary", tag("code", command(process["command"][0], process["command"][1:])), number)]
    if last and not _is_end_told(process):
        text = tag("bdi", cut(last["text"], _LONGEST_END))
        end = ("Its last end: ", text, " ", words.ago(last["at"], last["at_ago"]))
        pieces.append(tag("p", *end, class_="quiet", dir="auto"))
    if found:
        title = "What it has printed so far, at the end" if lines else "What it printed at the end"
        pieces.append(tag("p", title, class_="quiet"))
        pieces.append(tag("pre", joined((cut(line, _LONGEST_LINE) for line in found), Html("\n")), dir="auto"))
    pieces.append(_facts(process))
    unfolds = is_failing and is_open
    key = key_of("processmore", name)
    yield tag("details", *pieces, id=key, open=unfolds, data_unfolds="yes" if unfolds else "no")


def _why(process: Process) -> str:
    """Return why it is as it is; nothing if its state says it all."""
    state, last, verifier = process["state"], process["last"], process["verifier"]
    if state == "starting" and verifier and verifier["last_error"]:  # what is wrong now
        return f"{verifier['last_error']} ({counted(verifier['tries'], 'try', 'tries')})"
    if last and _is_end_told(process):
        return last["text"]
    return process["text"] if process["text"] != state != "starting" else ""


def _is_end_told(process: Process) -> bool:
    """Return whether the last end of a process is why it is as it is."""
    state, verifier = process["state"], process["verifier"]
    is_anew = state == "starting" and states.is_failing(process) and not (verifier and verifier["last_error"])
    return state in ("backoff", *_ENDED) or is_anew


def _waits_for(names: Sequence[str], known: Mapping[str, str]) -> Html:
    shown = []
    for name in names[:_MOST_BLOCKERS]:
        what = tag("bdi", named(name))
        if name in known:
            what = joined([tag("a", what, href=f"#{key_of('process', name)}"), f" ({known[name]})"])
        shown.append(what)
    more = len(names) - len(shown)
    return joined(["waits for ", joined(shown, Html(", ")), f" and {words.number(more)} more" if more else ""])


def _facts(process: Process) -> Html:
    verifier = process["verifier"]
    facts = [
        ("Pid", str(process["pid"] or "")),
        ("Starts", words.number(process["instance"])),
        *((_DEATHS.get(cause, cause), words.number(number)) for cause, number in process["deaths"].items() if number),
        ("Comes after", named(listed(process["after"]))),
        ("Is ready by", named(verifier["type"]) if verifier else ""),
        ("Has left behind", named(listed([f"{each['name']} ({each['pid']})" for each in process["strays"]]))),
    ]
    found = (tag("div", tag("dt", fact), tag("dd", tag("bdi", value))) for fact, value in facts if value)
    return tag("dl", *found, class_="counts")


def _buttons(process: Process) -> Iterable[Html]:
    """Return what makes sense in its state, each always at its own place, so that no click hits another button."""
    state, is_wanted = process["state"], process["wanted"] == "up"
    verb = _VERBS.get(state, "" if is_wanted or state != "stopping" else "start")
    if verb:
        yield _button(process["name"], verb)
    if is_wanted and state not in _ENDED:
        yield _button(process["name"], "stop", _STAYS if process["essential"] else None)


@lru_cache(400)
def _button(name: str, verb: str, title: str | None = None) -> Html:
    """Return a form with a button, which a screen reader calls ``Stop web``."""
    path = in_url(name)
    if len(path) > LONGEST_PATH:
        return NOTHING
    label = (verb.capitalize(), tag("span", f" {named(name)}", class_="hidden"))
    return tag(
        "form",
        tag("button", *label, id=key_of(f"process{verb}", name), title=title),
        method="post",
        action=f"processes/{path}/{verb}",
        id=key_of(f"processform{verb}", name),
        class_="halt" if verb == "stop" else None,
        data_what=named(name),
        data_verb=verb,
    )
