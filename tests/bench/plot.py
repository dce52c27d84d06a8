"""Tables as SVG: bars on a scale from 0, or lines over a growing number, readable on light and on dark pages."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from bench.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tables import Table

WIDTH, _LEFT, _RIGHT, _LINE, _TOP = 760, 270, 110, 24, 34
# A stylesheet in the file, because an image does not see that of the page; and a background, because it does not see
# either whether a reader has switched the page from light to dark. Lines differ not only in color, but in their marks.
_STYLE = """\
.page { fill: #fff; }
text { font: 13px sans-serif; fill: #222; }
.title { font-weight: bold; }
.bar { fill: #8a93a0; } .own { fill: #1f6fb4; } .spread, .axis { stroke: #444; stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
.c0 { stroke: #1f6fb4; fill: #1f6fb4; } .c1 { stroke: #b3541e; fill: #b3541e; }
.c2 { stroke: #38761d; fill: #38761d; } .c3 { stroke: #7b3f9e; fill: #7b3f9e; }
.grid { stroke: #ddd; }
@media (prefers-color-scheme: dark) {
  .page { fill: #1a1c1e; }
  text { fill: #ddd; }
  .bar { fill: #6f7885; } .own { fill: #6cb6f5; } .spread, .axis { stroke: #bbb; }
  .c0 { stroke: #6cb6f5; fill: #6cb6f5; } .c1 { stroke: #f0a06a; fill: #f0a06a; }
  .c2 { stroke: #8fce6f; fill: #8fce6f; } .c3 { stroke: #d3a1f0; fill: #d3a1f0; }
  .grid { stroke: #444; }
}"""


def _frame(table: Table, height: float, told: str, body: Iterator[str]) -> str:
    title = escape(table.title + (f", {table.unit}" if table.unit else ""))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img"',
            f'     width="{WIDTH}" height="{height:g}" aria-labelledby="title desc">',
            f'<title id="title">{title}</title>',
            f'<desc id="desc">{escape(told)}</desc>',
            f"<style>\n{_STYLE}\n</style>",
            f'<rect class="page" width="{WIDTH}" height="{height:g}" rx="6"/>',
            f'<text class="title" x="8" y="20">{title}</text>',
            *body,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _told(table: Table) -> str:
    """Return the table in words, for a reader that does not see the plot."""
    parts = []
    for row in table.rows:
        found = [(head, cell) for head in table.heads if (cell := table.cell(row, head))]
        values = ", ".join(f"{number(cell.median)}{f' with {head}' if head else ''}" for head, cell in found)
        parts.append(f"{row}: {values}")
    return "Medians. " + "; ".join(parts) + "."


def _label(table: Table, row: str, value: float) -> str:
    ratio = table.ratio(row, "")
    return number(value) + (f" ({ratio:.2f})" if ratio is not None else "")


def _bars(table: Table) -> Iterator[str]:
    room = WIDTH - _LEFT - _RIGHT
    cells = {row: cell for row in table.rows if (cell := table.cell(row, ""))}
    most = max((cell.quantile(0.9) for cell in cells.values()), default=0) or 1
    smallest = min((cell.median for cell in cells.values() if cell.median > 0), default=1)
    # With a linear scale the small ones would all look like 0.
    is_log = most / smallest > 50
    low = 10 ** math.floor(math.log10(smallest)) if is_log else 0.0

    def place(value: float) -> float:
        if is_log:
            return _LEFT + room * max(0.0, math.log10(max(value, low) / low)) / math.log10(most / low)
        return _LEFT + room * value / most

    if is_log:
        yield _text(WIDTH - 8, 20, "logarithmic scale", "end")
    for index, (row, cell) in enumerate(cells.items()):
        y = _TOP + index * _LINE
        kind = "own" if row.startswith("flagman") else "bar"
        yield _text(_LEFT - 8, y + 15, row, "end")
        yield f'<rect class="{kind}" x="{_LEFT}" y="{y + 3}" width="{place(cell.median) - _LEFT:.1f}" height="16"/>'
        low_end, high_end = place(cell.quantile(0.1)), place(cell.quantile(0.9))
        yield f'<line class="spread" x1="{low_end:.1f}" y1="{y + 11}" x2="{high_end:.1f}" y2="{y + 11}"/>'
        yield _text(max(place(cell.median), high_end) + 6, y + 15, _label(table, row, cell.median))
    yield f'<line class="axis" x1="{_LEFT}" y1="{_TOP}" x2="{_LEFT}" y2="{_TOP + len(cells) * _LINE}"/>'


_MARKS = (
    '<circle class="{0}" cx="{1:.1f}" cy="{2:.1f}" r="4"/>',
    '<rect class="{0}" x="{3:.1f}" y="{4:.1f}" width="8" height="8"/>',
    '<path class="{0}" d="M{1:.1f} {4:.1f}l5 9h-10z"/>',
    '<path class="{0}" d="M{1:.1f} {4:.1f}l5 5l-5 5l-5-5z"/>',
)
_HIGH = 300


def _lines(table: Table) -> Iterator[str]:
    left, right, bottom = 80, WIDTH - 190, _HIGH - 40
    numbers = {head: int(head.replace(",", "")) for head in table.heads}
    points = {
        row: [(numbers[head], cell.median) for head in table.heads if (cell := table.cell(row, head))]
        for row in table.rows
    }
    values = [value for each in points.values() for _, value in each]
    above = [value for value in values if value > 0] or [1.0]
    has_zero = len(above) < len(values)
    # A logarithmic scale has no 0: it stands below the smallest power of ten.
    low = math.floor(math.log10(min(above))) - has_zero
    high = max(math.ceil(math.log10(max(above))), low + 1)
    widest = math.log10(max(*numbers.values(), 10))

    def x_of(count: int) -> float:
        return left + (right - left) * math.log10(count) / widest

    def y_of(value: float) -> float:
        return bottom - (bottom - _TOP - 6) * (math.log10(value) - low if value > 0 else 0) / (high - low)

    yield _text(WIDTH - 8, 20, "logarithmic scales", "end")
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        yield f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield _text(left - 8, y + 4, "0" if has_zero and power == low else f"{10.0**power:,g}", "end")
    for head, count in numbers.items():
        yield _text(x_of(count), bottom + 20, head, "middle")
    ends = sorted((y_of(each[-1][1]), row, each[-1][0]) for row, each in points.items() if each)
    label_y = 0.0
    for index, each in enumerate(points.values()):
        kind = f"c{index % len(_MARKS)}"
        path = " ".join(f"{x_of(count):.1f},{y_of(value):.1f}" for count, value in each)
        yield f'<polyline class="line {kind}" style="fill:none" points="{path}"/>'
        for count, value in each:
            x, y = x_of(count), y_of(value)
            yield _MARKS[index % len(_MARKS)].format(kind, x, y, x - 4, y - 4)
    for y, row, _ in ends:
        # Names stand below each other where lines end together.
        label_y = max(y + 4, label_y + 16)
        mark = list(points).index(row) % len(_MARKS)
        yield _MARKS[mark].format(f"c{mark}", right + 22, label_y - 4, right + 18, label_y - 8)
        yield _text(right + 34, label_y, row)


def as_svg(table: Table) -> str:
    """Return a table as SVG: bars for one case, lines for several."""
    if table.heads == [""]:
        return _frame(table, _TOP + len(table.rows) * _LINE + 10, _told(table), _bars(table))
    return _frame(table, _HIGH, _told(table), _lines(table))
