"""The command ``flagman``: a command line is read, and answered or run."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import ExitStack, nullcontext

from flagman.cli import hooks
from flagman.cli.reading import Line, check_together, complete, extender, finder, open_file
from flagman.config.settings import Settings
from flagman.engine import loggers
from flagman.engine.signals import HANDLED_SIGNALS, Signals, flag_of
from flagman.exceptions import FlagmanError, UsageError
from flagman.log import standard_streams
from flagman.log.start import Log
from flagman.service.hangup import has_terminal
from flagman.service.run import run
from flagman.systemd import Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from types import FrameType

    from flagman.cli.reading import Find
    from flagman.config.reader import File
    from flagman.daemon.privileges import Identity
    from flagman.service.own_process import OwnProcess
    from flagman.service.parts import Part
    from flagman.systemd.more_time import MoreTime

logger = loggers.get("flagman.cli")

_Hooks = hooks.Hooks

# The variables that a manager sets begin so.
_OF_MANAGER = ("NOTIFY_", "WATCHDOG_", "LISTEN_")


def parse_args(argv: Sequence[str]) -> Namespace:
    """Parse a command line.

    :param argv: the program's name and its arguments
    :returns: all options, as an :class:`argparse.Namespace`; it also has, under the names ``hup``, ``usr1`` and
        ``usr2``, the list of that signal's actions as :func:`flagman.create_action_bundles` takes it
    :raises SystemExit: after ``--help`` or ``--version`` (status 0) or a one-line message about a mistake (status 2)
    """
    from argparse import Namespace  # noqa: PLC0415 - a start does not need it

    from flagman.config.options import OPTIONS  # noqa: PLC0415 - as above

    try:
        line, find = Line(argv), finder(None)
        given = line.given(find)
        settings = complete(given, find, open_file(given))
    except UsageError as error:
        from flagman.cli import mistakes  # noqa: PLC0415 - only for a mistake

        mistakes.report(error)
        raise SystemExit(error.exit_code) from None
    flags: dict[str, list[list[str]]] = {flag_of(signum): [] for signum in HANDLED_SIGNALS}
    for binding in settings.bindings:
        if binding.flag in flags:
            flags[binding.flag].append([binding.name, *binding.arguments])
    names = [*(option.setting for option in OPTIONS), "bindings", "command", "logging", "tables"]
    everything = {name: getattr(settings, name) for name in names}
    return Namespace(**everything, **flags, no_systemd=not settings.systemd)


def main(argv: Sequence[str] | None = None, *, signals: Signals | None = None, is_process: bool = False) -> int:
    """Run the command.

    :param argv: the program's name and its arguments; ``sys.argv`` by default
    :param signals: the handled signals if they have been armed already; otherwise this arms them until it returns
    :param is_process: whether this is all that the process does, and not a part of another program
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
    log = Log(argv)  # before a plugin can set one up, at its import
    if is_process:
        log.release_at_end(signals)
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
    """Connect to the service manager, if one has set any variable of this process."""
    if not any(name.startswith(_OF_MANAGER) for name in os.environ):
        return Manager()
    from flagman.systemd.notify import take_from_environment  # noqa: PLC0415 - only under a manager

    return take_from_environment()


def _parts(settings: Settings) -> Sequence[Part]:
    """Make the parts that settings ask for."""
    if not settings.may_have_parts():
        return ()
    from flagman.cli import parts  # noqa: PLC0415 - only if there is one

    loggers.load()
    return parts.wanted(settings)


def main_wrapper() -> int:
    """Run the command as :func:`main` does, with ``sys.argv``.

    :returns: the exit status
    """
    return main()


