"""The command ``flagman``: arguments in, exit status out.

This is the only place that prints, parses arguments, configures logging and turns errors into exit statuses.
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from contextlib import suppress
from io import TextIOWrapper

import flagman
from flagman import core, service
from flagman.command_line import CommandLine
from flagman.core import create_action_bundles, run, set_handlers
from flagman.engine.signals import HANDLED_SIGNALS, Signals, flag_of
from flagman.exceptions import FlagmanError, UsageError
from flagman.sd_notify import take_from_environment
from flagman.settings import Settings
from flagman.spans import parse_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action as Option
    from collections.abc import Iterable, Sequence
    from typing import NoReturn

    from flagman.sd_notify import SystemdNotifier

# Those of flagman.core are here for programs that have always imported them from this module.
__all__ = ["create_action_bundles", "list_actions", "main", "main_wrapper", "parse_args", "run", "set_handlers"]

logger = logging.getLogger(__name__)

_EPILOG = """\
notes:
  All options that bind an action may be given several times.
  The actions of one signal run in the order of the command line.
  An action's arguments end at the next long option, at a lone ';' or at '--'.
  Starting with no actions is a critical error and exits at once with status 2.

examples:
  flagman --usr1 print 'a fun message' --usr1 print 'another message'
  flagman --hup delay_print 'reloading' 2.5 --on-error exit -v
