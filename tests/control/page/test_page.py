"""The page: any text stays text, the worst comes first, and what is too much is left out."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import html5lib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flagman.control.page import flags, history
from flagman.control.page.page import View, content, rendered
from flagman.control.page.processes import MOST_UNFOLDED
from flagman.control.page.states import FLAG_STATES
from flagman.ctl.gateway.pages import login, no_answer
from flagman.text.moments import rfc3339
from flagman.text.shown import printable
from support import pages
from support.pages import flag, page, process, status, view

if TYPE_CHECKING:
    from collections.abc import Callable

DASH = " \N{EN DASH} "
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</title></style></table><!--",
    "&lt;&amp;&#60; &copy",
    "\x1b[31mred\x1b[0m\x07\x00",
    "\u202egnp.exe\u2066",
    "\udcff\ud800",
    "a b\tc\r\nd",
    "javascript:alert(1)",
    "{{title}}",
)
# Of states of a process, whether what is told of them changes with the time.
MOVING = {"starting": True, "stopping": True, "waiting": False, "ready": False, "backoff": False}
# All of them, also halves of characters, as names of files have.
texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)


def everything(text: Callable[[], str]) -> dict[str, Any]:
    """Return what makes each part of a page, with a text in each place that has one."""
    mistake = {"file": text(), **pages.moment("loaded", 9.0), "ok": False, "error": text()}
    last = {"reason": "exit", "text": text(), **pages.moment("at", 3.0), "output": [text(), text()]}
    delay = {"n": 3, "next_start": rfc3339(pages.AT), "next_start_in": 3.0}
    checks = {"type": text(), "last_error": text(), "tries": 2}
    strays = [{"pid": 7, "name": text()}]
    db = text()
    blocked: dict[str, Any] = {"blocked_by": [{"name": db}], "after": [db], "strays": strays}
    return {
        "shown": status(
            flag("A" + text(), "failing", trigger="B" + text(), last=pages.report("failed", text())),
            flag("C" + text(), actions=[pages.action(text(), [text(), text()], last=pages.report("failed", text()))]),
            flag("D" + text(), "running", actions=[pages.action(), pages.action(statistics={text(): text()})]),
            flag("E" + text(), "closed"),
            name="F" + text(),
            version=text(),
            config=mistake,
            ready=False,
            state="starting",
            processes=[
                process("G" + text(), "failing", text="H" + text(), last=last, backoff=delay, command=[text(), text()]),
                process("I" + text(), "changing", verifier=checks, last=last),
                process("J" + text(), "changing", state="waiting", **blocked),
            ],
        ),
        "runs": [pages.run(1, text(), "failed", text())],
        "events": [pages.event(text(), text=text())],
        "unready": [text()],
        "since": text(),
    }


def numbered() -> Callable[[], str]:
    """Return what makes harmless texts, each another one."""
    numbers = iter(range(1000))
    return lambda: f"t{next(numbers)}"


def with_all_hostile(test: Any) -> Any:  # noqa: ANN401 - a test as Hypothesis decorates it
    """Run a test with each hostile text, too."""
    for each in HOSTILE:
        test = example([each])(test)
    return test


@with_all_hostile
@given(st.lists(texts, min_size=1, max_size=12))
def test_any_text_stays_text(found: list[str]) -> None:
    """Whatever stands in the names, arguments, errors and outputs, the elements and their attributes are the same."""
    numbers = iter(range(1000))
    used: list[str] = []

    def text() -> str:
        used.append(found[next(numbers) % len(found)])
        return used[-1]

    read = page(**everything(text))
    assert read.skeleton == page(**everything(numbered())).skeleton
    for each in used:
        quoted = json.dumps(each, ensure_ascii=False)[1:-1]
        shown = {printable(each), printable(each.replace("'", "'\"'\"'")), printable(quoted)}
        assert any(one in read.text or one in "".join(read.all("data-since")) for one in shown)
    content(view(**everything(text)))  # it can be encoded


@with_all_hostile
@given(st.lists(texts, min_size=1, max_size=12))
def test_no_text_becomes_an_address_or_a_handler(found: list[str]) -> None:
    """Forms lead to a flag or to the reload, links to shapes of the page, and no element has a style or a handler."""
    numbers = iter(range(1000))
    read = page(**everything(lambda: found[next(numbers) % len(found)]))
    for action in read.all("action"):
        if action != "reload":
            folder, _, name = action.partition("/")
            assert folder in {"flags", "processes"}
            if folder == "processes":
                name, _, verb = name.partition("/")
                assert verb in {"start", "stop", "restart"}
            assert not set(name) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%")
    for address in read.all("href"):
        assert address.startswith(("#", "data:image/svg+xml,%3Csvg")) or address == "./"
    names = {name for _, attributes in read.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in {"style", "src", "srcset", "formaction"}}
    ids = read.all("id")
    assert len(ids) == len(set(ids))
    assert not [each for each in ids if not each or set(each) & set(" \t\r\n\f")]


@given(st.lists(st.tuples(st.sampled_from(FLAG_STATES), st.integers(1, 9))))
def test_the_worst_comes_first(wanted: list[tuple[str, int]]) -> None:
    """Flags that fail come first, with the longest row of failures on top; the others follow in their order."""
    shown = []
    for number, (state, failures) in enumerate(wanted):
        more = {"failures_in_a_row": failures} if state == "failing" else {}
        shown.append(flag(f"{state}-{failures}-{number}", state, **more))
    rows = [row.removeprefix("flag-").split("-") for row in page(status(*shown)).rows.get("rows", [])]
    assert len(rows) == len(wanted)
    keys = [
        (FLAG_STATES.index(state), -int(failures) * (state == "failing"), int(number))
        for state, failures, number in rows
    ]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("shown", "title"),
    [
        (status(flag("a", "failing"), flag("b", "running")), "1 failing"),
        (status(flag("a", "failing"), processes=[process("p", "failing")]), "2 failing"),
        (status(flag("a", "failing"), ready=False, state="stopping"), "1 failing"),
        (status(flag("a"), ready=False, config={**status()["config"], "ok": False}), "configuration not loaded"),
        (status(flag("a", "running"), state="stopping", ready=False), "stopping"),
        (status(flag("a", "running"), ready=False), "not ready"),
        (status(flag("a"), state="reloading"), "reloading"),
        (status(flag("a", "running"), flag("b", "held")), "1 running"),
        (status(flag("a", "held"), processes=[process("p", "changing")]), "1 changing"),
        (status(flag("a", "held"), flag("b", "never")), "1 held"),
        (status(flag("a"), flag("b", "never"), flag("c", "closed"), processes=[process("p", "down")]), "all is well"),
        (status(), "nothing to do"),
    ],
)
def test_the_title_tells_the_worst(shown: dict[str, object], title: str) -> None:
    """The title begins with the worst of all, and then names the daemon; so does what is seen."""
    read = page(shown)
    assert read.title == f"{title}{DASH}web{DASH}flagman"
    assert title in read.text.lower()


def test_the_failing_are_told_apart() -> None:
    """If there are processes, the head counts those that fail apart from the flags that do, and leads to both."""
    shown = status(flag("a", "failing"), flag("b", "failing"), processes=[process("p", "failing")])
    read = page(shown)
    assert "3 failing" in read.text
    assert read.texts["a"][1:3] == ["1 process", "2 flags"]
    assert [address for address in read.all("href") if address in {"#flags", "#processes"}] == ["#processes", "#flags"]
    assert {"flags", "processes"} <= set(read.all("id"))
    assert page(status(flag("a", "failing"))).texts["a"][1:2] != ["1 flag"]
    assert page(status(flag("a"), processes=[process("p", "failing")])).texts["a"][1:2] == ["1 process"]


def test_what_moves_with_the_time_is_asked_for_again() -> None:
    """No event renews for how long a process has been starting or stopping: the script has to know that it moves."""
    source = {state: rendered(view(status(processes=[process("p", "changing", state=state)]))) for state in MOVING}
    assert {state: 'data-moves="yes"' in text for state, text in source.items()} == MOVING


def test_each_mistake_has_its_own_line() -> None:
    """The mistakes of the configuration stand below each other; without them there is the error alone."""
    shown = status(config={**status()["config"], "ok": False, "error": "one; two"})
    assert {"one", "two"} <= set(page(shown, mistakes=("one", "two")).texts["p"])
    assert "one; two" in page(shown).texts["p"]


def test_the_title_of_a_daemon_without_a_name() -> None:
    """The name of a daemon that has none is not told twice."""
    assert page(status(flag("a"), name="flagman")).title == f"all is well{DASH}flagman"


def test_a_state_is_a_shape_and_a_word() -> None:
    """Each state has a shape and a word beside its colour, which alone would say nothing to many."""
    shapes = {}
    for state in FLAG_STATES:
        source = rendered(view(status(flag("a", state))))
        row = source.partition('<tr id="flag-a"')[2].partition("</td>")[0]
        shape = row.partition('<use href="#')[2].partition('"')[0]
        shapes[state] = shape
        assert f'<symbol id="{shape}"' in source
        assert f"<span>{'never ran' if state == 'never' else state}</span>" in row
    assert len(set(shapes.values())) == len(FLAG_STATES)


def ended(*lines: str, reason: str = "exit") -> dict[str, object]:
    """Return the last end of a process."""
    return {"reason": reason, "text": "exited with 1", **pages.moment("at", 3.0), "output": list(lines)}


def test_what_can_be_run_has_a_button() -> None:
    """A flag has a button, unless its actions are closed or run at the stop; a configuration can be loaded again."""
    shown = status(flag("a/b c"), flag("shut", "closed"), flag("term"))
    assert page(shown, unraisable=("term", "int")).all("action") == ["flags/a%2Fb%20c"]
    config = {**shown["config"], "file": "/etc/c.toml"}
    assert page({**shown, "flags": [], "config": config}).all("action") == ["reload"]
    assert page({**shown, "flags": [], "config": config, "state": "stopping"}).all("action") == []


def test_too_many_flags() -> None:
    """The best of too many flags are left out, because the control loop stands still for as long as they are made."""
    shown = status(*(flag(f"a{number}") for number in range(1000)), flag("z", "failing"))
    shown["processes"] = [process(f"p{number}") for number in range(1000)]
    read = page(shown, runs=[pages.run(number, "a") for number in range(500)])
    assert read.rows["rows"][:2] == ["flag-z", "flag-a0"]
    assert len(read.rows["rows"]) == flags.MOST_ROWS
    assert len(read.rows["process-rows"]) == flags.MOST_ROWS
    assert len(read.rows["events"]) == history.MOST
    assert f"{1001 - flags.MOST_ROWS} more flags" in read.text
    assert f"{1000 - flags.MOST_ROWS} more processes" in read.text


def test_a_megabyte_of_text() -> None:
    """What is too long is cut, and says how long it is; the page stays small."""
    long = "<b>" * 350_000
    parts = everything(lambda: long)
    parts["shown"]["version"] = parts["since"] = "1"  # these are flagman's own
    source = rendered(view(**parts))
    assert len(source) < 120_000
    assert "(1,050,000 characters in all)" in source
    assert max(map(len, pages.Page(source).texts["bdi"])) <= 400


def test_many_actions_and_arguments() -> None:
    """Of many actions, and many arguments of one, the first are shown, and how many there are."""
    many = flag("a", actions=[pages.action("sh", ["x"] * 500) for _ in range(500)])
    read = page(status(many))
    assert "and 490 more actions" in read.text
    assert "(500 arguments)" in read.text
    assert len(read.text) < 5_000


def test_the_plot_of_durations() -> None:
    """The plot of a flag shows the last thirty of its runs, and has the same in words; a failure has a sign."""
    runs = [SimpleNamespace(flag="a", seconds=number / 10, result="succeeded") for number in range(40)]
    runs += [
        SimpleNamespace(flag="b", seconds=9.0, result="failed"),
        SimpleNamespace(flag="a", seconds=0.05, result="failed"),
    ]
    shown = status(flag("a"), flag("never", "never"))
    read = pages.Page(rendered(View(shown, {"runs": [], "processes": []}, runs)))  # type: ignore[arg-type]
    (label,) = [each for each in read.all("aria-label") if "runs" in each]
    assert label == "30 runs: 29 succeeded, 1 failed; 50 ms to 3.9 s"
    good, bad = read.all("d")[-2:]
    assert good.count("M") == 29
    assert bad == "M116 22v-2h3v2zM116 24h3v3h-3z"


def test_the_history_is_the_newest_first() -> None:
    """Runs and the events of processes are in one table, by their moments."""
    late = {**pages.run(9, "a"), "ended": rfc3339(pages.AT + 5)}
    read = page(status(flag("a")), runs=[pages.run(1, "a"), late], events=[pages.event("p")])
    assert [row.split("-")[0] for row in read.rows["events"]] == ["run", "event", "run"]
    assert read.rows["events"][0] == "run-9"


def test_a_failure_that_is_an_end_is_one_row() -> None:
    """The exit of a process that is a failure, too, tells nothing else; any other exit has its row."""
    ends = [pages.event("p", "exit", "exited with 1"), pages.event("p", "fail", "exited with 1")]
    rows = page(status(flag("a")), events=[pages.event("p", "exit", "exited with 0"), *ends]).rows["events"]
    assert len(rows) == 2
    assert not [row for row in rows if "exit" not in row and "fail" not in row]


def test_how_long_a_process_has_been_in_its_state() -> None:
    """It is for so long in its state, and not since a while ago."""
    read = page(status(processes=[process("p")]))
    assert "for 5 s" in read.texts["time"]
    assert "In this state" in read.texts["span"]


def test_a_process_that_fails() -> None:
    """A process tells why it is not ready, when it is started again, and its last lines."""
    last = ended("first", "second")
    delay = {"n": 3, "next_start": rfc3339(pages.AT), "next_start_in": 3.2}
    read = page(
        status(processes=[process("p", "failing", state="backoff", text="in back-off", last=last, backoff=delay)])
    )
    found = {text for texts_ in read.texts.values() for text in texts_}
    assert {"exited with 1", "backoff", "in 4 s", "3 in a row"} <= found
    assert "Its last end: " not in found
    assert read.texts["pre"] == ["first\nsecond"]


BACKOFF = {"n": 1, "next_start": rfc3339(pages.AT), "next_start_in": 3.2}


@pytest.mark.parametrize(
    ("shown", "mark", "words", "verbs"),
    [
        (process("p"), "good ready", [], ["restart", "stop"]),
        (process("p", "down", wanted="down"), "off stopped", [], ["start"]),
        (process("p", "down", state="exited", last=ended(), ready=True), "good exited", ["exited with 1"], ["start"]),
        (process("p", "down", state="exited", last=ended()), "off exited", ["exited with 1"], ["start"]),
        (process("p", "failing", last=ended()), "bad failed", ["exited with 1"], ["start"]),
        (
            process("p", "failing", state="backoff", last=ended(), backoff=BACKOFF),
            "bad backoff",
            ["exited with 1", "next start "],
            ["start", "stop"],
        ),
        (
            process("p", "failing", state="ready", text="not well: no"),
            "bad not well",
            ["not well: no"],
            ["restart", "stop"],
        ),
        (process("p", "changing", state="starting"), "busy starting", [], ["restart", "stop"]),
        (
            process("p", "changing", verifier={"type": "tcp", "last_error": "refused", "tries": 2}),
            "busy starting",
            ["refused (2 tries)"],
            ["restart", "stop"],
        ),
        (
            process("p", "changing", state="waiting", blocked_by=[{"name": "db"}], after=["db"]),
            "wait waiting",
            ["waits for ", "db"],
            ["stop"],
        ),
        (process("p", "changing", state="stopping", text="stopping, killed in 3 s"), "wait stopping", [], ["stop"]),
        (process("p", "changing", state="stopping", wanted="down"), "wait stopping", [" wanted down"], ["start"]),
    ],
)
def test_the_states_of_a_process(shown: dict[str, Any], mark: str, words: list[str], verbs: list[str]) -> None:
    """Each has its shape and its word, tells why it is so, and has the buttons that make sense in it."""
    source = rendered(view(status(processes=[shown])))
    kind, _, word = mark.partition(" ")

    assert f'<use href="#{kind}"/></svg><span>{word}</span>' in source
    found = {text for texts_ in pages.Page(source).texts.values() for text in texts_}
    assert set(words) <= found
    assert [action.split("/") for action in pages.Page(source).all("action")] == [["processes", "p", v] for v in verbs]


def test_no_process_is_steered_while_the_daemon_stops() -> None:
    """All requests but stops would be refused."""
    assert page(status(processes=[process("p")], state="stopping", ready=False)).all("action") == []


def test_buttons_have_names() -> None:
    """A screen reader reads the name of the process, too; and that the stop of an essential one is harmless."""
    read = page(status(processes=[process("web", essential=True)]))
    buttons = [attributes for name, attributes in read.elements if name == "button"]
    assert [each["id"] for each in buttons] == ["processrestart-web", "processstop-web"]
    assert " web" in read.texts["span"]
    assert "does not end the daemon" in buttons[1]["title"]
    assert " essential" in read.texts["span"]


@pytest.mark.parametrize(
    ("shown", "is_open"),
    [
        (process("p", "failing", last=ended("a")), True),
        (process("p", "changing", last=ended("a")), True),
        (process("p", "changing", last=ended("a", reason="requested")), False),
        (process("p", "changing", state="stopping", last=ended("a")), False),
        (process("p", last=ended("a")), False),
    ],
)
def test_what_is_unfolded(shown: dict[str, Any], is_open: bool) -> None:  # noqa: FBT001 - an expectation
    """It is what fails, also while it tries again: its row must not fold and unfold with each try."""
    details = [attributes for name, attributes in page(status(processes=[shown])).elements if name == "details"]
    assert ["open" in each for each in details] == [is_open]
    assert [each["data-unfolds"] for each in details] == ["yes" if is_open else "no"]


def test_many_that_fail() -> None:
    """Only the first of many are unfolded."""
    failing = [process(f"p{number}", "failing", last=ended("a")) for number in range(40)]
    assert len([True for _, each in page(status(processes=failing)).elements if "open" in each]) == MOST_UNFOLDED


def test_present_lines() -> None:
    """What one that is not well prints now stands in the place of what it printed in a former life."""
    shown = status(processes=[process("p", "failing", state="ready", last=ended("old"))])
    assert page(shown, lines={"p": ["\x1b[31mnew", "<b>"]}).texts["pre"] == ["\\x1b[31mnew\n<b>"]
    assert 'data-moves="yes"' in rendered(view(shown, lines={"p": ["new"]}))
    assert page(shown, lines={"p": []}).texts["pre"] == ["old"]
    many = page(shown, lines={"p": [f"{number}{'x' * 1000}" for number in range(50)]}).texts["pre"][0].split("\n")
    assert (len(many), many[0][:3]) == (20, "30x")
    assert max(map(len, many)) < 600


def test_the_next_start_in_any_zone() -> None:
    """A moment in the daemon's zone is one that the script can renew; one that it does not know stays as it is."""
    delay = {"n": 1, "next_start": rfc3339(time.time() + 100), "next_start_in": 100.0}
    shown = status(processes=[process("p", "failing", state="backoff", backoff=delay, last=ended())], ready=False)
    clock = time.strftime("%H:%M:%S", time.localtime(time.time() + 100))
    texts_ = page(shown, unready=[f"p in back-off (1), next start {clock}: x, next start 99:99:99"]).texts
    assert clock in texts_["time"]
    assert ": x, next start 99:99:99" in "".join(texts_["p"])


@pytest.mark.parametrize("text", ["t", *HOSTILE])
def test_a_strict_parser_accepts_it(text: str) -> None:
    """There is no error in the HTML, whatever it shows, and of the login neither."""
    for html in (rendered(view(**everything(lambda: text))), login().data.decode(), no_answer(text, 3).data.decode()):
        html5lib.HTMLParser(strict=True).parse(html)


def test_a_page_is_not_for_frames_or_caches() -> None:
    """The answer has the fields that keep it out of other pages."""
    headers = content(view(status())).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Vary"] == "Accept"
