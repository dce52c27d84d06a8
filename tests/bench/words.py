"""Tables as text for the terminal, and as reStructuredText for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.tables import Cell, Table

_HUNDRED, _TEN = 100, 10


def number(value: float) -> str:
    """Return a number with as many digits as it deserves."""
    if value == int(value) or value >= _HUNDRED:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= _TEN else f"{value:.2f}"


def _spread(cell: Cell) -> str:
    return f"{number(cell.quantile(0.1))}-{number(cell.quantile(0.9))}" if len(cell.samples) > 1 else ""


def _ratio(table: Table, row: str, head: str) -> str:
    ratio = table.ratio(row, head)
    return "" if ratio is None else number(ratio) if ratio >= _TEN else f"{ratio:.2f}"


def cells(table: Table) -> Iterator[list[str]]:
    """Yield the rows of a table, the head first."""
    unit = f", {table.unit}" if table.unit else ""
    if table.heads == [""]:
        yield ["", *(["ratio"] if table.base else []), f"median{unit}", "p10-p90"]
        for row in table.rows:
            cell = table.cell(row, "")
            assert cell, "a row has a sample"
            yield [row, *([_ratio(table, row, "")] if table.base else []), number(cell.median), _spread(cell)]
        return
    kinds = [*(["ratio"] if table.base else []), f"median{unit}"]
    yield ["", *(f"{head}: {kind}" for head in table.heads for kind in kinds)]
    for row in table.rows:
        words = [row]
        for head in table.heads:
            cell = table.cell(row, head)
            if table.base:
                words.append(_ratio(table, row, head))
            words.append(number(cell.median) if cell else "")
        yield words


def as_text(table: Table) -> str:
    """Return a table for the terminal."""
    rows = list(cells(table))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [table.title + (f" (1.00 = {table.base})" if table.base else "")]
    for row in rows:
        first, *others = row
        right = "  ".join(word.rjust(width) for word, width in zip(others, widths[1:], strict=True))
        lines.append(f"  {first.ljust(widths[0])}  {right}".rstrip())
    return "\n".join([*lines, *(f"  {note}" for note in table.notes)])


def list_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table of Sphinx."""
    yield from (".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", "")
    for row in rows:
        for index, word in enumerate(row):
            yield f"   {'*' if index == 0 else ' '} - {word}".rstrip()
    yield ""


def summary(tables: Sequence[Table]) -> list[list[str]]:
    """Return the ratios of flagman alone: the first row of each table, beside its base."""
    rows = [["", "flagman", "base", "ratio"]]
    for table in tables:
        first = next(iter(table.rows), None)
        head = table.heads[-1]
        if not first or not (cell := table.cell(first, head)):
            continue
        is_case = table.base in table.heads
        base = table.cell(first, table.base) if is_case else table.cell(table.base, head)
        unit = f" {table.unit}" if table.unit else ""
        told = f"{number(base.median)}{unit}, {table.base}" if base else ""
        title = f"{table.title}, {head} {first if is_case else ''}".rstrip(" ,") if head else table.title
        rows.append([title, number(cell.median) + unit, told, _ratio(table, first, head)])
    return rows


def as_page(tables: Sequence[Table], machine: Mapping[str, str]) -> str:
    """Return the part of the page that is made of results."""
    lines = [".. Made by tests/bench; do not edit.", "", "In one table", "------------", ""]
    lines += list_table(summary(tables))
    for table in tables:
        lines += [f".. _bench-{table.name}:", "", table.title, "-" * len(table.title), ""]
        if table.base:
            lines += [f"1.00 is ``{table.base}``{'' if table.base not in table.heads else ' of each'}.", ""]
        lines += [f".. image:: _static/bench/{table.name}.svg", f"   :alt: {table.title}, as in the table below", ""]
        lines += list_table(list(cells(table)))
        for note in table.notes:
            lines += [note, ""]
    lines += ["The machine", "-----------", ""]
    for name, what in machine.items():
        lines += [f"{name}", f"   {what}", ""]
    return "\n".join(lines).rstrip() + "\n"
