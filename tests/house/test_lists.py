"""Lists that stand twice, in the source and in the documentation or the metadata, are the same."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flagman
from flagman import actions, cli, daemon
from flagman.actions import BUILT_IN
from flagman.children.environment import PRIVATE
from flagman.config import values
from flagman.config.binders import TRIGGERS
from flagman.config.command_keys import COMMAND_KEYS
from flagman.config.options import OPTIONS
from flagman.config.rows import BINDING, FILE, Option
from flagman.config.settings import Settings
from flagman.supervise.processes.machine import STATES
from flagman.supervise.processes.tables import CHECKS, KEYS

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def section(page: str, title: str) -> str:
    """Return a section of a page of the documentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    heading = re.search(rf"^{re.escape(title)}\n([-=~])\1*\n", text, re.MULTILINE)
    assert heading, f"{page} has no section {title!r}"
    rest = text[heading.end() :]
    return re.split(rf"^[^\n]+\n{re.escape(heading[1])}{{3,}}\n", rest, maxsplit=1, flags=re.MULTILINE)[0]


def terms(text: str) -> list[str]:
    """Return the lines that are terms of a definition list, each of which begins with a literal."""
    return re.findall(r"^(``.*)\n   ", text, re.MULTILINE)


def test_the_options_of_the_command_line() -> None:
    """The reference explains each option by all of its names, and no other option."""
    entries = re.findall(r"^\.\. option:: (.*)$", section("cli.rst", "Options"), re.MULTILINE)
    found = {name for entry in entries for name in re.findall(r"(?:^|, )(-[\w-]+)", entry)}
    names = {name for option in OPTIONS for name in option.names}
    assert found == names | set(TRIGGERS) | {"-h", "--help", "-V", "--version"}


def test_the_built_in_actions_are_entry_points() -> None:
    """The entry points of the built-in actions agree with the catalog; after a change install flagman again."""
    points = importlib.metadata.distribution("flagman").entry_points
    assert {p.name: p.value for p in points if p.group == "flagman.action"} == BUILT_IN


