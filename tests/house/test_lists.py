"""Lists that stand twice, in the source and in the documentation or the metadata, are the same."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import flagman
from flagman import actions, cli, daemon
from flagman.actions import BUILT_IN
from flagman.children.environment import PRIVATE
from flagman.config.options import OPTIONS, TRIGGERS
from flagman.config.settings import Settings

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def section(page: str, title: str) -> str:
    """Give a section of a page of the documentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    heading = re.search(rf"^{re.escape(title)}\n([-=~])\1*\n", text, re.MULTILINE)
    assert heading, f"{page} has no section {title!r}"
    rest = text[heading.end() :]
    return re.split(rf"^[^\n]+\n{re.escape(heading[1])}{{3,}}\n", rest, maxsplit=1, flags=re.MULTILINE)[0]


def terms(text: str) -> list[str]:
    """Give the lines that are terms of a definition list, each of which begins with a literal."""
    return re.findall(r"^(``.*)\n   ", text, re.MULTILINE)


def test_the_options_of_the_command_line() -> None:
    """Each is explained, by all of its names, and none that there is not."""
    found = {name for term in terms(section("cli.rst", "Options")) for name in re.findall(r"(?:``|\[)(-[\w-]+)", term)}
    names = {name for option in OPTIONS for name in option.names}
    assert found == names | set(TRIGGERS) | {"-h", "--help", "--version"}


def test_the_built_in_actions_are_entry_points() -> None:
    """Under the documented group, each under the name that the catalog knows; install flagman anew if one is."""
    points = importlib.metadata.distribution("flagman").entry_points
    assert {p.name: p.value for p in points if p.group == "flagman.action"} == BUILT_IN


@pytest.mark.parametrize("face", [flagman, actions, cli, daemon], ids=lambda face: face.__name__)
def test_the_names_of_a_face(face: ModuleType) -> None:
    """Programs import them when they use them; type checkers, which cannot read a table, know the same ones."""
    homes: dict[str, str] = vars(face)["_HOMES"]
    tree = ast.parse(Path(str(face.__file__)).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    typed = {alias.asname: str(node.module) for node in imports for alias in node.names if alias.asname}
    modules = {name for name, home in typed.items() if home == face.__name__}
    assert {name: home for name, home in typed.items() if name not in modules} == homes
    assert set(face.__all__) == {*homes, *modules} <= set(dir(face))
    for name in face.__all__:
        assert getattr(face, name) is not None


def test_the_built_in_actions_on_the_page_about_the_command_line() -> None:
    """All of them, in the order of the list."""
    listed = section("cli.rst", "Actions").partition("Built-in are:")[2]
    assert [re.split(r"[ `]+", term)[1] for term in terms(listed)] == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_action_has_a_section(name: str) -> None:
    """On the page about them, unless its first sentence leaves it to another page, as the tutorial."""
    text = (ROOT / "docs" / "actions.rst").read_text(encoding="utf-8")
    headings = re.findall(r"^([^\n]+)\n-{3,}$", text, re.MULTILINE)
    assert any(re.search(rf"\b{name}\b", heading) for heading in headings) or f"``{name}``" in text[:400]


def test_the_status_of_every_answer() -> None:
    """What only prints something ends with status 0, and the table says so."""
    (row,) = re.findall(
        r"^   \* - 0\n     - (.*?)^   \* - ", section("cli.rst", "Exit status"), re.MULTILINE | re.DOTALL
    )
    answers = {"--list", "--check", "--print-config", "--print-unit", "--help", "--version"}
    assert answers <= set(re.findall(r"``(--[\w-]+)``", row))


def test_the_variables_that_are_hidden_from_children() -> None:
    """Those of the service manager."""
    (sentence,) = re.findall(
        r"^flagman removes (.*?) from", section("cli.rst", "Environment"), re.MULTILINE | re.DOTALL
    )
    assert set(re.findall(r"``(\w+)``", sentence)) == set(PRIVATE)


def test_every_option_is_a_setting() -> None:
    """And every setting is that of an option, but for the bindings and the logging table of the file."""
    settings = {option.setting for option in OPTIONS}
    assert settings == set(Settings.__annotations__) - {"bindings", "logging"}
