"""The argparse parser: for a command line with options, for ``--help`` and for mistakes."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentError, ArgumentTypeError, Namespace

from flagman.config.binders import TRIGGERS
from flagman.config.options import GROUPS, LONG_OPTIONS, OPTIONS
from flagman.exceptions import UsageError
from flagman.text.parser import HelpFormatter, Parser
from flagman.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence
    from typing import Any

    from flagman.config.values import Kind

_EPILOG = """\
notes:
  All options that bind an action may be given several times.
  The actions of one signal run in the order of the command line.
  Options of flagman come first. An action that takes any number of arguments,
  such as exec, gets all words up to the next option that binds an action, or
  up to a lone ';'. After exec -- all words up to a lone ';' belong to it.
  -d and --daemon stand before the first action, after a lone ';', or in the
  file.
  Starting with no actions is a critical error and exits at once with status 2.

examples:
  flagman --usr1 print 'a fun message' --usr1 print 'another message'
  flagman -v --timeout 30s --on-error exit --hup exec systemctl reload nginx
  flagman --every 5m http POST https://example.org/alive
"""


def parse(words: Sequence[str], options: dict[str, object]) -> None:
    """Parse the part of a command line that binds no actions.

    :param words: that part
    :param options: receives the values, by the names of the settings
    :raises UsageError: if a word belongs to no option, or the value of one is wrong
    :raises SystemExit: after ``--help`` or ``--version``
    """
    parser = _parser()
    namespace = Namespace()
    namespace.__dict__ = options
    try:
        _, unknown = parser.parse_known_args(list(map(_folded, words)), namespace)
    except ArgumentError as error:
        raise UsageError(_wrong(error)) from None
    if unknown:
        raise UsageError(_unknown(unknown[0]))


def _parser() -> ArgumentParser:
    parser = Parser(
        prog="flagman",
        usage="flagman [OPTION ...] --SIGNAL ACTION [ARGUMENT ...] ...",
        description="Sleep until a signal arrives, then run the actions that are bound to it.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        argument_default=SUPPRESS,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
    )
    group = parser.add_argument_group("what starts actions")
    for trigger in TRIGGERS.values():  # only for the help: the parser never gets them from a command line
        words = (trigger.value, "ACTION") if trigger.value else ("ACTION",)
        group.add_argument(trigger.name, nargs="+", metavar=(" ".join(words), "ARGUMENT"), help=trigger.explanation)
    for title, options in GROUPS.items():
        group = parser.add_argument_group(title)
        for option in options:
            group.add_argument(*option.names, dest=option.setting, help=option.explanation, **_choices(option.kind))
        if title == "print something and exit":
            group.add_argument("-h", "--help", action="help", help="show this help and exit")
            version = f"%(prog)s {__version__}"
            group.add_argument("-V", "--version", action="version", version=version, help="show the version and exit")
    return parser


def _choices(kind: Kind) -> dict[str, Any]:  # type: ignore[explicit-any] # argparse takes what an action takes
    """Return what argparse has to know about a kind of value."""
    if not kind.takes_value:
        return {"action": kind.action}
    optional = {"nargs": "?", "const": kind.without} if kind.is_optional else {}
    metavar = f"{{{','.join(kind.choices)}}}" if kind.choices else kind.metavar
    several = {"action": _Extend} if kind.action == "extend" else {}
    return {"type": _reader(kind), "metavar": metavar, **optional, **several}


class _Extend(Action):
    """Makes one tuple of those of all options of a name."""

    def __call__(
        self,
        parser: ArgumentParser,  # noqa: ARG002 - as argparse calls it
        namespace: Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        before = vars(namespace).get(self.dest, ())
        vars(namespace)[self.dest] = (*before, *(values if isinstance(values, tuple) else ()))


def _reader(kind: Kind) -> Callable[[str], object]:
    def read(text: str) -> object:
        if kind.is_optional and text == kind.without:
            return text  # argparse passes it on if it is a text, for a value that was left out
        try:
            return kind.read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return read


def _folded(word: str) -> str:
    """Return a long option in small letters, unless it is one as it was typed."""
    name, equals, value = word.partition("=")
    small = name.lower()
    return f"{small}{equals}{value}" if name not in LONG_OPTIONS and small in LONG_OPTIONS else word


def _wrong(error: ArgumentError) -> str:
    """Return the message about the value of an option."""
    name = str(error.argument_name).split("/")[-1]
    kind = next((option.kind for option in OPTIONS if option.names[-1] == name), None)
    if kind is None or not kind.takes_value:
        return f"{name} takes no value"
    return f"{name} takes {kind.takes}" if error.message == "expected one argument" else f"{name}: {error.message}"


# What people call the options for files and for processes.
_MEANT = {
    **dict.fromkeys(("watch", "file", "path", "on-change", "on-path", "inotify"), "--on-file"),
    **dict.fromkeys(("process", "on-exit", "on-fail", "on-failure", "on-ready"), "--on-process"),
}
# Words that people type where other commands have verbs, and what they mean here.
_VERBS = {
    "help": "flagman --help",
    "list": "flagman --list",
    "version": "flagman --version",
    "check": "flagman --check",
    "status": "flagmanctl status",
    "history": "flagmanctl history",
    "trigger": "flagmanctl trigger",
    "ready": "flagmanctl ready",
    "ps": "flagmanctl ps",
    "start": "flagmanctl start",
    "stop": "flagmanctl stop",
    "restart": "flagmanctl restart",
    "logs": "flagmanctl logs",
    "shutdown": "flagmanctl shutdown",
    "new": "flagmanctl new",
}


def _unknown(word: str) -> str:
    """Return the message about a word that is no option and belongs to none."""
    if not word.startswith("-"):
        if word.lower() in _VERBS:
            return f"{word!r} is no option; did you mean {_VERBS[word.lower()]}?"
        return f"{word!r} belongs to no option; an action follows the signal that runs it: --usr1 print hello"
    name = word.lstrip("-").partition("=")[0].lower()
    if (own := f"--{name.removeprefix('sig')}") in TRIGGERS and not TRIGGERS[own].value:
        return f"unknown option {word!r}; did you mean {own}?"
    if name in _MEANT:
        return f"unknown option {word!r}; did you mean {_MEANT[name]}?"
    if hint := _signal_hint(name):
        return f"unknown option {word!r}; {hint}"
    from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only on the way to an error message

    hint = did_you_mean(word, [*TRIGGERS, *LONG_OPTIONS], otherwise="; see flagman --help", likeness=0.7)
    return f"unknown option {word!r}{hint}"


def _signal_hint(name: str) -> str:
    """Return how to bind a signal that has no option of its own; empty if there is none of this name."""
    from flagman.text.signames import bindable, name_of, number_of  # noqa: PLC0415 - as above

    try:
        number_of("" if name.isdigit() else name)
    except ValueError:
        return ""
    try:
        return f"for other signals: --signal {name_of(bindable(name))} print hello"
    except ValueError as error:
        return str(error)
