"""How log records are written: plain lines, lines with priorities for the journal, or JSON; to stderr or to a file."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

from flagman import loggers, streams
from flagman.exceptions import FlagmanError, UsageError
from flagman.loggers import all_handlers, all_loggers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from flagman.engine.engine import Engine
    from flagman.engine.interrupt import Interrupter
    from flagman.settings import Settings

_STDERR = 2

# Marks a handler that a table [logging] has made.
_OF_TABLE = "_flagman_table"
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


def is_journal(descriptor: int = _STDERR) -> bool:
    """Tell whether a stream is the journal itself, and not a pipe or a file that a child of a service was given."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return device == str(status.st_dev) and inode == str(status.st_ino)


def set_up(settings: Settings, opened: int | None = None) -> None:
    """Let the root logger write as the settings say.

    :param opened: leads to the log file, if it has been opened already
    :raises FlagmanError: if the log file cannot be opened
    """
    descriptor = streams.standard(settings.log_file) if settings.log_file else _STDERR
    formatter: logging.Formatter
    if settings.log_format == "json":
        formatter = JsonFormatter()
    elif settings.log_format == "journal" or (
        settings.log_format == "auto" and descriptor is not None and is_journal(descriptor)
    ):
        formatter = JournalFormatter()
    else:
        formatter = logging.Formatter(logging.BASIC_FORMAT)
    handler = _stream(descriptor) if descriptor is not None else _file(settings.log_file, opened)
    handler.setFormatter(formatter)
    loggers.install(handler)


def _stream(descriptor: int) -> logging.Handler:
    stream = sys.stderr if descriptor == _STDERR else sys.stdout
    return logging.NullHandler() if stream is None else logging.StreamHandler(stream)


def _file(path: str, opened: int | None) -> logging.Handler:
    """Open a log file.

    :raises FlagmanError: if it cannot be
    """
    try:
        return _FileHandler(streams.open_log(path, opened))
    except OSError as error:
        raise FlagmanError(f"log-file {path!r}: cannot be opened: {error.strerror}") from error


class _FileHandler(logging.StreamHandler[TextIOWrapper]):
    """Writes to a file of its own."""

    def close(self) -> None:
        super().close()
        with suppress(OSError):  # a full disk
            self.stream.close()


def watch(engine: Engine) -> None:
    """Let the log name the action that runs in this engine, and let no handler keep it from stopping.

    Ours give up by themselves; of any other, a record that takes too long is ended by force, in the main thread.
    """
    for handler in all_handlers():
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.engine = engine
        if isinstance(handler.handle, _Bounded):
            handler.handle.interrupter = engine.interrupter
        elif not streams.is_ours(handler):
            handler.handle = _Bounded(handler, engine.interrupter)  # type: ignore[method-assign]


class _Bounded:
    """Writes a record with a handler that we do not know, as long as there is time for it.

    :param handler: the handler
    :param interrupter: ends it
    """

    def __init__(self, handler: logging.Handler, interrupter: Interrupter) -> None:
        self.handler = handler
        #: That of the run under way.
        self.interrupter = interrupter
        # Not only emit(): a thread may hold the lock.
        self._handle = handler.handle
        # A record has been given up, and so are others, without a try, when there is no time for them.
        self._is_stuck = False

    def __call__(self, record: logging.LogRecord) -> bool:
        if self._is_stuck and not self.interrupter.patience():
            return False
        self._is_stuck = not self.interrupter.call_patiently(self._handle, record)
        return not self._is_stuck

    def finish(self) -> bool:
        """Flush the handler; tell whether that did not take too long."""
        try:
            return self.interrupter.call_patiently(self.handler.flush)
        except Exception:  # noqa: BLE001 - as logging.shutdown() does: a full disk is no failure of the run
            return True


def finish() -> None:
    """Let no handler hold up the end of the process: the interpreter would flush it again, without an end."""
    bounded = [handler.handle for handler in all_handlers() if isinstance(handler.handle, _Bounded)]
    stuck = [each.handler for each in bounded if not each.finish()]
    # One may write to another.
    targets = [getattr(handler, "target", None) for handler in stuck]
    stuck += [target for target in targets if isinstance(target, logging.Handler)]
    for handler in stuck:
        streams.lead_nowhere(getattr(handler, "stream", None))
    # Their locks may be held by a thread that waits for a reader.
    known = logging._handlerList  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    known[:] = [reference for reference in known if reference() not in stuck]


