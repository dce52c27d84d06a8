"""The imports between modules, read from the source, so that those within functions are seen too."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import flagman

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(flagman.__file__).parent


def modules() -> dict[str, Path]:
    """Return the paths of all modules of flagman by name; a package has the name by which it is imported."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("flagman", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(node: ast.AST, *, types: bool) -> Iterator[str]:
    """Yield the names that a module imports, at any time; for ``from a import b`` that is ``a.b``.

    :param types: whether to include imports for type checkers alone
    """
    for child in ast.iter_child_nodes(node):
        if not types and isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "an import tells its whole name"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from imported(child, types=types)


def graph() -> dict[str, set[str]]:
    """Return for each module the others of flagman that it imports, also for type checkers or within functions."""
    known = modules()
    arrows: dict[str, set[str]] = {}
    for name, path in known.items():
        arrows[name] = set()
        for target in imported(ast.parse(path.read_text(encoding="utf-8")), types=True):
            module = target if target in known else target.rpartition(".")[0]
            if module in known and module != name:
                arrows[name].add(module)
    return arrows


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that can reach each other."""
    reach = {name: _reachable(name, arrows) for name in arrows}
    found: list[set[str]] = []
    for name in arrows:
        group = {other for other in reach[name] if name in reach[other]}
        if group and group not in found:
            found.append(group)
    return found


def _reachable(start: str, arrows: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [start]
    while left:
        new = arrows[left.pop()] - found
        found |= new
        left.extend(new)
    return found
