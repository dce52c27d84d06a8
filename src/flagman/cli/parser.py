"""The argparse parser: for a command line with options, for ``--help`` and for mistakes."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter

from flagman.config.options import LONG_OPTIONS, OPTIONS, TRIGGERS
from flagman.exceptions import UsageError
from flagman.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from flagman.config.options import Option

_EPILOG = """\
notes:
  All options that bind an action may be given several times.
  The actions of one signal run in the order of the command line.
  An action's arguments end at the next long option, at a lone ';' or at '--'.
  Starting with no actions is a critical error and exits at once with status 2.

examples:
  flagman --usr1 print 'a fun message' --usr1 print 'another message'
  flagman --hup exec systemctl reload nginx --timeout 30s --on-error exit -v
  flagman --every 5m http POST https://example.org/alive
"""


class Parser(ArgumentParser):
    """A parser whose errors go the way of all mistakes."""

    def error(self, message: str) -> NoReturn:
        """Raise an error.

        :raises UsageError: always
        """
        raise UsageError(message)


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Eighty columns everywhere."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=36, width=80)


def parse(words: Sequence[str], options: dict[str, object]) -> None:
    """Parse the part of a command line that binds no actions.

    :param words: what is left of it
    :param options: gets what it says, by the names of the settings
    :raises UsageError: if a word belongs to no option, or the value of one is wrong
    :raises SystemExit: after ``--help`` or ``--version``
    """
    parser = _parser()
    namespace = Namespace()
    namespace.__dict__ = options
    _, unknown = parser.parse_known_args(list(words), namespace)
    if unknown:
        parser.error(_unknown(unknown[0]))


def _parser() -> ArgumentParser:
    parser = Parser(
        prog="flagman",
        usage="flagman [OPTION ...] --SIGNAL ACTION [ARGUMENT ...] ...",
        description="Sleep until a signal arrives, then run the actions that are bound to it.",
        epilog=_EPILOG,
        formatter_class=_HelpFormatter,
        argument_default=SUPPRESS,
        add_help=False,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("-h", "--help", action="help", help="show this help and exit")
    add("--version", action="version", version=f"%(prog)s {__version__}", help="show the version and exit")
    for trigger in TRIGGERS.values():  # for the help alone: the parser never sees them on a command line
        words = (trigger.value, "ACTION") if trigger.value else ("ACTION",)
        add(trigger.name, nargs="+", metavar=(" ".join(words), "ARGUMENT"), help=trigger.explanation)
    for option in OPTIONS:
        if option.takes_value:
            add(
                *option.names,
                dest=option.setting,
                type=_reader(option),
                choices=option.choices or None,
                metavar=option.value or None,
                nargs="?" if option.optional else None,
                const="" if option.optional else None,
                help=option.explanation,
            )
        else:
            add(*option.names, dest=option.setting, action=option.kind, help=option.explanation)
    return parser


def _reader(option: Option) -> Callable[[str], object]:
    def read(text: str) -> object:
        if option.optional and not text:
            return text  # left out: argparse hands over what stands for that
        try:
            return option.read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return read


def _unknown(word: str) -> str:
    """Say what is wrong with a word that is no option and belongs to none."""
    if not word.startswith("-"):
        return f"{word!r} belongs to no option; an action follows the signal that runs it: --usr1 print hello"
    from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only on the way to an error message

    hint = did_you_mean(word, [*TRIGGERS, *LONG_OPTIONS], otherwise="; see flagman --help", likeness=0.7)
    return f"unknown option {word!r}{hint}"