@pytest.mark.parametrize("face", [flagman, actions, cli, daemon], ids=lambda face: face.__name__)
def test_the_names_of_a_face(face: ModuleType) -> None:
    """The lazy names of a face agree with the imports for type checkers, which cannot read the table."""
    homes: dict[str, str] = vars(face)["_HOMES"]
    tree = ast.parse(Path(str(face.__file__)).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    typed = {alias.asname: str(node.module) for node in imports for alias in node.names if alias.asname}
    modules = {name for name, home in typed.items() if home == face.__name__}
    assert {name: home for name, home in typed.items() if name not in modules} == homes
    assert set(face.__all__) == {name for name in (*homes, *modules) if not name.startswith("_")} <= set(dir(face))
    for name in face.__all__:
        assert getattr(face, name) is not None


def test_the_built_in_actions_on_the_page_about_the_command_line() -> None:
    """The page about the command line lists all built-in actions in their order."""
    listed = section("cli.rst", "Actions").partition("These are built in:")[2]
    assert [re.split(r"[ `]+", term)[1] for term in terms(listed)] == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_action_has_a_section(name: str) -> None:
    """Each built-in action has a section on the page, or its first sentence names the action, as for the tutorial's."""
    text = (ROOT / "docs" / "actions.rst").read_text(encoding="utf-8")
    headings = re.findall(r"^([^\n]+)\n-{3,}$", text, re.MULTILINE)
    assert any(re.search(rf"\b{name}\b", heading) for heading in headings) or f"``{name}``" in text[:400]


def test_the_status_of_every_answer() -> None:
    """The table of exit statuses lists each option that only prints something under status 0."""
    (row,) = re.findall(
        r"^   \* - 0\n     - (.*?)^   \* - ", section("cli.rst", "Exit status"), re.MULTILINE | re.DOTALL
    )
    answers = {"--list", "--check", "--print-config", "--print-unit", "--help", "--version"}
    assert answers <= set(re.findall(r"``(--[\w-]+)``", row))


def test_the_variables_that_are_hidden_from_children() -> None:
    """The documented variables that commands do not get are the private ones of the service manager."""
    (sentence,) = re.findall(
        r"^flagman removes (.*?) from", section("cli.rst", "Environment"), re.MULTILINE | re.DOTALL
    )
    assert set(re.findall(r"``(\w+)``", sentence)) == set(PRIVATE)


# Settings that are no options.
OF_THE_FILE = {"bindings", "command", "for_actions", "logging", "of_parts", "tables"}


def test_every_option_is_a_setting() -> None:
    """Each option or key has a setting, and each setting one of them, except for bindings and the file's own tables."""
    settings = {option.setting for option in (*OPTIONS, *COMMAND_KEYS.values())}
    assert settings == set(Settings.__annotations__) - OF_THE_FILE


def test_the_default_of_every_option_is_of_the_type_of_its_setting() -> None:
    """Each default has the type of its setting, which type checkers cannot see because rows and class are apart."""
    # For type checkers these are literals.
    names = dict.fromkeys(("At", "Overlap", "OnError", "Output", "Forward", "Restart", "SignalNumber"), str)
    for option in OPTIONS:
        kind = eval(Settings.__annotations__[option.setting], names)
        assert isinstance(option.default, tuple if isinstance(kind, GenericAlias) else kind), option.names


def row(option: Option) -> list[str]:
    """Return the row of an option in the table of the keys."""
    what = ", ".join(f"``{word}``" for word in option.kind.choices) or option.kind.title
    default = option.kind.dump(option.default)
    shown = str(default).lower() if isinstance(default, bool) else default
    return [
        f"``{option.key}``",
        what,
        "" if default is None else f"``{shown}``",
        "yes" if option.where >= BINDING else "",
        "" if option.is_for_start else "yes",
    ]


# A word that each kind of trigger can read.
WORDS = {"--signal": "QUIT", "--every": "5m", "--after": "5m", "--on-file": "/etc/motd", "--on-process": "web:fail"}


@pytest.mark.parametrize("name", [name for name, trigger in TRIGGERS.items() if trigger.value])
def test_a_trigger_has_one_name(name: str) -> None:
    """The option, the key of the file and the class of a trigger agree, so that what is written can be read again."""
    source = TRIGGERS[name].source(WORDS[name])
    assert source.key == TRIGGERS[name].key
    assert source.words() == [name, WORDS[name]]
    assert source.text() == WORDS[name]


def check_table(number: int, following: str, rows: list[list[str]]) -> None:
    """Compare a table of the page about the configuration file with these rows; if it differs, write it and fail.

    :param number: of the table
    :param following: the section after it
    """
    page = ROOT / "docs" / "configuration.rst"
    text = page.read_text(encoding="utf-8")
    head = ".. list-table::\n   :header-rows: 1\n\n"
    *before, rest = text.split(head, number)
    after = rest[rest.index(f"{following}\n-----") :]
    table = "".join(
        f"   {'* -' if column == 0 else '  -'} {cell}".rstrip() + "\n"
        for cells in rows
        for column, cell in enumerate(cells)
    )
    new = f"{head.join(before)}{head}{table}\n{after}"
    if new != text:
        page.write_text(new, encoding="utf-8")
    assert new == text, "the table was another one; it has been written anew"


def test_the_table_of_the_keys() -> None:
    """The documented table of keys agrees with the options; if not, this test rewrites it and fails."""
    titles = ["Key", "Value", "Default", "Also in ``[[on]]``", "Applied at a reload"]
    check_table(1, "[[on]]", [titles, *(row(option) for option in OPTIONS if option.where >= FILE)])


def test_the_table_of_the_keys_of_a_process() -> None:
    """The documented table of the keys of a process agrees with the source; if not, this test rewrites it and fails."""
    rows = [["Key", "Value", "Default", "Meaning"]]
    for option in KEYS.values():
        key, value, default, *_ = row(option)
        rows.append([key, value, default if option.default or option.default is False else "", option.explanation])
    rows += [[f"``{key}``", "a :doc:`verifier <verifiers>`", "", meaning] for key, meaning in CHECKS.items()]
    check_table(2, "[logging]", rows)


def test_the_states_of_a_process() -> None:
    """The page about processes explains all states, in the order of the source."""
    found = re.findall(r"^   \* - ``(\w+)``$", section("processes.rst", "What the states mean"), re.MULTILINE)
    assert found == list(STATES)


def test_the_keys_of_a_binding() -> None:
    """The section about bindings explains each of their keys."""
    keys = {option.key for option in OPTIONS if option.where >= BINDING}
    keys |= set(COMMAND_KEYS)
    keys |= {key for trigger in TRIGGERS.values() if trigger.value for key in (trigger.key, trigger.and_key) if key}
    found = {key for term in terms(section("configuration.rst", "[[on]]")) for key in re.findall(r"``([\w-]+)``", term)}
    assert found == {*keys, "action", "args"}


def words_of(kind: values.Kind) -> st.SearchStrategy[str]:
    """Return a strategy for words that may be values of a kind."""
    if kind.choices:
        return st.sampled_from(kind.choices)
    return st.one_of(
        st.sampled_from(["0", "1", "7", "027", "077", "777", "1h30m", "250ms", "0s", "x", "/a b"]), st.text()
    )


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.kind.takes_value], ids=lambda o: o.key)
@given(st.data())
def test_what_can_be_read_can_be_written(option: Option, data: st.DataObject) -> None:
    """A value that can be read is written, on the command line and in the file, so that it reads back the same."""
    kind = option.kind
    try:
        value = kind.read(data.draw(words_of(kind)))
    except ValueError:
        return
    assert kind.read(kind.write(value)) == value
    dumped = kind.dump(value)
    assert dumped is not None
    assert kind.load(dumped) == value


@pytest.mark.parametrize("option", [option for option in OPTIONS if not option.kind.takes_value], ids=lambda o: o.key)
def test_switches_can_be_written(option: Option) -> None:
    """A switch that is on and one that is off can be written and read back."""
    for value in (True, False) if isinstance(option.kind, values.Switch) else (0, 1, 2):
        dumped = option.kind.dump(value)
        assert dumped is not None
        assert option.kind.load(dumped) == value
