"""Tables of the configuration file that nothing can change any more."""

from __future__ import annotations

from types import MappingProxyType


def frozen(value: object) -> object:
    """Return a value of the file as it is read-only, with all that is in it: tables as mappings, arrays as tuples."""
    if isinstance(value, dict):
        return frozen_table(value)
    if isinstance(value, list):
        return tuple(map(frozen, value))
    return value


def frozen_table(table: dict[str, object]) -> MappingProxyType[str, object]:
    """Return a table as a read-only mapping, with all that is in it."""
    return MappingProxyType({key: frozen(value) for key, value in table.items()})
