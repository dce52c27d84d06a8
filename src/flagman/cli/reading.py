"""The settings of one run: read from the command line, and from the file that it names."""

from __future__ import annotations

import os
import sys

from flagman import core
from flagman.cli.words import CommandLine
from flagman.config.binders import TRIGGERS
from flagman.config.options import LONG_OPTIONS
from flagman.config.settings import Settings
from flagman.engine import loggers
from flagman.exceptions import PluginError, UsageError, reason_of
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from flagman.config.reader import File
    from flagman.engine.action import Action
    from flagman.systemd.more_time import MoreTime
    from flagman.types import ActionName

    #: Finds and loads an action.
    Find = Callable[[ActionName], type[Action]]

logger = loggers.get("flagman.cli")

# The options that are only for a command to wrap, by their settings.
_FOR_A_COMMAND = ("forward", "graceful_time", "restart", "stop_signal", "success_exit_status")


def finder(more_time: MoreTime | None) -> Find:
    """Return a function that finds actions.

    :param more_time: is told the name of each, because an import may take long
    """

    def find(name: ActionName) -> type[Action]:
        if more_time is not None:
            more_time.progress("Looking for", name)
        return core.KNOWN_ACTIONS[name]

    return find


def extend_path(directory: str, stack: ExitStack) -> None:
    """Look for modules in a directory, too, after all other places.

    :param directory: empty for none
    :param stack: takes it back
    """
    if directory:
        place = os.path.abspath(directory)  # noqa: PTH100 - pathlib costs 5 ms
        sys.path.append(place)
        stack.callback(sys.path.remove, place)


def extender(directory: str, stack: ExitStack) -> Callable[[str], object]:
    """Look for modules in a directory, and return what does so for the one that a file names, if this is empty."""
    extend_path(directory, stack)
    return lambda named: extend_path("" if directory else named, stack)


class Line:
    """A command line, which is read in two steps.

    :param argv: the program's name and its arguments
    :param known: receives the options that are read, also if a mistake comes after them
    :raises UsageError: if an option before all actions, or after a lone ``;``, is wrong
    :raises SystemExit: after ``--help`` or ``--version`` there
    """

    def __init__(self, argv: Sequence[str], known: dict[str, object] | None = None) -> None:
        self._options: dict[str, object] = {} if known is None else known
        self._words = CommandLine(argv[1:], TRIGGERS, LONG_OPTIONS)
        if any("--no-systemd" in words for words in self._words.free):
            self._options["systemd"] = False  # even if a mistake comes before it: systemd is not told of that, either
        for number, words in enumerate(self._words.free):
            _parse(words, self._options, after_end=number > 0)
        command = self._words.command
        if command is not None and not (command and command[0]):
            raise UsageError("-- takes a command that flagman starts, and nothing follows; for example -- nginx")
        if command and command[0].startswith("-"):
            raise UsageError(
                f"-- takes a command to start, not {shown(command[0])!r}; if that belongs to an action, write"
                " -- right after the action's name"
            )
        self._command = command or ()

    @property
    def options(self) -> Settings:
        """The options before all actions, and after a lone ``;``."""
        return Settings(**self._options, command=self._command)

    def given(self, find: Find) -> Settings:
        """Find the actions, and return all settings of the command line.

        :raises UsageError: if anything in it is wrong
        :raises SystemExit: after ``--help`` or ``--version``
        """
        bindings = self._words.bind(find)
        if any(words for is_late, words in self._words.own if is_late):
            self._options.clear()
            # All are parsed again, in order, because of two equal options the last one counts.
            for number, (is_late, words) in enumerate(self._words.own):
                was_asked = self._options.pop("daemon", None) if is_late else None
                _parse(words, self._options, after_end=number > 0 and not is_late)
                if is_late and any(word.lower().startswith("--pythonpath") for word in words):
                    raise UsageError("--pythonpath: this has to stand before the first action, or in the file")
                if is_late and "daemon" in self._options:
                    raise UsageError("-d, --daemon: this has to stand before the first action, or after a lone ';'")
                if was_asked:
                    self._options["daemon"] = True
        idle = [name for name in _FOR_A_COMMAND if name in self._options]
        if idle and not self._command:
            raise UsageError(f"--{idle[0].replace('_', '-')} is for a command to wrap, and -- COMMAND is missing")
        for what, word in self._words.doubtful:
            logger.warning("%s: %s; flagman's own options come first", what, word)
        return Settings(**self._options, bindings=bindings, command=self._command)


def _parse(words: Sequence[str], options: dict[str, object], *, after_end: bool) -> None:
    """Parse one group of flagman's own words.

    :param options: receives the values
    :param after_end: a lone ``;`` has ended an action before them
    """
    if not words:
        return
    from flagman.cli import parser  # noqa: PLC0415 - argparse takes 3 ms, and most starts do not need it

    try:
        parser.parse(words, options)
    except UsageError as error:
        if not after_end:
            raise
        hint = "; a lone ';' has ended the action before it; to pass ';' to a program, write --usr1='exec find ... ;'"
        raise UsageError(f"{error}{hint}") from None


def complete(given: Settings, find: Find, file: File | None) -> Settings:
    """Return all settings.

    :param given: the settings of the command line
    :param file: the file that it names, if it names one; its actions are found now
    :raises ConfigError: if anything in the file is wrong
    """
    return given if file is None else file.complete(find).below(given)


def open_file(options: Settings, place: str = "", extend: Callable[[str], object] = str) -> File | None:
    """Read the file that options name, if they name one, except for its actions.

    :param place: where the file is, if it is no longer where the options say
    :raises ConfigError: if it cannot be read
    """
    if not options.config:
        return None
    from flagman.cli import parts  # noqa: PLC0415 - only with a file, as the next
    from flagman.config.reader import File  # noqa: PLC0415

    return File(options.config, place, parts.tables(), extend)


def check_together(settings: Settings) -> None:
    """Refuse settings that do not go together.

    :raises UsageError: if they do not
    """
    settings.check_together()
    for action in dict.fromkeys(binding.action for binding in settings.bindings):
        try:
            action.check_settings(settings.for_actions)
        except (ValueError, UsageError) as error:
            place = f"{settings.config}: [settings]" if settings.config else "[settings] of a configuration file"
            raise UsageError(f"{place}: {reason_of(error)}") from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"{action.__name__}: checking the settings failed: {reason_of(error)}") from error
    if settings.may_have_parts():
        from flagman.cli import parts  # noqa: PLC0415 - only if a part is asked for

        parts.check(settings)
    if not settings.control:
        if settings.control_mode is not None or settings.control_group is not None:
            raise UsageError("--control-mode and --control-group can only be used with --control")
        if settings.control_token:
            raise UsageError("--control-token can only be used with --control 127.0.0.1:PORT or [::1]:PORT")
