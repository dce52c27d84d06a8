"""The table [logging] of a file, and how the log of one configuration replaces that of another."""

from __future__ import annotations

import logging
import os

from flagman.exceptions import UsageError
from flagman.log import foreground, setup
from flagman.log.handlers import HANDLER_NAME, all_handlers, all_loggers, enable_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from flagman.config.settings import Settings

# The name of the attribute that marks what such a table has made.
_OF_TABLE = "_flagman_table"


def change(before: Settings, after: Settings, level: int) -> None:
    """Write the log as other settings say, from now on.

    :param before: the settings so far
    :param level: of the root logger; a table [logging] may set another one
    :raises FlagmanError: if that is not possible; then everything is as it was
    """
    if _choices(before) == _choices(after):
        return
    with _Snapshot():
        kept = _log_file() if before.log_file == after.log_file else None
        if before.logging is not None:
            _forget(before.logging)
        setup.set_up(after, kept)
        logging.getLogger().setLevel(level)
        if after.logging is not None:
            configure(after)


def _log_file() -> int | None:
    """Return a copy of the log file's descriptor, because this user may not be able to open the file again."""
    for handler in all_handlers():
        if handler.name == HANDLER_NAME and isinstance(handler, setup.FileHandler):
            return os.dup(handler.stream.fileno())
    return None


def _choices(settings: Settings) -> tuple[object, ...]:
    log_level = settings.log_level, settings.verbose, settings.quiet
    return log_level, settings.log_format, settings.log_file, settings.logging


class _Snapshot:
    """The state of all loggers; a context manager, which restores it if its block raises an error.

    A daemon needs it when its table [logging] is wrong at a reload: dictConfig takes the old log down before it finds
    the mistake, and without a log nothing would report that the reload has failed.
    """

    def __init__(self) -> None:
        self._states = [
            (known, known.level, known.propagate, known.disabled, known.handlers[:], known.filters[:])
            for known in all_loggers()
        ]
        # logging.config closes all handlers in this list before it reads the table; it spares others.
        self._handlers = logging._handlerList[:]  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way

    def _restore(self) -> None:
        """Restore all loggers, each list in one step, because a thread may log meanwhile."""
        known_before = {state[0] for state in self._states}
        for known, level, propagate, disabled, handlers, filters in self._states:
            known.handlers[:] = handlers
            known.filters[:] = filters
            known.setLevel(level)
            known.propagate = propagate
            known.disabled = disabled
        for known in all_loggers():
            if known not in known_before:
                known.handlers[:] = []
                known.filters[:] = []
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
            self._restore()
        in_use = all_handlers()
        logging._handlerList[:] = [*self._handlers, *logging._handlerList]  # type: ignore[attr-defined]  # noqa: SLF001
        # The youngest first: it may write to an older one.
        for handler in reversed(new if error is not None else [*filter(_is_ours, before)]):
            if handler not in in_use:
                handler.close()


def configure(settings: Settings) -> None:
    """Hand the table [logging] to :mod:`logging.config`; existing loggers are disabled only if the table says so.

    :raises UsageError: if it cannot be used
    """
    from logging.config import dictConfig  # noqa: PLC0415 - only with such a table

    try:
        table = foreground.fit(settings.logging or {}, in_background=settings.daemon)
    except ValueError as error:
        raise UsageError(f"{settings.config}: [logging]: {error}") from error
    handlers = {known: known.handlers[:] for known in all_loggers()}
    filters = {known: known.filters[:] for known in handlers}
    # logging.config closes all handlers in this list first, those of plugins and the new one of ours, too, and forgets
    # their names.
    kept = logging._handlerList[:]  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    named = dict(logging._handlers)  # type: ignore[attr-defined]  # noqa: SLF001
    logging._handlerList[:] = []  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        dictConfig({"disable_existing_loggers": False, **table})
    except (Exception, SystemExit) as error:
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise UsageError(f"{settings.config}: [logging]: {reason}") from error
    finally:
        made = [handler for reference in logging._handlerList if (handler := reference()) is not None]  # type: ignore[attr-defined]  # noqa: SLF001
        logging._handlerList[:0] = kept  # type: ignore[attr-defined]  # noqa: SLF001
        for name, handler in named.items():
            logging._handlers.setdefault(name, handler)  # type: ignore[attr-defined]  # noqa: SLF001
    for handler in made:
        vars(handler)[_OF_TABLE] = True
    for known in all_loggers():
        vars(known)[_OF_TABLE] = [each for each in known.filters if each not in filters.get(known, ())]
        lost = [handler for handler in handlers.get(known, ()) if handler not in known.handlers]
        if not _says_handlers(table, known):
            known.handlers[:] = [*known.handlers, *lost]  # the table names no handlers for this logger
        else:
            for handler in lost:
                if handler.name == HANDLER_NAME:
                    handler.close()
    enable_ours()


def _says_handlers(table: Mapping[str, object], known: logging.Logger) -> bool:
    """Return whether a table says which handlers a logger has."""
    named = table.get("loggers")
    own = table.get("root") if known.parent is None else named.get(known.name) if isinstance(named, dict) else None
    return isinstance(own, dict) and "handlers" in own


def _is_ours(handler: logging.Handler) -> bool:
    """Return whether a handler was made here or by a table, and not by a plugin."""
    return handler.name == HANDLER_NAME or _OF_TABLE in vars(handler)


def _forget(table: Mapping[str, object]) -> None:
    """Undo what a table has set in loggers, and keep what other code has set."""
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