"""


class _Parser(ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, _error_line(message))


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Eighty columns everywhere; asking for the terminal's size costs every start the import of shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=36, width=80)


def parse_args(argv: Sequence[str]) -> Settings:
    """Parse a command line.

    :param argv: the program's name and its arguments
    :returns: the options, as a :class:`argparse.Namespace`; it also has, under the name of each flag, the list of that
        flag's actions as :func:`flagman.create_action_bundles` takes it
    :raises SystemExit: after ``--help`` or ``--version`` (status 0) or a one-line message about a mistake (status 2)
    """
    parser = _Parser(
        prog="flagman",
        usage="flagman [OPTION ...] --SIGNAL ACTION [ARGUMENT ...] ...",
        description="Sleep until a signal arrives, then run the actions that are bound to it.",
        epilog=_EPILOG,
        formatter_class=_HelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    triggers = {f"--{flag_of(signum)}": flag_of(signum) for signum in HANDLED_SIGNALS}
    options = _long_options(_add_options(parser, triggers))
    settings = Settings(**{flag: [] for flag in triggers.values()})
    try:
        bindings, rest = CommandLine(triggers, options, core.KNOWN_ACTIONS).split(argv[1:])
    except UsageError as error:
        parser.error(str(error))
    _, unknown = parser.parse_known_args(rest, settings)
    if unknown:
        parser.error(_unknown(unknown[0], [*triggers, *options]))
    settings.bindings = tuple(bindings)
    for binding in bindings:
        getattr(settings, binding.flag).append([binding.name, *binding.arguments])
    return settings


def list_actions() -> None:
    """Print all known actions with their descriptions and arguments."""
    # Here because only this option needs it, and it imports inspect and every plugin.
    from flagman import listing  # noqa: PLC0415

    for line in listing.lines(core.KNOWN_ACTIONS, bold=listing.bold_escapes(sys.stdout)):
        print(line)


def main(argv: Sequence[str] | None = None, *, signals: Signals | None = None) -> int:
    """Run the command.

    :param argv: the program's name and its arguments; ``sys.argv`` by default
    :param signals: the handled signals if they have been armed already; otherwise they are until this returns
    :returns: the exit status
    """
    if signals is None:
        signals = Signals()
        signals.arm(HANDLED_SIGNALS)
        try:
            return main(argv, signals=signals)
        finally:
            signals.close()
    _prepare_streams()
    logging.basicConfig()  # before a plugin can, at its import
    notifier = take_from_environment()
    try:
        return _main(sys.argv if argv is None else argv, signals, notifier)
    finally:
        notifier.close()
        _flush_streams()


def main_wrapper() -> int:
    """Run the command as :func:`main` does, with ``sys.argv``.

    :returns: the exit status
    """
    return main()


def _main(argv: Sequence[str], signals: Signals, notifier: SystemdNotifier) -> int:
    try:
        settings = parse_args(argv)
        if settings.list:
            list_actions()
            return 0
        if not settings.bindings:
            raise UsageError("no actions are configured; bind one, for example: flagman --usr1 print hello")
        _set_log_level(settings)
        if not settings.systemd:
            notifier.close()
        return service.run(settings, signals, notifier)
    except SystemExit as exit_:  # of the parser
        return int(exit_.code or 0)
    except FlagmanError as error:
        logger.info("The error that ends this run:", exc_info=error.__cause__ or error)
        _report(str(error))
        return error.exit_code
    except BrokenPipeError:
        return 1  # the reader of --list has seen enough
    except OSError as error:
        _report(str(error))
        return 1


def _add_options(parser: ArgumentParser, triggers: Iterable[str]) -> list[Option]:
    """Add all options to a parser, in the order in which the help shows them."""
    add = parser.add_argument
    return [
        add("-h", "--help", action="help", help="show this help and exit"),
        add("--version", action="version", version=f"%(prog)s {flagman.__version__}", help="show the version and exit"),
        add("-l", "--list", action="store_true", help="list known actions and exit"),
        # For the help alone: the parser never sees them on a command line.
        *(
            add(option, nargs="+", metavar=("ACTION", "ARGUMENT"), help=f"add an action for SIG{option[2:].upper()}")
            for option in triggers
        ),
        add(
            "--overlap",
            choices=("ignore", "rerun"),
            help="a signal while its own actions run: ignore it (default), or run them once more afterwards",
        ),
        add(
            "--on-error",
            choices=("continue", "close", "exit"),
            help="when an action fails: carry on (default), remove the action, or exit with status 1",
        ),
        add(
            "--stop-timeout",
            type=_span,
            metavar="SPAN",
            help="let the running action finish for so long after a stop signal (default 30s)",
        ),
        add("--successful-empty", action="store_true", help="exit with status 0, not 1, when all actions have closed"),
        add("--no-systemd", action="store_false", dest="systemd", help="do not notify systemd about status"),
        add("-q", "--quiet", action="store_true", help="only critical messages; overrides --verbose"),
        add("-v", "--verbose", action="count", help="more log messages; twice for even more"),
    ]


def _long_options(options: Iterable[Option]) -> dict[str, bool]:
    """Give all long options, and whether each takes a value."""
    return {name: option.nargs != 0 for option in options for name in option.option_strings if name.startswith("--")}


def _span(text: str) -> float:
    try:
        return parse_span(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _unknown(word: str, options: Iterable[str]) -> str:
    """Say what is wrong with a word that is no option and belongs to none."""
    if not word.startswith("-"):
        return f"{word!r} belongs to no option; an action follows the signal that runs it: --usr1 print hello"
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error message

    close = get_close_matches(word, list(options), n=1, cutoff=0.7)
    return f"unknown option {word!r}; " + (f"did you mean {close[0]!r}?" if close else "see flagman --help")


def _error_line(message: str) -> str:
    return f"flagman: error: {' '.join(message.split())}\n"


def _report(message: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):  # the status still tells
            sys.stderr.write(_error_line(message))


def _set_log_level(settings: Settings) -> None:
    """Say which process this is and how much it is going to log, and log that much."""
    root = logging.getLogger()
    if settings.quiet:
        root.setLevel(logging.CRITICAL)
        return
    root.setLevel(logging.INFO)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(settings.verbose, 2)]
    logger.info("PID: %d", os.getpid())
    logger.info("Setting loglevel to %s", logging.getLevelName(level))
    root.setLevel(level)


def _prepare_streams() -> None:
    """Write whole lines at once, also to a pipe or a file, and never fail for a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _flush_streams() -> None:
    """Flush now: if the interpreter failed to, at its end, it would change the exit status to 120."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            # What cannot be written has been reported where it was printed, if it could be; let it go.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
