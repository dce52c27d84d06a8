"""The parts that may plug into a run: only the command knows them by name, and only here."""

from __future__ import annotations

from importlib import import_module

from flagman.config.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.config.reader import ReadTable
    from flagman.config.settings import OfPart
    from flagman.service.parts import Part

#: The class of each part, by what asks for it: the name of a setting, or else of a table of the configuration file,
#: which belongs to the part. A class is imported only if it is asked for.
PARTS = {
    "control": "flagman.control.part:ControlPart",
    "command": "flagman.supervise.part:CommandPart",
    "process": "flagman.supervise.processes.part:ProcessesPart",
    # Opened last and closed first: it asks all others.
    "metrics_file": "flagman.service.metrics_file:MetricsFilePart",
}


def _class_of(table: str) -> type[Part]:
    module, _, name = PARTS[table].partition(":")
    found: type[Part] = getattr(import_module(module), name)
    return found


def tables() -> dict[str, ReadTable]:
    """Return the tables of all parts, each with what reads it."""

    def reader(name: str) -> ReadTable:
        def read(table: object) -> tuple[OfPart | None, Iterable[str]]:
            return _class_of(name).read(table)

        return read

    return {name: reader(name) for name in PARTS if not hasattr(Settings, name)}


def _asked_for(settings: Settings) -> list[type[Part]]:
    return [_class_of(name) for name in PARTS if name in settings.tables or getattr(settings, name, None)]


def check(settings: Settings) -> None:
    """Refuse settings that a part could not use.

    :raises UsageError: if there is such a part
    """
    for part in _asked_for(settings):
        part.check(settings)


def time_to_stop(settings: Settings) -> float:
    """Return how many seconds a stop of all parts may take, after the actions of the stop signal."""
    return max((part.time_to_stop(settings) for part in _asked_for(settings)), default=0.0)


def programs(settings: Settings) -> dict[str, str]:
    """Return the programs that parts look for where this process does, by their tables of the configuration file."""
    return {table: program for part in _asked_for(settings) for table, program in part.programs(settings).items()}


def wanted(settings: Settings) -> list[Part]:
    """Make the parts that settings ask for, in the order of :data:`PARTS`."""
    return [part() for part in _asked_for(settings)]
