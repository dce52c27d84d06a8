"""The log of the command from its first record on.

Records are held until the options of the log are known. For the log that a command line without such options asks for,
logging is not even imported before all is ready, or a record is due: see :mod:`flagman.engine.loggers`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from flagman.config.settings import Settings
from flagman.engine import loggers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from flagman.engine.engine import Engine
    from flagman.engine.signals import Signals
    from flagman.log.held import Held

# Options that say how the log is written, or name the file that does; and the letters that mean the same after a dash.
_TELLING = ("--log-", "--config", "--verbose", "--quiet", "--dry-run")
_TELLING_LETTERS = frozenset("cvq")
# What makes a log another one than that of a plain start.
_SETTINGS = ("daemon", "dry_run", "log_file", "log_format", "log_level", "logging", "quiet", "verbose")


class Log:
    """The log of one command; it does nothing in a process that has a log already.

    :param argv: the command line; if nothing in it can say how the log is written, records are not held
    :param most: the largest number of records that are held; by default 10,000
    """

    def __init__(self, argv: Sequence[str], most: int = 0) -> None:
        #: The options that say how the log is written, as far as they are known.
        self.known: dict[str, object] = {}
        self._held: Held | None = None
        is_told = any(map(_may_tell, argv[1:]))
        if not is_told and "logging" not in sys.modules and "JOURNAL_STREAM" not in os.environ:
            loggers.put_off(_write_plainly)
        elif not is_told:
            _write_plainly()
        else:
            from flagman.log import held  # noqa: PLC0415 - as in the module's docstring, as all below

            self._held = held.hold(argv, most or held.MOST)

    def set_up(self, settings: Settings, opened: int | None = None) -> None:
        """Write the log as settings say: first the records that were held, then the pid of this process.

        :param opened: a descriptor of the log file, if it has been opened already
        :raises FlagmanError: if the log file cannot be opened
        :raises UsageError: if the table [logging] cannot be used
        """
        if loggers.are_late() and _is_default(settings):
            _introduce_plainly()
            return
        loggers.load()
        self._begin(settings, opened)
        if not settings.quiet:
            from flagman.log import held  # noqa: PLC0415

            held.introduce(held.level_of(settings), _front_pid())

    def release(self) -> None:
        """Write what is held to stderr, because this run ends before the log could be set up."""
        if self._held is not None:
            self._begin(Settings(**{**self.known, "log_file": "", "logging": None}))

    def release_at_end(self, signals: Signals) -> None:
        """Install handlers that write what is held, if anything is, when a signal ends this process."""
        if self._held is not None:
            for signum in (signal.SIGTERM, signal.SIGINT):
                signals.handle(signum, self.on_end)

    def on_end(self, signum: int, _frame: FrameType | None) -> None:
        """Handle a signal that ends the process, for example while an import hangs: the held records may say why."""
        signal.signal(signum, signal.SIG_DFL)
        self.release()
        os.kill(os.getpid(), signum)

    def _begin(self, settings: Settings, opened: int | None = None) -> None:
        from flagman.log import held  # noqa: PLC0415

        known = held.begin(settings, opened, is_needed=self._held is not None)
        records, self._held = self._held, None
        if records is not None:
            records.hand_over(known)

    @staticmethod
    def watch(engine: Engine) -> None:
        """Make the log name the action that runs, and bound handlers that are not ours; the plain log needs neither."""
        if loggers.are_late():
            return
        from flagman.log import handlers  # noqa: PLC0415

        handlers.enable_ours()
        if not all(map(handlers.is_plain, handlers.all_handlers())):
            from flagman.log import setup  # noqa: PLC0415 - only for a log that is not plain

            setup.watch(engine)

    @staticmethod
    def finish() -> None:
        """Keep handlers that were bounded from delaying the end of the process."""
        if loggers.are_late():
            return
        from flagman.log import handlers  # noqa: PLC0415

        if any("handle" in vars(handler) for handler in handlers.all_handlers()):
            from flagman.log import setup  # noqa: PLC0415 - only for a log that is not plain

            setup.finish()


def _may_tell(word: str) -> bool:
    is_short = word.startswith("-") and not word.startswith("--")
    return word.startswith(_TELLING) or (is_short and not _TELLING_LETTERS.isdisjoint(word))


def _is_default(settings: Settings) -> bool:
    """Return whether settings ask for the log that is written by default."""
    default = Settings()
    return all(getattr(settings, name) == getattr(default, name) for name in _SETTINGS)


def _write_plainly() -> None:
    from flagman.log import held  # noqa: PLC0415

    held.write_plainly()


def _introduce_plainly() -> None:
    """Write the documented lines of the pid and the level as a plain log does, which would lose an error, too."""
    lines = f"PID: {_front_pid()}", "Setting loglevel to WARNING"
    if sys.stderr is not None:
        with suppress(OSError):
            for line in lines:
                sys.stderr.write(f"INFO:flagman.cli:{line}\n")


def _front_pid() -> int:
    """Return the number of the process that users signal: only behind process 1 it may be another one."""
    if os.getppid() != 1:
        return os.getpid()
    from flagman.children import front  # noqa: PLC0415 - a plain start has none

    return front.pid()
