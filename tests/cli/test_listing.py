"""The text of --list."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from flagman.actions import Action, PrintAction
from flagman.cli import listing
from flagman.exceptions import PluginError

if TYPE_CHECKING:
    from types import ModuleType


class Beep(Action):
    """Beeps.

    And has a second paragraph, which is long enough to be wrapped at the right margin of the column.
    """

    def run(self) -> None:
        """Do nothing."""


class Blank(Action):
    """ """  # noqa: D419 - that is the case under test

    def run(self) -> None:
        """Do nothing."""


class Undescribed(Action):  # noqa: D101 - that is the case under test
    def run(self) -> None:
        """Do nothing."""


class Documented(Action):
    """Says something.

    (message: str, delay: int)
    """

    def set_up(self, msg: str, seconds: str) -> None:
        """Take what the docstring calls by other names."""

    def run(self) -> None:
        """Do nothing."""


class Known(dict[str, type[Action]]):
    """A catalog with one broken action."""

    def __getitem__(self, name: str) -> type[Action]:
        """Return an action, or raise the error of the broken one."""
        if name == "bad":
            raise PluginError("the action 'bad' of the distribution 'acme' is broken: ImportError: no")
        return super().__getitem__(name)


def test_arguments_that_the_docstring_documents() -> None:
    """A last paragraph that is nothing but arguments stays in the list, and is not shown twice, whatever the names."""
    shown = list(listing.lines({"say": Documented}, {}))
    assert shown[2:] == ["say  - Says something.", "       (message: str, delay: int)"]
    first, *others = listing.whole("say", Documented)
    assert first == "say (msg: str, seconds: str)"
    assert others == ["", "Says something.", "", "Example: flagman --usr1 say MSG SECONDS"]
    assert "(delay: int)" in list(listing.whole("beep", type("Odd", (Beep,), {"__doc__": "Beeps.\n\n(delay: int)"})))


def test_the_list() -> None:
    """The list has a column of names, texts wrapped at 80 columns, and the arguments on their own line."""
    known = Known(print=PrintAction, beep=Beep, bad=Beep, undescribed=Undescribed)
    assert list(listing.lines(known, {})) == [
        "name        - description [(argument: type, ...)]",
        "-" * 80,
        "print       - A simple Action that prints messages at the various stages of",
        "              execution.",
        "              (message: str)",
        "beep        - Beeps.",
        "              And has a second paragraph, which is long enough to be wrapped at",
        "              the right margin of the column.",
        "bad         - BROKEN: the action 'bad' of the distribution 'acme' is broken:",
        "              ImportError: no",
        "undescribed - (no description)",
    ]


@pytest.mark.parametrize(
    ("description", "is_named"),
    [
        ("Prints a message. (message: str, delay: int)", True),
        ("Prints [message: text, *delay].\n\nAnd more.", True),
        ("Prints (message, delay).", True),
        ("Prints a (short) message.\n\n(message: str,\ndelay: int = 5)", True),
        ("Prints (message: Literal['a', 'b'] = 'a', delay: float = float(2)).", True),
        ("Prints a (message[, delay]).", True),
        ("Prints the message after a delay.", False),
        ("Prints (delay, message) or (message) or (message, delay, more).", False),
    ],
)
def test_arguments_are_listed_once(description: str, is_named: bool) -> None:  # noqa: FBT001
    """The arguments are not listed again if the description names them."""

    class Prints(PrintAction):
        __doc__ = description

        def set_up(self, message: str, delay: float = 0) -> None:
            """Do nothing."""

    shown = list(listing.lines({"prints": Prints}, {}))
    assert ("(message: str, delay: float = 0)" in " ".join(shown)) is not is_named
    assert "".join(description.split()) in "".join("".join(shown[2:]).split())


def test_a_word_in_parentheses_is_no_list_of_arguments() -> None:
    """A word in parentheses in a description does not replace the list of arguments, which has type and default."""

    class Waits(Beep):
        """Waits for some time (seconds)."""

        def set_up(self, seconds: float = 5.0) -> None:
            """Do nothing."""

    assert "(seconds: float = 5.0)" in " ".join(listing.lines({"waits": Waits}, {}))


def test_odd_plugins_do_not_break_the_list() -> None:
    """A blank description and a name that is wider than the page do not break the list."""
    name = "x" * 90
    shown = list(listing.lines({name: Blank, "print": PrintAction}, {}))
    assert shown[2] == f"{name} - (no description)"
    assert shown[3].endswith(" - A simple Action that")


def test_names_can_be_bold() -> None:
    """If names are bold, the escape sequences surround the padding too."""
    assert next(iter(listing.lines({"print": PrintAction}, {}, bold=("<", ">")))).startswith("<name  ->")


BOLD = ("\x1b[1m", "\x1b[22m")
PLAIN = ("", "")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return true, though it is no terminal."""
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "escapes"),
    [
        (Terminal(), {}, BOLD),
        (io.StringIO(), {}, PLAIN),
        (Terminal(), {"NO_COLOR": "1"}, PLAIN),
        (Terminal(), {"NO_COLOR": ""}, BOLD),
        (Terminal(), {"TERM": "dumb"}, PLAIN),
    ],
)
def test_when_names_are_bold(
    stream: io.StringIO, environment: dict[str, str], escapes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are bold only on a terminal that can show it, and only if the user has not opted out."""
    pytest.importorskip("colorama", reason="the extra 'color' is not installed")
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert listing.bold_escapes(stream) == escapes


def test_without_colorama_nothing_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package colorama, names are not bold."""
    missing: dict[str, ModuleType | None] = {"colorama": None}
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setitem(sys.modules, "colorama", missing["colorama"])
    assert listing.bold_escapes(Terminal()) == ("", "")


def test_one_action_is_shown_whole() -> None:
    """The text of one action has its arguments, its whole description and an example."""
    assert list(listing.whole("beep", Beep)) == [
        "beep",
        "",
        "Beeps.",
        "",
        "And has a second paragraph, which is long enough to be wrapped at the right",
        "margin of the column.",
        "",
        "Example: flagman --usr1 beep",
    ]
    first, *_, last = listing.whole("print", PrintAction, ("<", ">"))
    assert (first, last) == ("<print> (message: str)", "Example: flagman --usr1 print 'a fun message'")
