"""An extension of Sphinx for manual pages: parts of other pages, keys from the source, and tables as lists.

So nothing is written twice. What a manual page cannot lead to, such as another page, it names by its title.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from flagman.config.options import GROUPS
from flagman.config.rows import BINDING, FILE, Option
from flagman.supervise.processes.tables import CHECKS, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

DOCS = Path(__file__).parents[1]
# The characters below titles, the highest level first.
LEVELS = "=-~"
# A title, with the labels above it.
TITLE = re.compile(r"^(?:\.\. _[\w-]+:\n\n)*([^\s.][^\n]*)\n([=~-])\2{2,}\n", re.MULTILINE)
# The pages that a manual page stands for.
MANUALS = {"cli": "flagman(1)", "configuration": "flagman.toml(5)"}


def section(text: str, title: str) -> str:
    """Return a section of a page, without its title and with the sections in it.

    :raises ValueError: if there is none
    """
    titles = list(TITLE.finditer(text))
    found = next((each for each in titles if each[1] == title), None)
    if found is None:
        raise ValueError(f"there is no section {title!r}")
    ends = LEVELS[: LEVELS.index(found[2]) + 1]
    following = (each.start() for each in titles if each.start() > found.start() and each[2] in ends)
    return text[found.end() : next(following, None)]


class Part(SphinxDirective):
    """A part of another page: ``.. part:: cli``, by default what stands before its first section."""

    required_arguments = 1
    option_spec: ClassVar = {
        "section": directives.unchanged,
        "from": directives.unchanged,  # the first line begins so
        "until": directives.unchanged,  # the first line that is left out begins so
    }

    def run(self) -> list[nodes.Node]:
        """Insert the part here."""
        path = DOCS / f"{self.arguments[0]}.rst"
        self.env.note_dependency(str(path))
        text = path.read_text(encoding="utf-8")
        try:
            if "section" in self.options:
                text = section(text, self.options["section"])
            else:
                title, *sections = TITLE.finditer(text)
                text = text[title.end() : sections[0].start() if sections else None]
            if "from" in self.options:
                text = text[f"\n{text}".index(f"\n{self.options['from']}") :]
            if "until" in self.options:
                text = text[: text.index(f"\n{self.options['until']}") + 1]
        except ValueError as error:
            raise self.error(f"{path.name}: {self.options}: {error}") from error
        self.state_machine.insert_input(text.splitlines(), str(path))
        return []


class Keys(SphinxDirective):
    """The keys of a table of the configuration file: ``.. keys:: flagman`` or ``.. keys:: process``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Insert a list of the keys here."""
        keys = {"flagman": of_flagman, "process": of_process}[self.arguments[0]]()
        self.state_machine.insert_input([line for lines in keys for line in lines], "the source")
        return []


def of_flagman() -> Iterator[list[str]]:
    """Yield the lines about each key of the table ``[flagman]``."""
    for subject, options in GROUPS.items():
        keys = [option for option in options if option.where >= FILE]
        if keys:
            yield [f"{sentence(subject).removesuffix('.')}:", ""]
        for option in keys:
            is_other = f"--{option.key}" not in option.names  # it says what the option does, which is the opposite
            explanation = f"with ``false``: {option.explanation}" if is_other else option.explanation
            more = ["Also in ``[[on]]``."] * (option.where >= BINDING)
            more += ["Applied at a reload."] * (not option.is_for_start)
            yield lines_about(option, explanation, *more)


def of_process() -> Iterator[list[str]]:
    """Yield the lines about each key of a table ``[process.NAME]``."""
    for option in KEYS.values():
        yield lines_about(option, option.explanation)
    for key, explanation in CHECKS.items():
        yield [f"``{key}``", f"   {sentence(explanation)}", "", "   Value: a verifier, see below.", ""]


def lines_about(option: Option, explanation: str, *more: str) -> list[str]:
    """Return the lines about a key."""
    words = ", ".join(f"``{word}``" for word in option.kind.choices) or option.kind.title
    default = option.kind.dump(option.default)
    shown = str(default).lower() if isinstance(default, bool) else default
    defaults = [f"Default: ``{shown}``."] if option.default or isinstance(default, bool) else []
    facts = " ".join([f"Value: {words}.", *defaults, *more])
    return [f"``{option.key}``", f"   {sentence(explanation)}", "", f"   {facts}", ""]


def sentence(text: str) -> str:
    """Return a text as a sentence; two dashes in it stay what they are."""
    return f"{text[0].upper()}{text[1:]}.".replace("--", r"\--")


def title_of(text: str) -> str:
    """Return the title of a page."""
    return TITLE.search(text)[1]


def title_at(label: str) -> str | None:
    """Return the title of the section with a label; None if it is unknown."""
    for path in sorted(DOCS.glob("*.rst")):
        text = path.read_text(encoding="utf-8")
        _, found, rest = text.partition(f".. _{label}:\n\n")
        if found and (title := TITLE.match(rest)):
            return title[1].replace("``", "")
    return None


def name_it(_app: Sphinx, _env: BuildEnvironment, node: nodes.Element, content: nodes.Element) -> nodes.Node | None:
    """Return what stands for a reference that leads to no place of the manual pages."""
    target = node["reftarget"]
    if node["reftype"] not in {"doc", "ref"} or node.get("refexplicit"):
        return content
    if node["reftype"] == "doc":
        if target in MANUALS:
            return nodes.strong("", MANUALS[target])
        return nodes.emphasis("", title_of((DOCS / f"{target}.rst").read_text(encoding="utf-8")))
    title = title_at(target)
    return title and nodes.emphasis("", title)


def list_tables(_app: Sphinx, tree: nodes.document) -> None:
    """Replace each table, of two columns, by a list, because a terminal may be narrow."""
    for table in list(tree.findall(nodes.table)):
        entries = nodes.definition_list()
        for row in next(table.findall(nodes.tbody)):
            first, second = row
            term = nodes.term("", "", *first[0].children)
            entries += nodes.definition_list_item("", term, nodes.definition("", *second.children))
        table.replace_self(entries)


def unlink(_app: Sphinx, tree: nodes.document, _page: str) -> None:
    """Replace each reference to another place of these pages by its text: a terminal cannot follow it."""
    for reference in list(tree.findall(nodes.reference)):
        if reference.get("internal"):
            reference.replace_self(reference.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all of this."""
    app.add_directive("part", Part)
    app.add_directive("keys", Keys)
    app.connect("missing-reference", name_it)
    app.connect("doctree-read", list_tables)
    app.connect("doctree-resolved", unlink)
    return {"parallel_read_safe": True}
