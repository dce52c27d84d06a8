"""The split of the command line, as a table."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.actions import Action, DelayedPrintAction, PrintAction
from flagman.cli.words import CommandLine
from flagman.config.options import TRIGGERS
from flagman.exceptions import PluginError, UnknownActionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Exec(Action):
    """Takes one word or more."""

    def set_up(self, program: str, *arguments: str) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Do nothing."""


class Greet(Exec):
    """Takes one word or two."""

    def set_up(self, name: str, greeting: str = "hello") -> None:  # type: ignore[override]
        """Do nothing."""


class Beep(Action):
    """Takes nothing."""

    def run(self) -> None:
        """Do nothing."""


class Known(dict[str, type[Action]]):
    """A small catalog with a broken plugin."""

    def __missing__(self, name: str) -> type[Action]:
        """Say what is wrong, as the catalog does."""
        if name == "broken":
            raise PluginError("the action 'broken' is broken")
        raise UnknownActionError(f"unknown action {name!r}")


KNOWN = Known(print=PrintAction, delay_print=DelayedPrintAction, exec=Exec, greet=Greet, beep=Beep)
OPTIONS = {"--list": False, "--verbose": False, "--overlap": True}
LINE = CommandLine({name: TRIGGERS[name] for name in ("--hup", "--usr1", "--every")}, OPTIONS, KNOWN.__getitem__)


