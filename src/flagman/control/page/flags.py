"""The table of flags: one row each, the worst first, with its actions to unfold and a button to run it now."""

from __future__ import annotations

import shlex
from json import dumps

from flagman.control.page import states, words
from flagman.control.page.markup import NOTHING, Html, cut, in_url, joined, key_of, named, tag
from flagman.control.page.plot import MOST, plot
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from flagman.control.page.records import Action, Flag

# Rows, because the control loop stands still meanwhile; and the actions of one of them.
MOST_ROWS, MOST_ACTIONS = 200, 10
# Characters of an error beside its flag, and of one argument; arguments of one action.
_LONGEST_ERROR, _LONGEST_ARGUMENT, _MOST_ARGUMENTS = 300, 300, 30
#: A path that no server takes is no link.
LONGEST_PATH = 4_000
# What stands in their heads, the class of their cells, and whether that is to be read aloud alone.
_COLUMNS = (
    ("State", "", False),
    ("Flag", "w", False),
    ("Actions", "more", True),
    ("Last run", "n", False),
    (f"Last {MOST} runs", "p", False),
    ("Runs", "n", False),
    ("Next", "n", False),
    ("Run", "b", True),
)


def section(
    flags: Iterable[Flag], runs: Mapping[str, Sequence[tuple[float, str]]], unraisable: Collection[str]
) -> Html:
    """Return the section.

    :param flags: as in the status
    :param runs: the durations and results of the last runs, by flag
    :param unraisable: the flags that no request raises: they run when the daemon stops
    """
    ordered = sorted(flags, key=states.order_of_flag)
    shown = ordered[:MOST_ROWS]
    if not shown:
        return tag("p", "No action is bound to anything.", class_="none")
    titles = (
        tag("th", tag("span", title, class_="hidden" if is_hidden else None), scope="col", class_=kind or None)
        for title, kind, is_hidden in _COLUMNS
    )
    rows = [_row(flag, runs.get(flag["name"], ()), is_raisable=flag["name"] not in unraisable) for flag in shown]
    table = tag(
        "table",
        tag("caption", "Flags, the worst first", class_="hidden"),
        tag("thead", tag("tr", *titles)),
        tag("tbody", *rows, id="rows"),
        class_="flags",
    )
    return joined([table, left_out(len(ordered) - len(shown), "flag", "flags")])


def left_out(number: int, one: str, many: str) -> Html:
    """Return that some rows are not shown; nothing if all are."""
    if number <= 0:
        return NOTHING
    return tag(
        "p",
        f"{counted(number, f'more {one}', f'more {many}')} in a better state: flagmanctl status shows all.",
        class_="none",
    )


def _row(flag: Flag, runs: Sequence[tuple[float, str]], *, is_raisable: bool) -> Html:
    name, state = flag["name"], states.of_flag(flag)
    now = tag("div", states.mark("running")) if flag["running"] and state != "running" else NOTHING
    planned = words.due(flag["next_due"], flag["next_due_in"]) or ("at the stop" if not is_raisable else NOTHING)
    return tag(
        "tr",
        tag("td", states.mark(state), now, class_="s"),
        tag("th", *_title(flag), scope="row", class_="w"),
        tag("td", *_what(flag), class_="more"),
        _cell("Last run", *_last(flag)),
        tag("td", plot(runs), class_="p"),
        _cell("Runs", *_runs(flag)),
        _cell("Next", planned),
        tag("td", _button(name) if is_raisable and state != "closed" else NOTHING, class_="b"),
        id=key_of("flag", name),
        class_=state,
    )


def _cell(label: str, *content: str) -> Html:
    return tag("td", *content, class_="n", data_label=label)


def _last(flag: Flag) -> Iterable[Html]:
    last = flag["last"]
    if flag["running"]:
        yield words.running(flag["running_since"], flag["running_since_ago"])
    elif last:
        yield words.ago(last["ended"], last["ended_ago"])
    if last and not flag["running"]:
        yield tag("div", words.duration(last["duration"]), class_="quiet")


def _runs(flag: Flag) -> Iterable[str]:
    yield words.number(flag["runs"])
    if flag["failures"]:
        yield tag("div", f"{words.number(flag['failures'])} failed", class_="some")


def _title(flag: Flag) -> Iterable[Html]:
    name, trigger = flag["name"], flag["trigger"]
    yield tag("bdi", named(name), class_="name")
    if trigger != name:
        yield tag("span", " on ", tag("bdi", named(trigger)), class_="trigger")


def _what(flag: Flag) -> Iterable[Html]:
    """Return what stands below the name of a flag: its error and its actions."""
    name, actions, last = flag["name"], flag["actions"], flag["last"]
    if last and last["error"] and states.of_flag(flag) != "ok":
        yield tag("p", cut(last["error"], _LONGEST_ERROR), class_="error", dir="auto")
    first = command(actions[0]["name"], actions[0]["arguments"]) if actions else "no actions"
    more = f"and {counted(len(actions) - 1, 'more action')}" if len(actions) > 1 else ""
    summary = tag("summary", tag("code", first), tag("span", more) if more else NOTHING)
    listed = [_action(action) for action in actions[:MOST_ACTIONS]]
    if len(actions) > MOST_ACTIONS:
        listed.append(tag("li", f"and {counted(len(actions) - MOST_ACTIONS, 'more action')}"))
    yield tag("details", summary, _counts(flag), tag("ol", *listed) if listed else NOTHING, id=key_of("flagmore", name))


def command(name: str, arguments: Sequence[str]) -> str:
    """Return an action, or a program, with its arguments, as a shell would read them; long ones are shortened."""
    row = [cut(argument, _LONGEST_ARGUMENT) for argument in arguments[:_MOST_ARGUMENTS]]
    more = f" … ({counted(len(arguments), 'argument')})" if len(arguments) > _MOST_ARGUMENTS else ""
    return shlex.join([cut(name, _LONGEST_ARGUMENT), *row]) + more


def _counts(flag: Flag) -> Html:
    """Return what is counted of a flag, without what the row shows."""
    counted_ = [
        ("Raised", words.number(flag["raised"])),
        ("Ignored", words.number(flag["ignored"])),
        ("Merged", words.number(flag["merged"])),
        ("Held now", words.number(flag["held"])),
        ("Failures in a row", words.number(flag["failures_in_a_row"])),
    ]
    if flag["mean_duration"] is not None and flag["longest_duration"] is not None:
        counted_.append(("Mean", words.duration(flag["mean_duration"])))
        counted_.append(("Longest", words.duration(flag["longest_duration"])))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in counted_), class_="counts")


def _action(action: Action) -> Html:
    last = action["last"]
    result = "closed" if action["closed"] else last["result"] if last else "never"
    pieces = [
        tag("div", states.mark(result), tag("code", command(action["name"], action["arguments"]))),
        tag("div", f"{counted(action['runs'], 'run')}, {counted(action['failures'], 'failure')}", class_="quiet"),
    ]
    if last and last["error"]:
        pieces.append(tag("p", cut(last["error"]), class_="error", dir="auto"))
    offered = (("state", action["state"]), ("statistics", action["statistics"]))
    pieces += [
        tag("div", f"{key}: ", tag("code", cut(dumps(value, ensure_ascii=False))))
        for key, value in offered
        if value is not None
    ]
    return tag("li", *pieces)


def _button(name: str) -> Html:
    path = in_url(name)
    if len(path) > LONGEST_PATH:
        return NOTHING
    button = tag("button", "Run now", tag("span", f" {named(name)}", class_="hidden"), id=key_of("flagrun", name))
    return tag("form", button, method="post", action=f"flags/{path}", data_what=named(name))
