"""The page about metrics: its table has all metrics, and its alerts name no others."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from flagman.config.settings import Settings
from flagman.engine.engine import Engine
from flagman.service.assembly import Assembly
from flagman.service.metrics import Metrics
from flagman.service.parts import Site
from flagman.service.status import Status
from flagman.supervise.processes.metrics import ProcessMetrics

if TYPE_CHECKING:
    from flagman.text.metrics import Family

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = ".. begin metrics\n\n", ".. end metrics\n"


def families() -> list[Family]:
    """Return all families that there may be."""
    with Engine() as engine:
        settings = Settings()
        status = Status(engine, Assembly(engine, settings), "", dict)
        of_run = list(Metrics(Site(engine, settings, (), (), status), "web").families())
    return [*of_run, *ProcessMetrics().families({}, 0.0)]


def table() -> str:
    """Return the table of all metrics."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 46 10 44", ""]
    for cells in [
        ("Name and labels", "Type", "Meaning"),
        *(
            (
                f"``{each.name}{{{', '.join(each.labels)}}}``" if each.labels else f"``{each.name}``",
                each.kind,
                each.explanation,
            )
            for each in families()
        ),
    ]:
        for number, cell in enumerate(cells):
            begin = f"   {'*' if number == 0 else ' '} - "
            lines += textwrap.wrap(f"{begin}{cell}", 118, subsequent_indent="       ", break_on_hyphens=False)
    return "\n".join([*lines, "", ""])


def test_the_table_of_all_metrics() -> None:
    """The documented table agrees with the source; if not, this test rewrites it and fails."""
    page = DOCS / "metrics.rst"
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    new = f"{head}{BEGIN}{table()}{END}{tail}"
    if new != text:
        page.write_text(new, encoding="utf-8")
    assert new == text, "the table was another one; it has been written anew"


def test_names_and_units() -> None:
    """Each name is used once, and has its unit at its end, as Prometheus wants it."""
    found = families()
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert re.fullmatch(r"flagman(_[a-z]+)+", each.name)
        assert each.name.endswith("_total") == (each.kind == "counter")
        assert each.explanation.endswith(".")
        assert "\\" not in each.explanation


def test_the_alerts() -> None:
    """The example alerts name only metrics and labels that there are; promtool has checked their form."""
    names = {each.name for each in families()}
    text = (DOCS / "_static" / "alerts.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\bflagman_\w+", text)) <= names
    labels = {label for each in families() for label in each.labels} | {"instance"}  # that one is Prometheus's own
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels
    # Many daemons may have a flag of one name: a message without its place says too little.
    assert text.count("$labels.instance") == text.count("summary:")
