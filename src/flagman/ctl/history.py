"""The verb ``history``: the last runs, and what has happened to processes."""

from __future__ import annotations

from flagman.ctl.asking import ask
from flagman.ctl.fields import command, errors_of
from flagman.ctl.screen import RED, Screen, color_of, write
from flagman.ctl.table import Cell, Column, table
from flagman.ctl.targets import query
from flagman.ctl.times import duration, is_today, moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.fields import Fields
    from flagman.ctl.words import Words

_COLUMNS = (
    Column("BEGAN"),
    Column("FLAG", is_text=True),
    Column("RESULT"),
    Column("TOOK", is_number=True),
    Column("ACTIONS", is_text=True),
)


def run(words: Words) -> int:
    """Show the runs.

    :returns: the exit status
    """
    fields = {"flag": words.argument} if words.argument else {}
    if words.number:
        fields["n"] = str(words.number)
    answer = ask(words, "GET", f"/history{query(fields)}")
    if not words.json:
        # The times are texts of one form, so their order is that of the moments.
        found = sorted([*answer.each("runs"), *answer.each("processes")], key=_begun)
        nothing = f"no run of {words.argument} yet" if words.argument else "no run yet"
        found = found[-words.number :] if words.number else found
        write("\n".join(_lines(found, Screen(words.color))) if found else nothing)
    return 0


def _begun(what: Fields) -> str:
    return what.text("begun") or what.text("at")


def _lines(found: list[Fields], screen: Screen) -> list[str]:
    date = not all(is_today(_begun(what)) for what in found)
    rows = [_of_process(what, date=date) if what.text("process") else _row(what, date=date) for what in found]
    title, *rest = table(_COLUMNS, rows, screen)
    lines = [title]
    for run, row in zip(found, rest, strict=True):
        lines += [row, *(line for error in errors_of(run) for line in screen.wrapped(error, "  ", RED))]
    return lines


def _of_process(what: Fields, *, date: bool) -> list[Cell]:
    event = what.text("event")
    return [
        Cell(moment(what.text("at"), date=date)),
        Cell(f"process:{what.text('process')}"),
        Cell(event, RED if event == "fail" else ""),
        Cell(""),
        Cell(what.text("text")),
    ]


def _row(run: Fields, *, date: bool) -> list[Cell]:
    result = run.text("result")
    return [
        Cell(moment(run.text("begun"), date=date)),
        Cell(run.text("flag")),
        Cell(result, color_of(result)),
        Cell(duration(run.number("duration"))),
        Cell("; ".join(map(command, run.each("actions")))),
    ]