class _Command:
    """Carries out a command line.

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

    def run(self) -> int:
        """Carry out the command line, and return the exit status, also after an error."""
        try:
            with ExitStack() as stack:
                return self._run(stack)
        except SystemExit as exit_:  # after --help, or from a signal before there is anything to stop
            return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        except (FlagmanError, OSError) as error:
            from flagman.cli import mistakes  # noqa: PLC0415 - as above

            if not Settings(**self._log.known).systemd:
                self._manager.close()
            self._log.release()
            return mistakes.end_with(error, self._manager)

    def _run(self, stack: ExitStack) -> int:
        own_process = None
        line = Line(self._argv, self._log.known)
        early = line.options
        if not early.systemd:
            self._manager.close()
        with self._more_time() as more_time:
            extend = extender(early.pythonpath or "", stack)
            file = open_file(early, extend=extend)
            if self._detaches(early, file):
                # Before any action is looked for, because what a plugin opens and starts belongs to the daemon.
                own_process = self._own_process(detach=True)
                self._log.release_at_end(self._signals)  # again, in this process
            find = finder(more_time)
            given = self._given(line, find, early if own_process is not None else None)
            asks = early.daemon or bool(file and file.options.get("daemon"))
            if given.config != early.config:
                file = open_file(given, extend=extend)
            settings = complete(given, find, file)
            self._log.known = vars(settings)
            if settings.daemon and not asks and not (settings.list or settings.print_config or settings.print_unit):
                raise UsageError("--config: a file with daemon = true has to be given before the first action")
            if not settings.systemd:
                self._manager.close()
            if settings.list or settings.check or settings.print_config or settings.print_unit:
                from flagman.cli import answers  # noqa: PLC0415 - only for such an option

                answers.answer(settings, given)
                return 0
            check_together(settings)
            if settings.daemon and self._is_managed:
                logger.warning("--daemon: a service manager watches this process, so it stays in the foreground")
                settings = settings.changed(daemon=False)
            if own_process is None and (settings.daemon or settings.shape_the_process()):
                own_process = self._own_process(detach=False)
            terminal = bool(settings.config) and has_terminal()  # only now: there may be none in another root
            parts = _parts(settings)
            if own_process is not None:
                stack.enter_context(own_process)
                given_ = settings
                settings = own_process.enter(given_, lambda identity: self._prepare(parts, given_, stack, identity))
            else:
                self._prepare(parts, settings, stack, None)
            self._log.set_up(settings, own_process.opened(settings.log_file) if own_process is not None else None)
        gc.freeze()  # what has been imported lasts
        gc.enable()  # the entry point has disabled it
        calls = _Hooks(given, settings, self._log, own_process, terminal=terminal)
        return run(calls.placed(settings), self._signals, self._manager, calls, parts)

    def _prepare(self, parts: Sequence[Part], settings: Settings, stack: ExitStack, identity: Identity | None) -> None:
        """Make parts take what this process cannot take once it is another user, or in another root.

        :param stack: undoes that
        :param identity: what this process is going to become
        """
        if parts:
            from flagman.service.preparation import Preparation  # noqa: PLC0415 - only if there is a part

            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
            preparation = Preparation(
                settings, identity, self._manager.sockets, stack, is_managed=self._manager.is_open
            )
            for part in parts:
                part.prepare(preparation)
            # Now there is something to clean up, until the run has its own handlers: also one that has come meanwhile.
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._signals.handle(signum, _give_up)

    def _detaches(self, options: Settings, file: File | None) -> bool:
        """Return whether this process goes into the background, which it does before any action is looked for."""
        is_answered = options.list or options.check or options.print_config or options.print_unit
        wants = options.daemon or (file is not None and file.options.get("daemon"))
        return bool(wants) and not is_answered and not self._is_managed

    @staticmethod
    def _given(line: Line, find: Find, early: Settings | None) -> Settings:
        """Return the settings of the command line.

        :param early: the options for which this process has detached, if it has: then it has to run, not to answer
        """
        try:
            given = line.given(find)
        except SystemExit as exit_:
            if exit_.code or early is None:  # it may come from a signal that ends the start
                raise
            raise UsageError("with --daemon, --help and --version have to stand before the first action") from None
        if early is not None and early.config and given.config != early.config:
            raise UsageError("--config: with --daemon, another file has to be given before the first action")
        if early is not None and (given.list or given.check or given.print_config or given.print_unit):
            raise UsageError("with --daemon, --check, --list and --print-... have to stand before the first action")
        return given

    def _more_time(self) -> AbstractContextManager[MoreTime | None]:
        if not self._manager.is_open:
            return nullcontext()
        from flagman.systemd.more_time import MoreTime  # noqa: PLC0415 - only under a manager

        return MoreTime(self._manager)

    def _own_process(self, *, detach: bool) -> OwnProcess:
        from flagman.service.own_process import OwnProcess  # noqa: PLC0415 - only to shape the process

        loggers.load()  # another root, or another user, may have no access to it
        own_process = OwnProcess(self._signals, detach=detach)
        own_process.begin()
        return own_process


def _give_up(signum: int, _frame: FrameType | None) -> None:
    """Exit, with all clean-up, from the start of a run."""
    raise SystemExit(128 + signum)
