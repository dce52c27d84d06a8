"""The status of a daemon as a page for a terminal."""

from __future__ import annotations

from flagman.ctl.fields import GOOD, Fields, command
from flagman.ctl.screen import BOLD, DIM, GREEN, RED, YELLOW, clean, color_of, width_of
from flagman.ctl.table import Cell, Column, table
from flagman.ctl.times import age, ago, moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.ctl.screen import Screen

_COLUMNS = (
    Column("TRIGGER", is_text=True),
    Column("ACTION", is_text=True),
    Column("RUNS", is_number=True),
    Column("FAILED", is_number=True),
    Column("RESULT"),
    Column("LAST"),
    Column("NEXT IN"),
)
_NONE = "-"
# As wide as the longest label.
_INDENT = " " * len("  process  ")


def lines(status: Fields, screen: Screen) -> list[str]:
    """Return the lines of the page."""
    flags = status.each("flags")
    rows = [row for flag in flags for row in _rows(flag)]
    processes = _processes(status, screen)
    bindings = table(_COLUMNS, rows, screen) if rows else [] if processes else ["no action is bound"]
    errors = [line for flag in flags for line in _errors(flag, screen)]
    page = [*_head(status, screen), "", *bindings, *[""] * bool(bindings and processes), *processes]
    return [*page, "", screen.paint("Errors of the last runs:", BOLD), *errors] if errors else page


def _processes(status: Fields, screen: Screen) -> list[str]:
    processes = status.each("processes")
    if not processes:
        return []
    from flagman.ctl.processes import lines as lines_of  # noqa: PLC0415 - most daemons have none

    return lines_of(processes, screen, "PROCESS")


def _head(status: Fields, screen: Screen) -> Iterator[str]:
    state, name = clean(status.text("state")) or "unknown", clean(status.text("name")) or "flagman"
    mark, color = _mark(status, state, screen)
    mark += " " * bool(mark)
    begun = moment(status.text("since"))
    since = f" since {begun} ({ago(status.number('since_ago'), 2)})" if begun else ""
    more = f"{since}{', not ready' if status.is_false('ready') and state != 'starting' else ''}"
    fits = screen.width is None or width_of(f"{mark}{name}: {state}{more}") <= screen.width
    title = f"{screen.paint(mark, color)}{screen.paint(name, BOLD)}: {screen.paint(state, color_of(state))}"
    yield title + more * fits
    if not fits:
        yield from screen.wrapped(more, "  ")
    pid = status.count("pid")
    started = f", started {moment(status.text('started'))} ({ago(status.number('started_ago'))})"
    yield from _labelled("process", f"{pid}, flagman {status.text('version')}{started}", screen)
    yield from _configuration(status.inner("config"), screen)


def _labelled(label: str, text: str, screen: Screen) -> list[str]:
    first, *others = screen.wrapped(text, _INDENT)
    return [f"  {screen.paint(label, DIM)}{first[2 + len(label) :]}", *others]


def _configuration(config: Fields, screen: Screen) -> Iterator[str]:
    loaded = moment(config.text("loaded"))
    when = f", loaded {loaded} ({ago(config.number('loaded_ago'))})" if loaded else ""
    yield from _labelled("config", f"{config.text('file') or 'the command line'}{when}", screen)
    if config.is_false("ok"):
        error = f"the last reload has failed: {config.text('error')}"
        yield from screen.wrapped(error, _INDENT, RED)


def _mark(status: Fields, state: str, screen: Screen) -> tuple[str, str]:
    """Return a sign for the whole state, and its color; only a terminal gets one."""
    if not screen.is_terminal:
        return "", ""
    fails = any(
        each.count("failures_in_a_row") for flag in status.each("flags") for each in (flag, *flag.each("actions"))
    )
    healths = {process.text("health") for process in status.each("processes")}
    fails = fails or "failing" in healths
    if fails or status.inner("config").is_false("ok"):
        return "✗" if screen.is_unicode else "x", RED
    if state in {"idle", "running"} and "changing" not in healths:
        return "●" if screen.is_unicode else "*", GREEN
    return "↻" if screen.is_unicode else "o", YELLOW


def _rows(flag: Fields) -> Iterator[list[Cell]]:
    """Yield a row for each action; what belongs to the flag stands in the first one."""
    due = flag.number("next_due_in")
    following = Cell(age(due, 2))
    for number, action in enumerate(flag.each("actions") or [flag]):
        is_first = number == 0
        failures = action.count("failures")
        is_running = is_first and flag.is_true("running")
        yield [
            Cell(flag.text("name") if is_first else ""),
            Cell(command(action) if flag.each("actions") else _NONE),
            Cell(str(action.count("runs"))),
            Cell(str(failures), (RED if action.count("failures_in_a_row") else YELLOW) if failures else DIM),
            *(_running(flag) if is_running else _last(action)),
            following if is_first else Cell(""),
        ]


def _running(flag: Fields) -> list[Cell]:
    return [Cell("running", GREEN), Cell(f"for {age(flag.number('running_since_ago') or 0.0)}")]


def _last(action: Fields) -> list[Cell]:
    last = action.inner("last")
    if not last:
        return [Cell(_NONE, DIM), Cell("never", DIM)]
    result = last.text("result")
    return [Cell(result, color_of(result)), Cell(ago(last.number("ended_ago")))]


def _errors(flag: Fields, screen: Screen) -> Iterator[str]:
    """Yield the errors of the last runs of a flag."""
    failed = list(filter(_has_failed, flag.each("actions")))
    for each in failed or filter(_has_failed, [flag]):
        last = each.inner("last")
        name = f"{flag.text('name')}: {command(each)}" if failed else flag.text("name")
        times = each.count("failures_in_a_row")
        again = f", {times} times in a row" if times > 1 else ""
        yield from screen.wrapped(f"{name}: {last.text('result')} {ago(last.number('ended_ago'))}{again}", "  ")
        yield from screen.wrapped(last.text("error"), "    ", RED)


def _has_failed(each: Fields) -> bool:
    """Return whether the last run of an action or flag has an error; the reason of a good result is none."""
    last = each.inner("last")
    return bool(last.text("error")) and last.text("result") not in GOOD
