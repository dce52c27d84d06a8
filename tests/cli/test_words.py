"""Splitting the command line, as a table."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.actions import Action, DelayedPrintAction, PrintAction
from flagman.cli.words import CommandLine
from flagman.config.binders import TRIGGERS
from flagman.exceptions import PluginError, UnknownActionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Exec(Action):
    """Takes one word or more."""

    def set_up(self, program: str, *arguments: str) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Do nothing."""


class Send(Exec):
    """Takes any number of words, none of which begins with a dash."""

    takes_dashes = False


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
        """Raise the errors that the catalog raises."""
        if name == "broken":
            raise PluginError("the action 'broken' is broken")
        raise UnknownActionError(f"unknown action {name!r}")


KNOWN = Known(print=PrintAction, delay_print=DelayedPrintAction, exec=Exec, greet=Greet, beep=Beep, send=Send)
OPTIONS = {"--list": False, "--verbose": False, "--overlap": True}
SOME = {name: TRIGGERS[name] for name in ("--hup", "--usr1", "--every", "--signal")}


def split(line: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """Split a line with the quoting of a shell, and return the bindings and flagman's own words."""
    command_line = CommandLine(shlex.split(line), SOME, OPTIONS)
    bindings = command_line.bind(KNOWN.__getitem__)
    own = [word for _, words in command_line.own for word in words]
    return [(binding.flag, binding.name, *binding.arguments) for binding in bindings], own


@pytest.mark.parametrize(
    ("line", "bindings", "rest"),
    [
        ("", [], []),
        ("-v --list", [], ["-v", "--list"]),
        ("--usr1 print hi", [("usr1", "print", "hi")], []),
        ("--usr1 print hi --hup print ho", [("usr1", "print", "hi"), ("hup", "print", "ho")], []),
        ("--usr1 print hi -v", [("usr1", "print", "hi")], ["-v"]),
        ("-q --usr1 print hi", [("usr1", "print", "hi")], ["-q"]),
        # With a limited number of arguments any word is taken except for a long option of flagman.
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
        # Without a limit all words are taken, up to the next option that binds an action, or a lone semicolon.
        ("--usr1 exec ls -l -v", [("usr1", "exec", "ls", "-l", "-v")], []),
        ("--usr1 exec ls -l ; -v", [("usr1", "exec", "ls", "-l")], ["-v"]),
        ("--usr1 exec ls --color --list", [("usr1", "exec", "ls", "--color", "--list")], []),
        ("--usr1 exec ls --overlap=rerun", [("usr1", "exec", "ls", "--overlap=rerun")], []),
        ("--usr1 exec ls --overlap rerun", [("usr1", "exec", "ls", "--overlap", "rerun")], []),
        ("--usr1 exec certbot renew --quiet", [("usr1", "exec", "certbot", "renew", "--quiet")], []),
        ("--usr1 exec a -x --hup exec b -y", [("usr1", "exec", "a", "-x"), ("hup", "exec", "b", "-y")], []),
        (
            "--usr1 exec a ; --overlap rerun --hup beep -v",
            [("usr1", "exec", "a"), ("hup", "beep")],
            ["--overlap", "rerun", "-v"],
        ),
        ("-v --usr1 exec a ; --list ; -q", [("usr1", "exec", "a")], ["-v", "--list", ";", "-q"]),
        ("--usr1 print hi ; ", [("usr1", "print", "hi")], []),
        # After two dashes behind the name, any word belongs to the action.
        ("--usr1 exec -- ssh host -- reboot", [("usr1", "exec", "ssh", "host", "--", "reboot")], []),
        ("--usr1 exec -- a --usr1 --hup=x --list", [("usr1", "exec", "a", "--usr1", "--hup=x", "--list")], []),
        ("--usr1 exec -- a ; --list", [("usr1", "exec", "a")], ["--list"]),
        ("--usr1 print -- --list", [("usr1", "print", "--list")], []),
        ("--usr1 print -- --", [("usr1", "print", "--")], []),
        ("--every 5m exec -- a --every 1m", [("every-5m", "exec", "a", "--every", "1m")], []),
        ("--usr1 exec -- -- -x", [("usr1", "exec", "--", "-x")], []),
        ("--usr1 beep --", [("usr1", "beep")], []),
        # One word is split as a shell would split it, and all of it belongs to the action.
        ("""--usr1='print "two words"'""", [("usr1", "print", "two words")], []),
        ("--usr1='print --list' -v", [("usr1", "print", "--list")], ["-v"]),
        ("--usr1='exec sh -c \"a; b\" ; --'", [("usr1", "exec", "sh", "-c", "a; b", ";", "--")], []),
        ("--usr1=beep", [("usr1", "beep")], []),
        ("--usr1='exec -- a -- b'", [("usr1", "exec", "a", "--", "b")], []),
        # Abbreviated options are not known.
        ("--usr print hi", [], ["--usr", "print", "hi"]),
    ],
)
def test_split(line: str, bindings: list[tuple[str, ...]], rest: list[str]) -> None:
    """A command line is split into the words of actions and flagman's own words."""
    assert split(line) == (bindings, rest)


@pytest.mark.parametrize(
    ("line", "bindings", "rest", "command"),
    [
        ("--", [], [], ()),
        ("-v -- nginx -g x", [], ["-v"], ("nginx", "-g", "x")),
        ("--usr1 print hi -- a --usr1 ; -- -v", [("usr1", "print", "hi")], [], ("a", "--usr1", ";", "--", "-v")),
        ("--usr1 print hi -v -- a", [("usr1", "print", "hi")], ["-v"], ("a",)),
        ("--usr1 greet bob -- -v", [("usr1", "greet", "bob")], [], ("-v",)),
        ("--every 5m beep ; -- a", [("every-5m", "beep")], [], ("a",)),
        ("--usr1='print x' -- a", [("usr1", "print", "x")], [], ("a",)),
        ("--usr1='exec x' -v -- a", [("usr1", "exec", "x")], ["-v"], ("a",)),
        ("--usr1 exec x ; -v -- a", [("usr1", "exec", "x")], ["-v"], ("a",)),
        ("--usr1 send x y -- a -b", [("usr1", "send", "x", "y")], [], ("a", "-b")),
        ("--usr1 exec -- x -- y ; -- a", [("usr1", "exec", "x", "--", "y")], [], ("a",)),
    ],
)
def test_a_command(line: str, bindings: list[tuple[str, ...]], rest: list[str], command: tuple[str, ...]) -> None:
    """Any lone ``--`` but that after an action's name begins the command, to which all words after it belong."""
    assert split(line) == (bindings, rest)
    assert CommandLine(shlex.split(line), SOME, OPTIONS).command == command


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
        ("--usr1 exec ssh host -- reboot", "write exec -- ssh host -- reboot if it belongs to the action, or"),
        ("--usr1 exec ls -l -- -v", "or ';' -- COMMAND if it ends flagman's options"),
        ("--usr1 beep -- nginx", "got 1: 'nginx'; for a command to wrap, write ';' -- COMMAND"),
        ("--usr1 -- nginx", "--usr1 takes an action and its arguments, not '--'"),
        ("--usr1 exec a --hup -- b", "--hup takes an action and its arguments, not '--'"),
        (
            "--usr1 exec systemctl kill --signal HUP x",
            "unknown action 'x'; if --signal belongs to systemctl, write exec -- systemctl ... --signal ...",
        ),
        ("--every --list print x", "--every takes a SPAN, an action and its arguments"),
        ("--every -- print x", "--every takes a SPAN, an action and its arguments"),
        ("--every --foo print x", "--every: '--foo' is not a span of time"),
        ("--every '' print x", "--every: '' is not a span of time"),
        ("--every='--list print x'", "--every: '--list' is not a span of time"),
        ("--usr1 exec a --every", "; if --every belongs to a, write exec -- a ... --every ..."),
        ("--usr1 exec a --hup", "; if --hup belongs to a, write exec -- a ... --hup ..."),
        ("--usr1 exec a --signal=HUP x", "; if --signal belongs to a, write exec -- a ... --signal ..."),
    ],
)
def test_mistakes(line: str, message: str) -> None:
    """The message about a mistake names the option, the action, and what would be right."""
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
    """Splitting any command line loses no word, makes none up, and raises only usage errors."""
    command_line = CommandLine(words, SOME, OPTIONS)
    try:
        bindings = command_line.bind(KNOWN.__getitem__)
    except UsageError:
        return
    own = [word for _, words in command_line.own for word in words]
    command = command_line.command
    remaining: Iterator[str] = iter(words)
    assert all(word in remaining for word in own)
    assert command is None or words == [*words[: len(words) - len(command) - 1], "--", *command]
    words = words if command is None else words[: len(words) - len(command) - 1]
    if not any(word.startswith("--usr1=") for word in words):
        used = len(own) + sum(2 + len(binding.arguments) for binding in bindings)
        assert used <= len(words) <= used + 2 * len(bindings)  # the name's two dashes, and a semicolon


