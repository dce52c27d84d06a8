"""The key ``foreground-only`` of handlers in the table [logging]: they are left out in the background."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_KEY = "foreground-only"


def fit(table: Mapping[str, object], *, in_background: bool) -> dict[str, object]:
    """Return the table as :func:`logging.config.dictConfig` reads it, which does not know this key.

    A logger that names only handlers that are left out is as one that names none.

    :raises ValueError: if the key is neither true nor false
    """
    handlers = table.get("handlers")
    if not isinstance(handlers, dict) or not any(isinstance(each, dict) and _KEY in each for each in handlers.values()):
        return dict(table)
    kept: dict[object, object] = {}
    for name, handler in handlers.items():
        only = handler.get(_KEY, False) if isinstance(handler, dict) else False
        if not isinstance(only, bool):
            raise ValueError(f"handlers.{name}: key {_KEY!r}: {only!r} is neither true nor false")  # noqa: TRY004 - a value
        if not (only and in_background):
            is_table = isinstance(handler, dict)
            kept[name] = {key: value for key, value in handler.items() if key != _KEY} if is_table else handler
    gone = set(handlers) - set(kept)
    fitted = {**table, "handlers": kept}
    if "root" in table:
        fitted["root"] = _without(table["root"], gone)
    if isinstance(loggers := table.get("loggers"), dict):
        fitted["loggers"] = {name: _without(each, gone) for name, each in loggers.items()}
    return fitted


def _without(owner: object, gone: Collection[object]) -> object:
    """Return the table of a logger without some handlers."""
    if not isinstance(owner, dict) or not isinstance(named := owner.get("handlers"), list):
        return owner
    left = [name for name in named if name not in gone]
    others = {key: value for key, value in owner.items() if key != "handlers"}
    return {**others, "handlers": left} if left or not named else others
