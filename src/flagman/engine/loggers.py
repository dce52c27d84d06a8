"""The loggers of flagman: they import :mod:`logging` when a record is due, because it takes a third of a plain start.

A logger behaves as that of :mod:`logging` with its name; also its levels are here. The command may put the import off,
for a log that shows no record below WARNING. It ends that before any code of a plugin is imported, and when all is
ready, because by then a failure has to be logged that leaves no room for imports.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    # Sets the log up; empty if it has been, or if that is up to the program.
    _set_up: list[Callable[[], object]]

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50

_set_up = []


class _Late:
    """Stands for a logger.

    :param name: that of the logger
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if _set_up and name in ("debug", "info"):
            return _drop
        load()
        import logging  # noqa: PLC0415 - see the module's docstring

        found = getattr(logging.getLogger(self._name), name)
        if callable(found):
            vars(self)[name] = found  # so that the next call is as fast as one of a logger
        return found


def _drop(*_: object, **__: object) -> None:
    """Take a record that the log does not show."""


def get(name: str) -> Logger:
    """Return a logger by its name."""
    return _Late(name)  # type: ignore[return-value]


def put_off(set_up: Callable[[], object]) -> None:
    """Put the import of logging off, and drop records below WARNING until then.

    :param set_up: called when logging has been imported, before the first record
    """
    _set_up[:] = [set_up]


def are_late() -> bool:
    """Return whether the import of logging is put off."""
    return bool(_set_up)


def load() -> None:
    """Import logging, and set the log up if that was put off."""
    import logging  # noqa: F401, PLC0415 - here, as the one place for it

    if _set_up:
        _set_up.pop()()