def change(before: Settings, after: Settings, level: int) -> None:
    """Write the log as other settings say, from now on.

    :param before: the settings so far
    :param level: of the root logger; a table [logging] may say otherwise
    :raises FlagmanError: if it cannot be written so; then everything is as it was
    """
    if _choices(before) == _choices(after):
        return
    with _Snapshot():
        kept = _log_file() if before.log_file == after.log_file else None
        if before.logging is not None:
            _forget(before.logging)
        set_up(after, kept)
        logging.getLogger().setLevel(level)
        if after.logging is not None:
            configure(after)


def _log_file() -> int | None:
    """Copy the descriptor of the log file that is in use: another user may not be able to open it again."""
    for handler in all_handlers():
        if handler.name == loggers.NAME and isinstance(handler, _FileHandler):
            return os.dup(handler.stream.fileno())
    return None


def _choices(settings: Settings) -> tuple[object, ...]:
    log_level = settings.log_level, settings.verbose, settings.quiet
    return log_level, settings.log_format, settings.log_file, settings.logging


class _Snapshot:
    """What is set in all loggers there are; a context manager, which sets it again if an error comes out of it."""

    def __init__(self) -> None:
        self._states = [
            (known, known.level, known.propagate, known.disabled, known.handlers[:], known.filters[:])
            for known in all_loggers()
        ]
        # logging.config closes all handlers in this list before it looks at anything; what it does not know, it spares.
        self._handlers = logging._handlerList[:]  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way

    @staticmethod
    def _clear() -> None:
        """Let no logger differ from a new one, but for the root's level."""
        for known in all_loggers():
            known.handlers[:] = []
            known.filters[:] = []
            if known.parent is not None:
                known.setLevel(logging.NOTSET)
                known.propagate = True
                known.disabled = False

    def __enter__(self) -> Self:
        logging._handlerList[:] = []  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        before = [handler for reference in self._handlers if (handler := reference()) is not None]
        new = [handler for reference in logging._handlerList if (handler := reference()) is not None]  # type: ignore[attr-defined]  # noqa: SLF001
        if error is not None:
            self._clear()
            for known, level, propagate, disabled, handlers, filters in self._states:
                known.setLevel(level)
                known.propagate = propagate
                known.disabled = disabled
                known.handlers[:] = handlers
                known.filters[:] = filters
        in_use = all_handlers()
        logging._handlerList[:] = [*self._handlers, *logging._handlerList]  # type: ignore[attr-defined]  # noqa: SLF001
        # The youngest first: it may write to an older one.
        for handler in reversed([*filter(_is_ours, before), *(new if error is not None else [])]):
            if handler not in in_use:
                handler.close()


def configure(settings: Settings) -> None:
    """Hand the table [logging] to :mod:`logging.config`; it silences only those that it is told to silence.

    :raises UsageError: if it cannot be used
    """
    from logging.config import dictConfig  # noqa: PLC0415 - for those who have such a table

    table = settings.logging or {}
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if handler.name == loggers.NAME]
    filters = {known: known.filters[:] for known in all_loggers()}
    # logging.config closes all handlers in this list first, those of plugins and the new one of ours, too.
    kept = logging._handlerList[:]  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    logging._handlerList[:] = []  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        dictConfig({"disable_existing_loggers": False, **table})
    except (Exception, SystemExit) as error:
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise UsageError(f"{settings.config}: [logging]: {reason}") from error
    finally:
        made = [handler for reference in logging._handlerList if (handler := reference()) is not None]  # type: ignore[attr-defined]  # noqa: SLF001
        logging._handlerList[:0] = kept  # type: ignore[attr-defined]  # noqa: SLF001
    for handler in made:
        vars(handler)[_OF_TABLE] = True
    for known in all_loggers():
        vars(known)[_OF_TABLE] = [each for each in known.filters if each not in filters.get(known, ())]
    loggers.enable_ours()
    of_root = table.get("root", {})
    for handler in ours:
        if handler in root.handlers:
            continue
        if isinstance(of_root, dict) and "handlers" not in of_root:
            root.addHandler(handler)  # the table says only how much is logged
        else:
            handler.close()


def _is_ours(handler: logging.Handler) -> bool:
    """Tell a handler that was made here or by a table from those of plugins."""
    return handler.name == loggers.NAME or _OF_TABLE in vars(handler)


def _forget(table: Mapping[str, object]) -> None:
    """Undo what a table says about loggers, and leave what others have made of them."""
    named = table.get("loggers")
    names = set(named) if isinstance(named, dict) else set()
    for known in all_loggers():
        known.handlers[:] = [handler for handler in known.handlers if _OF_TABLE not in vars(handler)]
        added = vars(known).pop(_OF_TABLE, ())
        known.filters[:] = [each for each in known.filters if each not in added]
        if known.name in names:
            known.setLevel(logging.NOTSET)
            known.propagate = True
        if table.get("disable_existing_loggers"):
            known.disabled = False
