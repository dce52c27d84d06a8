"""How log records are written: plain, with times, with priorities for the journal, or as JSON; to stderr or a file."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper

from flagman.exceptions import FlagmanError
from flagman.log import standard_streams
from flagman.log.handlers import HANDLER_NAME, all_handlers, install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.settings import Settings
    from flagman.engine.engine import Engine
    from flagman.engine.interrupt import Interrupter

_STDERR = 2

# The priorities of syslog(3), with which a line may begin, see sd-daemon(3).
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7

#: The priority of the line that says why flagman cannot start.
ERROR_PREFIX = "<3>"


class JournalFormatter(logging.Formatter):
    """Begins every physical line with its priority, because each line of a traceback is an error."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class TimeFormatter(logging.Formatter):
    """Begins a record with its local time, for a file in which nothing else shows when it came."""

    def __init__(self) -> None:
        super().__init__(f"%(asctime)s {logging.BASIC_FORMAT}")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - as in logging
        """Return the time in milliseconds, with its distance from UTC, see RFC 3339."""
        from datetime import datetime  # noqa: PLC0415 - only for this format

        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object in one line.

    Its keys are ``time``, ``level``, ``logger`` and ``message``; ``trigger`` and ``action`` while an action runs; and
    ``exception`` with the traceback if there is one.
    """

    #: The engine that runs the actions.
    engine: Engine | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        import json  # noqa: PLC0415 - only for this format, as the next one
        from datetime import UTC, datetime  # noqa: PLC0415

        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        is_of_action = record.thread == threading.main_thread().ident  # the control loop runs none
        if self.engine is not None and self.engine.turn.action and is_of_action:
            entry["trigger"] = self.engine.turn.trigger
            entry["action"] = self.engine.turn.action
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def is_journal(descriptor: int = _STDERR) -> bool:
    """Return whether a stream is the journal itself, not a pipe or a file that a child of a service was given."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return device == str(status.st_dev) and inode == str(status.st_ino)


def error_prefix() -> str:
    """Return the beginning of the line that says why flagman ends: in the journal, its priority; else nothing."""
    return ERROR_PREFIX if "JOURNAL_STREAM" in os.environ and is_journal() else ""


def set_up(settings: Settings, opened: int | None = None) -> None:
    """Make the root logger write as the settings say.

    :param opened: a descriptor of the log file, if it has been opened already
    :raises FlagmanError: if the log file cannot be opened
    """
    descriptor = standard_streams.standard(settings.log_file) if settings.log_file else _STDERR
    formatter: logging.Formatter
    if settings.log_format == "json":
        formatter = JsonFormatter()
    elif settings.log_format == "journal" or (
        settings.log_format == "auto" and descriptor is not None and is_journal(descriptor)
    ):
        formatter = JournalFormatter()
    elif settings.log_format == "time" or (settings.log_format == "auto" and _is_kept(settings, descriptor)):
        formatter = TimeFormatter()
    else:
        formatter = logging.Formatter(logging.BASIC_FORMAT)
    handler = _stream(descriptor) if descriptor is not None else _file(settings.log_file, opened)
    handler.setFormatter(formatter)
    install(handler)


def _is_kept(settings: Settings, descriptor: int | None) -> bool:
    """Return whether the log goes to a file that this process opens, where it is read later."""
    return descriptor is None or (settings.daemon and settings.stderr is not None)


def _stream(descriptor: int) -> logging.Handler:
    stream = sys.stderr if descriptor == _STDERR else sys.stdout
    return logging.NullHandler() if stream is None else logging.StreamHandler(stream)


def _file(path: str, opened: int | None) -> logging.Handler:
    """Return a handler for a log file.

    :raises FlagmanError: if the file cannot be opened
    """
    try:
        return FileHandler(standard_streams.open_log(path, opened))
    except OSError as error:
        raise FlagmanError(f"--log-file {path!r}: cannot be opened: {error.strerror}") from error


class FileHandler(logging.StreamHandler[TextIOWrapper]):
    """Writes to a file of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or pass it on: a thread may come with one after another handler has replaced this one."""
        if not self.stream.closed:
            super().emit(record)
            return
        for handler in logging.getLogger().handlers:
            if handler.name == HANDLER_NAME and handler is not self:
                handler.handle(record)

    def close(self) -> None:
        """Close the file, too."""
        super().close()
        self.acquire()  # not while a thread writes to it
        try:
            with suppress(OSError):  # a full disk
                self.stream.close()
        finally:
            self.release()


def watch(engine: Engine) -> None:
    """Make the log name the action that runs in this engine, and keep handlers from delaying the engine's stop.

    Our own handlers give up by themselves. In any other, a record that takes too long is ended by force, in the main
    thread.
    """
    for handler in all_handlers():
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.engine = engine
        if isinstance(handler.handle, _Bounded):
            handler.handle.interrupter = engine.interrupter
        elif not standard_streams.is_ours(handler):
            handler.handle = _Bounded(handler, engine.interrupter)  # type: ignore[method-assign]


class _Bounded:
    """Passes records to a handler that is not ours, while there is time for that.

    :param handler: the handler
    :param interrupter: ends a call that takes too long
    """

    def __init__(self, handler: logging.Handler, interrupter: Interrupter) -> None:
        self.handler = handler
        #: That of the run under way.
        self.interrupter = interrupter
        # Not only emit(), because handle() takes the lock, which a thread may hold.
        self._handle = handler.handle
        # Whether a record has been given up: then others are, too, without an attempt, if there is no time for them.
        self._is_stuck = False

    def __call__(self, record: logging.LogRecord) -> bool:
        if self._is_stuck and not self.interrupter.patience():
            return False
        self._is_stuck = not self.interrupter.call_patiently(self._handle, record)
        return not self._is_stuck

    def finish(self) -> bool:
        """Flush the handler; return False if that took too long."""
        try:
            return self.interrupter.call_patiently(self.handler.flush)
        except Exception:  # noqa: BLE001 - as logging.shutdown() does: a full disk is no failure of the run
            return True


def finish() -> None:
    """Keep handlers from delaying the end of the process: the interpreter would flush them again, without a limit."""
    bounded = [handler.handle for handler in all_handlers() if isinstance(handler.handle, _Bounded)]
    stuck = [each.handler for each in bounded if standard_streams.HANGS in vars(each.handler) or not each.finish()]
    # A handler may write to another one.
    targets = [getattr(handler, "target", None) for handler in stuck]
    stuck += [target for target in targets if isinstance(target, logging.Handler)]
    for handler in stuck:
        standard_streams.lead_nowhere(getattr(handler, "stream", None))
    # The interpreter must not flush these: a thread that waits for a reader may hold their locks.
    known = logging._handlerList  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    known[:] = [reference for reference in known if reference() not in stuck]
