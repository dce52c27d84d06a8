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


def _shown(words: str) -> str:
    """Return words of which Sphinx makes no dash."""
    return f"``{words}``" if "--" in words else words


def list_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table of Sphinx."""
    yield from (".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", "")
    for row in rows:
        for index, word in enumerate(row):
            yield f"   {'*' if index == 0 else ' '} - {_shown(word)}".rstrip()
    yield ""


def summary(tables: Sequence[Table]) -> list[list[str]]:
    """Return the ratios of flagman alone: the first row of each table, and each row of one that compares cases."""
    rows = [["", "flagman", "base", "ratio"]]
    for table in tables:
        compares_cases = bool(table.base) and table.base in table.heads
        unit = f" {table.unit}" if table.unit else ""
        for row in table.rows if compares_cases else list(table.rows)[:1]:
            heads = [head for head in table.heads if table.cell(row, head)]
            for head in heads[-1:] if compares_cases else heads:
                cell = table.cell(row, head)
                base = table.cell(row, table.base) if compares_cases else table.cell(table.base, head)
                assert cell, "a case without samples was left out"
                told = f"{number(base.median)}{unit}, {table.base}" if base and table.base else ""
                title = f"{table.title}: {head} {row if compares_cases else ''}".rstrip() if head else table.title
                rows.append([title, number(cell.median) + unit, told, _ratio(table, row, head)])
    return rows


def as_page(tables: Sequence[Table], machine: Mapping[str, str]) -> str:
    """Return the part of the page that is made of results."""
    lines = [".. Made by tests/bench; do not edit.", "", "In one table", "------------", ""]
    lines += list_table(summary(tables))
    for table in tables:
        lines += [f".. _bench-{table.name}:", "", table.title, "-" * len(table.title), ""]
        if table.base:
            lines += [f"1.00 is {_shown(table.base)}.", ""]
        lines += [f".. image:: _static/bench/{table.name}.svg", f"   :alt: {table.title}, as in the table below", ""]
        lines += list_table(list(cells(table)))
        lines += [" ".join(table.notes), ""] if table.notes else []
    lines += ["The machine", "-----------", ""]
    for name, what in machine.items():
        lines += [f"{name}", f"   {what}", ""]
    return "\n".join(lines).rstrip() + "\n"
