"""The measures work: each yields its tables from next to nothing, and no speed is asserted."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from bench import empty, plot, targets, words
from bench.__main__ import MEASURES, main
from bench.tables import Table, from_json

if TYPE_CHECKING:
    from pathlib import Path

# What each measure tells about flagman: tables, and rows of flagman's own in the first of them.
EXPECTED = {
    "startup": (["startup"], ["flagman", "flagman -- sleep", "flagman --control"]),
    "memory": (["memory"], ["flagman", "flagman -- sleep", "flagman --control"]),
    "idle": (["idle"], ["flagman", "flagman -- sleep", "flagman --control"]),
    "signal": (["signal"], ["flagman"]),
    "child": (["child"], ["flagman"]),
    "passed": (["passed"], ["flagman"]),
    "lost": (["lost"], ["flagman"]),
    "requests": (["requests"], ["flagman, GET /ready", "flagman, GET /status"]),
    "commands": (["commands"], ["flagmanctl ps", "flagmanctl status"]),
    "kept": (["kept-start", "kept-stop", "kept-back", "kept-memory", "kept-idle"], ["flagman"]),
    "growth": (["growth-startup", "growth-memory", "growth-signal"], ["actions", "distributions", "files", "timers"]),
}
IS_OWN = re.compile("flagman|actions|timers|files|distributions")


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
def test_each_measure_yields_its_tables(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny run of each measure shows flagman's rows, and writes the results, the page and the plots."""
    # Tests that run at the same time look at the distributions of this environment.
    monkeypatch.setattr("bench.empty.install", lambda: False)
    if name == "passed" and not targets.anchor():
        pytest.skip("there is no compiler")
    results = tmp_path / "results.json"
    assert main(["--tiny", "--only", name, "--json", str(results), "--write", str(tmp_path)]) == 0
    tables, rows = EXPECTED[name]
    found = [from_json(table) for table in json.loads(results.read_text(encoding="utf-8"))["tables"]]
    assert [table.name for table in found] == tables
    assert found[0].title in capsys.readouterr().out
    for table in found:
        assert sorted(row for row in table.rows if IS_OWN.match(row)) == rows, table.notes
        ET.fromstring((tmp_path / "_static" / "bench" / f"{table.name}.svg").read_text(encoding="utf-8"))
    assert found[-1].title in (tmp_path / "speed.inc").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_empty_console_script(tmp_path: Path) -> None:
    """The script that does nothing can be installed without a network, and runs."""
    if not empty.install("--prefix", str(tmp_path)):
        pytest.skip("there is no pip")
    (home,) = {path.parent for path in tmp_path.rglob("flagman_bench_empty.py")}
    (script,) = tmp_path.rglob(empty.NAME)
    subprocess.run([script], check=True, env={"PYTHONPATH": str(home)}, timeout=60)


def example() -> Table:
    """Return a table with a known base."""
    table = Table("x", "Example", "ms", "b", notes=["c is left out."])
    for sample in (1, 2, 3, 4, 30):
        table.add("flagman <1>", sample)
        table.add("b", sample / 2)
    return table


def test_a_table_as_text() -> None:
    """Ratios come first, and the spread leaves the tenth at either end out."""
    assert words.as_text(example()).splitlines() == [
        "Example (1.00 = b)",
        "               ratio  median, ms  p10-p90",
        "  flagman <1>   2.00           3     1-30",
        "  b             1.00        1.50  0.50-15",
        "  c is left out.",
    ]


def test_ratios_to_another_case() -> None:
    """What grows is compared to itself with few."""
    table = Table("x", "Example", "ms", "1", ["1", "100"])
    for head, sample in (("1", 2.0), ("100", 5.0)):
        table.add("files", sample, head)
    assert table.ratio("files", "100") == 2.5
    assert words.summary([table])[1] == ["Example: 100 files", "5 ms", "2 ms, 1", "2.50"]


def test_what_is_missing_has_no_ratio() -> None:
    """A base that is not installed, or is 0, leads to empty cells."""
    table = Table("x", "Example", "", "b")
    table.add("flagman", 1.0)
    assert table.ratio("flagman", "") is None
    table.add("b", 0.0)
    assert table.ratio("flagman", "") is None


def test_a_plot_tells_what_it_shows() -> None:
    """A plot has a title, and says in words what it shows; its colors change with those of the page."""
    root = ET.fromstring(plot.as_svg(example()))
    name = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{name}title") == "Example, ms"
    assert root.findtext(f"{name}desc") == "Medians. flagman <1>: 3; b: 1.50."
    assert "prefers-color-scheme: dark" in (root.findtext(f"{name}style") or "")


def test_a_plot_of_nothing() -> None:
    """What is 0 has a place on a scale that has none for it: at the bottom, which is labelled so."""
    table = Table("x", "Example", "", "", ["1", "10"])
    for head in table.heads:
        table.add("flagman", 0, head)
        table.add("supervisord", 20, head)
    svg = plot.as_svg(table)
    assert ">0</text>" in svg
    assert 'points="80.0,260.0 570.0,260.0"' in svg


def test_results_can_be_read_again(tmp_path: Path) -> None:
    """The plots and the page can be made anew from results, without a measure."""
    results = tmp_path / "results.json"
    where = {"CPU": "one"}
    results.write_text(json.dumps({"machine": where, "tables": [example().as_json()]}), encoding="utf-8")
    assert main(["--from", str(results), "--write", str(tmp_path)]) == 0
    assert (tmp_path / "speed.inc").read_text(encoding="utf-8") == words.as_page([example()], where)
    assert (tmp_path / "_static" / "bench" / "x.svg").read_text(encoding="utf-8") == plot.as_svg(example())
