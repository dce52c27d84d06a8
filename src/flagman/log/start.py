"""The log of the command from its first record on: records are held until the options of the log are known."""

from __future__ import annotations

import logging
import os
import signal
import sys

from flagman.config.settings import Settings
from flagman.log import all_handlers, enable_ours, install, standard_streams
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from flagman.engine.engine import Engine
    from flagman.engine.signals import Signals

# The documented name: programs and tables [logging] know it.
logger = logging.getLogger("flagman.cli")

# Options that say how the log is written, or name the file that does; and the letters that mean the same after a dash.
_TELLING = ("--log-", "--config", "--verbose", "--quiet", "--dry-run")
_TELLING_LETTERS = frozenset("cvq")
# The most records that are held, because a plugin that logs without an end must not fill the memory.
_MOST = 10_000


class Log:
    """The log of one command; it does nothing in a process that has a log already.

    :param argv: the command line; if nothing in it can say how the log is written, records are not held
    :param most: the largest number of records that are held
    """

    def __init__(self, argv: Sequence[str], most: int = _MOST) -> None:
        #: The options that say how the log is written, as far as they are known.
        self.known: dict[str, object] = {}
        self._held: _Held | None = None
        if logging.getLogger().handlers:
            return
        if any(map(_may_tell, argv[1:])):
            self._held = _Held(most)
            install(self._held)
            logging.getLogger().setLevel(_least(argv))
        else:
            _write(Settings())

    def set_up(self, settings: Settings, opened: int | None = None) -> None:
        """Write the log as settings say: first the records that were held, then the pid of this process.

        :param opened: a descriptor of the log file, if it has been opened already
        :raises FlagmanError: if the log file cannot be opened
        :raises UsageError: if the table [logging] cannot be used
        """
        self._begin(settings, opened)
        if not settings.quiet:
            _introduce(level_of(settings))

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
        known = all_handlers()
        _write(settings, opened, is_needed=self._held is not None)
        enable_ours()
        logging.getLogger().setLevel(level_of(settings))
        if settings.logging is not None:
            from flagman.log import table  # noqa: PLC0415 - only with such a table

            table.configure(settings)
        held, self._held = self._held, None
        if held is not None:
            held.hand_over(known)

    @staticmethod
    def watch(engine: Engine) -> None:
        """Make the log name the action that runs, and bound handlers that are not ours; the plain log needs neither."""
        enable_ours()
        if not all(map(_is_plain, all_handlers())):
            from flagman.log import setup  # noqa: PLC0415 - only for a log that is not plain

            setup.watch(engine)

    @staticmethod
    def finish() -> None:
        """Keep handlers that were bounded from delaying the end of the process."""
        if any("handle" in vars(handler) for handler in all_handlers()):
            from flagman.log import setup  # noqa: PLC0415 - as above

            setup.finish()


def _is_plain(handler: logging.Handler) -> bool:
    return standard_streams.is_ours(handler) and type(handler.formatter) is logging.Formatter


class _Held(logging.Handler):
    """Keeps records until the log is set up, with the messages that they have now."""

    def __init__(self, most: int = _MOST) -> None:
        super().__init__()
        self._most = most
        self.records: list[logging.LogRecord] = []
        self.lost = 0
        # Once records are handed over: the handlers that had received them before.
        self._known: set[logging.Handler] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._known is not None:  # a thread had come here before this handler was replaced
            _pass_on(record, self._known)
            return
        if len(self.records) >= self._most:
            self.lost += 1
            return
        from copy import copy  # noqa: PLC0415 - most logs hold nothing

        kept = copy(record)  # other handlers get it, too
        try:
            kept.msg, kept.args = record.getMessage(), None
        except Exception:  # noqa: BLE001 - as in every handler
            self.handleError(record)
        else:
            self.records.append(kept)

    def _take(self, known: set[logging.Handler]) -> list[logging.LogRecord]:
        """Return what has come meanwhile, because a thread may be in emit(); if nothing has, hold no more records."""
        self.acquire()
        try:
            records, self.records = self.records, []
            if not records:
                self._known = known
            return records
        finally:
            self.release()

    def hand_over(self, known: set[logging.Handler]) -> None:
        """Pass the records to the handlers that have been added since.

        :param known: handlers that have received them already
        """
        while records := self._take(known):
            for record in records:
                _pass_on(record, known)  # without the lock: other handlers have their own
        if self.lost:
            lost = counted(self.lost, "more is", "more are")
            logger.warning("Only the first %d records of this start were kept; %s lost", self._most, lost)


def level_of(settings: Settings) -> int:
    """Return the lowest level that is logged."""
    if settings.quiet:
        return logging.CRITICAL
    # A rehearsal must be visible in the log.
    verbose = (logging.CRITICAL, logging.INFO, logging.DEBUG)[min(max(settings.verbose, settings.dry_run), 2)]
    return min(verbose, logging.getLevelNamesMapping()[settings.log_level.upper()])


def _least(words: Sequence[str]) -> int:
    """Guess the lowest level that is going to be logged, because handlers of plugins get the same records.

    A file may ask for any level.
    """
    short = [word for word in words if word.startswith("-") and not word.startswith("--")]
    if any(word.startswith("--config") for word in words) or any("c" in word for word in short):
        return logging.NOTSET
    verbose = words.count("--verbose") + words.count("--dry-run")
    verbose += sum(word.count("v") for word in short)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    named = {"debug": logging.DEBUG, "info": logging.INFO}
    return min(level, *(named.get(word.removeprefix("--log-level="), level) for word in words))


def _may_tell(word: str) -> bool:
    is_short = word.startswith("-") and not word.startswith("--")
    return word.startswith(_TELLING) or (is_short and not _TELLING_LETTERS.isdisjoint(word))


def _write(settings: Settings, opened: int | None = None, *, is_needed: bool = True) -> None:
    """Make the root logger write as the settings say.

    :param is_needed: there is no handler yet that writes a plain log
    """
    is_plain = settings.log_format in ("auto", "plain") and not settings.log_file and not settings.daemon
    if not is_plain or (settings.log_format == "auto" and "JOURNAL_STREAM" in os.environ):
        from flagman.log import setup  # noqa: PLC0415 - only for a file, another format, or the journal

        setup.set_up(settings, opened)
    elif is_needed:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
        install(handler)


def _pass_on(record: logging.LogRecord, known: set[logging.Handler]) -> None:
    """Handle a record as its logger does, but leave out some handlers."""
    of = logging.getLogger(record.name)
    if record.levelno < of.getEffectiveLevel() or not of.filter(record):  # it may have been disabled since
        return
    current: logging.Logger | None = of
    while current is not None:
        for handler in current.handlers:
            if handler not in known and record.levelno >= handler.level:
                handler.handle(record)
        current = current.parent if current.propagate else None


def _introduce(level: int) -> None:
    """Log the pid and the level, even if the level is too high for that."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(min(before, logging.INFO))
    logger.info("PID: %d", _front_pid())
    logger.info("Setting loglevel to %s", logging.getLevelName(level))
    root.setLevel(before)


def _front_pid() -> int:
    """Return the number of the process that users signal: only behind process 1 it may be another one."""
    if os.getppid() != 1:
        return os.getpid()
    from flagman.children import front  # noqa: PLC0415 - a plain start has none

    return front.pid()
