"""The help of ``flagmanctl``, made of the table of verbs."""

from __future__ import annotations

from flagman.ctl.verbs import ARGUMENTS, OPTIONS, VERBS
from flagman.text.parser import HelpFormatter, Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import _ArgumentGroup as Group

    from flagman.ctl.verbs import Option

_EPILOG = """\
Without --name, --control, --pid-file and FLAGMAN_CONTROL it is the only daemon
that has a socket in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/flagman or
/run/flagman. flagmanctl VERB --help explains a verb and its exit statuses.
"""


def overview() -> str:
    """Return the help of the command."""
    parser = Parser(
        prog="flagmanctl",
        usage="flagmanctl [OPTION ...] VERB [ARGUMENT]",
        description="Ask and control a running flagman, and create plugin packages.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        add_help=False,
    )
    group = parser.add_argument_group("verbs")
    for name, verb in VERBS.items():
        group.add_argument(f"{name} {verb.argument}".strip(), help=verb.explanation)
    group = parser.add_argument_group("options, before or after the verb")
    for option in OPTIONS:
        if len(option.verbs) > len(VERBS) / 2:
            _add(group, option)
    _add_general(group)
    return parser.format_help()


def of_verb(name: str) -> str:
    """Return the help of a verb."""
    verb = VERBS[name]
    parser = Parser(
        prog=f"flagmanctl {name}",
        usage=" ".join(filter(None, ["flagmanctl [OPTION ...]", name, verb.argument])),
        description=f"{verb.explanation[0].upper()}{verb.explanation[1:]}.",
        epilog="\n".join(["exit status:", *(f"  {status}" for status in verb.statuses.split(", "))]),
        formatter_class=HelpFormatter,
        add_help=False,
    )
    arguments = verb.argument.split()
    if arguments:
        group = parser.add_argument_group("argument" if len(arguments) == 1 else "arguments")
        for argument, explanation in zip(arguments, ARGUMENTS[name], strict=True):
            group.add_argument(argument.strip("[]"), help=explanation)
    group = parser.add_argument_group("options")
    for option in OPTIONS:
        if name in option.verbs:
            _add(group, option)
    _add_general(group)
    return parser.format_help()


def _add(group: Group, option: Option) -> None:
    if not option.metavar:
        group.add_argument(*option.names, action="store_true", help=option.explanation)
    elif option.metavar.startswith("["):
        group.add_argument(*option.names, nargs="?", metavar=option.metavar.strip("[]"), help=option.explanation)
    else:
        group.add_argument(*option.names, metavar=option.metavar, help=option.explanation)


def _add_general(group: Group) -> None:
    group.add_argument("-h", "--help", action="store_true", help="show this help and exit")
    group.add_argument("-V", "--version", action="store_true", help="show the version and exit")
