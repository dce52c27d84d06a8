"""The parts that may plug into a run: only the command knows them by name, and only here."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.config.reader import Mistakes
    from flagman.config.settings import Settings
    from flagman.service.parts import Part

#: The class of each part, such as ``flagman.control.part:ControlPart``, by the table of the configuration file that
#: belongs to the part and asks for it; so does a setting of the same name. A class is imported only if it is asked for.
PARTS: dict[str, str] = {}


def _class_of(table: str) -> type[Part]:
    module, _, name = PARTS[table].partition(":")
    found: type[Part] = getattr(import_module(module), name)
    return found


def tables() -> dict[str, Mistakes]:
    """Return the tables of all parts, each with what finds mistakes in it."""

    def mistakes(name: str) -> Mistakes:
        def find(table: object) -> Iterable[str]:
            return _class_of(name).mistakes(table)

        return find

    return {name: mistakes(name) for name in PARTS}


def _asked_for(settings: Settings) -> list[type[Part]]:
    return [_class_of(name) for name in PARTS if name in settings.tables or getattr(settings, name, None)]


def check(settings: Settings) -> None:
    """Refuse settings that a part could not use.

    :raises UsageError: if there is such a part
    """
    for part in _asked_for(settings):
        part.check(settings)


def wanted(settings: Settings) -> list[Part]:
    """Make the parts that settings ask for, in the order of :data:`PARTS`."""
    return [part() for part in _asked_for(settings)]
