"""How log records are written: plain lines, lines with priorities for the journal, or JSON; to stderr or to a file."""

from __future__ import annotations

import logging
import os
import sys

from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.engine import Engine
    from flagman.settings import Settings

_STDERR = 2

# The priorities of syslog(3), which sd-daemon(3) lets a line begin with.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7

#: That of the line which tells why flagman cannot start.
ERROR_PREFIX = "<3>"


class JournalFormatter(logging.Formatter):
    """Begins every physical line with its priority: a traceback is an error in its last line, too."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Give the lines of a record."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object in one line.

    Its keys are ``time``, ``level``, ``logger`` and ``message``; ``trigger`` and ``action`` while an action runs; and
    ``exception`` with the traceback if there is one.
    """

    #: The engine whose actions run.
    engine: Engine | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Give the line of a record."""
        import json  # noqa: PLC0415 - for this format alone, as the other
        from datetime import UTC, datetime  # noqa: PLC0415

        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self.engine is not None and self.engine.turn.action:
            entry["trigger"] = self.engine.turn.trigger
            entry["action"] = self.engine.turn.action
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def is_journal() -> bool:
    """Tell whether stderr is the journal itself, and not a pipe or a file that a child of a service was given."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(_STDERR)
    except OSError:
        return False
    return device == str(status.st_dev) and inode == str(status.st_ino)


def set_up(settings: Settings) -> None:
    """Let the root logger write as the settings say.

    :raises OSError: if the log file cannot be opened
    """
    formatter: logging.Formatter
    if settings.log_format == "json":
        formatter = JsonFormatter()
    elif settings.log_format == "journal" or (settings.log_format == "auto" and not settings.log_file and is_journal()):
        formatter = JournalFormatter()
    else:
        formatter = logging.Formatter(logging.BASIC_FORMAT)
    handler: logging.Handler
    if settings.log_file:
        from logging.handlers import WatchedFileHandler  # noqa: PLC0415 - 10 ms, for those who have a file

        handler = WatchedFileHandler(settings.log_file, encoding="utf-8", errors="backslashreplace")
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
        other.close()
    root.addHandler(handler)


def watch(engine: Engine) -> None:
    """Let the log name the action that runs in this engine, where its format has a place for that."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.engine = engine


def change(before: Settings, after: Settings, level: int) -> None:
    """Write the log as other settings say, from now on.

    :param before: the settings so far
    :param level: of the root logger; a table [logging] may say otherwise
    :raises UsageError: if it cannot be written so; then everything is as it was
    :raises OSError: likewise
    """
    saved = _Saved()
    try:
        if _choices(before) != _choices(after):
            if before.logging is not None:
                saved.clear()
            set_up(after)
            logging.getLogger().setLevel(level)
            if after.logging is not None:
                configure(after)
    except BaseException:
        saved.restore()
        raise


def _choices(settings: Settings) -> tuple[object, ...]:
    log_level = settings.log_level, settings.verbose, settings.quiet
    return log_level, settings.log_format, settings.log_file, settings.logging


class _Saved:
    """What is set in all loggers there are."""

    def __init__(self) -> None:
        root = logging.getLogger()
        loggers = [root, *(known for known in root.manager.loggerDict.values() if isinstance(known, logging.Logger))]
        self._states = [(known, known.level, known.propagate, known.disabled, known.handlers[:]) for known in loggers]

    def clear(self) -> None:
        """Let no logger but the root differ from a new one."""
        for known, *_ in self._states[1:]:
            known.setLevel(logging.NOTSET)
            known.propagate = True
            known.disabled = False
            known.handlers[:] = []

    def restore(self) -> None:
        """Set it again; a handler for a file that was closed in the meantime opens it with the next record."""
        for known, level, propagate, disabled, handlers in self._states:
            known.setLevel(level)
            known.propagate = propagate
            known.disabled = disabled
            known.handlers[:] = handlers


def configure(settings: Settings) -> None:
    """Hand the table [logging] to :mod:`logging.config`.

    :raises UsageError: if it cannot be used
    """
    from logging.config import dictConfig  # noqa: PLC0415 - for those who have such a table

    try:
        dictConfig(settings.logging or {})
    except Exception as error:
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise UsageError(f"{settings.config}: [logging]: {reason}") from error
