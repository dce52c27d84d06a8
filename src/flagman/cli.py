"""The command ``flagman``: arguments in, exit status out.

This is the only place that prints, parses arguments, configures logging and turns errors into exit statuses.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress

from flagman import core, service, streams
from flagman.checks import check_bindings, check_identity
from flagman.command_line import CommandLine
from flagman.console import Console
from flagman.core import create_action_bundles, run, set_handlers
from flagman.engine.signals import HANDLED_SIGNALS, Signals, flag_of
from flagman.exceptions import FlagmanError, UsageError, mistakes_of, one_line
from flagman.options import LONG_OPTIONS, TRIGGERS
from flagman.sd_notify import status, take_from_environment
from flagman.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from flagman.engine.engine import Engine
    from flagman.sd_notify import SystemdNotifier
    from flagman.surroundings import Surroundings

# Those of flagman.core are here for programs that have always imported them from this module.
__all__ = ["create_action_bundles", "list_actions", "main", "main_wrapper", "parse_args", "run", "set_handlers"]

logger = logging.getLogger(__name__)

# With these, --daemon has nothing to do.
_ANSWERED = frozenset(("--help", "--version", "--list", "--check", "--print-config", "--print-unit"))
# So also with these letters after a dash. Those of an action's argument only mean that the fork comes later.
_ANSWERED_LETTERS = frozenset("hl")


def parse_args(argv: Sequence[str]) -> Namespace:
    """Parse a command line.

    :param argv: the program's name and its arguments
    :returns: all options, as an :class:`argparse.Namespace`; it also has, under the names ``hup``, ``usr1`` and
        ``usr2``, the list of that signal's actions as :func:`flagman.create_action_bundles` takes it
    :raises SystemExit: after ``--help`` or ``--version`` (status 0) or a one-line message about a mistake (status 2)
    """
    from argparse import Namespace  # noqa: PLC0415 - a start can do without

    try:
        settings = _read(argv)
    except UsageError as error:
        for message in mistakes_of(error):
            _report(message)
        raise SystemExit(error.exit_code) from None
    flags: dict[str, list[list[str]]] = {flag_of(signum): [] for signum in HANDLED_SIGNALS}
    for binding in settings.bindings:
        if binding.flag in flags:
            flags[binding.flag].append([binding.name, *binding.arguments])
    return Namespace(**settings.everything(), **flags)


def list_actions() -> None:
    """Print all known actions with their descriptions and arguments."""
    # Here because only this option needs it, and it imports inspect and every plugin.
    from flagman import listing  # noqa: PLC0415

    known = core.KNOWN_ACTIONS
    for line in listing.lines(known, getattr(known, "broken", {}), listing.bold_escapes(sys.stdout)):
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
    streams.prepare()
    logging.basicConfig()  # before a plugin can, at its import
    notifier = take_from_environment()
    try:
        return _main(sys.argv if argv is None else argv, signals, notifier, managed=notifier.is_open)
    finally:
        notifier.close()
        if "flagman.log_setup" in sys.modules:
            sys.modules["flagman.log_setup"].finish()
        streams.flush()
        streams.follow(None)


def main_wrapper() -> int:
    """Run the command as :func:`main` does, with ``sys.argv``.

    :returns: the exit status
    """
    return main()


def _main(argv: Sequence[str], signals: Signals, notifier: SystemdNotifier, *, managed: bool) -> int:
    try:
        return _run(argv, signals, notifier, managed=managed)
    except SystemExit as exit_:  # of the parser
        return int(exit_.code or 0)
    except FlagmanError as error:
        logger.info("The error that ends this run:", exc_info=error.__cause__ or error)
        for message in mistakes_of(error):
            _report(message)
        _notify_failure(notifier, error)
        return error.exit_code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader of --list has seen enough
            _report(str(error))
        _notify_failure(notifier, error)
        return 1


def _run(argv: Sequence[str], signals: Signals, notifier: SystemdNotifier, *, managed: bool) -> int:
    surroundings = None
    if "--daemon" in argv and not managed and not any(map(_may_be_answered, argv)):
        # Now that no action has been looked for: what a plugin opens and starts, it opens and starts in the daemon.
        surroundings = _surroundings(signals, detach=True)
    settings = _read(argv)
    if _is_answered(settings, argv):
        return 0
    logging.getLogger().setLevel(_log_level(settings))
    if surroundings is None and (settings.daemon or settings.shape_the_process()):
        if settings.daemon and managed:
            logger.warning("--daemon: a service manager watches this process, which stays in the foreground")
        surroundings = _surroundings(signals, detach=settings.daemon and not managed)
    if surroundings is None:
        return _serve(settings, signals, notifier, _Console(argv))
    with surroundings:
        surroundings.enter(settings)
        return _serve(settings, signals, notifier, _Console(argv, surroundings))


def _may_be_answered(word: str) -> bool:
    is_short = word.startswith("-") and not word.startswith("--")
    return word in _ANSWERED or (is_short and not _ANSWERED_LETTERS.isdisjoint(word))


def _is_answered(settings: Settings, argv: Sequence[str]) -> bool:
    """Do what only prints something; tell whether that was all.

    :raises UsageError: if there is nothing to do
    """
    if settings.list:
        list_actions()
        return True
    check_bindings(settings)
    if settings.print_config:
        from flagman import config_writer  # noqa: PLC0415 - for this option alone

        print(config_writer.as_toml(settings), end="")
    elif settings.print_unit:
        _print_units(settings, argv)
    elif settings.check:
        check_identity(settings)
        print(f"good: {service.summary(binding.flag for binding in settings.bindings)}")
    else:
        return False
    return True


def _print_units(settings: Settings, argv: Sequence[str]) -> None:
    from flagman import unit_files  # noqa: PLC0415 - for this option alone

    given = _given(argv)
    print("\n".join(unit_files.lines(settings, given, given.bindings)))


def _surroundings(signals: Signals, *, detach: bool) -> Surroundings:
    from flagman.surroundings import Surroundings  # noqa: PLC0415 - for those who shape the process

    return Surroundings(signals, detach=detach)


def _serve(settings: Settings, signals: Signals, notifier: SystemdNotifier, console: _Console) -> int:
    _set_up_log(settings)
    _set_log_level(settings)
    if settings.logging is not None:
        from flagman import log_setup  # noqa: PLC0415 - for those who have such a table

        log_setup.configure(settings)
    if not settings.systemd:
        notifier.close()
    return service.run(settings, signals, notifier, console)


class _Console(Console):
    """Reads the command line, and the file that it names, again."""

    def __init__(self, argv: Sequence[str], surroundings: Surroundings | None = None) -> None:
        self._argv = argv
        self._surroundings = surroundings

    def ready(self) -> None:
        self._watch_log()  # again: actions may have added handlers
        if self._surroundings is not None:
            self._surroundings.ready()

    def watch(self, engine: Engine) -> None:
        self._engine = engine
        streams.follow(engine.interrupter)
        self._watch_log()

    def _watch_log(self) -> None:
        """Let the log know which action runs, and bound handlers that are not ours; the plain log needs neither."""
        known = (logging.getLogger(), *logging.getLogger().manager.loggerDict.values())
        handlers = [handler for logger_ in known for handler in getattr(logger_, "handlers", ())]
        if "flagman.log_setup" in sys.modules or not all(map(streams.is_ours, handlers)):
            from flagman import log_setup  # noqa: PLC0415 - for a log that is not the plain one

            log_setup.watch(self._engine)

    def read(self) -> Settings:
        core.KNOWN_ACTIONS.look_again()
        around = self._surroundings
        settings = _read(self._argv, around.config if around else "")
        if around:
            around.place(settings)
        check_bindings(settings)
        return settings

    def change_log(self, before: Settings, after: Settings) -> None:
        from flagman import log_setup  # noqa: PLC0415 - for those who reload

        log_setup.change(before, after, _log_level(after))
        log_setup.watch(self._engine)


def _set_up_log(settings: Settings) -> None:
    """Write the log as the settings say, if that is not as it is written anyway."""
    plain = settings.log_format in ("auto", "plain") and not settings.log_file
    if plain and (settings.log_format == "plain" or "JOURNAL_STREAM" not in os.environ):
        return
    from flagman import log_setup  # noqa: PLC0415 - for those who need it

    log_setup.set_up(settings)


def _read(argv: Sequence[str], file: str = "") -> Settings:
    """Read a command line.

    :param file: where the configuration file is, if it is no longer where the command line says
    :raises UsageError: if an action or its arguments are wrong
    :raises SystemExit: of the parser
    """
    settings = _given(argv)
    if settings.config:
        from flagman import config  # noqa: PLC0415 - for those who have a file

        config.read(file or settings.config, core.KNOWN_ACTIONS).add_to(settings)
    return settings


def _given(argv: Sequence[str]) -> Settings:
    """Read what the command line itself says."""
    settings = Settings()
    bindings, rest = CommandLine(TRIGGERS, LONG_OPTIONS, core.KNOWN_ACTIONS).split(argv[1:])
    settings.bindings = tuple(bindings)
    if rest:
        from flagman import parser  # noqa: PLC0415 - argparse takes 3 ms, and most starts can do without

        parser.parse(rest, settings)
    return settings


def _notify_failure(notifier: SystemdNotifier, error: FlagmanError | OSError) -> None:
    """Tell the manager why this process ends, see :manpage:`sd_notify(3)`."""
    exit_status = error.exit_code if isinstance(error, FlagmanError) else 1
    state = f"{status(f'Failed: {one_line(error)}')}\nEXIT_STATUS={exit_status}"
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno:
        state += f"\nERRNO={cause.errno}"
    notifier.notify(state)


def _report(message: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):  # the status still tells
            sys.stderr.write(f"{_error_prefix()}flagman: error: {one_line(message)}\n")


def _error_prefix() -> str:
    if "JOURNAL_STREAM" not in os.environ:
        return ""
    from flagman import log_setup  # noqa: PLC0415 - for the journal

    return log_setup.ERROR_PREFIX if log_setup.is_journal() else ""


def _set_log_level(settings: Settings) -> None:
    """Say which process this is and how much it is going to log, and log that much."""
    root = logging.getLogger()
    level = _log_level(settings)
    if not settings.quiet:
        root.setLevel(logging.INFO)
        logger.info("PID: %d", os.getpid())
        logger.info("Setting loglevel to %s", logging.getLevelName(level))
    root.setLevel(level)


def _log_level(settings: Settings) -> int:
    if settings.quiet:
        return logging.CRITICAL
    # A rehearsal that nobody sees would be none.
    verbose = (logging.CRITICAL, logging.INFO, logging.DEBUG)[min(max(settings.verbose, settings.dry_run), 2)]
    return min(verbose, logging.getLevelNamesMapping()[settings.log_level.upper()])
