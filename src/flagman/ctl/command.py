"""The command ``flagmanctl``: tools around a daemon.

The exit statuses of its verbs are those of the Linux Standard Base for init scripts, if it has any for them.
"""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentError
from contextlib import suppress
from pathlib import Path

from flagman.cli.parser import Parser
from flagman.exceptions import FlagmanError, UsageError, one_line
from flagman.text.shown import printable
from flagman.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Collection, Sequence

# See https://refspecs.linuxbase.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/iniscrptact.html.
_DEAD = 1
_NOT_RUNNING = 3
_UNKNOWN = 4

# Verbs of other programs, and the signals that mean the same.
_SENDS = {"stop": "TERM", "kill": "TERM", "terminate": "TERM", "reload": "HUP"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    :param argv: the program's name and its arguments; ``sys.argv`` by default
    :returns: the exit status
    """
    argv = sys.argv if argv is None else argv
    try:
        return _carry_out(argv[1:])
    except SystemExit as exit_:  # of the parser
        return int(exit_.code or 0)
    except (FlagmanError, OSError) as error:
        with suppress(OSError):
            print(f"flagmanctl: error: {printable(one_line(error))}", file=sys.stderr)
        return error.exit_code if isinstance(error, FlagmanError) else 1
    except KeyboardInterrupt:
        return 130


def _carry_out(words: Sequence[str]) -> int:
    parser, verbs = _parser()
    if not words:
        parser.print_help()
        return 0
    if not words[0].startswith("-") and words[0] not in verbs:
        from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

        known = f"; the verbs are {', '.join(verbs)}"
        sends = _SENDS.get(words[0].lower())
        hint = f"; did you mean signal {sends}?" if sends else did_you_mean(words[0], verbs, otherwise=known)
        raise UsageError(f"unknown verb {words[0]!r}{hint}")
    usage = "flagmanctl --help" if words[0].startswith("-") else f"flagmanctl {words[0]} --help"
    try:
        arguments, unknown = parser.parse_known_args(list(words))
    except ArgumentError as error:
        raise UsageError(f"{error.argument_name} takes a value; see {usage}") from None
    if unknown:
        what = "unknown option" if unknown[0].startswith("-") else "one word too many:"
        raise UsageError(f"{what} {unknown[0]!r}; see {usage}")
    verb: Callable[[Namespace], int] | None = getattr(arguments, "verb", None)
    for name, title in (("name", "NAME"), ("pid_file", "--pid-file PATH")):
        if getattr(arguments, name, "") is None:
            raise UsageError(f"{words[0]}: {title} is missing; see {usage}")
    return verb(arguments) if verb is not None else 0


def _parser() -> tuple[ArgumentParser, Collection[str]]:
    """Return the parser, and the names of the verbs; what is missing is left to us, to say it in our own words."""
    parser = Parser(
        prog="flagmanctl",
        description="Control a running flagman, and create plugin packages.",
        allow_abbrev=False,
        usage="flagmanctl [-h] VERB ...",
        exit_on_error=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(metavar="VERB")

    def add(verb: Callable[[Namespace], int], name: str, explanation: str, *, epilog: str = "") -> ArgumentParser:
        description = f"{explanation[0].upper()}{explanation[1:]}."
        parser = verbs.add_parser(
            name,
            prog=f"flagmanctl {name}",
            help=explanation,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            exit_on_error=False,
        )
        parser.set_defaults(verb=verb)
        return parser

    new = add(_new, "new", "write a new plugin package: an action, its tests, its metadata, a unit and a README")
    new.add_argument(
        "name", metavar="NAME", nargs="?", help="name of the package and of its action, such as acme-purge"
    )
    new.add_argument("--directory", type=Path, metavar="DIR", help="directory to write to (default: NAME)")
    send = add(
        _signal,
        "signal",
        "send a signal to a running daemon",
        epilog="exit status: 0 the signal was sent, 3 no daemon runs, 4 it could not be sent",
    )
    send.add_argument("name", metavar="NAME", nargs="?", help="name or number of the signal; 0 sends none")
    status = add(
        _status,
        "status",
        "show whether a daemon runs",
        epilog="exit status: 0 the daemon runs, 1 it is dead but its pid file exists, 3 it does not run, 4 unknown",
    )
    for verb in (send, status):
        verb.add_argument("--pid-file", metavar="PATH", help="pid file of the daemon")
    return parser, verbs.choices


def _signal(arguments: Namespace) -> int:
    from flagman.daemon import signal_holder  # noqa: PLC0415 - only for this verb, as all others
    from flagman.text.signames import number_of  # noqa: PLC0415

    try:
        signum = 0 if arguments.name == "0" else number_of(arguments.name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        if signal_holder(arguments.pid_file, signum) is None:
            return _say(_NOT_RUNNING, f"not running ({arguments.pid_file})")
    except OSError as error:
        return _say(_UNKNOWN, f"cannot send {arguments.name}: {error.strerror} ({arguments.pid_file})")
    except FlagmanError as error:
        return _say(_UNKNOWN, f"cannot send {arguments.name}: {error}")
    return 0


def _status(arguments: Namespace) -> int:
    from flagman.daemon.holder import read_pid  # noqa: PLC0415 - only for this verb

    path = Path(arguments.pid_file)
    try:
        pid = read_pid(path)
        if pid is not None:
            print(f"running, pid {pid}")
            return 0
        dead = path.exists()
    except OSError as error:
        return _say(_UNKNOWN, f"status unknown: {error.strerror} ({path})")
    except FlagmanError as error:
        return _say(_UNKNOWN, f"status unknown: {error}")
    print(f"dead, but its pid file exists ({path})" if dead else f"not running ({path})")
    return _DEAD if dead else _NOT_RUNNING


def _say(status: int, message: str) -> int:
    print(f"flagmanctl: error: {printable(one_line(message))}", file=sys.stderr)
    return status


def _new(arguments: Namespace) -> int:
    from flagman.cli import scaffold  # noqa: PLC0415 - only for this verb

    directory: Path = arguments.directory or Path(arguments.name)
    for path in scaffold.create(arguments.name, directory):
        print(directory / path)
    *first, last = scaffold.commands(arguments.name)
    print("Next:", " && ".join([f"cd {shlex.quote(str(directory.resolve()))}", *first]))
    print("Then:", last)
    return 0


if __name__ == "__main__":
    sys.exit(main())
