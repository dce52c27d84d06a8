"""The tests stand where the source stands: the tests of a room are in the folder of the same name."""

from __future__ import annotations

from pathlib import Path

from support.imports import PACKAGE

TESTS = Path(__file__).parents[1]
# Folders that test several rooms together: whole processes, the real manager, the documentation, the house itself, and
# the measures.
ACROSS = {"bench", "docs", "e2e", "house", "manager"}
SHARED = "support"
# Measures are a program of their own, beside which stands its test.
MEASURES = "bench"
# Modules on top that are not named after a module of the source.
OF_THE_PACKAGE = {"test_package"}


def rooms(pattern: str) -> set[str]:
    """Return the folders of the source that match a pattern."""
    return {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob(f"{pattern}/__init__.py")}


def test_each_test_stands_with_the_room_that_it_tests() -> None:
    """Each folder of tests is named after a room of the source, or a room in it, or tests several rooms."""
    folders = {path.relative_to(TESTS).parent.as_posix() for path in TESTS.rglob("test_*.py")}
    assert rooms("*") <= folders - {".", *ACROSS} <= rooms("*") | rooms("*/*")


def test_what_stands_on_top_tests_what_stands_on_top() -> None:
    """Each test module on top tests a module of the source that is in no room, or the package as a whole."""
    modules = {f"test_{path.stem}" for path in PACKAGE.glob("*.py")}
    assert {path.stem for path in TESTS.glob("test_*.py")} <= modules | OF_THE_PACKAGE


def test_what_tests_share_stands_in_one_place() -> None:
    """Each module that is no test is in support or measures, except for conftest.py, which pytest wants on top."""
    others = {path for path in TESTS.rglob("*.py") if not path.name.startswith("test_")}
    assert {path.relative_to(TESTS).parts[0] for path in others} == {"conftest.py", SHARED, MEASURES}
