"""What the log needs :mod:`logging` for before it is set up: records are held until its options are known."""

from __future__ import annotations

import logging
import os
import sys

from flagman.config.settings import Settings
from flagman.log.handlers import all_handlers, enable_ours, install
from flagman.text.shown import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The documented name: programs and tables [logging] know it.
logger = logging.getLogger("flagman.cli")

# The most records that are held, because a plugin that logs without an end must not fill the memory.
MOST = 10_000


class Held(logging.Handler):
    """Keeps records until the log is set up, with the messages that they have now."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self._most = most
        self.records: list[logging.LogRecord] = []
        self.lost = 0
        # Once records are handed over: the handlers that had received them before.
        self._known: set[logging.Handler] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
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


def least(words: Sequence[str]) -> int:
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


def write(settings: Settings, opened: int | None = None, *, is_needed: bool = True) -> None:
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


def hold(words: Sequence[str], most: int) -> Held | None:
    """Hold all records from now on, unless this process has a log already.

    :param words: of the command line
    :param most: the largest number of records that are held
    """
    root = logging.getLogger()
    if root.handlers:
        return None
    held = Held(most)
    install(held)
    root.setLevel(least(words))
    return held


def write_plainly() -> None:
    """Write a log as it is by default, unless this process has a log already."""
    if not logging.getLogger().handlers:
        write(Settings())


def begin(settings: Settings, opened: int | None, *, is_needed: bool) -> set[logging.Handler]:
    """Write the log as settings say.

    :param opened: a descriptor of the log file, if it has been opened already
    :param is_needed: there is no handler yet that writes a plain log
    :returns: the handlers that there were before
    :raises FlagmanError: if the log file cannot be opened
    :raises UsageError: if the table [logging] cannot be used
    """
    known = all_handlers()
    write(settings, opened, is_needed=is_needed)
    enable_ours()
    logging.getLogger().setLevel(level_of(settings))
    if settings.logging is not None:
        from flagman.log import table  # noqa: PLC0415 - only with such a table

        table.configure(settings)
    return known


def introduce(level: int, pid: int) -> None:
    """Log the pid and the level, even if the level is too high for that."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(min(before, logging.INFO))
    logger.info("PID: %d", pid)
    logger.info("Setting loglevel to %s", logging.getLevelName(level))
    root.setLevel(before)