@given(st.lists(st.text().filter(lambda word: word != ";")))
def test_after_two_dashes_any_word_is_the_actions(words: list[str]) -> None:
    """After two dashes any word is the action's, except for the lone semicolon that ends them."""
    command_line = CommandLine(["--usr1", "exec", "--", "x", *words, ";", "-v"], SOME, OPTIONS)
    assert [binding.arguments for binding in command_line.bind(KNOWN.__getitem__)] == [("x", *words)]
    assert (command_line.own[-1], command_line.doubtful) == ((False, ["-v"]), [])


@given(st.lists(st.text(), min_size=1))
def test_the_one_word_form_carries_any_words(words: list[str]) -> None:
    """Words that are quoted for a shell reach the action unchanged in the one-word form."""
    command_line = CommandLine([f"--usr1=exec -- {shlex.join(words)}"], SOME, OPTIONS)
    assert [binding.arguments for binding in command_line.bind(KNOWN.__getitem__)] == [tuple(words)]
    assert command_line.own == [(False, []), (True, [])]


@pytest.mark.parametrize(
    ("line", "doubtful"),
    [
        ("--usr1 exec certbot renew --list", [("--usr1 exec", "--list goes to certbot")]),
        (
            "--usr1 exec a --overlap=x --verbose ; --hup exec b --overlap rerun",
            [
                ("--usr1 exec", "--overlap goes to a"),
                ("--usr1 exec", "--verbose goes to a"),
                ("--hup exec", "--overlap goes to b"),
            ],
        ),
        ("--usr1 exec a --list=1 --color -v", []),
        ("--usr1 exec -- a --list", []),
        ("--usr1='exec a --list'", []),
    ],
)
def test_words_that_look_like_options_of_flagman(line: str, doubtful: list[tuple[str, str]]) -> None:
    """Words of an action that look like flagman's options are reported, unless two dashes or quotes mark them."""
    command_line = CommandLine(shlex.split(line), SOME, OPTIONS)
    command_line.bind(KNOWN.__getitem__)
    assert command_line.doubtful == doubtful


def test_flagmans_own_words_can_be_told_without_the_actions() -> None:
    """Flagman's own words before the first action and after a lone semicolon are found without loading the actions."""
    assert CommandLine(
        ["-d", "--usr1", "bogus", "-x", ";", "-q", "--hup", "exec", "--", ";", "-v"], SOME, OPTIONS
    ).free == [["-d"], ["-q"], ["-v"]]
