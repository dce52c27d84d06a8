"""The prose of the source: sentences with a subject, about programs and not about persons."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.imports import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]

# A process, a caller or a reader of a pipe is no person: these words hide which of them is meant.
PERSONS = re.compile(
    r"(?<!user )(?<!`)\b(?:who|whose|whom|whoever|somebody|nobody|anybody|everybody|for those who)\b(?!=)",
    re.IGNORECASE,
)
# A docstring says what a function does, and not what it is to be told: "Return", "Start", "Wait until".
OPENINGS = re.compile(r"(?:Give|Let|Tell|Learn|Do as|Say)\b")


def docstrings(tree: ast.AST) -> Iterator[str]:
    """Yield the docstrings of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def comments(text: str) -> Iterator[str]:
    """Yield the comments of a module."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=["src", "tests"])
def test_no_docstring_or_comment_is_about_persons(folder: Path) -> None:
    """Each names the process, the code or the user that it means, and begins with a plain verb."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        told = [*docstrings(ast.parse(text)), *comments(text)]
        found += [f"{path.name}: {each[:80]}" for each in told if PERSONS.search(each) or OPENINGS.match(each)]
    assert found == []
