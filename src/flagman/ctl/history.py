"""The verb ``history``: the last runs."""

from __future__ import annotations

from flagman.ctl.asking import ask
from flagman.ctl.client import query
from flagman.ctl.fields import command, errors_of
from flagman.ctl.screen import RED, Screen, color_of, write
from flagman.ctl.table import Cell, Column, table
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
        runs = answer.each("runs")
        nothing = f"no run of {words.argument} yet" if words.argument else "no run yet"
        write("\n".join(_lines(runs, Screen(words.color))) if runs else nothing)
    return 0


def _lines(runs: list[Fields], screen: Screen) -> list[str]:
    date = not all(is_today(run.text("begun")) for run in runs)
    title, *rows = table(_COLUMNS, [_row(run, date=date) for run in runs], screen)
    lines = [title]
    for run, row in zip(runs, rows, strict=True):
        lines += [row, *(line for error in errors_of(run) for line in screen.wrapped(error, "  ", RED))]
    return lines


def _row(run: Fields, *, date: bool) -> list[Cell]:
    result = run.text("result")
    return [
        Cell(moment(run.text("begun"), date=date)),
        Cell(run.text("flag")),
        Cell(result, color_of(result)),
        Cell(duration(run.number("duration"))),
        Cell("; ".join(map(command, run.each("actions")))),
    ]
