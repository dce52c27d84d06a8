"""The command ``flagman``: arguments in, exit status out.

Together with what it calls, :mod:`flagman.answers`, :mod:`flagman.log.start` and :mod:`flagman.mistakes`, this is the
only place that prints, parses arguments, configures logging and turns errors into exit statuses.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import ExitStack, suppress

from flagman import core, service
from flagman.children.environment import PRIVATE
from flagman.config.consistency import check_bindings
from flagman.console import Console
from flagman.core import create_action_bundles, run, set_handlers
from flagman.engine.signals import HANDLED_SIGNALS, Signals, flag_of
from flagman.exceptions import FlagmanError, UsageError
from flagman.log import standard_streams
from flagman.log.start import Log, level_of
from flagman.reading import finder, read
from flagman.systemd.manager import Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from flagman.config.settings import Settings
    from flagman.engine.engine import Engine
    from flagman.surroundings import Surroundings
    from flagman.systemd.more_time import MoreTime

# Those of flagman.core are here for programs that have always imported them from this module.
__all__ = ["create_action_bundles", "list_actions", "main", "main_wrapper", "parse_args", "run", "set_handlers"]

logger = logging.getLogger("flagman.cli")

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
        settings = read(argv, finder(None))
    except UsageError as error:
        from flagman import mistakes  # noqa: PLC0415 - most runs make none

        mistakes.report(error)
        raise SystemExit(error.exit_code) from None
    flags: dict[str, list[list[str]]] = {flag_of(signum): [] for signum in HANDLED_SIGNALS}
    for binding in settings.bindings:
        if binding.flag in flags:
            flags[binding.flag].append([binding.name, *binding.arguments])
    return Namespace(**settings.everything(), **flags, no_systemd=not settings.systemd)


def list_actions() -> None:
    """Print all known actions with their descriptions and arguments."""
    from flagman import answers  # noqa: PLC0415 - for those who ask

    answers.list_actions()


def main(argv: Sequence[str] | None = None, *, signals: Signals | None = None, is_process: bool = False) -> int:
    """Run the command.

    :param argv: the program's name and its arguments; ``sys.argv`` by default
    :param signals: the handled signals if they have been armed already; otherwise they are until this returns
    :param is_process: this is all that the process does, and not a part of another program
    :returns: the exit status
    """
    if signals is None:
        signals = Signals()
        signals.arm(HANDLED_SIGNALS)
        try:
            return main(argv, signals=signals)
        finally:
            signals.close()
    standard_streams.prepare()
    argv = sys.argv if argv is None else argv
    log = Log(argv)  # before a plugin can, at its import
    if log.is_held and is_process:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signals.handle(signum, log.on_end)
    manager = _manager()
    try:
        return _Command(argv, signals, manager, log).run()
    finally:
        log.release()
        manager.close()
        log.finish()
        standard_streams.flush()
        standard_streams.follow(None)


def _manager() -> Manager:
    """Connect to the service manager, if one has said anything to this process."""
    if PRIVATE.isdisjoint(os.environ):
        return Manager()
    from flagman.systemd.notify import take_from_environment  # noqa: PLC0415 - for a process that has a manager

    return take_from_environment()


def main_wrapper() -> int:
    """Run the command as :func:`main` does, with ``sys.argv``.

    :returns: the exit status
    """
    return main()


class _Command:
    """A command line that is carried out.

    :param argv: the program's name and its arguments
    :param signals: the handled signals, armed
    :param manager: the service manager, if it is open
    :param log: holds its first records
    """

    def __init__(self, argv: Sequence[str], signals: Signals, manager: Manager, log: Log) -> None:
        self._argv = argv
        self._signals = signals
        self._manager = manager
        self._log = log
        self._is_managed = manager.is_open
        if "--no-systemd" in argv:  # also if what follows is a mistake
            manager.close()

    def run(self) -> int:
        """Carry it out; give the exit status, whatever happens."""
        try:
            with ExitStack() as stack:
                return self._run(stack)
        except SystemExit as exit_:  # after --help, or of a signal before there is anything to stop
            return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        except (FlagmanError, OSError) as error:
            from flagman import mistakes  # noqa: PLC0415 - as above

            self._log.release()
            return mistakes.end_with(error, self._manager)

    def _run(self, stack: ExitStack) -> int:
        surroundings = None
        with ExitStack() as start:
            more_time = start.enter_context(self._more_time()) if self._manager.is_open else None
            if "--daemon" in self._argv and not self._is_managed and not any(map(_may_be_answered, self._argv)):
                # Now that no action has been looked for: what a plugin opens and starts belongs to the daemon.
                surroundings = self._surroundings(detach=True)
            settings = read(self._argv, finder(more_time), settings=self._log.settings)
            if not settings.systemd:
                self._manager.close()
            if settings.list or settings.check or settings.print_config or settings.print_unit:
                from flagman import answers  # noqa: PLC0415 - for those who ask

                answers.answer(settings, self._argv)
                return 0
            check_bindings(settings)
            if surroundings is None and (settings.daemon or settings.shape_the_process()):
                if settings.daemon and self._is_managed:
                    logger.warning("--daemon: a service manager watches this process, which stays in the foreground")
                surroundings = self._surroundings(detach=settings.daemon and not self._is_managed)
            if surroundings is not None:
                stack.enter_context(surroundings)
                surroundings.enter(settings)
            self._log.set_up(settings, surroundings.log if surroundings is not None else None)
        console = _Console(self._argv, self._log, settings, surroundings)
        return service.run(settings, self._signals, self._manager, console)

    def _more_time(self) -> MoreTime:
        from flagman.systemd.more_time import MoreTime  # noqa: PLC0415 - for those whom a manager watches

        return MoreTime(self._manager)

    def _surroundings(self, *, detach: bool) -> Surroundings:
        from flagman.surroundings import Surroundings  # noqa: PLC0415 - for those who shape the process

        return Surroundings(self._signals, detach=detach)


def _may_be_answered(word: str) -> bool:
    is_short = word.startswith("-") and not word.startswith("--")
    return word in _ANSWERED or (is_short and not _ANSWERED_LETTERS.isdisjoint(word))


class _Console(Console):
    """Reads the command line, and the file that it names, again.

    :param settings: the first
    """

    def __init__(
        self, argv: Sequence[str], log: Log, settings: Settings, surroundings: Surroundings | None = None
    ) -> None:
        self._argv = argv
        self._log = log
        self._surroundings = surroundings
        self._config = ""
        if surroundings is not None:
            self._config = surroundings.config
        elif settings.config:
            from flagman.config.paths import working_directory  # noqa: PLC0415 - for those who have a file

            with suppress(OSError):  # it has been deleted
                # Not relative to the directory itself: another one may have its name by then.
                self._config = os.path.join(working_directory(), settings.config)  # noqa: PTH118 - pathlib costs 5 ms

    def ready(self) -> None:
        self._log.watch(self._engine)  # again: actions may have added handlers
        if self._surroundings is not None:
            self._surroundings.ready()

    def watch(self, engine: Engine) -> None:
        self._engine = engine
        standard_streams.follow(engine.interrupter)
        self._log.watch(engine)

    def read(self, more_time: MoreTime) -> Settings:
        core.KNOWN_ACTIONS.look_again()
        settings = read(self._argv, finder(more_time), self._config)
        if self._surroundings is not None:
            self._surroundings.place(settings)
        check_bindings(settings)
        return settings

    def change_log(self, before: Settings, after: Settings) -> None:
        from flagman.log import table  # noqa: PLC0415 - for a reload alone

        table.change(before, after, level_of(after))
        self._log.watch(self._engine)