def split(line: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """Split a line that is written as in a shell."""
    bindings, rest = LINE.split(shlex.split(line))
    return [(binding.flag, binding.name, *binding.arguments) for binding in bindings], rest


@pytest.mark.parametrize(
    ("line", "bindings", "rest"),
    [
        ("", [], []),
        ("-v --list", [], ["-v", "--list"]),
        ("--usr1 print hi", [("usr1", "print", "hi")], []),
        ("--usr1 print hi --hup print ho", [("usr1", "print", "hi"), ("hup", "print", "ho")], []),
        ("--usr1 print hi -v", [("usr1", "print", "hi")], ["-v"]),
        ("-q --usr1 print hi", [("usr1", "print", "hi")], ["-q"]),
        # A limited number of arguments is taken, whatever they look like, except for a long option of flagman.
        ("--usr1 print -l", [("usr1", "print", "-l")], []),
        ("--usr1 print --foo", [("usr1", "print", "--foo")], []),
        ("--usr1 print -", [("usr1", "print", "-")], []),
        ("--usr1 print ''", [("usr1", "print", "")], []),
        ("--usr1 print -l -v", [("usr1", "print", "-l")], ["-v"]),
        ("--usr1 delay_print -1 0.2 -3", [("usr1", "delay_print", "-1", "0.2")], ["-3"]),
        ("--usr1 beep -v", [("usr1", "beep")], ["-v"]),
        ("--usr1 greet bob -v", [("usr1", "greet", "bob", "-v")], []),
        ("--usr1 greet bob ; -v", [("usr1", "greet", "bob")], ["-v"]),
        ("--usr1 greet bob hey -v", [("usr1", "greet", "bob", "hey")], ["-v"]),
        # Any number of arguments takes short options too.
        ("--usr1 exec ls -l -v", [("usr1", "exec", "ls", "-l", "-v")], []),
        ("--usr1 exec ls -l ; -v", [("usr1", "exec", "ls", "-l")], ["-v"]),
        ("--usr1 exec ls -l -- -v", [("usr1", "exec", "ls", "-l")], ["-v"]),
        ("--usr1 exec ls --color --list", [("usr1", "exec", "ls", "--color")], ["--list"]),
        ("--usr1 exec ls --overlap=rerun", [("usr1", "exec", "ls")], ["--overlap=rerun"]),
        ("--usr1 exec ls --overlap rerun", [("usr1", "exec", "ls")], ["--overlap", "rerun"]),
        # --list takes no value, so this is not it.
        ("--usr1 exec ls --list=x", [("usr1", "exec", "ls", "--list=x")], []),
        ("--usr1 exec ls --lis", [("usr1", "exec", "ls", "--lis")], []),
        ("--usr1 print hi ; ", [("usr1", "print", "hi")], []),
        # One word, split as a shell would: all of it belongs to the action.
        ("""--usr1='print "two words"'""", [("usr1", "print", "two words")], []),
        ("--usr1='print --list' -v", [("usr1", "print", "--list")], ["-v"]),
        ("--usr1='exec sh -c \"a; b\" ; --'", [("usr1", "exec", "sh", "-c", "a; b", ";", "--")], []),
        ("--usr1=beep", [("usr1", "beep")], []),
        # Abbreviations are nothing special.
        ("--usr print hi", [], ["--usr", "print", "hi"]),
        ("--", [], ["--"]),
    ],
)
def test_split(line: str, bindings: list[tuple[str, ...]], rest: list[str]) -> None:
    """What belongs to an action, and what is left."""
    assert split(line) == (bindings, rest)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--usr1", "--usr1 takes an action and its arguments, but nothing follows; for example --usr1 print hello"),
        ("--usr1 --hup print x", "--usr1 takes an action and its arguments, not '--hup'"),
        ("--usr1 -v", "--usr1 takes an action and its arguments, not '-v'"),
        ("--usr1 ;", "--usr1 takes an action and its arguments, not ';'"),
        ("--usr1 ''", "--usr1 takes an action and its arguments, not ''"),
        ("--usr1=", "--usr1 takes an action and its arguments, but nothing follows"),
        ("--usr1='print \"x'", "--usr1='print \"x': no closing quotation"),
        ("--usr1 bogus x", "--usr1: unknown action 'bogus'"),
        ("--hup broken", "--hup: the action 'broken' is broken"),
        ("--usr1 print", "--usr1 print: takes 1 argument (message: str), got none"),
        ("--usr1 print --list", "--usr1 print: takes 1 argument (message: str), got none"),
        ("--usr1 print a b", "--usr1 print: takes 1 argument (message: str), got 2: 'a' 'b'"),
        ("--usr1='print a -b'", "--usr1 print: takes 1 argument (message: str), got 2: 'a' '-b'"),
        ("--usr1 print a -", "--usr1 print: takes 1 argument (message: str), got 2: 'a' '-'"),
        ("--usr1 delay_print a", "takes 2 arguments (message: str, delay: str), got 1: 'a'"),
        ("--usr1 greet", "--usr1 greet: takes 1 to 2 arguments (name: str, greeting: str = 'hello'), got none"),
        ("--usr1 exec", "--usr1 exec: takes at least 1 argument (program: str, *arguments: str), got none"),
        ("--usr1 beep now", "--usr1 beep: takes no arguments, got 1: 'now'"),
    ],
)
def test_mistakes(line: str, message: str) -> None:
    """Each names the option, the action and what would be right."""
    with pytest.raises(UsageError) as caught:
        split(line)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


WORDS = st.one_of(
    st.sampled_from(["--usr1", "--hup", "print", "exec", "beep", "greet", "bogus", ";", "--", "-v", "--list", "-", ""]),
    st.text(max_size=5),
    st.text(max_size=5).map("--usr1={}".format),
)


@given(st.lists(WORDS, max_size=10))
def test_every_command_line_is_split_or_refused(words: list[str]) -> None:
    """No word is lost or made up, and nothing but a usage error is raised."""
    try:
        bindings, rest = LINE.split(words)
    except UsageError:
        return
    remaining: Iterator[str] = iter(words)
    assert all(word in remaining for word in rest)
    if not any(word.startswith("--usr1=") for word in words):
        used = len(rest) + sum(2 + len(binding.arguments) for binding in bindings)
        assert used <= len(words) <= used + len(bindings)


@given(st.lists(st.text(), min_size=1))
def test_the_one_word_form_carries_any_words(words: list[str]) -> None:
    """Whatever the words are, quoting them for a shell brings them to the action unchanged."""
    bindings, rest = LINE.split([f"--usr1=exec {shlex.join(words)}"])
    assert [binding.arguments for binding in bindings] == [tuple(words)]
    assert rest == []
